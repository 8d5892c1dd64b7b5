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
/// A set this large is first fitted on some of its rows, which saves passes over all of them.
const LARGE: usize = 200_000;
const STRIDES: [usize; 2] = [64, 8];

/// The temperature with the least mean log loss on `predictions` (clipped at the machine epsilon) and
/// perhaps soft `targets`; in the two-way task of A against B alone.
///
/// The loss is convex in `beta = 1/T`; its slope is driven to 0 by Halley steps (Newton's with the third
/// derivative) on `ln beta` inside a bracket. Predictions that say nothing keep the temperature 1, and so does no row at all.
#[must_use]
pub fn fit_temperature(predictions: &[Probabilities], targets: &[Target], task: Task) -> Temperature {
    let rows = Rows { predictions, targets, task };
    let mut ln_beta = 0.0;
    if predictions.len() >= LARGE {
        for stride in STRIDES {
            ln_beta = rows.search(stride, ln_beta).0;
        }
    }
    let (ln_beta, at_bound) = rows.search(1, ln_beta);
    // The way through the logarithm may end a bit beyond an end of the range, which no reader would accept.
    let temperature = (-ln_beta).exp().clamp(MIN_TEMPERATURE, MAX_TEMPERATURE);
    Temperature { temperature, at_bound }
}

/// A step in `ln beta` that is shorter is the last one: what is left is of the order of its cube.
const LAST_STEP: f64 = 4e-3;

/// The first three derivatives of the summed loss by beta: mean (without the part that targets add),
/// variance and third central moment of the logits.
#[derive(Clone, Copy, Debug, Default)]
struct Slope {
    expected: f64,
    curvature: f64,
    skewness: f64,
}

impl Slope {
    /// Halley's step in `ln beta` to where the slope less `observed` vanishes; Newton's where that one
    /// would turn around.
    fn step(&self, beta: f64, observed: f64) -> f64 {
        let value = self.expected - observed;
        let first = beta * self.curvature;
        let second = first + beta * beta * self.skewness;
        let newton = -value / first;
        let damping = 1.0 + 0.5 * newton * second / first;
        if damping > 0.5 { newton / damping } else { newton }
    }
}

/// Where the slope vanishes, as `ln beta`, and whether that is at the end of the range.
fn search(slope: impl Fn(f64) -> Slope, observed: f64, start: f64) -> (f64, bool) {
    let (floor, ceiling) = (-MAX_TEMPERATURE.ln(), -MIN_TEMPERATURE.ln());
    let (mut low, mut high) = (floor, ceiling);
    let mut here = start;
    for _ in 0..100 {
        let beta = here.exp();
        let at = slope(beta);
        let falls = at.expected - observed;
        if falls == 0.0 {
            return (here, false);
        }
        if falls < 0.0 {
            low = here;
        } else {
            high = here;
        }
        if low >= ceiling || high <= floor {
            return (here, true);
        }
        let mut next = here + at.step(beta, observed);
        if next.is_nan() {
            return (here, false);
        }
        if next <= low || next >= high {
            // A step to an end that nobody has looked at yet goes there; else the bracket is halved.
            let end = if next <= low { low } else { high };
            next = if end <= floor || end >= ceiling { end } else { f64::midpoint(low, high) };
        }
        if (next - here).abs() < LAST_STEP {
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
    /// As `search`, on every `stride`-th row.
    fn search(&self, stride: usize, start: f64) -> (f64, bool) {
        search(|beta| self.slope(beta, stride), self.observed(stride), start)
    }

    /// Summed in parallel over fixed chunks added in their order.
    fn slope(&self, beta: f64, stride: usize) -> Slope {
        let parts: Vec<Slope> = self
            .predictions
            .par_chunks(CHUNK * stride)
            .map(|chunk| match self.task {
                Task::ThreeWay => sum(chunk, stride, |p| three_way(beta, logits(*p))),
                Task::TwoWay => sum(chunk, stride, |p| two_way(beta, logits(*p))),
            })
            .collect();
        sum(&parts, 1, |part| *part)
    }

    /// The part of the slope that depends on the targets alone: the sum of `t . z`.
    fn observed(&self, stride: usize) -> f64 {
        let of_row = |(prediction, target): (&Probabilities, &Target)| {
            let [a, b, tie] = logits(*prediction);
            let [target_a, target_b, target_tie] = target.to_array();
            match self.task {
                Task::ThreeWay => {
                    let largest = a.max(b).max(tie);
                    (target_a * (a - largest) + target_b * (b - largest)) + target_tie * (tie - largest)
                }
                Task::TwoWay => 0.5 * (target_a - target_b) * (a - b),
            }
        };
        let size = CHUNK * stride;
        let chunks = self.predictions.par_chunks(size).zip(self.targets.par_chunks(size));
        let parts: Vec<f64> =
            chunks.map(|(p, t)| p.iter().zip(t).step_by(stride).map(of_row).sum()).collect();
        parts.iter().sum()
    }
}

/// The sum over every `stride`-th item, added in their order.
fn sum<T>(items: &[T], stride: usize, slope: impl Fn(&T) -> Slope) -> Slope {
    let add = |sum: Slope, item: &T| {
        let Slope { expected, curvature, skewness } = slope(item);
        Slope {
            expected: sum.expected + expected,
            curvature: sum.curvature + curvature,
            skewness: sum.skewness + skewness,
        }
    };
    items.iter().step_by(stride).fold(Slope::default(), add)
}

#[inline]
fn logits(prediction: Probabilities) -> [f64; 3] {
    prediction.ln().map(|ln| ln.max(LN_EPSILON))
}

/// With `p` the softmax of `beta z`: the moments of `z` under `p`, on logits less their largest, so that equal
/// logits give exactly 0. Which class is which does not matter, so the largest needs no exponential.
#[inline]
fn three_way(beta: f64, [a, b, tie]: [f64; 3]) -> Slope {
    let (least, other) = (a.min(b), a.max(b));
    let (middle, largest) = (other.min(tie), other.max(tie));
    let (x, y) = (least - largest, middle - largest);
    let (weight_x, weight_y) = ((beta * x).exp(), (beta * y).exp());
    let scale = (1.0 + weight_x + weight_y).recip();
    let (x_part, y_part) = (weight_x * x * scale, weight_y * y * scale);
    let mean = x_part + y_part;
    let square = x_part * x + y_part * y;
    let cube = x_part * x * x + y_part * y * y;
    Slope {
        expected: mean,
        curvature: (square - mean * mean).max(0.0),
        skewness: cube - mean * (3.0 * square - 2.0 * mean * mean),
    }
}

/// The logits are half the contrast either way.
#[inline]
fn two_way(beta: f64, [a, b, _]: [f64; 3]) -> Slope {
    let contrast = a - b;
    let p = (1.0 + (-beta * contrast).exp()).recip();
    let curvature = p * (1.0 - p) * contrast * contrast;
    Slope {
        expected: 0.5 * (p - (1.0 - p)) * contrast,
        curvature,
        skewness: (1.0 - 2.0 * p) * curvature * contrast,
    }
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
        for fit in [right, wrong] {
            assert!(
                (MIN_TEMPERATURE..=MAX_TEMPERATURE).contains(&fit.temperature),
                "{fit:?} cannot be read again"
            );
        }
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
