use serde::{Deserialize, Serialize};

use super::AffineMap;
use super::affine::{Family, Rows};

/// Vector scaling: `u_k = factor_k z_k + offset_k` on logits `z` centred to sum to 0 (Guo et al. 2017).
/// It treats A and B differently and gives up the symmetry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// One factor a class: A, B, tie.
    pub factors: [f64; 3],
    /// One offset a class.
    pub offsets: [f64; 3],
}

/// The centred logits as combinations of contrast and tie coordinate.
pub(super) const CENTRED: [[f64; 2]; 3] = [[0.5, -1.0 / 3.0], [-0.5, -1.0 / 3.0], [0.0, 2.0 / 3.0]];
/// The contrast and the tie coordinate as combinations of logits.
pub(super) const COORDINATES: [[f64; 3]; 2] = [[1.0, -1.0, 0.0], [-0.5, -0.5, 1.0]];

/// The column of the map's six entries for a weight from centred logit `from` (or the constant) to
/// logit `to`.
pub(super) fn column(to: usize, from: Option<usize>) -> [f64; 6] {
    let mut column = [0.0; 6];
    for (coordinate, weights) in COORDINATES.iter().enumerate() {
        match from {
            None => column[3 * coordinate] = weights[to],
            Some(from) => {
                column[3 * coordinate + 1] = weights[to] * CENTRED[from][0];
                column[3 * coordinate + 2] = weights[to] * CENTRED[from][1];
            }
        }
    }
    column
}

/// The map of a full matrix and offsets on centred logits.
pub(super) fn map_of(matrix: [[f64; 3]; 3], offsets: [f64; 3]) -> AffineMap {
    let mut entries = [0.0; 6];
    for to in 0..3 {
        let sources = (0..3).map(|from| (Some(from), matrix[to][from])).chain([(None, offsets[to])]);
        for (from, weight) in sources {
            for (entry, value) in entries.iter_mut().zip(column(to, from)) {
                *entry += weight * value;
            }
        }
    }
    AffineMap::from_parameters(&entries)
}

impl Vector {
    pub(super) fn map(&self) -> AffineMap {
        let mut matrix = [[0.0; 3]; 3];
        for (class, factor) in self.factors.into_iter().enumerate() {
            matrix[class][class] = factor;
        }
        map_of(matrix, self.offsets)
    }

    /// The least mean log loss plus `1/(2 G) (|factors - 1|^2 + |offsets|^2)`.
    pub(super) fn fit(rows: &Rows) -> Self {
        let basis = (0..3).map(|k| column(k, Some(k))).chain((0..3).map(|k| column(k, None))).collect();
        let strength = vec![1.0 / rows.n_groups as f64; 6];
        let fitted = rows.minimise(&Family { basis, start: vec![1.0, 1.0, 1.0, 0.0, 0.0, 0.0], strength });
        let parameter = |index: usize| fitted.parameters.get(index).copied().unwrap_or(0.0);
        Self {
            factors: [parameter(0), parameter(1), parameter(2)],
            offsets: [parameter(3), parameter(4), parameter(5)],
        }
    }
}
