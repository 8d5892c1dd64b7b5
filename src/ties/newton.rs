//! Newton's method for a handful of parameters, made safe: damping, step halving, bounds.

use super::scalar::PARAMETERS;

/// A function to maximise at one point: its value, slope and curvature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curve {
    pub(super) value: f64,
    pub(super) gradient: [f64; PARAMETERS],
    pub(super) hessian: [[f64; PARAMETERS]; PARAMETERS],
}

impl Curve {
    pub(super) fn plus(self, other: Self) -> Self {
        let mut sum = self;
        sum.value += other.value;
        for i in 0..PARAMETERS {
            sum.gradient[i] += other.gradient[i];
            for j in 0..PARAMETERS {
                sum.hessian[i][j] += other.hessian[i][j];
            }
        }
        sum
    }
}

/// Where the parameters must stay.
pub(super) struct Bounds {
    /// Which of them must stay above 0.
    pub(super) positive: [bool; PARAMETERS],
    /// The least value of the first, which may be reached.
    pub(super) lowest_first: f64,
}

/// The best point found.
pub(super) struct Maximum {
    pub(super) parameters: [f64; PARAMETERS],
    pub(super) value: f64,
    pub(super) iterations: usize,
}

const MOST_ITERATIONS: usize = 200;
/// A step expected to gain less than this, relative to the value, ends the search.
const TOLERANCE: f64 = 1e-13;
/// How much of the way to zero one step may go.
const BOLDNESS: f64 = 0.9;

/// Climbs from `start`; every accepted step improves, so the last point is the best.
pub(super) fn maximised(
    objective: &impl Fn([f64; PARAMETERS]) -> Curve,
    start: [f64; PARAMETERS],
    bounds: &Bounds,
) -> Maximum {
    let (mut point, mut here) = (start, objective(start));
    let mut damping = 0.0;
    for iteration in 0..MOST_ITERATIONS {
        let stuck = point[0] <= bounds.lowest_first && here.gradient[0] < 0.0;
        let Some(step) = ascent(&here, damping, stuck) else {
            damping = larger(damping, &here);
            continue;
        };
        let gain: f64 = (0..PARAMETERS).map(|i| 0.5 * step[i] * here.gradient[i]).sum();
        if gain <= TOLERANCE * (1.0 + here.value.abs()) && damping <= size(&here) {
            return Maximum { parameters: point, value: here.value, iterations: iteration };
        }
        let next_point = stepped(point, step, bounds);
        let next = objective(next_point);
        if next.value.is_finite() && next.value >= here.value {
            let unmoved = (0..PARAMETERS).all(|i| next_point[i].total_cmp(&point[i]).is_eq());
            (point, here) = (next_point, next);
            damping = if unmoved { 0.0 } else { damping * 0.1 };
            if unmoved {
                return Maximum { parameters: point, value: here.value, iterations: iteration };
            }
        } else {
            damping = larger(damping, &here);
            if damping > 1e15 * size(&here) {
                break;
            }
        }
    }
    Maximum { parameters: point, value: here.value, iterations: MOST_ITERATIONS }
}

fn size(curve: &Curve) -> f64 {
    let diagonal = (0..PARAMETERS).map(|i| curve.hessian[i][i].abs());
    diagonal.fold(f64::MIN_POSITIVE, f64::max)
}

fn larger(damping: f64, curve: &Curve) -> f64 {
    (damping * 10.0).max(1e-6 * size(curve))
}

/// The point after a step, shortened so that no positive parameter loses more than `BOLDNESS`.
fn stepped(point: [f64; PARAMETERS], step: [f64; PARAMETERS], bounds: &Bounds) -> [f64; PARAMETERS] {
    let mut length: f64 = 1.0;
    for i in 0..PARAMETERS {
        if bounds.positive[i] && step[i] < 0.0 {
            length = length.min(BOLDNESS * point[i] / -step[i]);
        }
    }
    let mut next = [0, 1, 2].map(|i| point[i] + length * step[i]);
    next[0] = next[0].max(bounds.lowest_first);
    next
}

/// The damped Newton step, by Cholesky of minus the curvature; `None` where that is not positive
/// definite. A stuck first parameter stays where it is.
fn ascent(curve: &Curve, damping: f64, stuck: bool) -> Option<[f64; PARAMETERS]> {
    let mut matrix = curve.hessian.map(|row| row.map(|value| -value));
    let mut gradient = curve.gradient;
    // A parameter that the model does not have, or that is stuck, gets a unit row and no slope.
    for i in 0..PARAMETERS {
        let absent = matrix[i].iter().all(|value| *value == 0.0) && gradient[i] == 0.0;
        if absent || (i == 0 && stuck) {
            gradient[i] = 0.0;
            matrix[i] = [0.0; PARAMETERS];
            for row in &mut matrix {
                row[i] = 0.0;
            }
            matrix[i][i] = 1.0;
        }
        matrix[i][i] += damping;
    }
    let lower = cholesky(&matrix)?;
    let mut forward = [0.0; PARAMETERS];
    for i in 0..PARAMETERS {
        let known: f64 = (0..i).map(|k| lower[i][k] * forward[k]).sum();
        forward[i] = (gradient[i] - known) / lower[i][i];
    }
    let mut step = [0.0; PARAMETERS];
    for i in (0..PARAMETERS).rev() {
        let known: f64 = (i + 1..PARAMETERS).map(|k| lower[k][i] * step[k]).sum();
        step[i] = (forward[i] - known) / lower[i][i];
    }
    step.iter().all(|value| value.is_finite()).then_some(step)
}

fn cholesky(matrix: &[[f64; PARAMETERS]; PARAMETERS]) -> Option<[[f64; PARAMETERS]; PARAMETERS]> {
    let mut lower = [[0.0; PARAMETERS]; PARAMETERS];
    for i in 0..PARAMETERS {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let left = matrix[i][j] - known;
            if i == j {
                let smallest = 1e-14 * matrix[i][i].abs();
                if !(left > smallest && left.is_finite()) {
                    return None;
                }
                lower[i][i] = left.sqrt();
            } else {
                lower[i][j] = left / lower[j][j];
            }
        }
    }
    Some(lower)
}
