//! Plain values of the domain: battles, votes, targets, probabilities. No input, no output.

mod labeled;
mod probabilities;
mod prompt;
mod scored;
mod target;
mod text;
mod vote;

pub use labeled::{LabeledBattle, Outcome};
pub use probabilities::{NotProbabilities, Probabilities};
pub use prompt::{GroupId, normalised, normalised_prompt};
pub use scored::{HeldOut, Provenance, Scored};
pub use target::{NotATarget, Target};
pub use text::{Battle, BattleId, NoTurns, Response, Turn};
pub use vote::{Class, Task, Vote};
