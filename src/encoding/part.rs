use serde::{Deserialize, Serialize};

/// Where a token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Added by the tokenizer around the text: `[CLS]`, `[SEP]`, `<bos>`.
    Special,
    /// Says that something was cut out here.
    Marker,
    /// What the template writes around the texts; never cut.
    Frame,
    /// The prompt, with the system prompt before the first one.
    Prompt,
    /// The response in the first place.
    ResponseA,
    /// The response in the second place.
    ResponseB,
}

impl Part {
    /// The place in `[prompt, response_a, response_b]` of a part that may be cut.
    pub(super) fn text_index(self) -> Option<usize> {
        match self {
            Self::Prompt => Some(0),
            Self::ResponseA => Some(1),
            Self::ResponseB => Some(2),
            Self::Special | Self::Marker | Self::Frame => None,
        }
    }
}

/// What one sequence shows of a battle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Both responses, A in the first place.
    Ab,
    /// Both responses, B in the first place, where it is called A.
    Ba,
    /// The response of A alone.
    OnlyA,
    /// The response of B alone.
    OnlyB,
}

/// Tokens of one part of one sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Tokens that the model sees.
    pub kept: usize,
    /// Tokens of the whole text.
    pub original: usize,
}

impl Kept {
    /// Whether something was cut.
    #[must_use]
    pub fn is_cut(self) -> bool {
        self.kept < self.original
    }
}

/// Tokens of each part of one sequence; `response_a` is the response in the first place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCounts {
    /// The prompts of all turns.
    pub prompt: Kept,
    /// The responses in the first place, of all turns.
    pub response_a: Kept,
    /// The responses in the second place, of all turns.
    pub response_b: Kept,
    /// What the template writes around the texts.
    pub frame: Kept,
    /// Earliest turns that were left out whole.
    pub dropped_turns: usize,
    /// Control tokens such as `<|im_end|>` that the texts themselves spell; kept, as Python keeps them.
    pub control_tokens: usize,
}

impl PartCounts {
    /// Whether any text was cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        [self.prompt, self.response_a, self.response_b, self.frame].iter().any(|part| part.is_cut())
    }

    /// Tokens of the texts and their frame before the cut, without special tokens.
    #[must_use]
    pub fn original(&self) -> usize {
        [self.prompt, self.response_a, self.response_b, self.frame].iter().map(|part| part.original).sum()
    }

    /// The counts of a part that holds text; `None` for specials and markers.
    pub(super) fn of_mut(&mut self, part: Part) -> Option<&mut Kept> {
        match part {
            Part::Prompt => Some(&mut self.prompt),
            Part::ResponseA => Some(&mut self.response_a),
            Part::ResponseB => Some(&mut self.response_b),
            Part::Frame => Some(&mut self.frame),
            Part::Special | Part::Marker => None,
        }
    }
}

/// A stretch of text with its origin. Frame belongs to a turn where it must leave with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) part: Part,
    pub(super) turn: Option<usize>,
    pub(super) text: String,
}

impl Piece {
    pub(super) fn frame(text: &str) -> Self {
        Self { part: Part::Frame, turn: None, text: text.to_owned() }
    }

    pub(super) fn text(part: Part, turn: usize, text: &str) -> Self {
        Self { part, turn: Some(turn), text: text.to_owned() }
    }
}

/// One text that is tokenized as a whole.
pub(super) type Segment = Vec<Piece>;

/// Joins neighbouring frames and gives each one that stands between two texts its turn: the turn of both,
/// or, between two turns, the earlier one, whose end and successor's beginning it writes. What stands
/// before the first and after the last text belongs to none and is always kept.
pub(super) fn framed(pieces: Vec<Piece>) -> Segment {
    let mut joined: Segment = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match joined.last_mut() {
            Some(last) if last.part == Part::Frame && piece.part == Part::Frame => {
                last.text.push_str(&piece.text);
            }
            _ => joined.push(piece),
        }
    }
    for index in 1..joined.len().saturating_sub(1) {
        if joined[index].part == Part::Frame {
            joined[index].turn = joined[index - 1].turn;
        }
    }
    joined
}

/// The text that the pieces write.
pub(super) fn text_of(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_between_two_turns_leaves_with_the_earlier_one() {
        let pieces = framed(vec![
            Piece::frame("<"),
            Piece::text(Part::Prompt, 0, "p"),
            Piece::frame("|"),
            Piece::text(Part::ResponseA, 0, "a"),
            Piece::frame(">"),
            Piece::frame("<"),
            Piece::text(Part::Prompt, 1, "q"),
            Piece::frame(">"),
        ]);
        let turns: Vec<Option<usize>> = pieces.iter().map(|piece| piece.turn).collect();
        assert_eq!(turns, [None, Some(0), Some(0), Some(0), Some(0), Some(1), None]);
        let later: String = pieces.iter().filter(|p| p.turn != Some(0)).map(|p| p.text.as_str()).collect();
        assert_eq!(later, "<q>");
        assert_eq!(text_of(&pieces), "<p|a><q>");
    }
}
