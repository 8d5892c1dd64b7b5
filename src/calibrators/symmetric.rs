use serde::{Deserialize, Serialize};

use super::AffineMap;
use super::affine::{Family, Rows};

/// Swap-symmetric scaling: the full family of affine maps of centred logits that commute with
/// exchanging A and B. With `u` the calibrated and `z` the given logits,
/// `u_A - u_B = contrast (z_A - z_B)` and
/// `u_T - (u_A + u_B) / 2 = tie (z_T - (z_A + z_B) / 2) + offset`.
///
/// Temperature scaling is `contrast = tie = 1/T`, `offset = 0`; the class prior is both at 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symmetric {
    /// The factor of A against B, at least 0: no order is ever turned around.
    pub contrast: f64,
    /// The factor of the tie against both, at least 0.
    pub tie: f64,
    /// What is added for the tie.
    pub offset: f64,
}

impl Symmetric {
    pub(super) fn map(&self) -> AffineMap {
        AffineMap([[0.0, self.contrast, 0.0], [self.offset, 0.0, self.tie]])
    }

    /// The least mean log loss plus `1/(2 G) (|factors - 1|^2 + offset^2)`: as much as one of the G
    /// groups says, so that an absent class or separable rows keep the parameters finite.
    pub(super) fn fit(rows: &Rows) -> Self {
        let mut free = [true, true];
        let strength = 1.0 / rows.n_groups as f64;
        loop {
            let fitted = rows.minimise(&family(free, strength));
            let map = fitted.map.0;
            let found = Self { contrast: map[0][1], tie: map[1][2], offset: map[1][0] };
            // The loss is convex: a factor that wants to be negative is best at 0.
            let keep = [free[0] && found.contrast >= 0.0, free[1] && found.tie >= 0.0];
            if keep == free {
                return found;
            }
            free = keep;
        }
    }
}

fn family(free: [bool; 2], strength: f64) -> Family {
    let mut family =
        Family { basis: vec![[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]], start: vec![0.0], strength: vec![strength] };
    for (is_free, entry) in free.into_iter().zip([1, 5]) {
        if is_free {
            let mut column = [0.0; 6];
            column[entry] = 1.0;
            family.basis.push(column);
            family.start.push(1.0);
            family.strength.push(strength);
        }
    }
    family
}
