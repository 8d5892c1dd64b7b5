use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::view::View;
use crate::battle::{Battle, Class, LabeledBattle, Response};

/// More characters than this in one row are far beyond what a model is usually given (about 8,000 tokens).
const VERY_LONG: usize = 32_000;

/// How many ids an anomaly names.
const EXAMPLES: usize = 5;

/// How improbable a one-sided session must be, among all sessions together.
const IMPROBABLE: f64 = 0.001;

/// Something odd, how often, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// What is odd.
    pub kind: AnomalyKind,
    /// Rows that are.
    pub rows: usize,
    /// The ids of the first few.
    pub examples: Vec<String>,
}

/// What can be odd about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    /// Another row has the same id.
    RepeatedId,
    /// A prompt without text in some turn.
    EmptyPrompt,
    /// A response that was not recorded (null).
    MissingResponse,
    /// A response that is recorded and blank.
    EmptyResponse,
    /// Neither side answers anything.
    BothSidesEmpty,
    /// The side without any answer wins against one that answers.
    EmptySideWins,
    /// Both sides answer, and the same.
    IdenticalResponses,
    /// The same answer on both sides, and yet a winner.
    IdenticalWithWinner,
    /// One side ends turns before the other.
    UnevenTurns,
    /// More than 32,000 characters.
    VeryLong,
    /// Control characters other than tabs and line ends.
    ControlCharacters,
    /// U+FFFD: the trace of text that was broken before.
    ReplacementCharacters,
    /// A model against itself.
    SameModel,
    /// Rows of sessions whose votes all name one side, which chance would hardly do.
    OneSidedSession,
}

impl AnomalyKind {
    /// All of them, in reading order.
    pub const ALL: [Self; 14] = [
        Self::RepeatedId,
        Self::EmptyPrompt,
        Self::MissingResponse,
        Self::EmptyResponse,
        Self::BothSidesEmpty,
        Self::EmptySideWins,
        Self::IdenticalResponses,
        Self::IdenticalWithWinner,
        Self::UnevenTurns,
        Self::VeryLong,
        Self::ControlCharacters,
        Self::ReplacementCharacters,
        Self::SameModel,
        Self::OneSidedSession,
    ];

    /// What it is, for a person.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::RepeatedId => "id of another row",
            Self::EmptyPrompt => "empty prompt in a turn",
            Self::MissingResponse => "missing (null) response",
            Self::EmptyResponse => "empty response",
            Self::BothSidesEmpty => "no answer on either side",
            Self::EmptySideWins => "side without an answer wins",
            Self::IdenticalResponses => "identical responses",
            Self::IdenticalWithWinner => "identical responses, yet a winner",
            Self::UnevenTurns => "one side ends turns before the other",
            Self::VeryLong => "more than 32,000 characters",
            Self::ControlCharacters => "control characters",
            Self::ReplacementCharacters => "replacement characters (broken text)",
            Self::SameModel => "a model against itself",
            Self::OneSidedSession => "session that always votes for one side",
        }
    }
}

/// Every kind with its rows, also where there are none.
pub(super) fn anomalies(view: &View<'_>) -> Vec<Anomaly> {
    let ids: Vec<_> = view.battles.iter().map(|battle| &battle.id).collect();
    let one_sided = one_sided_rows(&view.labeled);
    // Rows stand in the order of their ids: a repeated one is beside its like.
    let repeated = |row: usize| (row > 0 && ids[row - 1] == ids[row]) || ids.get(row + 1) == Some(&ids[row]);
    let found: Vec<[bool; 14]> = (0..view.len())
        .into_par_iter()
        .map(|row| {
            let texts = Texts::of(view.battles[row]);
            let labeled = view.labeled.get(row).copied();
            AnomalyKind::ALL.map(|kind| match kind {
                AnomalyKind::RepeatedId => repeated(row),
                AnomalyKind::OneSidedSession => one_sided.get(row).copied().unwrap_or(false),
                AnomalyKind::IdenticalResponses => identical(view, row, &texts),
                AnomalyKind::IdenticalWithWinner => identical(view, row, &texts) && has_winner(labeled),
                AnomalyKind::EmptySideWins => texts.empty_side_wins(labeled),
                AnomalyKind::SameModel => labeled.is_some_and(plays_itself),
                kind => texts.has(kind),
            })
        })
        .collect();
    let anomaly = |(place, kind): (usize, AnomalyKind)| {
        let rows: Vec<usize> = (0..view.len()).filter(|row| found[*row][place]).collect();
        let examples = rows.iter().take(EXAMPLES).map(|row| ids[*row].0.clone()).collect();
        Anomaly { kind, rows: rows.len(), examples }
    };
    AnomalyKind::ALL.into_iter().enumerate().map(anomaly).collect()
}

/// What is seen in one pass over the texts of a row.
#[expect(clippy::struct_excessive_bools, reason = "each is one independent finding")]
struct Texts {
    empty_prompt: bool,
    missing: bool,
    empty: bool,
    /// Whether side A, side B answers anything.
    answers: [bool; 2],
    uneven: bool,
    characters: usize,
    control: bool,
    replacement: bool,
}

impl Texts {
    fn of(battle: &Battle) -> Self {
        let blank = |response: &Response| response.as_str().trim().is_empty();
        let responses = || battle.turns.iter().flat_map(|turn| [&turn.response_a, &turn.response_b]);
        let texts =
            || battle.turns.iter().map(|turn| turn.prompt.as_str()).chain(responses().map(Response::as_str));
        let last = battle.turns.last();
        Self {
            empty_prompt: battle.turns.iter().any(|turn| turn.prompt.trim().is_empty()),
            missing: responses().any(Response::is_missing),
            empty: responses().any(|response| !response.is_missing() && blank(response)),
            answers: [
                battle.turns.iter().any(|turn| !blank(&turn.response_a)),
                battle.turns.iter().any(|turn| !blank(&turn.response_b)),
            ],
            uneven: battle.turns.len() > 1
                && last.is_some_and(|turn| turn.response_a.is_missing() != turn.response_b.is_missing()),
            characters: texts().map(|text| text.chars().count()).sum(),
            control: texts().any(|text| text.contains(is_odd_control)),
            replacement: texts().any(|text| text.contains(char::REPLACEMENT_CHARACTER)),
        }
    }

    fn has(&self, kind: AnomalyKind) -> bool {
        match kind {
            AnomalyKind::EmptyPrompt => self.empty_prompt,
            AnomalyKind::MissingResponse => self.missing,
            AnomalyKind::EmptyResponse => self.empty,
            AnomalyKind::BothSidesEmpty => self.answers == [false, false],
            AnomalyKind::UnevenTurns => self.uneven,
            AnomalyKind::VeryLong => self.characters > VERY_LONG,
            AnomalyKind::ControlCharacters => self.control,
            AnomalyKind::ReplacementCharacters => self.replacement,
            _ => false,
        }
    }

    fn empty_side_wins(&self, labeled: Option<&LabeledBattle>) -> bool {
        match labeled.and_then(|row| row.target.class()) {
            Some(Class::A) => self.answers == [false, true],
            Some(Class::B) => self.answers == [true, false],
            _ => false,
        }
    }
}

fn identical(view: &View<'_>, row: usize, texts: &Texts) -> bool {
    view.sides[row][0] == view.sides[row][1] && texts.answers == [true, true]
}

fn has_winner(labeled: Option<&LabeledBattle>) -> bool {
    labeled.and_then(|row| row.target.class()).is_some_and(|class| class != Class::Tie)
}

fn plays_itself(row: &LabeledBattle) -> bool {
    row.models.as_ref().is_some_and(|[a, b]| a == b && !a.is_empty())
}

fn is_odd_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{c}' | '\u{85}')
}

/// Rows of sessions in which every vote names the same side, where among that many sessions chance
/// would produce none in a thousand data sets.
fn one_sided_rows(rows: &[&LabeledBattle]) -> Vec<bool> {
    let mut sessions: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut totals = [0_usize; 3];
    for row in rows {
        let class = row.target.largest().index();
        totals[class] += 1;
        if let Some(session) = row.session.as_deref() {
            sessions.entry(session).or_default()[class] += 1;
        }
    }
    let limit = IMPROBABLE / sessions.len().max(1) as f64;
    let suspicious = |counts: &[usize; 3]| {
        let votes: usize = counts.iter().sum();
        [0, 1].iter().any(|side| {
            let share = totals[*side] as f64 / rows.len() as f64;
            counts[*side] == votes && share.powf(votes as f64) < limit
        })
    };
    let found = |row: &&LabeledBattle| {
        row.session.as_deref().and_then(|name| sessions.get(name)).is_some_and(suspicious)
    };
    rows.iter().map(found).collect()
}
