use serde::{Deserialize, Serialize};

use super::SourceRow;
use crate::battle::{Response, Turn, Vote};

/// What was odd in a file. Every count is a number of rows, except `lone_surrogates`.
///
/// Nothing here is an error and no row is dropped for it: each oddity is decided once, as said below.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Rows of the file.
    pub rows: u64,
    /// Battles made of them; differs from `rows` where one row holds several pairs.
    pub battles: u64,
    /// Battles without a label.
    pub unlabelled: u64,
    /// Labels that are fractions and not one vote.
    pub soft_labels: u64,
    /// Battles of two or more turns.
    pub multi_turn: u64,
    /// A response is `null` or not there at all; kept as missing.
    pub missing_responses: u64,
    /// A response is the empty text; kept as such, apart from a missing one.
    pub empty_responses: u64,
    /// A response holds nothing but white space, and is not empty; kept as it is.
    pub blank_responses: u64,
    /// A prompt is `null` or the empty text; both are the empty text.
    pub empty_prompts: u64,
    /// The lists of turns have different lengths; the shorter are filled up with missing responses.
    pub uneven_turns: u64,
    /// No turn at all (`[]`); becomes one turn with an empty prompt and two missing responses.
    pub no_turns: u64,
    /// The two conversations ask different things; the prompts of A are kept.
    pub different_prompts: u64,
    /// An image was sent; its place holds no text, the text around it is kept.
    pub images: u64,
    /// Halves of surrogate pairs without their other half (`\ud83d` alone); each becomes U+FFFD.
    pub lone_surrogates: u64,
    /// The vote is "both are bad"; kept apart, a tie for the three-way task.
    pub both_bad: u64,
    /// The two responses are the same text and yet one won.
    pub identical_with_winner: u64,
    /// The winning side said nothing in any turn.
    pub winner_without_answer: u64,
}

impl Counts {
    /// Adds what was odd elsewhere.
    pub fn add(&mut self, other: &Self) {
        for ((_, mine), (_, theirs)) in self.fields_mut().into_iter().zip(other.fields()) {
            *mine += theirs;
        }
    }

    /// Every count with the words that a table shows for it.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, u64); 17] {
        let mut copy = self.clone();
        copy.fields_mut().map(|(label, count)| (label, *count))
    }

    fn fields_mut(&mut self) -> [(&'static str, &mut u64); 17] {
        [
            ("rows", &mut self.rows),
            ("battles", &mut self.battles),
            ("without a label", &mut self.unlabelled),
            ("soft labels", &mut self.soft_labels),
            ("multi-turn", &mut self.multi_turn),
            ("missing responses", &mut self.missing_responses),
            ("empty responses", &mut self.empty_responses),
            ("blank responses", &mut self.blank_responses),
            ("empty prompts", &mut self.empty_prompts),
            ("uneven turns", &mut self.uneven_turns),
            ("no turns", &mut self.no_turns),
            ("different prompts", &mut self.different_prompts),
            ("images", &mut self.images),
            ("lone surrogates", &mut self.lone_surrogates),
            ("both bad", &mut self.both_bad),
            ("identical, yet a winner", &mut self.identical_with_winner),
            ("winner without an answer", &mut self.winner_without_answer),
        ]
    }

    /// Counts what can be seen in a finished row, whatever its format.
    pub(super) fn observe(&mut self, row: &SourceRow) {
        let turns = &row.battle.turns;
        let any = |test: fn(&Turn) -> bool| u64::from(turns.iter().any(test));
        self.battles += 1;
        self.multi_turn += u64::from(turns.len() > 1);
        self.missing_responses += any(|turn| turn.response_a.is_missing() || turn.response_b.is_missing());
        self.empty_responses += any(|turn| is_empty(&turn.response_a) || is_empty(&turn.response_b));
        self.blank_responses += any(|turn| is_blank(&turn.response_a) || is_blank(&turn.response_b));
        self.empty_prompts += any(|turn| turn.prompt.is_empty());
        let Some(label) = &row.label else {
            self.unlabelled += 1;
            return;
        };
        self.soft_labels += u64::from(label.target.class().is_none());
        self.both_bad += u64::from(label.vote == Some(Vote::BothBad));
        let silent =
            |answer: fn(&Turn) -> &Response| turns.iter().all(|turn| answer(turn).as_str().trim().is_empty());
        let (won, nothing) = match label.vote {
            Some(Vote::A) => (true, silent(|turn| &turn.response_a)),
            Some(Vote::B) => (true, silent(|turn| &turn.response_b)),
            _ => (false, false),
        };
        self.winner_without_answer += u64::from(nothing);
        let identical = won && turns.iter().all(|turn| turn.response_a == turn.response_b);
        self.identical_with_winner += u64::from(identical);
    }
}

fn is_blank(response: &Response) -> bool {
    matches!(response, Response::Text(text) if !text.is_empty() && text.trim().is_empty())
}

fn is_empty(response: &Response) -> bool {
    matches!(response, Response::Text(text) if text.is_empty())
}
