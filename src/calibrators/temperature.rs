use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::AffineMap;
use crate::battle::{Probabilities, Target, Task};
use crate::metrics::LN_EPSILON;

/// The sharpest temperature that a fit can end at.
pub const MIN_TEMPERATURE: f64 = 0.01;
/// The softest temperature that a fit can end at.
pub const MAX_TEMPERATURE: f64 = 100.0;

/// Temperature scaling: every logit divided by one positive number (Guo et al. 2017). Above 1 the
/// predictions were overconfident.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Temperature {
    /// The temperature, 0.01..100.
    pub temperature: f64,
    /// Whether the loss still falls beyond the end of that range: the rows are separable, or the
    /// predictions know nothing.
    pub at_bound: bool,
}

impl Temperature {
    pub(super) fn map(&self) -> AffineMap {
        let beta = self.temperature.recip();
        AffineMap([[0.0, beta, 0.0], [0.0, 0.0, beta]])
    }
}

/// Rows of one parallel piece: fixed, so that threads change no bit of a sum.
const CHUNK: usize = 8192;
/// A set this large is first fitted on every 64th row, which saves passes over all of it.
const LARGE: usize = 200_000;
const STRIDE: usize = 64;

/// The temperature with the least mean log loss on `predictions` (clipped at the machine epsilon) and
/// perhaps soft `targets`; in the two-way task of A against B alone.
///
/// The loss is convex in `beta = 1/T`; its slope is driven to 0 by Newton steps on `ln beta` inside a
/// bracket. Predictions that say nothing keep the temperature 1, and so does no row at all.
#[must_use]
pub fn fit_temperature(predictions: &[Probabilities], targets: &[Target], task: Task) -> Temperature {
    let rows = Rows { predictions, targets, task };
    let mut ln_beta = 0.0;
    if predictions.len() >= LARGE {
        ln_beta = search(|beta| rows.slope(beta, STRIDE), ln_beta, 1e-4).0;
    }
    let (ln_beta, at_bound) = search(|beta| rows.slope(beta, 1), ln_beta, 1e-7);
    Temperature { temperature: (-ln_beta).exp(), at_bound }
}

/// The first and second derivative of the summed loss by beta.
#[derive(Clone, Copy, Debug, Default)]
struct Slope {
    slope: f64,
    curvature: f64,
}

/// Where the slope vanishes, as `ln beta`, and whether that is at the end of the range. The last Newton
/// step is shorter than `last_step`; its error is of the order of its square.
fn search(slope: impl Fn(f64) -> Slope, start: f64, last_step: f64) -> (f64, bool) {
    let (floor, ceiling) = (-MAX_TEMPERATURE.ln(), -MIN_TEMPERATURE.ln());
    let (mut low, mut high) = (floor, ceiling);
    let mut here = start;
    for _ in 0..100 {
        let beta = here.exp();
        let at = slope(beta);
        if at.slope == 0.0 {
            return (here, false);
        }
        if at.slope < 0.0 {
            low = here;
        } else {
            high = here;
        }
        if low >= ceiling || high <= floor {
            return (here, true);
        }
        let mut next = here - at.slope / (beta * at.curvature);
        if next.is_nan() {
            return (here, false);
        }
        if next <= low || next >= high {
            // A step to an end that nobody has looked at yet goes there; else the bracket is halved.
            let end = if next <= low { low } else { high };
            next = if end <= floor || end >= ceiling { end } else { f64::midpoint(low, high) };
        }
        if (next - here).abs() < last_step {
            return (next, false);
        }
        here = next;
    }
    (here, false)
}

struct Rows<'a> {
    predictions: &'a [Probabilities],
    targets: &'a [Target],
    task: Task,
}

impl Rows<'_> {
    /// Summed over every `stride`-th row, in parallel over fixed chunks added in their order.
    fn slope(&self, beta: f64, stride: usize) -> Slope {
        let size = CHUNK * stride;
        let parts: Vec<Slope> = self
            .predictions
            .par_chunks(size)
            .zip(self.targets.par_chunks(size))
            .map(|(predictions, targets)| {
                let rows = predictions.iter().zip(targets).step_by(stride);
                match self.task {
                    Task::ThreeWay => sum(rows.map(|(p, t)| three_way(beta, *p, *t))),
                    Task::TwoWay => sum(rows.map(|(p, t)| two_way(beta, *p, *t))),
                }
            })
            .collect();
        sum(parts.into_iter())
    }
}

fn sum(rows: impl Iterator<Item = Slope>) -> Slope {
    rows.fold(Slope::default(), |sum, row| Slope {
        slope: sum.slope + row.slope,
        curvature: sum.curvature + row.curvature,
    })
}

/// With `p` the softmax of `beta z`: slope `E_p z - t . z`, curvature `Var_p z`, both on logits less
/// their largest, so that equal logits give exactly 0.
#[inline]
fn three_way(beta: f64, prediction: Probabilities, target: Target) -> Slope {
    let [a, b, tie] = prediction.ln().map(|ln| ln.max(LN_EPSILON));
    let largest = a.max(b).max(tie);
    let (a, b, tie) = (a - largest, b - largest, tie - largest);
    let [target_a, target_b, target_tie] = target.to_array();
    let (weight_a, weight_b, weight_tie) = ((beta * a).exp(), (beta * b).exp(), (beta * tie).exp());
    let scale = ((weight_a + weight_b) + weight_tie).recip();
    let mean = ((weight_a * a + weight_b * b) + weight_tie * tie) * scale;
    let square = ((weight_a * a * a + weight_b * b * b) + weight_tie * tie * tie) * scale;
    let observed = (target_a * a + target_b * b) + target_tie * tie;
    Slope { slope: mean - observed, curvature: (square - mean * mean).max(0.0) }
}

#[inline]
fn two_way(beta: f64, prediction: Probabilities, target: Target) -> Slope {
    let [a, b, _] = prediction.ln().map(|ln| ln.max(LN_EPSILON));
    let contrast = a - b;
    let [target_a, target_b, _] = target.to_array();
    let p = (1.0 + (-beta * contrast).exp()).recip();
    // The logits are half the contrast either way: slope and curvature by beta.
    let difference = (p - (1.0 - p)) - (target_a - target_b);
    Slope { slope: 0.5 * difference * contrast, curvature: p * (1.0 - p) * contrast * contrast }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::Class;

    fn p(values: [f64; 3]) -> Probabilities {
        Probabilities::new(values).unwrap()
    }

    #[test]
    fn calibrated_soft_targets_have_the_temperature_one_and_flattened_ones_their_own() {
        let rows: Vec<Probabilities> =
            (1..200).map(|i| p([f64::from(i) / 400.0, 0.3, 0.7 - f64::from(i) / 400.0])).collect();
        let same: Vec<Target> = rows.iter().map(|q| Target::new(q.to_array()).unwrap()).collect();
        let fitted = fit_temperature(&rows, &same, Task::ThreeWay);
        assert!((fitted.temperature - 1.0).abs() < 1e-12 && !fitted.at_bound);
        let sharper: Vec<Probabilities> =
            rows.iter().map(|q| Probabilities::from_logits(q.ln().map(|z| 2.5 * z)).unwrap()).collect();
        let fitted = fit_temperature(&sharper, &same, Task::ThreeWay);
        assert!((fitted.temperature - 2.5).abs() < 1e-10, "{fitted:?}");
    }

    #[test]
    fn separable_rows_and_pure_contradiction_end_at_a_bound_and_say_so() {
        let rows = [p([0.6, 0.3, 0.1]); 3];
        let right = fit_temperature(&rows, &[Target::one_hot(Class::A); 3], Task::ThreeWay);
        assert!(right.at_bound && (right.temperature - MIN_TEMPERATURE).abs() < 1e-12);
        let wrong = fit_temperature(&rows, &[Target::one_hot(Class::Tie); 3], Task::ThreeWay);
        assert!(wrong.at_bound && (wrong.temperature - MAX_TEMPERATURE).abs() < 1e-9);
    }

    #[test]
    fn identical_logits_and_no_row_keep_the_temperature_one() {
        let fitted =
            fit_temperature(&[Probabilities::UNIFORM; 5], &[Target::one_hot(Class::B); 5], Task::ThreeWay);
        assert!((fitted.temperature - 1.0).abs() < 1e-15 && !fitted.at_bound);
        assert!((fit_temperature(&[], &[], Task::TwoWay).temperature - 1.0).abs() < 1e-15);
    }

    #[test]
    fn probabilities_of_zero_and_one_give_a_finite_temperature() {
        let rows = [p([1.0, 0.0, 0.0]), p([0.0, 1.0, 0.0]), p([0.0, 0.0, 1.0]), p([1.0, 0.0, 0.0])];
        let targets = [Class::A, Class::B, Class::Tie, Class::B].map(Target::one_hot);
        let fitted = fit_temperature(&rows, &targets, Task::ThreeWay);
        // Three of four right, the mistake shared by two classes: softmax(36/T) = 3/4.
        assert!((fitted.temperature + LN_EPSILON / 6.0_f64.ln()).abs() < 1e-6, "{fitted:?}");
    }

    #[test]
    fn the_two_way_temperature_never_looks_at_the_tie() {
        let rows = [p([0.9, 0.1, 0.0]), p([0.9, 0.1, 0.0]), p([0.1, 0.9, 0.0])];
        let targets = [Class::A, Class::B, Class::B].map(Target::one_hot);
        let fitted = fit_temperature(&rows, &targets, Task::TwoWay);
        assert!((fitted.temperature - 9.0_f64.ln() / 2.0_f64.ln()).abs() < 1e-10, "{fitted:?}");
    }
}
