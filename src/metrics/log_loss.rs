use crate::battle::{Probabilities, Target};

/// The natural logarithm of the machine epsilon of `f64`: what a printed probability of 0 becomes.
pub const LN_EPSILON: f64 = -36.043_653_389_117_15;

/// Where a probability is clipped before its logarithm is taken: the machine epsilon of the type that
/// the predictions are held in, as scikit-learn and Kaggle do it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clip {
    /// 2.2e-16, for predictions held as `f64`.
    #[default]
    F64,
    /// 1.2e-7, for predictions held as `f32`.
    F32,
}

impl Clip {
    /// The smallest probability.
    #[must_use]
    pub fn epsilon(self) -> f64 {
        match self {
            Self::F64 => f64::EPSILON,
            Self::F32 => f64::from(f32::EPSILON),
        }
    }
}

/// The log loss of one row in nats: `-sum_k t_k ln q_k`, where `q` is the prediction clipped to
/// `[eps, 1 - eps]` and divided by its sum.
///
/// For a soft target this is the mean loss over votes drawn from it; its least value is the entropy
/// of the target, not 0.
#[must_use]
pub fn log_loss(prediction: Probabilities, target: Target, clip: Clip) -> f64 {
    let epsilon = clip.epsilon();
    let clipped = prediction.to_array().map(|p| p.clamp(epsilon, 1.0 - epsilon));
    // A and B are added first, so that exchanging them changes no bit.
    let sum = (clipped[0] + clipped[1]) + clipped[2];
    let [a, b, tie] = [0, 1, 2].map(|class| {
        let share = target.to_array()[class];
        if share > 0.0 { -share * (clipped[class] / sum).ln() } else { 0.0 }
    });
    (a + b) + tie
}

/// The log loss of every row, in nats, clipped as Kaggle does it for `f64`.
#[must_use]
pub fn log_losses(predictions: &[Probabilities], targets: &[Target]) -> Vec<f64> {
    predictions.iter().zip(targets).map(|(p, t)| log_loss(*p, *t, Clip::F64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::Class;

    #[test]
    fn a_printed_zero_costs_36_nats_in_f64_and_16_in_f32() {
        let p = Probabilities::new([1.0, 0.0, 0.0]).unwrap();
        let t = Target::one_hot(Class::Tie);
        assert!((log_loss(p, t, Clip::F64) + LN_EPSILON).abs() < 1e-9);
        assert!((log_loss(p, t, Clip::F32) - 15.942_385).abs() < 1e-5);
        assert!(log_loss(p, Target::one_hot(Class::A), Clip::F64) < 1e-15);
    }

    #[test]
    fn a_soft_target_is_the_mean_over_its_votes() {
        let p = Probabilities::new([0.5, 0.3, 0.2]).unwrap();
        let soft = log_loss(p, Target::new([0.25, 0.75, 0.0]).unwrap(), Clip::F64);
        let hard = [Class::A, Class::B].map(|class| log_loss(p, Target::one_hot(class), Clip::F64));
        assert!((soft - (0.25 * hard[0] + 0.75 * hard[1])).abs() < 1e-15);
    }

    #[test]
    fn a_row_that_does_not_quite_sum_to_one_is_renormalised() {
        let p = Probabilities::new([0.500_05, 0.3, 0.2]).unwrap();
        let loss = log_loss(p, Target::one_hot(Class::B), Clip::F64);
        assert!((loss + (0.3_f64 / 1.000_05).ln()).abs() < 1e-12);
    }

    #[test]
    fn exchanging_the_sides_changes_no_bit() {
        let p = Probabilities::new([0.123_456, 0.654_321, 0.222_223]).unwrap();
        let t = Target::new([0.2, 0.3, 0.5]).unwrap();
        let loss = log_loss(p, t, Clip::F64);
        assert_eq!(loss.to_bits(), log_loss(p.swapped(), t.swapped(), Clip::F64).to_bits());
    }
}
