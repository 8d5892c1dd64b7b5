//! Preference pairs: `chosen` and `rejected` as messages, texts with a prompt, lists of completions, or
//! whole dialogues.

use serde_json::Value;

use super::common::Common;
use super::conversation::{Message, Role, Side, beside, dialogue, messages, of_value};
use super::error::Fault;
use super::labels::row_id;
use super::{Counts, Decode, RowLabel, SourceRow};
use crate::battle::{Battle, BattleId, Response, Turn, Vote};
use crate::tables::{Cell, Row, Table, TableError, json_value};

const PROMPTS: [&str; 3] = ["prompt", "question", "input"];

pub(super) struct Pairs {
    answers: [usize; 2],
    prompt: Option<(usize, &'static str)>,
    id: Option<usize>,
    subset: Option<usize>,
    models: [Option<usize>; 2],
    common: Common,
}

impl Pairs {
    pub(super) fn new(table: &Table, keep_metadata: bool) -> Result<Self, TableError> {
        let answers = table.require(["chosen", "rejected"])?;
        let prompt = PROMPTS.into_iter().find_map(|name| Some((table.column(name)?, name)));
        let id = table.column("id");
        let models = ["chosen_model", "rejected_model"].map(|name| table.column(name));
        let mut known = answers.to_vec();
        known.extend(
            prompt.map(|(column, _)| column).into_iter().chain(id).chain(models.into_iter().flatten()),
        );
        let common = Common::new(table, &known, keep_metadata);
        Ok(Self { answers, prompt, id, subset: table.column("subset"), models, common })
    }

    /// The id of the row; in sets of several subsets each subset counts anew.
    fn id(&self, row: &Row<'_>) -> Result<Option<BattleId>, Fault> {
        let Some(column) = self.id else { return Ok(None) };
        let id = row_id(row, column)?;
        let subset = self.subset.and_then(|column| row.cell(column).text());
        Ok(Some(subset.map_or(id.clone(), |subset| BattleId(format!("{subset}/{id}")))))
    }

    fn prompt(&self, row: &Row<'_>, counts: &mut Counts) -> Result<Option<Vec<Message>>, Fault> {
        let Some((column, name)) = self.prompt else { return Ok(None) };
        let cell = row.cell(column);
        match cell {
            Cell::Value(Value::Array(_)) => messages(cell, name, counts).map(Some),
            other => {
                let text = other.text().map(std::borrow::Cow::into_owned);
                Ok(Some(vec![Message { role: Role::User, text }]))
            }
        }
    }

    fn models(&self, row: &Row<'_>) -> Option<[String; 2]> {
        let name = |side: usize| self.models[side].and_then(|column| row.cell(column).text());
        Some([name(0)?.into_owned(), name(1)?.into_owned()])
    }
}

impl Decode for Pairs {
    fn decode(&self, row: &Row<'_>, counts: &mut Counts, battles: &mut Vec<SourceRow>) -> Result<(), Fault> {
        let id = self.id(row)?;
        let prompt = self.prompt(row, counts)?;
        let chosen = completions(row.cell(self.answers[0]), "chosen", prompt.as_deref(), counts)?;
        let rejected = completions(row.cell(self.answers[1]), "rejected", prompt.as_deref(), counts)?;
        let several = chosen.len() > 1 || rejected.len() > 1;
        for (first, better) in chosen.iter().enumerate() {
            for (second, worse) in rejected.iter().enumerate() {
                let (system, turns) = beside(Side::of(better.clone()), Side::of(worse.clone()), counts);
                let base = id.clone().unwrap_or_else(|| content_id(&turns));
                let id = if several { BattleId(format!("{base}/{first}-{second}")) } else { base };
                let battle = Battle { id, system, turns: turns.into() };
                let label = RowLabel { vote: Some(Vote::A), target: Vote::A.into() };
                let mut pair = self.common.row(row, battle, Some(label));
                pair.models = self.models(row).or(pair.models);
                battles.push(on_its_side(pair));
            }
        }
        Ok(())
    }

    fn ids_are_content(&self) -> bool {
        self.id.is_none()
    }
}

/// Exchanges the sides of every second pair, told by the hash of the id.
fn on_its_side(mut pair: SourceRow) -> SourceRow {
    if blake3::hash(pair.battle.id.0.as_bytes()).as_bytes()[0].is_multiple_of(2) {
        return pair;
    }
    pair.battle = pair.battle.swapped();
    pair.label = Some(RowLabel { vote: Some(Vote::B), target: Vote::B.into() });
    pair.models = pair.models.map(|[a, b]| [b, a]);
    pair
}

/// The id of a pair without one: 16 hexadecimal digits of the hash of its texts.
fn content_id(turns: &[Turn]) -> BattleId {
    let mut hasher = blake3::Hasher::new();
    let mut text = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for turn in turns {
        text(&turn.prompt);
        for response in [&turn.response_a, &turn.response_b] {
            text(if *response == Response::Missing { "missing" } else { "text" });
            text(response.as_str());
        }
    }
    BattleId(hasher.finalize().to_hex()[..16].to_owned())
}

/// The conversations that one cell holds: usually one, several where it is a list of completions.
fn completions(
    cell: &Cell<'_>,
    column: &str,
    prompt: Option<&[Message]>,
    counts: &mut Counts,
) -> Result<Vec<Vec<Message>>, Fault> {
    let answer = |text: Option<String>| vec![Message { role: Role::Assistant, text }];
    let conversations = match &cell.plain() {
        Cell::Null | Cell::Quoted(_) => vec![answer(None)],
        Cell::Text(text) => {
            let list = text.starts_with('[').then(|| json_value(text).ok()).flatten();
            match list {
                Some((value, _)) if is_messages(&value) => vec![messages(cell, column, counts)?],
                _ => vec![whole_dialogue(text, prompt).unwrap_or_else(|| answer(Some(text.to_string())))],
            }
        }
        Cell::Value(value) if is_messages(value) => {
            vec![of_value(value, counts).map_err(|problem| Fault::new(column, cell, problem))?]
        }
        Cell::Value(Value::Array(texts)) if !texts.is_empty() && texts.iter().all(Value::is_string) => {
            texts.iter().map(|text| answer(text.as_str().map(str::to_owned))).collect()
        }
        Cell::Value(_) => {
            return Err(Fault::new(column, cell, "is no text, no list of texts and no list of messages"));
        }
    };
    conversations.into_iter().map(|conversation| with_prompt(conversation, prompt, (column, cell))).collect()
}

fn is_messages(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_object))
}

/// A dialogue in one text, which is looked for only where no column holds the prompt.
fn whole_dialogue(text: &str, prompt: Option<&[Message]>) -> Option<Vec<Message>> {
    if prompt.is_some() { None } else { dialogue(text) }
}

/// Puts the prompt before a bare answer; a whole conversation has its own.
fn with_prompt(
    conversation: Vec<Message>,
    prompt: Option<&[Message]>,
    (column, cell): (&str, &Cell<'_>),
) -> Result<Vec<Message>, Fault> {
    if conversation.iter().any(|message| message.role == Role::User) {
        return Ok(conversation);
    }
    let prompt = prompt.ok_or_else(|| {
        let problem =
            "is an answer without a question; a column `prompt`, `question` or `input` must hold it";
        Fault::new(column, cell, problem)
    })?;
    Ok(prompt.iter().cloned().chain(conversation).collect())
}
