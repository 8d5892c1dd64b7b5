use crate::learning::training::clustered_difference;

/// Held-out loss after each round, kept as one sum a cluster of rows.
pub(super) struct Curve {
    rounds: Vec<Vec<f64>>,
    sizes: Vec<f64>,
}

impl Curve {
    /// An empty curve; `sizes` is the weight of each cluster.
    pub(super) fn new(sizes: Vec<f64>) -> Self {
        Self { rounds: Vec::new(), sizes }
    }

    /// Adds the curve of one fold: `rounds[n]` holds the loss of each cluster after `n` rounds. A fold
    /// that ended early stays at its last value, and earlier folds stay at theirs.
    pub(super) fn add(&mut self, rounds: &[Vec<f64>]) {
        let Some(last) = rounds.last() else { return };
        let length = self.rounds.len().max(rounds.len());
        let padding = self.rounds.last().cloned().unwrap_or_else(|| vec![0.0; self.sizes.len()]);
        self.rounds.resize(length, padding);
        for (round, sums) in self.rounds.iter_mut().enumerate() {
            let losses = rounds.get(round).unwrap_or(last);
            sums.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += loss);
        }
    }

    /// The least number of rounds whose loss is within `patience` standard errors of the best.
    pub(super) fn choose(&self, patience: f64) -> usize {
        let total = |round: usize| self.rounds[round].iter().sum::<f64>();
        let best = (0..self.rounds.len())
            .fold(0, |best, round| if total(round) < total(best) { round } else { best });
        let good = (0..best).find(|round| {
            let (mean, error) = clustered_difference(&self.rounds[*round], &self.rounds[best], &self.sizes);
            mean <= patience * error
        });
        good.unwrap_or(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_round_is_chosen_where_none_helps_and_the_best_where_it_helps_every_group() {
        let fold = |losses: [f64; 3]| losses.map(|loss| vec![loss, loss]).to_vec();
        let mut worse = Curve::new(vec![1.0, 1.0]);
        worse.add(&fold([1.0, 1.1, 1.2]));
        assert_eq!(worse.choose(0.5), 0);
        let mut better = Curve::new(vec![1.0, 1.0]);
        better.add(&fold([1.0, 0.8, 0.9]));
        assert_eq!(better.choose(0.5), 1);
        assert_eq!(Curve::new(vec![1.0]).choose(0.5), 0);
    }

    #[test]
    fn a_fold_that_ended_early_stays_where_it_was() {
        let mut curve = Curve::new(vec![1.0, 1.0]);
        curve.add(&[vec![1.0, 0.0], vec![0.5, 0.0]]);
        curve.add(&[vec![0.0, 1.0], vec![0.0, 0.9], vec![0.0, 0.2]]);
        assert_eq!(curve.choose(0.0), 2);
        assert!((curve.rounds[2][0] - 0.5).abs() < 1e-12);
    }
}
