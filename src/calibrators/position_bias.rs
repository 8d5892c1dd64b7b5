use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor};

use super::PositionBias;
use super::affine::{AffineMap, Family, Rows, target_of};
use super::newton::{self, row_loss, solve};
use crate::battle::{Probabilities, Task};
use crate::metrics::{Columns, Groups, mean};

/// Entries of the map that commute with exchanging the sides, and those that do not.
const SYMMETRIC: [usize; 3] = [1, 3, 5];
const ASYMMETRIC: [usize; 3] = [0, 2, 4];

/// Tests whether predictions or votes favour a side: whether the best affine map needs entries that do
/// not commute with exchanging A and B.
///
/// The statistic is the likelihood ratio of full matrix scaling against symmetric scaling, chi-square
/// with 3 degrees of freedom without bias (1 in the two-way task). Where groups have several rows its
/// p-value would be far too small; then the p-value is that of the score test at the symmetric fit with
/// groups as observations, by Hotelling's F on the efficient scores (Boos 1992), and with hardly more
/// groups than parameters it is 1.
#[must_use]
pub fn position_bias(columns: &Columns<Probabilities>, task: Task) -> PositionBias {
    let rows = Rows::new(columns, task);
    let (kept, tested) = match task {
        Task::ThreeWay => (SYMMETRIC.as_slice(), ASYMMETRIC.as_slice()),
        Task::TwoWay => (&SYMMETRIC[..1], &ASYMMETRIC[..1]),
    };
    let all: Vec<usize> = kept.iter().chain(tested).copied().collect();
    let symmetric = rows.minimise(&restricted(kept));
    let full = rows.minimise(&restricted(&all));
    let statistic = (2.0 * columns.len() as f64 * (symmetric.loss - full.loss)).max(0.0);
    let p_value = if columns.groups.are_single_rows() {
        ChiSquared::new(tested.len() as f64).map_or(1.0, |chi| chi.sf(statistic))
    } else {
        clustered_p_value(&rows, symmetric.map, &columns.groups, (kept, tested)).unwrap_or(1.0)
    };
    let sides: Vec<f64> =
        columns.targets.iter().map(|t| target_of(*t, task).to_array()).map(|[a, b, _]| a - b).collect();
    PositionBias { statistic, p_value, a_minus_b: mean(&sides), symmetry_given_up: false }
}

/// The family of maps whose other entries stay as in the identity.
fn restricted(entries: &[usize]) -> Family {
    let full = Family::full();
    let pick = |values: &[f64]| entries.iter().map(|entry| values[*entry]).collect();
    Family {
        basis: entries.iter().map(|entry| full.basis[*entry]).collect(),
        start: pick(&full.start),
        strength: pick(&full.strength),
    }
}

/// The p-value of the score test with groups as observations; `None` where it cannot be computed.
fn clustered_p_value(
    rows: &Rows,
    map: AffineMap,
    groups: &Groups,
    (kept, tested): (&[usize], &[usize]),
) -> Option<f64> {
    let scores = group_scores(rows, map, groups);
    let hessian = newton::accumulate(rows, map).hessian;
    let block: Vec<Vec<f64>> = kept.iter().map(|i| kept.iter().map(|j| hessian[*i][*j]).collect()).collect();
    let mut efficient = Vec::with_capacity(scores.len());
    let projections: Option<Vec<Vec<f64>>> = tested
        .iter()
        .map(|t| solve(block.clone(), &kept.iter().map(|k| hessian[*t][*k]).collect::<Vec<_>>()))
        .collect();
    let projections = projections?;
    for score in &scores {
        let of = |(t, projection): (&usize, &Vec<f64>)| {
            score[*t] - projection.iter().zip(kept).map(|(c, k)| c * score[*k]).sum::<f64>()
        };
        efficient.push(tested.iter().zip(&projections).map(of).collect::<Vec<f64>>());
    }
    hotelling_p_value(&efficient)
}

/// The p-value of the hypothesis that vectors have the mean 0.
fn hotelling_p_value(vectors: &[Vec<f64>]) -> Option<f64> {
    let (count, size) = (vectors.len() as f64, vectors.first()?.len());
    let freedom = count - size as f64;
    if freedom < 2.0 {
        return None;
    }
    let mean: Vec<f64> = (0..size).map(|i| vectors.iter().map(|v| v[i]).sum::<f64>() / count).collect();
    let covariance = |i: usize, j: usize| {
        vectors.iter().map(|v| (v[i] - mean[i]) * (v[j] - mean[j])).sum::<f64>() / (count - 1.0)
    };
    let matrix = (0..size).map(|i| (0..size).map(|j| covariance(i, j)).collect()).collect();
    let squared = count * solve(matrix, &mean)?.iter().zip(&mean).map(|(x, m)| x * m).sum::<f64>();
    let statistic = freedom / (size as f64 * (count - 1.0)) * squared;
    let distribution = FisherSnedecor::new(size as f64, freedom).ok()?;
    Some(distribution.sf(statistic.max(0.0)))
}

/// The slope of the loss by the six entries, summed in every group.
fn group_scores(rows: &Rows, map: AffineMap, groups: &Groups) -> Vec<[f64; 6]> {
    let mut scores = vec![[0.0; 6]; groups.count()];
    for (row, group) in groups.of_rows().iter().enumerate() {
        let slope = row_loss(rows, row, map).slope;
        let x = [1.0, rows.z[row].contrast, rows.z[row].tie];
        for (i, feature) in x.into_iter().enumerate() {
            scores[*group][i] += slope[0] * feature;
            scores[*group][3 + i] += slope[1] * feature;
        }
    }
    scores
}
