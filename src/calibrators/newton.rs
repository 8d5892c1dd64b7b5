use rayon::prelude::*;

use super::affine::{AffineMap, Rows};
use crate::battle::Task;

/// Rows of one parallel piece: fixed, so that threads change no bit of a sum.
pub(super) const CHUNK: usize = 4096;

/// A convex function with its derivatives at one point.
#[derive(Clone, Debug)]
pub(super) struct Objective {
    pub(super) value: f64,
    pub(super) gradient: Vec<f64>,
    pub(super) hessian: Vec<Vec<f64>>,
}

impl Objective {
    pub(super) fn zero(parameters: usize) -> Self {
        Self { value: 0.0, gradient: vec![0.0; parameters], hessian: vec![vec![0.0; parameters]; parameters] }
    }
}

/// A Newton step that promises less is the last one: convergence is quadratic.
pub(super) const LAST_DECREASE: f64 = 1e-13;

/// The best point found.
#[derive(Clone, Debug)]
pub(super) struct Minimum {
    pub(super) parameters: Vec<f64>,
}

/// Newton's method with step halving on a convex function; never leaves the best point seen, so that a
/// function that stops falling by rounding ends the search and nothing else does.
pub(super) fn minimise(start: &[f64], evaluate: impl Fn(&[f64]) -> Objective) -> Minimum {
    let mut parameters = start.to_vec();
    let mut here = evaluate(&parameters);
    for _ in 0..60 {
        let step = newton_step(&here);
        let decrease: f64 = step.iter().zip(&here.gradient).map(|(s, g)| s * g).sum();
        if decrease > -LAST_DECREASE {
            // So close the step is exact to rounding, and the function too flat to judge it by.
            return Minimum { parameters: parameters.iter().zip(&step).map(|(p, s)| p + s).collect() };
        }
        let Some((next, there)) = halved(&parameters, &step, &here, &evaluate) else { break };
        parameters = next;
        here = there;
    }
    Minimum { parameters }
}

/// The first of the step's halves that lowers the function, and the function there.
fn halved(
    parameters: &[f64],
    step: &[f64],
    here: &Objective,
    evaluate: &impl Fn(&[f64]) -> Objective,
) -> Option<(Vec<f64>, Objective)> {
    let decrease: f64 = step.iter().zip(&here.gradient).map(|(s, g)| s * g).sum();
    let mut factor = 1.0;
    for _ in 0..30 {
        let next: Vec<f64> = parameters.iter().zip(step).map(|(p, s)| p + factor * s).collect();
        let there = evaluate(&next);
        if there.value <= here.value + 1e-4 * factor * decrease {
            return Some((next, there));
        }
        factor *= 0.5;
    }
    None
}

/// `-H^-1 g` by Cholesky; a matrix that is not positive definite gets more weight on its diagonal.
pub(super) fn newton_step(objective: &Objective) -> Vec<f64> {
    let size = objective.gradient.len();
    let trace: f64 = (0..size).map(|i| objective.hessian[i][i].abs()).sum();
    let right: Vec<f64> = objective.gradient.iter().map(|g| -g).collect();
    let mut ridge = 0.0;
    loop {
        let mut matrix = objective.hessian.clone();
        for (i, row) in matrix.iter_mut().enumerate() {
            row[i] += ridge;
        }
        if let Some(solution) = solve(matrix, &right) {
            return solution;
        }
        ridge = if ridge > 0.0 { ridge * 100.0 } else { 1e-14 * trace + f64::MIN_POSITIVE.sqrt() };
        if !ridge.is_finite() {
            return vec![0.0; size];
        }
    }
}

/// Solves a symmetric positive definite system by Cholesky; `None` when it is not.
pub(super) fn solve(mut matrix: Vec<Vec<f64>>, right: &[f64]) -> Option<Vec<f64>> {
    let size = right.len();
    for i in 0..size {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            let rest = matrix[i][j] - inner;
            if i == j {
                if rest.is_nan() || rest <= 1e-14 * matrix[i][i].abs() {
                    return None;
                }
                matrix[i][i] = rest.sqrt();
            } else {
                matrix[i][j] = rest / matrix[j][j];
            }
        }
    }
    let mut x = right.to_vec();
    for i in 0..size {
        let inner: f64 = (0..i).map(|k| matrix[i][k] * x[k]).sum();
        x[i] = (x[i] - inner) / matrix[i][i];
    }
    for i in (0..size).rev() {
        let inner: f64 = (i + 1..size).map(|k| matrix[k][i] * x[k]).sum();
        x[i] = (x[i] - inner) / matrix[i][i];
    }
    x.iter().all(|value| value.is_finite()).then_some(x)
}

/// The log loss of an affine map summed over rows, with its derivatives by the six entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    pub(super) loss: f64,
    pub(super) gradient: [f64; 6],
    pub(super) hessian: [[f64; 6]; 6],
}

impl Sums {
    const ZERO: Self = Self { loss: 0.0, gradient: [0.0; 6], hessian: [[0.0; 6]; 6] };

    fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        for i in 0..6 {
            self.gradient[i] += other.gradient[i];
            for j in 0..6 {
                self.hessian[i][j] += other.hessian[i][j];
            }
        }
    }
}

/// One pass over the rows, in parallel over fixed chunks added in their order.
pub(super) fn accumulate(rows: &Rows, map: AffineMap) -> Sums {
    let starts: Vec<usize> = (0..rows.z.len()).step_by(CHUNK).collect();
    let parts: Vec<Sums> = starts
        .into_par_iter()
        .map(|start| {
            let mut sums = Sums::ZERO;
            for row in start..(start + CHUNK).min(rows.z.len()) {
                add_row(&mut sums, rows, row, map);
            }
            sums
        })
        .collect();
    let mut total = Sums::ZERO;
    for part in &parts {
        total.add(part);
    }
    total
}

/// The slope of one row's loss by (contrast, tie) of its calibrated coordinates, and what else a pass
/// needs: the loss and the curvature.
pub(super) struct RowLoss {
    pub(super) loss: f64,
    pub(super) slope: [f64; 2],
    pub(super) curvature: [f64; 3],
}

/// The loss of one row under a map, with its derivatives. With `s = p_A + p_B` and `d = p_A - p_B` the
/// features (1/2, -1/2, 0) and (0, 0, 1) have the covariance `(s - d^2) / 4`, `-d p_tie / 2`,
/// `p_tie (1 - p_tie)`.
pub(super) fn row_loss(rows: &Rows, row: usize, map: AffineMap) -> RowLoss {
    let z = map.apply(rows.z[row]);
    let [target_a, target_b, target_tie] = rows.targets[row];
    let half = 0.5 * z.contrast;
    let three_way = rows.task == Task::ThreeWay;
    let largest = if three_way { half.abs().max(z.tie) } else { half.abs() };
    let (a, b) = ((half - largest).exp(), (-half - largest).exp());
    let tie = if three_way { (z.tie - largest).exp() } else { 0.0 };
    let sum = (a + b) + tie;
    let (a, b, tie) = (a / sum, b / sum, tie / sum);
    let tie_term = if three_way { target_tie * z.tie } else { 0.0 };
    let loss = largest + sum.ln() - ((target_a - target_b) * half + tie_term);
    let (both, difference) = (a + b, a - b);
    RowLoss {
        loss,
        slope: [0.5 * (difference - (target_a - target_b)), tie - target_tie],
        curvature: [0.25 * (both - difference * difference), -0.5 * difference * tie, tie * both],
    }
}

fn add_row(sums: &mut Sums, rows: &Rows, row: usize, map: AffineMap) {
    let RowLoss { loss, slope, curvature } = row_loss(rows, row, map);
    let x = [1.0, rows.z[row].contrast, rows.z[row].tie];
    sums.loss += loss;
    for i in 0..3 {
        sums.gradient[i] += slope[0] * x[i];
        sums.gradient[3 + i] += slope[1] * x[i];
        for j in 0..3 {
            let product = x[i] * x[j];
            sums.hessian[i][j] += curvature[0] * product;
            sums.hessian[i][3 + j] += curvature[1] * product;
            sums.hessian[3 + i][j] += curvature[1] * product;
            sums.hessian[3 + i][3 + j] += curvature[2] * product;
        }
    }
}
