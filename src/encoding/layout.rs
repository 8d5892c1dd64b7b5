//! The plain layouts: labels around the texts.

use crate::battle::{Battle, Response};

use super::part::{Part, Piece, Segment, Shown, framed};
use super::recipe::{ChatLayout, Labels, MissingResponse};

/// The texts of a battle in the order that a sequence shows them.
pub(super) struct Texts<'a> {
    /// First turn first; the system prompt stands before the first prompt.
    pub(super) turns: Vec<TurnTexts<'a>>,
}

pub(super) struct TurnTexts<'a> {
    pub(super) prompt: std::borrow::Cow<'a, str>,
    /// In the first place; `None` where the sequence shows the other response alone.
    pub(super) first: Option<&'a str>,
    /// In the second place.
    pub(super) second: Option<&'a str>,
}

impl TurnTexts<'_> {
    /// The one response of a single sequence, with its part.
    pub(super) fn only(&self) -> (Part, &str) {
        match (self.first, self.second) {
            (Some(text), _) => (Part::ResponseA, text),
            (None, second) => (Part::ResponseB, second.unwrap_or_default()),
        }
    }
}

impl<'a> Texts<'a> {
    pub(super) fn of(battle: &'a Battle, shown: Shown, missing: &'a MissingResponse) -> Self {
        let text = |response: &'a Response| match response {
            Response::Missing => missing.text(),
            Response::Text(text) => text.as_str(),
        };
        let turns = battle.turns.iter().enumerate().map(|(index, turn)| {
            let (a, b) = (text(&turn.response_a), text(&turn.response_b));
            let (first, second) = match shown {
                Shown::Ab => (Some(a), Some(b)),
                Shown::Ba => (Some(b), Some(a)),
                Shown::OnlyA => (Some(a), None),
                Shown::OnlyB => (None, Some(b)),
            };
            let prompt = match battle.system.as_deref() {
                Some(system) if index == 0 && !system.is_empty() => {
                    format!("{system}\n\n{}", turn.prompt).into()
                }
                _ => turn.prompt.as_str().into(),
            };
            TurnTexts { prompt, first, second }
        });
        Self { turns: turns.collect() }
    }

    /// The same part of all turns as one text.
    fn joined(&self, between: &str, text: impl Fn(&TurnTexts<'_>) -> String) -> String {
        self.turns.iter().map(text).collect::<Vec<_>>().join(between)
    }
}

pub(super) fn comparison(texts: &Texts<'_>, layout: ChatLayout, labels: &Labels) -> Vec<Piece> {
    match layout {
        ChatLayout::Concatenated => {
            let [prompt, first, second] = concatenated_texts(texts, labels);
            vec![
                Piece::frame(&labels.prompt),
                prompt,
                Piece::frame(&labels.response_a),
                first,
                Piece::frame(&labels.response_b),
                second,
            ]
        }
        ChatLayout::Interleaved => interleaved(texts, labels),
    }
}

/// A conversation is one turn here: which of its turns are cut is up to what is kept of the joined text.
fn concatenated_texts(texts: &Texts<'_>, labels: &Labels) -> [Piece; 3] {
    let between = &labels.between_turns;
    [
        Piece::text(Part::Prompt, 0, &texts.joined(between, |turn| turn.prompt.to_string())),
        Piece::text(
            Part::ResponseA,
            0,
            &texts.joined(between, |turn| turn.first.unwrap_or_default().to_owned()),
        ),
        Piece::text(
            Part::ResponseB,
            0,
            &texts.joined(between, |turn| turn.second.unwrap_or_default().to_owned()),
        ),
    ]
}

fn interleaved(texts: &Texts<'_>, labels: &Labels) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (index, turn) in texts.turns.iter().enumerate() {
        if index > 0 {
            pieces.push(Piece::frame(&labels.between_turns));
        }
        pieces.push(Piece::frame(&labels.prompt));
        pieces.push(Piece::text(Part::Prompt, index, &turn.prompt));
        pieces.push(Piece::frame(&labels.response_a));
        pieces.push(Piece::text(Part::ResponseA, index, turn.first.unwrap_or_default()));
        pieces.push(Piece::frame(&labels.response_b));
        pieces.push(Piece::text(Part::ResponseB, index, turn.second.unwrap_or_default()));
    }
    pieces
}

/// The prompt alone, then both responses with their labels.
pub(super) fn comparison_pair(texts: &Texts<'_>, labels: &Labels) -> Vec<Segment> {
    let [prompt, first, second] = concatenated_texts(texts, labels);
    let responses =
        vec![Piece::frame(labels.response_a.trim_start()), first, Piece::frame(&labels.response_b), second];
    vec![vec![prompt], framed(responses)]
}

pub(super) fn single(texts: &Texts<'_>, labels: &Labels) -> Segment {
    let mut pieces = Vec::new();
    for (index, turn) in texts.turns.iter().enumerate() {
        let (part, response) = turn.only();
        if index > 0 {
            pieces.push(Piece::frame(&labels.between_turns));
        }
        pieces.push(Piece::frame(&labels.prompt));
        pieces.push(Piece::text(Part::Prompt, index, &turn.prompt));
        pieces.push(Piece::frame(&labels.response));
        pieces.push(Piece::text(part, index, response));
    }
    framed(pieces)
}

/// Everything up to the last prompt without labels, then the last response alone.
pub(super) fn single_pair(texts: &Texts<'_>, labels: &Labels) -> Vec<Segment> {
    let mut earlier = Vec::new();
    let mut last = Vec::new();
    for (index, turn) in texts.turns.iter().enumerate() {
        let (part, response) = turn.only();
        if index > 0 {
            earlier.push(Piece::frame(&labels.between_turns));
        }
        earlier.push(Piece::text(Part::Prompt, index, &turn.prompt));
        let response = Piece::text(part, index, response);
        if index + 1 == texts.turns.len() {
            last.push(response);
        } else {
            earlier.push(Piece::frame(&labels.between_turns));
            earlier.push(response);
        }
    }
    vec![framed(earlier), last]
}
