use super::TieModelKind;
use super::scalar::{PARAMETERS, Scalar};

/// No reward difference beyond this changes a probability; it keeps sums of them finite.
const LARGEST: f64 = 1e100;

/// What the links read of a pair of rewards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pair {
    /// Reward of A minus reward of B.
    pub(super) difference: f64,
    /// Mean of the two rewards minus the centre of the calibration set.
    pub(super) mean: f64,
}

impl Pair {
    pub(super) fn new(rewards: [f64; 2], center: f64) -> Self {
        // Halves first: the sum of two huge rewards is not finite. The order of A and B changes no bit.
        let mean = (rewards[0] * 0.5 + rewards[1] * 0.5) - center;
        let difference = rewards[0] - rewards[1];
        Self { difference: difference.clamp(-f64::MAX, f64::MAX), mean: mean.clamp(-f64::MAX, f64::MAX) }
    }
}

/// The logarithms of P(A), P(B), P(tie), up to a common constant.
///
/// `parameters` are those in which the fits are well behaved: first always beta = 1/T, then by kind
/// (eta), (ln nu), (a, (b - 1) beta), (a, c beta), (ln(theta - 1), shift).
pub(super) fn ln_scores<N: Scalar>(kind: TieModelKind, parameters: [N; PARAMETERS], pair: Pair) -> [N; 3] {
    let [beta, second, third] = parameters;
    let difference = times(beta, pair.difference);
    match kind {
        TieModelKind::RaoKupper => rao_kupper(difference, second),
        TieModelKind::Davidson => davidson(difference, second),
        TieModelKind::QualityDavidson => davidson(difference, second + times(third, pair.mean)),
        TieModelKind::QualityRaoKupper => {
            rao_kupper(difference, (second + times(third, pair.mean)).softplus())
        }
        TieModelKind::GroundedRaoKupper => {
            let [a, b, tie, bad] = grounded(difference, times(beta, pair.mean) + third, second);
            [a, b, tie.ln_sum(bad)]
        }
    }
}

/// P(A) = sigmoid(D - eta), P(B) = sigmoid(-D - eta), P(tie) = (e^(2 eta) - 1) P(A) P(B).
pub(super) fn rao_kupper<N: Scalar>(difference: N, eta: N) -> [N; 3] {
    let (a, b) = ((difference - eta).ln_sigmoid(), (-difference - eta).ln_sigmoid());
    [a, b, (eta * 2.0).ln_expm1() + (a + b)]
}

/// The softmax of `[r_A, r_B, tie + (r_A + r_B)/2]`, here with the mean reward taken off.
fn davidson<N: Scalar>(difference: N, tie: N) -> [N; 3] {
    [difference * 0.5, -difference * 0.5, tie]
}

/// Rao-Kupper with a third, unseen answer of reward 0 that must be beaten too: four outcomes, A, B,
/// good tie, both bad. `quality` is the mean of the two grounded rewards, `spread` = ln(theta - 1).
pub(super) fn grounded<N: Scalar>(difference: N, quality: N, spread: N) -> [N; 4] {
    let ground = N::constant(0.0);
    let (reward_a, reward_b) = (quality + difference * 0.5, quality - difference * 0.5);
    let theta = spread.softplus();
    let a = -(theta - difference).ln_sum(-reward_a).ln_sum(ground);
    let b = -(theta + difference).ln_sum(-reward_b).ln_sum(ground);
    let bad = -reward_a.ln_sum(reward_b).ln_sum(ground);
    // 1 - P(A) - P(B) - P(bad) without the subtraction that would cancel.
    let tie = spread + bad + (a + reward_b).ln_sum(b + reward_a);
    [a, b, tie, bad]
}

fn times<N: Scalar>(parameter: N, factor: f64) -> N {
    let product = parameter * factor;
    if product.value().abs() <= LARGEST { product } else { N::constant(LARGEST.copysign(product.value())) }
}

#[cfg(test)]
mod tests {
    use super::super::scalar::Jet;
    use super::*;

    #[test]
    fn the_derivatives_of_every_link_equal_finite_differences() {
        let at = [0.8, 0.3, -0.4];
        for kind in TieModelKind::ALL {
            let pair = Pair { difference: 1.3, mean: -0.6 };
            let jets = ln_scores(kind, [0, 1, 2].map(|i| Jet::parameter(i, at[i])), pair);
            for parameter in 0..PARAMETERS {
                let moved = |step: f64| {
                    let mut here = at;
                    here[parameter] += step;
                    ln_scores(kind, here, pair)
                };
                let (low, here, high) = (moved(-1e-4), moved(0.0), moved(1e-4));
                for class in 0..3 {
                    let slope = (high[class] - low[class]) / 2e-4;
                    let curvature = (high[class] - 2.0 * here[class] + low[class]) / 1e-8;
                    let jet = jets[class];
                    assert!((jet.gradient[parameter] - slope).abs() < 1e-6, "{kind:?} {parameter} {class}");
                    assert!(
                        (jet.hessian[parameter][parameter] - curvature).abs() < 1e-5,
                        "{kind:?} {parameter}"
                    );
                }
            }
        }
    }
}
