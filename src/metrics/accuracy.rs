use crate::battle::{Probabilities, Target};

/// What is predicted most, and how often it is so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopLabel {
    /// The largest probability, 1/3..1.
    pub confidence: f64,
    /// The share of the target that the top label has, 0..1; the mean where several labels are on top.
    pub observed: f64,
    /// Which classes have the largest probability, in parts that sum to 1.
    pub parts: [f64; 3],
}

/// The top label of one row.
#[must_use]
pub fn top_label(prediction: Probabilities, target: Target) -> TopLabel {
    let ln = prediction.ln();
    let largest = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let on_top = ln.map(|value| if value >= largest { 1.0 } else { 0.0 });
    let count: f64 = on_top.iter().sum();
    let parts = on_top.map(|one| one / count);
    let [a, b, tie] = [0, 1, 2].map(|class| parts[class] * target.to_array()[class]);
    TopLabel { confidence: largest.exp(), observed: (a + b) + tie, parts }
}

/// Whether each row's most probable class is what the person said: 1 or 0, for a soft target its share
/// of that class, and the mean over the classes that are equally probable.
#[must_use]
pub fn accuracies(predictions: &[Probabilities], targets: &[Target]) -> Vec<f64> {
    predictions.iter().zip(targets).map(|(p, t)| top_label(*p, *t).observed).collect()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact values are tested")]
mod tests {
    use super::*;
    use crate::battle::Class;

    #[test]
    fn equal_probabilities_share_the_top() {
        let p = Probabilities::new([0.4, 0.4, 0.2]).unwrap();
        assert!((top_label(p, Target::one_hot(Class::B)).observed - 0.5).abs() < 1e-15);
        assert_eq!(top_label(p, Target::one_hot(Class::Tie)).observed, 0.0);
        let third = top_label(Probabilities::UNIFORM, Target::one_hot(Class::Tie)).observed;
        assert!((third - 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_soft_target_counts_with_the_share_of_the_top_label() {
        let p = [Probabilities::new([0.6, 0.3, 0.1]).unwrap()];
        assert_eq!(accuracies(&p, &[Target::new([0.25, 0.75, 0.0]).unwrap()]), [0.25]);
    }
}
