use rayon::prelude::*;

use super::affine::target_of;
use super::newton::{CHUNK, Objective};
use super::simplex::minimise_on_simplex;
use crate::battle::{Probabilities, Task};
use crate::metrics::{Columns, LN_EPSILON};
use crate::predictors::Pooling;

/// One way to weigh the members of a blend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlendCandidate {
    /// How predictions are pooled.
    pub pooling: Pooling,
    /// How many groups the pull towards equal weights is worth; `None` for equal weights.
    pub pull: Option<f64>,
}

/// The weights of a candidate: non-negative, with sum 1, one a member.
///
/// Fitted weights minimise the mean log loss of the pooled prediction, which is convex in them, plus
/// `-(pull / G) mean_k ln w_k` with `G` groups (a Dirichlet prior): with few groups, however many rows
/// they have, the weights stay close to equal, and the more groups the less it matters.
#[must_use]
pub fn fit_weights(columns: &Columns<Vec<Probabilities>>, candidate: BlendCandidate, task: Task) -> Vec<f64> {
    let size = columns.predictions.first().map_or(0, Vec::len);
    match candidate.pull {
        Some(pull) if size > 1 => {
            let rows = Rows::new(columns, candidate.pooling, task);
            let strength = pull / columns.groups.count().max(1) as f64;
            minimise_on_simplex(size, |weights| rows.objective(weights, strength))
        }
        _ => vec![1.0 / size.max(1) as f64; size],
    }
}

/// Predictions of all members, row by row, as the pooling reads them.
struct Rows {
    values: Vec<[f64; 3]>,
    targets: Vec<[f64; 3]>,
    size: usize,
    pooling: Pooling,
    classes: usize,
}

impl Rows {
    fn new(columns: &Columns<Vec<Probabilities>>, pooling: Pooling, task: Task) -> Self {
        let clipped = |p: &Probabilities| {
            let ln = p.ln().map(|ln| ln.max(LN_EPSILON));
            match pooling {
                Pooling::Arithmetic => ln.map(f64::exp),
                Pooling::Geometric => ln,
            }
        };
        Self {
            values: columns.predictions.iter().flatten().map(clipped).collect(),
            targets: columns.targets.iter().map(|t| target_of(*t, task).to_array()).collect(),
            size: columns.predictions.first().map_or(0, Vec::len),
            pooling,
            classes: if task == Task::TwoWay { 2 } else { 3 },
        }
    }

    fn objective(&self, weights: &[f64], strength: f64) -> Objective {
        let starts: Vec<usize> = (0..self.targets.len()).step_by(CHUNK).collect();
        let parts: Vec<Objective> = starts
            .into_par_iter()
            .map(|start| {
                let mut sum = Objective::zero(self.size);
                for row in start..(start + CHUNK).min(self.targets.len()) {
                    let members = &self.values[row * self.size..(row + 1) * self.size];
                    match self.pooling {
                        Pooling::Arithmetic => self.add_arithmetic(&mut sum, members, weights, row),
                        Pooling::Geometric => self.add_geometric(&mut sum, members, weights, row),
                    }
                }
                sum
            })
            .collect();
        let n = self.targets.len().max(1) as f64;
        let pull = strength / self.size as f64;
        let mut total = Objective::zero(self.size);
        for part in &parts {
            total.value += part.value / n;
            for i in 0..self.size {
                total.gradient[i] += part.gradient[i] / n;
                for j in 0..self.size {
                    total.hessian[i][j] += part.hessian[i][j] / n;
                }
            }
        }
        for (i, weight) in weights.iter().enumerate() {
            total.value -= pull * weight.ln();
            total.gradient[i] -= pull / weight;
            total.hessian[i][i] += pull / (weight * weight);
        }
        total
    }

    fn add_arithmetic(&self, sum: &mut Objective, members: &[[f64; 3]], weights: &[f64], row: usize) {
        for class in 0..self.classes {
            let share = self.targets[row][class];
            if share <= 0.0 {
                continue;
            }
            let pooled: f64 = members.iter().zip(weights).map(|(p, w)| w * p[class]).sum();
            sum.value -= share * pooled.ln();
            for (i, one) in members.iter().enumerate() {
                let ratio = one[class] / pooled;
                sum.gradient[i] -= share * ratio;
                for (j, other) in members.iter().enumerate() {
                    sum.hessian[i][j] += share * ratio * (other[class] / pooled);
                }
            }
        }
    }

    fn add_geometric(&self, sum: &mut Objective, members: &[[f64; 3]], weights: &[f64], row: usize) {
        let target = &self.targets[row][..self.classes];
        let mut logits = [f64::NEG_INFINITY; 3];
        for (class, logit) in logits.iter_mut().enumerate().take(self.classes) {
            *logit = members.iter().zip(weights).map(|(ln, w)| w * ln[class]).sum();
        }
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let scaled = logits.map(|z| (z - largest).exp());
        let total: f64 = scaled.iter().sum();
        let p = scaled.map(|value| value / total);
        sum.value += largest + total.ln() - target.iter().zip(&logits).map(|(t, z)| t * z).sum::<f64>();
        let expected = |ln: &[f64; 3]| (0..self.classes).map(|class| p[class] * ln[class]).sum::<f64>();
        for (i, one) in members.iter().enumerate() {
            let mean = expected(one);
            sum.gradient[i] += mean - target.iter().zip(one).map(|(t, ln)| t * ln).sum::<f64>();
            for (j, other) in members.iter().enumerate() {
                let both: f64 = (0..self.classes).map(|class| p[class] * one[class] * other[class]).sum();
                sum.hessian[i][j] += both - mean * expected(other);
            }
        }
    }
}
