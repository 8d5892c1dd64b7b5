/// The derivatives of the log loss of one battle, and the loss itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slope {
    /// First and second derivative by the contrast of A against B.
    pub(super) contrast: [f64; 2],
    /// First and second derivative by the logit of a tie.
    pub(super) tie: [f64; 2],
    /// The log loss in nats.
    pub(super) loss: f64,
}

impl Slope {
    /// At logits `[contrast / 2, -contrast / 2, tie]` against target shares of A, B and tie.
    ///
    /// With `p` the softmax: the first derivatives are `((pA - yA) - (pB - yB)) / 2` and `pT - yT`, the
    /// second ones `((pA + pB) - (pA - pB)^2) / 4` and `pT (1 - pT)`.
    pub(super) fn at(contrast: f64, tie: f64, target: [f64; 3]) -> Self {
        let half = contrast / 2.0;
        let largest = half.abs().max(tie);
        let exponents = [half, -half, tie].map(|logit| (logit - largest).exp());
        let sum = exponents[0] + exponents[1] + exponents[2];
        let [a, b, t] = exponents.map(|exponent| exponent / sum);
        let linear = target[0] * half - target[1] * half + target[2] * tie;
        Self {
            contrast: [((a - target[0]) - (b - target[1])) / 2.0, ((a + b) - (a - b).powi(2)) / 4.0],
            tie: [t - target[2], t * (1.0 - t)],
            loss: largest + sum.ln() - linear,
        }
    }
}

/// Margins of all rows to their slopes.
pub(super) fn slopes(margins: &[[f64; 2]], tie: f64, targets: &[[f64; 3]]) -> Vec<Slope> {
    margins
        .iter()
        .zip(targets)
        .map(|(margin, target)| Slope::at(margin[0], tie + margin[1], *target))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_the_differences_of_the_loss() {
        let step = 1e-5;
        for (contrast, tie) in [(0.0, -1.0), (1.3, 0.4), (-4.0, 2.0), (30.0, -3.0)] {
            for target in [[1.0, 0.0, 0.0], [0.2, 0.5, 0.3], [0.0, 0.0, 1.0]] {
                let loss = |c: f64, t: f64| Slope::at(contrast + c, tie + t, target).loss;
                let here = Slope::at(contrast, tie, target);
                let first = |plus: f64, minus: f64| (plus - minus) / (2.0 * step);
                let second = |plus: f64, minus: f64| (plus - 2.0 * here.loss + minus) / (step * step);
                assert!((here.contrast[0] - first(loss(step, 0.0), loss(-step, 0.0))).abs() < 1e-6);
                assert!((here.tie[0] - first(loss(0.0, step), loss(0.0, -step))).abs() < 1e-6);
                assert!((here.contrast[1] - second(loss(step, 0.0), loss(-step, 0.0))).abs() < 1e-3);
                assert!((here.tie[1] - second(loss(0.0, step), loss(0.0, -step))).abs() < 1e-3);
            }
        }
    }
}
