use crate::battle::{Probabilities, Target, Task};
use crate::metrics::{Columns, top_label};

/// Bins of the confidence histogram.
const BINS: usize = 20;

/// How many rows have their largest probability in each of 20 equal bins, from 1/3 (two-way: 1/2) to 1.
#[must_use]
pub fn confidence_histogram(predictions: &[Probabilities], task: Task) -> Vec<usize> {
    let lowest = if task == Task::TwoWay { 0.5 } else { 1.0 / 3.0 };
    let mut counts = vec![0; BINS];
    for prediction in predictions {
        let largest = prediction.of(prediction.largest());
        let position = ((largest - lowest) / (1.0 - lowest) * BINS as f64).clamp(0.0, BINS as f64 - 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..BINS")]
        let bin = position as usize;
        counts[bin] += 1;
    }
    counts
}

/// Summed target shares (rows) by predicted class (columns); a prediction with several largest
/// probabilities counts for each of them in equal parts.
#[must_use]
pub fn confusion(columns: &Columns<Probabilities>) -> [[f64; 3]; 3] {
    let mut sums = [[0.0; 3]; 3];
    for (prediction, target) in columns.predictions.iter().zip(&columns.targets) {
        let parts = top_label(*prediction, Target::one_hot(target.largest())).parts;
        for (row, share) in sums.iter_mut().zip(target.to_array()) {
            for (sum, part) in row.iter_mut().zip(parts) {
                *sum += share * part;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_confidence_scale_have_a_bin() {
        let certain = Probabilities::new([1.0, 0.0, 0.0]).unwrap();
        let counts = confidence_histogram(&[Probabilities::UNIFORM, certain], Task::ThreeWay);
        assert_eq!((counts[0], counts[19], counts.len()), (1, 1, 20));
    }
}
