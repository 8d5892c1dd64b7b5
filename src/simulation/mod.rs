//! Battles whose true three-way probabilities are known: seeded text, seeded votes.

mod arena;
mod compose;
mod contestants;
mod degenerate;
mod dice;
mod habits;
mod kaggle;
mod kinds;
mod parameters;
mod programs;
mod reward;
mod summary;
mod sums;
mod tasks;
mod texts;
mod translations;

use crate::battle::{LabeledBattle, Probabilities};

pub use arena::Arena;
pub use degenerate::Oddity;
pub use kaggle::{File, header, rows};
pub use parameters::ArenaParameters;
pub use summary::{OddityCount, Shares, Summary, Tally};

/// One row of the arena: what a file may hold of it, and what only the arena knows.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedBattle {
    /// The row with its drawn vote, as our ingest would read it back.
    pub labeled: LabeledBattle,
    /// The probabilities that the vote was drawn from.
    pub truth: Probabilities,
    /// What is wrong with the row, as in real files, if anything is.
    pub oddity: Option<Oddity>,
    /// Whether it is a further vote on an earlier pair of responses.
    pub repeated: bool,
}

/// The arena cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SimulationError {
    /// A parameter is outside its range.
    #[error("`{name}` is `{value}`; it must be {range}")]
    Parameter {
        /// The parameter, as it is spelled in files and, with dashes, on the command line.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed, in words.
        range: &'static str,
    },
    /// A text that the battles are made of is damaged; a fault of the program.
    #[error("the built-in text `{file}` line {line}: {problem}")]
    Text {
        /// Which text.
        file: &'static str,
        /// Which line, from 1; 0 for the text as a whole.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
}
