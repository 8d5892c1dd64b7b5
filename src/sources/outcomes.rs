//! Votes on pairs of models without text, for ratings; any labelled battle file with model names will do.

use std::path::Path;

use super::error::Fault;
use super::labels::{LabelColumns, row_id};
use super::{Counts, Format, Ingested, ReadOptions, SourceError};
use crate::battle::{BattleId, Outcome, Vote};
use crate::progress::Progress;
use crate::tables::{Row, Table, TableError};

/// Reads outcomes: `model_a`, `model_b` and `winner` or the three winner columns; `weight` or `count` says
/// how many votes a row stands for; without `id` the number of the row is its id.
///
/// # Errors
/// When the table or a value is at fault, or a label is soft: an outcome is a vote.
pub fn read_outcomes(
    path: &Path,
    options: &ReadOptions,
    progress: &dyn Progress,
) -> Result<Ingested<Outcome>, SourceError> {
    let mut table = Table::open(path)?;
    let [model_a, model_b] = table.require(["model_a", "model_b"])?;
    let labels = LabelColumns::of(&table)?;
    if !labels.exist() {
        let (path, found) = (path.to_owned(), table.columns().to_vec());
        return Err(TableError::MissingColumns { path, missing: vec!["winner".to_owned()], found }.into());
    }
    let columns = Columns {
        id: ["id", "question_id"].iter().find_map(|name| table.column(name)),
        models: [model_a, model_b],
        weight: ["weight", "count"].iter().find_map(|name| Some((table.column(name)?, *name))),
        labels,
    };
    let task = progress.start("reading outcomes", Some(table.total()?.0), table.total()?.1);
    let mut rows = Vec::new();
    let mut done = 0;
    let most = options.max_rows.unwrap_or(usize::MAX);
    while let Some(chunk) = table.next_chunk()? {
        for index in 0..chunk.len().min(most - rows.len()) {
            let row = chunk.row(index)?;
            rows.push(columns.read(&row).map_err(|fault| fault.at(path, row.number))?);
        }
        task.advance(table.done() - done);
        done = table.done();
        if rows.len() == most {
            break;
        }
    }
    if rows.is_empty() {
        return Err(table.no_rows().into());
    }
    let both_bad = rows.iter().filter(|outcome| outcome.vote == Vote::BothBad).count() as u64;
    let counts =
        Counts { rows: rows.len() as u64, battles: rows.len() as u64, both_bad, ..Counts::default() };
    let format = options.format.unwrap_or(Format::Outcomes);
    Ok(Ingested { rows, format, counts, content_hash: table.content_hash()? })
}

struct Columns {
    id: Option<usize>,
    models: [usize; 2],
    weight: Option<(usize, &'static str)>,
    labels: LabelColumns,
}

impl Columns {
    fn read(&self, row: &Row<'_>) -> Result<Outcome, Fault> {
        let id = match self.id {
            Some(column) => row_id(row, column)?,
            None => BattleId(row.number.to_string()),
        };
        let model = |side: usize| {
            let cell = row.cell(self.models[side]);
            let name = cell.text().filter(|name| !name.is_empty()).map(std::borrow::Cow::into_owned);
            name.ok_or_else(|| Fault::new(["model_a", "model_b"][side], cell, "is no name of a model"))
        };
        let weight = self.weight.map_or(Ok(1.0), |(column, name)| weight(row, column, name))?;
        let vote = self.labels.read(row)?.and_then(|label| label.vote).ok_or_else(|| Fault {
            column: "winner".to_owned(),
            value: String::new(),
            problem: "is no vote; an outcome names exactly one winner or a tie".to_owned(),
        })?;
        Ok(Outcome { id, models: [model(0)?, model(1)?], vote, weight })
    }
}

/// A weight, which must be a positive number.
pub(super) fn weight(row: &Row<'_>, column: usize, name: &str) -> Result<f64, Fault> {
    let cell = row.cell(column);
    let number = cell.number().filter(|weight| *weight > 0.0 && weight.is_finite());
    number.ok_or_else(|| Fault::new(name, cell, "is no weight; it must be a positive number"))
}
