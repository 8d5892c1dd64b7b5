use super::formulas::rao_kupper;
use super::scalar::Jet;

/// The logarithms of P(A), P(B), P(tie) by Rao and Kupper (1967) for a difference of rewards (A minus B, divided by the
/// temperature), each with its slope by that difference. `eta` is half of the logarithm of their theta: at 0 a tie has
/// no probability, and the first two are those of Bradley and Terry (1952).
#[must_use]
pub fn rao_kupper_slopes(difference: f64, eta: f64) -> [[f64; 2]; 3] {
    let mut threshold = Jet::parameter(1, eta);
    threshold.gradient = [0.0; 3];
    rao_kupper(Jet::parameter(0, difference), threshold).map(|jet| [jet.value, jet.gradient[0]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_equal_finite_differences_and_probabilities_sum_to_one() {
        for difference in [-3.0, -0.2, 0.0, 1.5] {
            let [low, here, high] = [-1e-5, 0.0, 1e-5].map(|step| rao_kupper_slopes(difference + step, 0.4));
            let sum: f64 = here.iter().map(|[ln, _]| ln.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-12);
            for class in 0..3 {
                let expected = (high[class][0] - low[class][0]) / 2e-5;
                assert!((here[class][1] - expected).abs() < 1e-8, "{difference} {class}");
            }
        }
        let [[a, _], [b, _], _] = rao_kupper_slopes(0.7, 0.0);
        assert!((a.exp() + b.exp() - 1.0).abs() < 1e-12);
    }
}
