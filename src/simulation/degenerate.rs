use serde::{Deserialize, Serialize};

use super::dice::Dice;
use crate::battle::{Response, Turn};

/// What is wrong with a row, as rows of real files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oddity {
    /// A turn whose responses are both `null`.
    NullAgainstNull,
    /// One turn, `[null]` against `[null]`.
    OnlyNull,
    /// Both responses are `""`.
    EmptyAgainstEmpty,
    /// One response is `""`, the other is not.
    OneEmpty,
    /// The prompt is `""`.
    EmptyPrompt,
    /// Both responses are the same text.
    Identical,
    /// A lone surrogate `\ud83d` in the file, which decodes to U+FFFD.
    LoneSurrogate,
    /// The three arrays of the row have different lengths.
    UnevenArrays,
    /// The arrays are written over several lines of the file.
    NewlineInCell,
}

impl Oddity {
    /// All of them with their share among odd rows.
    pub const ALL: [(Self, f64); 9] = [
        (Self::NullAgainstNull, 0.30),
        (Self::OnlyNull, 0.10),
        (Self::EmptyAgainstEmpty, 0.12),
        (Self::OneEmpty, 0.12),
        (Self::EmptyPrompt, 0.06),
        (Self::Identical, 0.12),
        (Self::LoneSurrogate, 0.06),
        (Self::UnevenArrays, 0.06),
        (Self::NewlineInCell, 0.06),
    ];

    pub(super) fn draw(dice: &mut Dice) -> Self {
        Self::ALL[dice.weighted(Self::ALL.iter().map(|(_, share)| *share))].0
    }

    /// How the row reads after it was decoded.
    pub(super) fn apply(self, turns: &mut Vec<Turn>) {
        let empty = || Response::Text(String::new());
        if matches!(self, Self::OnlyNull) {
            turns.truncate(1);
        }
        if self == Self::UnevenArrays && turns.len() == 1 {
            turns.extend(turns.first().cloned());
        }
        let Some(last) = turns.last_mut() else { return };
        match self {
            Self::NullAgainstNull | Self::OnlyNull => {
                (last.response_a, last.response_b) = (Response::Missing, Response::Missing);
            }
            Self::EmptyAgainstEmpty => (last.response_a, last.response_b) = (empty(), empty()),
            Self::OneEmpty => last.response_b = empty(),
            Self::EmptyPrompt => last.prompt.clear(),
            Self::Identical => turns.iter_mut().for_each(|turn| turn.response_b = turn.response_a.clone()),
            Self::LoneSurrogate => last.prompt.push('\u{fffd}'),
            Self::UnevenArrays => last.response_b = Response::Missing,
            Self::NewlineInCell => {}
        }
    }

    /// Whether nobody can tell the two sides apart.
    pub(super) fn is_even(self) -> bool {
        matches!(self, Self::NullAgainstNull | Self::OnlyNull | Self::EmptyAgainstEmpty | Self::Identical)
    }

    /// Whether side B says less than side A because of it.
    pub(super) fn silences_b(self) -> bool {
        matches!(self, Self::OneEmpty | Self::UnevenArrays)
    }
}
