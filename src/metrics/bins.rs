use super::bootstrap::quantile;

/// Where the edges between bins of predicted probabilities lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binning {
    /// At equal distances on 0..1.
    EqualWidth,
    /// At quantiles of the predictions; equal predictions stay together.
    EqualMass,
}

/// The bin of every row. A prediction on an edge belongs to the bin below it, 0 to the first and 1 to
/// the last, as in scikit-learn's `calibration_curve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bins {
    of_row: Vec<usize>,
    count: usize,
}

impl Bins {
    /// Puts predicted probabilities into `count` bins, some of which may stay empty.
    #[must_use]
    pub fn new(predicted: &[f64], binning: Binning, count: usize) -> Self {
        let count = count.max(1);
        let share = |edge: usize| edge as f64 / count as f64;
        let edges: Vec<f64> = match binning {
            Binning::EqualWidth => (1..count).map(share).collect(),
            Binning::EqualMass => {
                let mut ascending = predicted.to_vec();
                ascending.sort_unstable_by(f64::total_cmp);
                (1..count).map(|edge| quantile(&ascending, share(edge))).collect()
            }
        };
        let of_row = predicted.iter().map(|p| edges.partition_point(|edge| edge < p)).collect();
        Self { of_row, count }
    }

    /// How many bins there are, empty ones included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The bin of each row.
    #[must_use]
    pub fn of_rows(&self) -> &[usize] {
        &self.of_row
    }

    /// The sum of `values` in every bin.
    #[must_use]
    pub fn sums(&self, values: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        for (bin, value) in self.of_row.iter().zip(values) {
            sums[*bin] += value;
        }
        sums
    }

    /// How many rows each bin has.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count];
        for bin in &self.of_row {
            sizes[*bin] += 1;
        }
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_one_and_the_edges_have_a_bin() {
        let bins = Bins::new(&[0.0, 0.1, 0.2, 0.200_000_1, 1.0], Binning::EqualWidth, 5);
        assert_eq!(bins.of_rows(), [0, 0, 0, 1, 4]);
        assert_eq!(bins.sizes(), [3, 1, 0, 0, 1]);
    }

    #[test]
    fn equal_predictions_stay_in_one_bin_of_equal_mass() {
        let bins = Bins::new(&[0.5; 100], Binning::EqualMass, 10);
        assert_eq!(bins.sizes().iter().filter(|size| **size > 0).count(), 1);
        let spread: Vec<f64> = (0..100).map(|row| f64::from(row) / 100.0).collect();
        assert!(Bins::new(&spread, Binning::EqualMass, 10).sizes().iter().all(|size| *size == 10));
    }

    #[test]
    fn no_row_and_one_row_are_fine() {
        assert_eq!(Bins::new(&[], Binning::EqualMass, 15).sizes(), [0; 15]);
        assert_eq!(Bins::new(&[0.7], Binning::EqualMass, 15).sizes().iter().sum::<usize>(), 1);
    }
}
