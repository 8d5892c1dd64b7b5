use statrs::function::gamma::digamma;

use crate::battle::Probabilities;

/// The entropy of every prediction in nats, 0..ln 3: the log loss it expects of itself.
#[must_use]
pub fn entropies(predictions: &[Probabilities]) -> Vec<f64> {
    predictions.iter().map(|p| -sum_over_mass(*p, |class| p.ln()[class])).collect()
}

/// The Kullback-Leibler divergence `sum_k p_k ln(p_k / q_k)` of a prediction `q` from the truth `p`, in
/// nats: what `q` loses against `p` in expected log loss. `q` is clipped as the log loss clips.
#[must_use]
pub fn kullback_leibler(truth: Probabilities, prediction: Probabilities) -> f64 {
    let (p, q) = (truth.ln(), prediction.ln());
    sum_over_mass(truth, |class| p[class] - q[class].max(super::LN_EPSILON)).max(0.0)
}

/// The total variation distance of two predictions, 0..1: half the sum of the absolute differences.
#[must_use]
pub fn total_variation(one: Probabilities, other: Probabilities) -> f64 {
    let (p, q) = (one.to_array(), other.to_array());
    let [a, b, tie] = [0, 1, 2].map(|class| (p[class] - q[class]).abs());
    f64::midpoint(a + b, tie)
}

/// The mean of `value` over classes drawn from `p`; a class without mass is not asked.
fn sum_over_mass(p: Probabilities, value: impl Fn(usize) -> f64) -> f64 {
    let [a, b, tie] = [0, 1, 2].map(|class| {
        let mass = p.to_array()[class];
        if mass > 0.0 { mass * value(class) } else { 0.0 }
    });
    (a + b) + tie
}

/// An estimate, never too high in expectation, of the entropy (nats) of the distribution that repeated
/// votes on one battle were drawn from: `sum_k (m_k / m) (psi(m) - psi(m_k))`, where `m_k` of the `m`
/// votes are for class `k`. `None` for fewer than two votes, which say nothing about their spread.
///
/// The shares themselves would underestimate the entropy far more (Zhang, "Entropy estimation in
/// Turing's perspective", 2012; in this form Schuermann, 2015).
#[must_use]
pub fn entropy_of_votes(votes: [f64; 3]) -> Option<f64> {
    let [a, b, tie] = votes;
    let total = (a + b) + tie;
    if total < 2.0 {
        return None;
    }
    let [a, b, tie] = votes.map(|m| if m > 0.0 { m / total * (digamma(total) - digamma(m)) } else { 0.0 });
    Some(((a + b) + tie).max(0.0))
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact values are tested")]
mod tests {
    use super::*;

    #[test]
    fn the_entropy_of_votes_is_exact_for_two_votes_in_expectation_up_to_its_series() {
        // Two votes that differ: psi(2) - psi(1) = 1; two equal ones: 0.
        assert!((entropy_of_votes([1.0, 1.0, 0.0]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(entropy_of_votes([2.0, 0.0, 0.0]), Some(0.0));
        assert_eq!(entropy_of_votes([1.0, 0.0, 0.0]), None);
    }

    #[test]
    fn distances_vanish_only_between_equals_and_stay_finite() {
        let p = Probabilities::new([0.5, 0.5, 0.0]).unwrap();
        let q = Probabilities::new([1.0, 0.0, 0.0]).unwrap();
        assert_eq!(kullback_leibler(p, p), 0.0);
        assert!(kullback_leibler(p, q).is_finite());
        assert!((total_variation(p, q) - 0.5).abs() < 1e-15);
        assert!((entropies(&[p])[0] - std::f64::consts::LN_2).abs() < 1e-15);
    }
}
