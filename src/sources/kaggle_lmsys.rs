//! Kaggle LMSYS, train and test, and the 55k release: one JSON list of turns a text.

use std::sync::Arc;

use serde_json::Value;

use super::common::Common;
use super::error::Fault;
use super::labels::{LabelColumns, row_id};
use super::{Counts, Decode, SourceRow};
use crate::battle::{Battle, Response, Turn};
use crate::tables::{
    Cell, JsonFault, Row, StringArray, Table, TableError, json_value, string_array, string_array_quoted,
};

pub(super) struct KaggleLmsys {
    id: usize,
    texts: [(usize, &'static str); 3],
    labels: LabelColumns,
    common: Common,
}

impl KaggleLmsys {
    pub(super) fn new(table: &Table, keep_metadata: bool) -> Result<Self, TableError> {
        let [id, prompt, response_a, response_b] =
            table.require(["id", "prompt", "response_a", "response_b"])?;
        let labels = LabelColumns::of(table)?;
        let mut known = labels.columns();
        known.extend([id, prompt, response_a, response_b]);
        Ok(Self {
            id,
            texts: [(prompt, "prompt"), (response_a, "response_a"), (response_b, "response_b")],
            labels,
            common: Common::new(table, &known, keep_metadata),
        })
    }
}

impl Decode for KaggleLmsys {
    fn decode(&self, row: &Row<'_>, counts: &mut Counts, battles: &mut Vec<SourceRow>) -> Result<(), Fault> {
        let id = row_id(row, self.id)?;
        let [prompts, responses_a, responses_b] = self.texts;
        let prompts = list(row, prompts, counts)?;
        let turns = turns(prompts, list(row, responses_a, counts)?, list(row, responses_b, counts)?, counts);
        let battle = Battle { id, system: None, turns };
        battles.push(self.common.row(row, battle, self.labels.read(row)?));
        Ok(())
    }
}

/// The texts of a cell, one a turn.
pub(super) fn list(
    row: &Row<'_>,
    (column, name): (usize, &str),
    counts: &mut Counts,
) -> Result<Vec<Option<String>>, Fault> {
    let cell = row.cell(column);
    let fault = |problem: &str| Fault::new(name, cell, format!("is not a JSON list of texts: {problem}"));
    match cell {
        Cell::Null => Ok(Vec::new()),
        Cell::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
        Cell::Text(text) => taken(string_array(text), (name, cell), counts),
        Cell::Quoted(text) => taken(string_array_quoted(text), (name, cell), counts),
        Cell::Value(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::Null => Ok(None),
                Value::String(text) => Ok(Some(text.clone())),
                _ => Err(fault("an element is neither text nor `null`")),
            })
            .collect(),
        Cell::Value(_) => Err(fault("it is no list")),
    }
}

fn taken(
    found: Result<StringArray, JsonFault>,
    (name, cell): (&str, &Cell<'_>),
    counts: &mut Counts,
) -> Result<Vec<Option<String>>, Fault> {
    let array = found.map_err(|error| explained(name, cell, &error))?;
    counts.lone_surrogates += array.lone_surrogates;
    Ok(array.items)
}

fn explained(name: &str, cell: &Cell<'_>, error: &JsonFault) -> Fault {
    let text = cell.text().unwrap_or_default();
    let way_out = if text.trim_start().starts_with('[') || json_value(&text).is_ok() {
        ""
    } else {
        "; plain texts are read with `--format kaggle_wsdm`"
    };
    Fault::new(name, cell, format!("is not a JSON list of texts: {error}{way_out}"))
}

/// Puts the turns together; lists of different lengths are filled up and counted.
pub(super) fn turns(
    prompts: Vec<Option<String>>,
    responses_a: Vec<Option<String>>,
    responses_b: Vec<Option<String>>,
    counts: &mut Counts,
) -> Arc<[Turn]> {
    let lengths = [prompts.len(), responses_a.len(), responses_b.len()];
    let longest = lengths.into_iter().max().unwrap_or(0);
    counts.uneven_turns += u64::from(lengths.iter().any(|length| *length != longest));
    counts.no_turns += u64::from(longest == 0);
    let response = |text: Option<Option<String>>| text.flatten().map_or(Response::Missing, Response::Text);
    let (mut prompts, mut a, mut b) = (prompts.into_iter(), responses_a.into_iter(), responses_b.into_iter());
    (0..longest.max(1))
        .map(|_| Turn {
            prompt: prompts.next().flatten().unwrap_or_default(),
            response_a: response(a.next()),
            response_b: response(b.next()),
        })
        .collect()
}
