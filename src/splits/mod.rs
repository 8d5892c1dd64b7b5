//! Folds and hold-outs grouped by normalised prompt and session, stratified, seeded, or read from a file.
//!
//! Rows of one group never lie on both sides of a split. Assignments depend on the set of rows, the
//! number of folds and the seed alone: not on the order of the rows, not on the number of threads.

mod components;
mod distribute;
mod folds;
mod groups;
mod hold_out;
mod stored;

pub use components::Components;
pub use folds::{Fold, assign, folds};
pub use groups::groups;
pub use hold_out::hold_out;
pub use stored::from_assignments;

use crate::battle::{BattleId, GroupId, Target};

/// What a split needs to know of a row.
#[derive(Clone, Copy, Debug)]
pub struct GroupedRow<'a> {
    /// The key of the row.
    pub id: &'a BattleId,
    /// The rows that it must stay with.
    pub group: &'a GroupId,
    /// What the classes are balanced by.
    pub target: Target,
}

/// Rows cannot be split as asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// There is nothing to split.
    #[error("no row to split")]
    NoRows,
    /// One fold holds everything out and leaves nothing to learn from.
    #[error("`{folds}` folds leave nothing to learn from; use at least 2")]
    TooFewFolds {
        /// How many were asked for or found.
        folds: u32,
    },
    /// A group is never divided, so there cannot be more parts than groups.
    #[error(
        "{rows} rows in {groups} groups (rows with the same prompt or session stay together) cannot be \
         divided into {parts} parts; ask for at most {groups} folds or bring rows with other prompts"
    )]
    TooFewGroups {
        /// Rows to divide.
        rows: usize,
        /// Groups among them.
        groups: usize,
        /// Parts asked for.
        parts: usize,
    },
    /// The share of a hold-out is no share.
    #[error("`{share}` is not a share of the rows to hold out; use a number above 0 and below 1")]
    NotAShare {
        /// What was given.
        share: f64,
    },
    /// A file of folds is about other rows.
    #[error(
        "the folds are not those of these rows: {}; make folds for exactly this file with `tiebreak split`",
        mismatches.join(", ")
    )]
    OtherRows {
        /// What does not fit, one clause each with its count and examples.
        mismatches: Vec<String>,
    },
}
