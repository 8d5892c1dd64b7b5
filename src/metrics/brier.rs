use crate::battle::{Probabilities, Target};

/// The Brier score of every row, summed over the three classes: 0 (certain and right) to 2.
///
/// For one-hot targets it is `sum_k (p_k - t_k)^2`. For a soft target it is the mean over votes drawn
/// from it, `sum_k t_k sum_j (p_j - [j = k])^2 = sum_j p_j^2 - 2 sum_j t_j p_j + 1`, which exceeds
/// `sum_k (p_k - t_k)^2` by the spread of the votes, whatever the prediction (Brier, 1950).
#[must_use]
pub fn brier_scores(predictions: &[Probabilities], targets: &[Target]) -> Vec<f64> {
    let score = |(prediction, target): (&Probabilities, &Target)| {
        let (p, t) = (prediction.to_array(), target.to_array());
        let [a, b, tie] = [0, 1, 2].map(|class| {
            let (p, t) = (p[class], t[class]);
            (p - t) * (p - t) + t * (1.0 - t)
        });
        (a + b) + tie
    };
    predictions.iter().zip(targets).map(score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::Class;

    #[test]
    fn certain_and_right_is_0_certain_and_wrong_is_2() {
        let p = [Probabilities::new([1.0, 0.0, 0.0]).unwrap(); 2];
        let scores = brier_scores(&p, &[Target::one_hot(Class::A), Target::one_hot(Class::B)]);
        assert_eq!(scores, [0.0, 2.0]);
    }

    #[test]
    fn a_soft_target_is_the_mean_over_its_votes() {
        let p = [Probabilities::new([0.5, 0.3, 0.2]).unwrap(); 3];
        let targets =
            [Target::new([0.25, 0.0, 0.75]).unwrap(), Target::one_hot(Class::A), Target::one_hot(Class::Tie)];
        let scores = brier_scores(&p, &targets);
        assert!((scores[0] - (0.25 * scores[1] + 0.75 * scores[2])).abs() < 1e-15);
    }
}
