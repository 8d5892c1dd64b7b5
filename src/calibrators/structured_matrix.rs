use serde::{Deserialize, Serialize};

use super::AffineMap;
use super::affine::{Family, Rows};
use super::vector::{column, map_of};

/// Structured matrix scaling: `u = matrix z + offsets` on centred logits `z`, penalised towards the
/// identity with `(k/n) (|offsets|^2 + |diagonal - 1|^2) + (k (k - 1)/n) |off-diagonal|^2`, k = 3
/// classes (Berta, Holzmueller, Jordan and Bach 2025). It treats A and B differently.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StructuredMatrix {
    /// One row a calibrated logit, one column a given one: A, B, tie.
    pub matrix: [[f64; 3]; 3],
    /// One offset a class.
    pub offsets: [f64; 3],
}

impl StructuredMatrix {
    pub(super) fn map(&self) -> AffineMap {
        map_of(self.matrix, self.offsets)
    }

    /// The least penalised mean log loss; `n` in the penalty is the number of groups, which are the
    /// independent observations.
    pub(super) fn fit(rows: &Rows) -> Self {
        let n = rows.n_groups as f64;
        let mut family = Family { basis: Vec::new(), start: Vec::new(), strength: Vec::new() };
        for to in 0..3 {
            for from in 0..3 {
                let on_diagonal = to == from;
                family.basis.push(column(to, Some(from)));
                family.start.push(if on_diagonal { 1.0 } else { 0.0 });
                // Twice the paper's factors, because the family halves its penalty.
                family.strength.push(if on_diagonal { 2.0 * 3.0 / n } else { 2.0 * 6.0 / n });
            }
            family.basis.push(column(to, None));
            family.start.push(0.0);
            family.strength.push(2.0 * 3.0 / n);
        }
        let fitted = rows.minimise(&family);
        let parameter = |index: usize| fitted.parameters.get(index).copied().unwrap_or(0.0);
        Self {
            matrix: [0, 1, 2].map(|to| [0, 1, 2].map(|from| parameter(4 * to + from))),
            offsets: [0, 1, 2].map(|to| parameter(4 * to + 3)),
        }
    }
}
