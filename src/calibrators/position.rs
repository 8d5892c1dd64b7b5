use serde::{Deserialize, Serialize};

use super::AffineMap;
use super::affine::{Family, Rows};

/// An offset of the log-odds of A against B and nothing else: `u_A - u_B = z_A - z_B + offset`.
///
/// The least that corrects symmetric predictors on battles whose people, or whose assignment of sides,
/// favour one place. It gives up the symmetry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// What is added to the log-odds of A against B.
    pub offset: f64,
}

impl Position {
    pub(super) fn map(self) -> AffineMap {
        AffineMap([[self.offset, 1.0, 0.0], [0.0, 0.0, 1.0]])
    }

    /// The least mean log loss plus `1/(2 G) offset^2`.
    pub(super) fn fit(rows: &Rows) -> Self {
        // The map starts from the identity, which the basis spans as its second column, held in place.
        let identity = [0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let family = Family {
            basis: vec![[1.0, 0.0, 0.0, 0.0, 0.0, 0.0], identity],
            start: vec![0.0, 1.0],
            strength: vec![1.0 / rows.n_groups as f64, HELD],
        };
        Self { offset: rows.minimise(&family).map.0[0][0] }
    }
}

/// A penalty so strong that its parameter does not move.
const HELD: f64 = 1e9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::{Class, Probabilities, Target, Task};
    use crate::calibrators::Coordinates;

    #[test]
    fn the_offset_restores_the_shares_of_both_sides() {
        let even = Coordinates::of(Probabilities::new([0.4, 0.4, 0.2]).unwrap());
        let targets: Vec<[f64; 3]> = (0..1000)
            .map(|row| {
                Target::one_hot(if row < 500 {
                    Class::A
                } else if row < 800 {
                    Class::B
                } else {
                    Class::Tie
                })
            })
            .map(Target::to_array)
            .collect();
        let rows = Rows { z: vec![even; 1000], targets, task: Task::ThreeWay, n_groups: 1_000_000 };
        let found = Position::fit(&rows);
        let p = found.map().apply(even).probabilities(Task::ThreeWay).to_array();
        assert!((p[0] / p[1] - 5.0 / 3.0).abs() < 0.01, "{p:?}");
        assert_eq!(found.map().0[1], [0.0, 0.0, 1.0]);
    }
}
