use super::{Coordinates, newton};
use crate::battle::{Probabilities, Target, Task};
use crate::metrics::Columns;

/// An affine map of the coordinates: `contrast' = m[0] . (1, contrast, tie)`, `tie' = m[1] . (1, contrast, tie)`.
///
/// It is the full family of affine maps of centred logits of three classes: six parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AffineMap(pub [[f64; 3]; 2]);

impl AffineMap {
    /// The map that changes nothing.
    pub const IDENTITY: Self = Self([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);

    /// The coordinates after the map.
    #[must_use]
    pub fn apply(&self, z: Coordinates) -> Coordinates {
        let [[a0, ac, at], [t0, tc, tt]] = self.0;
        // Products with an exact 0 vanish, so that a symmetric map treats both sides bit for bit alike.
        Coordinates {
            contrast: ac * z.contrast + (at * z.tie + a0),
            tie: tt * z.tie + (tc * z.contrast + t0),
        }
    }

    pub(super) fn from_parameters(parameters: &[f64]) -> Self {
        let mut map = [[0.0; 3]; 2];
        for (entry, value) in map.iter_mut().flatten().zip(parameters) {
            *entry = *value;
        }
        Self(map)
    }
}

/// Rows as a fit of an affine map sees them.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) z: Vec<Coordinates>,
    /// What each row should be predicted as, without a tie in the two-way task.
    pub(super) targets: Vec<[f64; 3]>,
    pub(super) task: Task,
    /// How many independent observations there are: penalties weigh as much as one of them.
    pub(super) n_groups: usize,
}

/// The target that a fit uses: in the two-way task half of a tie goes to either side.
pub(super) fn target_of(target: Target, task: Task) -> Target {
    let [a, b, tie] = target.to_array();
    match task {
        Task::TwoWay if tie > 0.0 => {
            Target::new([0.5f64.mul_add(tie, a), 0.5f64.mul_add(tie, b), 0.0]).unwrap_or(target)
        }
        _ => target,
    }
}

impl Rows {
    pub(super) fn new(columns: &Columns<Probabilities>, task: Task) -> Self {
        Self {
            z: columns.predictions.iter().map(|p| Coordinates::of(*p)).collect(),
            targets: columns.targets.iter().map(|t| target_of(*t, task).to_array()).collect(),
            task,
            n_groups: columns.groups.count().max(1),
        }
    }

    /// Minimises the mean log loss plus a penalty over a linear family of maps.
    pub(super) fn minimise(&self, family: &Family) -> Fitted {
        let evaluate = |theta: &[f64]| family.objective(self, theta);
        let fit = newton::minimise(&family.start, evaluate);
        Fitted {
            map: family.map(&fit.parameters),
            loss: self.loss(family.map(&fit.parameters)),
            parameters: fit.parameters,
        }
    }

    /// The mean log loss of a map, nats.
    pub(super) fn loss(&self, map: AffineMap) -> f64 {
        newton::accumulate(self, map).loss / self.z.len().max(1) as f64
    }
}

/// A linear family of affine maps, `map = sum_j theta_j basis_j`, with a quadratic penalty
/// `1/2 sum_j strength_j (theta_j - start_j)^2`.
pub(super) struct Family {
    /// One column of six entries a parameter, in the order of the map's entries.
    pub(super) basis: Vec<[f64; 6]>,
    /// Where the fit starts and what the penalty pulls to: the identity.
    pub(super) start: Vec<f64>,
    /// The strength of the penalty on each parameter.
    pub(super) strength: Vec<f64>,
}

/// A minimum.
pub(super) struct Fitted {
    pub(super) map: AffineMap,
    pub(super) parameters: Vec<f64>,
    /// The mean log loss there, nats, without the penalty.
    pub(super) loss: f64,
}

impl Family {
    /// All six parameters, free but for a penalty that only keeps them finite.
    pub(super) fn full() -> Self {
        let unit = |entry: usize| {
            let mut column = [0.0; 6];
            column[entry] = 1.0;
            column
        };
        let start = AffineMap::IDENTITY.0.into_iter().flatten().collect();
        Self { basis: (0..6).map(unit).collect(), start, strength: vec![1e-9; 6] }
    }

    fn map(&self, theta: &[f64]) -> AffineMap {
        let mut entries = [0.0; 6];
        for (column, value) in self.basis.iter().zip(theta) {
            for (entry, factor) in entries.iter_mut().zip(column) {
                *entry += factor * value;
            }
        }
        AffineMap::from_parameters(&entries)
    }

    fn objective(&self, rows: &Rows, theta: &[f64]) -> newton::Objective {
        let sums = newton::accumulate(rows, self.map(theta));
        let n = rows.z.len().max(1) as f64;
        let mut objective = newton::Objective::zero(theta.len());
        objective.value = sums.loss / n;
        for (i, column) in self.basis.iter().enumerate() {
            let away = theta[i] - self.start[i];
            objective.value += 0.5 * self.strength[i] * away * away;
            let slope: f64 = column.iter().zip(&sums.gradient).map(|(c, g)| c * g).sum();
            objective.gradient[i] = slope / n + self.strength[i] * away;
            for (j, other) in self.basis.iter().enumerate() {
                let mut curvature = 0.0;
                for (row, c) in sums.hessian.iter().zip(column) {
                    curvature += c * row.iter().zip(other).map(|(h, o)| h * o).sum::<f64>();
                }
                objective.hessian[i][j] = curvature / n + if i == j { self.strength[i] } else { 0.0 };
            }
        }
        objective
    }
}
