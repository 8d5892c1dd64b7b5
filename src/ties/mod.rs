//! Two rewards -> three probabilities: tie links with a temperature, and their fit on held-out rewards.

mod fit;
mod formulas;
mod model;
mod newton;
mod parameter;
mod scalar;
mod slopes;

pub use fit::TieFit;
pub use model::{TieModel, TieModelKind};
pub use parameter::{Finite, NonNegative, NotInRange, Positive};
pub use slopes::rao_kupper_slopes;

/// Rewards cannot be turned into probabilities, or a link cannot be fitted on them.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TieError {
    /// There is nothing to fit on.
    #[error("no row to fit a tie model on; give at least one held-out battle with its two rewards")]
    NoRows,
    /// Weights and rows do not fit each other.
    #[error(
        "{weights} weights for {rows} rows: a fit needs one finite weight of at least 0 for each row, and one above 0"
    )]
    Weights {
        /// Rows of the fit.
        rows: usize,
        /// How many weights there are.
        weights: usize,
    },
    /// A reward is infinite or not a number.
    #[error(
        "the rewards `{}` and `{}`{} must be finite numbers; look for a failed score in that row",
        rewards[0], rewards[1], id.as_ref().map(|id| format!(" of battle `{id}`")).unwrap_or_default()
    )]
    NotFinite {
        /// The battle, where it is known.
        id: Option<String>,
        /// The rewards, A first.
        rewards: [f64; 2],
    },
    /// A parameter left its range.
    #[error(transparent)]
    Parameter(#[from] NotInRange),
}
