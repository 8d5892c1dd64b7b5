use std::path::PathBuf;

use super::{JournalError, RunError};
use crate::checkpoint::CheckpointError;
use crate::encoding::{EncodingError, Shown};
use crate::onnx::{BatchError, SessionError};

/// A language model cannot be used, or failed on a battle.
#[derive(Debug, thiserror::Error)]
pub enum LanguageModelError {
    /// There is no model folder.
    #[error(
        "no language model at {}; `tiebreak import PATH --out {}` makes one",
        places.iter().map(|place| format!("`{}`", place.display())).collect::<Vec<_>>().join(" nor at "),
        places.first().map(|place| place.display().to_string()).unwrap_or_default()
    )]
    Missing {
        /// Where it was looked for.
        places: Vec<PathBuf>,
    },
    /// A file of the model folder is missing, damaged, or not the one that was imported.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The encoder cannot be rebuilt, or a battle cannot be encoded.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// The sessions cannot be made.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The sequences may be longer than the model can read.
    #[error(
        "`max_tokens` is {max_tokens}, but `{}` reads at most {max_positions} tokens; set `max_tokens` or \
         `--max-tokens` to {max_positions} or less",
        folder.display()
    )]
    TooLong {
        /// The model.
        folder: PathBuf,
        /// The budget.
        max_tokens: usize,
        /// What the model reads.
        max_positions: usize,
    },
    /// The model says something else than the predictor needs.
    #[error("`{}` cannot be a `{kind}`: {problem}", folder.display())]
    Unfit {
        /// The model.
        folder: PathBuf,
        /// The kind of predictor.
        kind: &'static str,
        /// What does not fit, and the way out.
        problem: String,
    },
    /// The model is not the one that the run was made with.
    #[error(
        "`{}` is not the model that the run was made with: {what}; restore that model, or train the run again",
        folder.display()
    )]
    Changed {
        /// The model.
        folder: PathBuf,
        /// What differs.
        what: String,
    },
    /// A battle does not fit the model.
    #[error("battle `{id}` ({}, {tokens} tokens) cannot be computed: {source}", words(*shown))]
    Battle {
        /// The battle.
        id: String,
        /// Which of its sequences.
        shown: Shown,
        /// Tokens of the sequence.
        tokens: usize,
        /// Why.
        #[source]
        source: BatchError,
    },
    /// The model gave something that is no number.
    #[error(
        "the model gave `{value}` for battle `{id}` ({}, {tokens} tokens): its weights or its precision are at \
         fault; half precision overflows in some models, single precision does not",
        words(*shown)
    )]
    NotFinite {
        /// The battle.
        id: String,
        /// Which of its sequences.
        shown: Shown,
        /// Tokens of the sequence.
        tokens: usize,
        /// The first such value.
        value: f32,
    },
    /// The graph gives another number of values than the model has outputs.
    #[error("`{}` gives {found} numbers a sequence where its card names {expected} outputs", folder.display())]
    OtherWidth {
        /// The model.
        folder: PathBuf,
        /// Values of a sequence.
        found: usize,
        /// Outputs of the card.
        expected: usize,
    },
    /// A run failed in a way that no battle is to blame for.
    #[error(transparent)]
    Run(RunError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What a sequence shows, in words.
fn words(shown: Shown) -> &'static str {
    match shown {
        Shown::Ab => "A first",
        Shown::Ba => "B first",
        Shown::OnlyA => "response A",
        Shown::OnlyB => "response B",
    }
}

impl LanguageModelError {
    /// Names the battle where the run knows an item only.
    pub(super) fn of_run(error: RunError, origin: impl Fn(usize) -> (String, Shown)) -> Self {
        match error {
            RunError::Item { item, length, source } => {
                let (id, shown) = origin(item);
                Self::Battle { id, shown, tokens: length, source }
            }
            RunError::NotFinite { item, length, value } => {
                let (id, shown) = origin(item);
                Self::NotFinite { id, shown, tokens: length, value }
            }
            RunError::Journal(source) => Self::Journal(source),
            other => Self::Run(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_an_item_names_the_battle_and_its_order() {
        let origin = |item: usize| (format!("battle-{item}"), Shown::Ba);
        let error = RunError::NotFinite { item: 7, length: 12, value: f32::INFINITY };
        let message = LanguageModelError::of_run(error, origin).to_string();
        assert!(
            message.contains("`battle-7` (B first, 12 tokens)") && message.contains("`inf`"),
            "{message}"
        );
        let source = BatchError::Row { row: 1, message: "has no tokens".to_owned() };
        let error = RunError::Item { item: 3, length: 0, source };
        assert!(LanguageModelError::of_run(error, origin).to_string().starts_with("battle `battle-3`"));
    }
}
