use serde::{Deserialize, Serialize};

use crate::battle::{NotProbabilities, Probabilities};

/// What the linear part of the model gives for one row: the logits of A, B and tie (multinomial), or
/// the contrast, the logit of a tie and an unused zero (swap-equivariant).
pub type Margin = [f64; 3];

/// How margins become logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Margins are the logits of A, B and tie.
    Multinomial,
    /// Logits `(c/2, -c/2, t)` of a contrast `c` that changes its sign when the sides are exchanged,
    /// and of a tie logit `t` that stays.
    SwapEquivariant,
}

impl Form {
    /// How many of the three margins are in use; each but the contrast has an intercept.
    #[must_use]
    pub fn outputs(self) -> usize {
        match self {
            Self::Multinomial => 3,
            Self::SwapEquivariant => 2,
        }
    }

    /// The margins that have an intercept: the contrast has none, or the symmetry would be lost.
    #[must_use]
    pub fn intercepts(self) -> std::ops::Range<usize> {
        match self {
            Self::Multinomial => 0..3,
            Self::SwapEquivariant => 1..2,
        }
    }

    /// The logits of A, B and tie.
    #[must_use]
    pub fn logits(self, margin: Margin) -> [f64; 3] {
        match self {
            Self::Multinomial => margin,
            Self::SwapEquivariant => [0.5 * margin[0], -0.5 * margin[0], margin[1]],
        }
    }

    /// The derivative by the margins of what has this derivative by the logits.
    #[must_use]
    pub fn pull_back(self, by_logits: [f64; 3]) -> Margin {
        match self {
            Self::Multinomial => by_logits,
            Self::SwapEquivariant => [0.5 * (by_logits[0] - by_logits[1]), by_logits[2], 0.0],
        }
    }

    /// The probabilities of one row.
    ///
    /// # Errors
    /// `NotProbabilities` when a margin is not a number.
    pub fn probabilities(self, margin: Margin) -> Result<Probabilities, NotProbabilities> {
        Probabilities::from_logits(self.logits(margin))
    }

    /// The margins of a model without features that predicts these shares of A, B and tie; a share
    /// below 1e-9 counts as 1e-9, so that an absent class keeps the model finite.
    #[must_use]
    pub fn of_shares(self, shares: [f64; 3]) -> Margin {
        let ln = shares.map(|share| share.max(1e-9).ln());
        match self {
            Self::Multinomial => {
                let mean = ln.iter().sum::<f64>() / 3.0;
                ln.map(|value| value - mean)
            }
            Self::SwapEquivariant => [0.0, ln[2] - (0.5 * (shares[0] + shares[1])).max(1e-9).ln(), 0.0],
        }
    }
}
