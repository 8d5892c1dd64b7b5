//! Our own Parquet file: everything that a battle and its label hold, typed, one row group a chunk.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{
    Column, DataFrame, DataType, IntoColumn, KeyValueMetadata, ListBuilderTrait, ListStringChunkedBuilder,
    ParquetWriter, PolarsError, Schema,
};

use super::common::Common;
use super::error::Fault;
use super::kaggle_lmsys::{list, turns};
use super::labels::row_id;
use super::outcomes::weight;
use super::{Counts, Decode, RowLabel, SourceError, SourceRow};
use crate::battle::{Battle, Response, Target, Turn, Vote};
use crate::files::{AtomicFile, WriteError};
use crate::tables::{Cell, Row, Table};

/// The key under which a canonical file says its version.
pub(super) const VERSION_KEY: &str = "tiebreak_format_version";
const VERSION: u32 = 1;

const TEXTS: [&str; 3] = ["prompt", "response_a", "response_b"];
const TARGETS: [&str; 3] = ["target_a", "target_b", "target_tie"];

fn schema() -> Schema {
    let list = || DataType::List(Box::new(DataType::String));
    let mut schema = Schema::default();
    for (name, kind) in [("id", DataType::String), ("system", DataType::String)] {
        schema.insert(name.into(), kind);
    }
    schema.extend(TEXTS.map(|name| (name.into(), list())));
    schema.insert("vote".into(), DataType::String);
    schema.extend(TARGETS.map(|name| (name.into(), DataType::Float64)));
    schema.insert("weight".into(), DataType::Float64);
    schema.extend(
        ["model_a", "model_b", "session", "language", "metadata"].map(|name| (name.into(), DataType::String)),
    );
    schema
}

/// Writes the canonical file, chunk by chunk; without `finish` there is no file.
pub struct CanonicalWriter {
    path: PathBuf,
    file: SharedFile,
    writer: BatchedWriter<SharedFile>,
}

impl CanonicalWriter {
    /// Opens the file, which shows at once whether it can be written.
    ///
    /// # Errors
    /// `SourceError::Write` when it cannot.
    pub fn create(path: &Path) -> Result<Self, SourceError> {
        let file =
            SharedFile(Arc::new(Mutex::new(Shared { file: AtomicFile::create(path)?, failure: None })));
        let marker = KeyValueMetadata::from_static(vec![(VERSION_KEY.to_owned(), VERSION.to_string())]);
        let writer =
            ParquetWriter::new(file.clone()).with_key_value_metadata(Some(marker)).batched(&schema());
        let writer = writer.map_err(|error| file.write_error(path, &error))?;
        Ok(Self { path: path.to_owned(), file, writer })
    }

    /// Writes rows as one row group.
    ///
    /// # Errors
    /// `SourceError::Write` when the disk is full or fails.
    pub fn write(&mut self, rows: &[SourceRow]) -> Result<(), SourceError> {
        let written = frame(rows).and_then(|frame| self.writer.write_batch(&frame));
        Ok(written.map_err(|error| self.file.write_error(&self.path, &error))?)
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// `SourceError::Write` when the disk is full or fails.
    pub fn finish(self) -> Result<(), SourceError> {
        let Self { path, file, writer } = self;
        writer.finish().map_err(|error| file.write_error(&path, &error))?;
        drop(writer);
        let shared = Arc::into_inner(file.0).ok_or_else(|| still_open(&path))?;
        shared.into_inner().unwrap_or_else(PoisonError::into_inner).file.commit()?;
        Ok(())
    }
}

fn still_open(path: &Path) -> WriteError {
    WriteError { path: path.to_owned(), source: io::Error::other("the file is still being written") }
}

/// The file that the Parquet writer owns and that is committed when it is done.
#[derive(Clone)]
struct SharedFile(Arc<Mutex<Shared>>);

struct Shared {
    file: AtomicFile,
    /// What the system said first; the Parquet writer would only hand on its text.
    failure: Option<io::Error>,
}

impl SharedFile {
    fn write_error(&self, path: &Path, error: &PolarsError) -> WriteError {
        let failure = self.0.lock().unwrap_or_else(PoisonError::into_inner).failure.take();
        let source = failure.unwrap_or_else(|| io::Error::other(error.to_string()));
        WriteError { path: path.to_owned(), source }
    }
}

impl Write for SharedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.file.write(bytes).map_err(|error| {
            let copy = io::Error::new(error.kind(), error.to_string());
            shared.failure.get_or_insert(error);
            copy
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).file.flush()
    }
}

fn frame(rows: &[SourceRow]) -> Result<DataFrame, PolarsError> {
    let model =
        |side: usize| move |row: &'_ SourceRow| row.models.as_ref().map(|models| models[side].clone());
    let target = |class: usize| move |row: &SourceRow| row.label.map(|label| label.target.to_array()[class]);
    let mut columns = vec![
        text("id", rows, |row| Some(row.battle.id.0.clone())),
        text("system", rows, |row| row.battle.system.clone()),
        lists("prompt", rows, |turn| Some(turn.prompt.as_str())),
        lists("response_a", rows, |turn| present(&turn.response_a)),
        lists("response_b", rows, |turn| present(&turn.response_b)),
        text("vote", rows, |row| Some(row.label?.vote?.spelling().to_owned())),
    ];
    for (class, name) in TARGETS.into_iter().enumerate() {
        columns.push(Column::new(name.into(), rows.iter().map(target(class)).collect::<Vec<_>>()));
    }
    columns.extend([
        Column::new("weight".into(), rows.iter().map(|row| row.weight).collect::<Vec<_>>()),
        text("model_a", rows, model(0)),
        text("model_b", rows, model(1)),
        text("session", rows, |row| row.session.clone()),
        text("language", rows, |row| row.language.clone()),
        text("metadata", rows, |row| serde_json::to_string(&row.metadata).ok()),
    ]);
    DataFrame::new(rows.len(), columns)
}

fn text(name: &str, rows: &[SourceRow], value: impl Fn(&SourceRow) -> Option<String>) -> Column {
    Column::new(name.into(), rows.iter().map(value).collect::<Vec<Option<String>>>())
}

fn lists(name: &str, rows: &[SourceRow], value: impl Fn(&Turn) -> Option<&str>) -> Column {
    let mut builder = ListStringChunkedBuilder::new(name.into(), rows.len(), rows.len());
    for row in rows {
        builder.append_trusted_len_iter(row.battle.turns.iter().map(&value));
    }
    builder.finish().into_column()
}

fn present(response: &Response) -> Option<&str> {
    match response {
        Response::Missing => None,
        Response::Text(text) => Some(text),
    }
}

/// Reads the canonical file.
pub(super) struct Canonical {
    id: usize,
    system: usize,
    texts: [(usize, &'static str); 3],
    vote: usize,
    targets: [usize; 3],
    weight: usize,
    metadata: usize,
    common: Common,
    keep_metadata: bool,
}

impl Canonical {
    pub(super) fn new(table: &Table, keep_metadata: bool) -> Result<Self, SourceError> {
        let found = table.marker(VERSION_KEY).unwrap_or("none");
        if !found.parse().is_ok_and(|version| (1..=VERSION).contains(&version)) {
            let (path, found) = (table.path().to_owned(), found.to_owned());
            return Err(SourceError::Version { path, found, supported: VERSION });
        }
        let [id, system, vote, weight, metadata] =
            table.require(["id", "system", "vote", "weight", "metadata"])?;
        let [prompt, response_a, response_b] = table.require(TEXTS)?;
        let targets = table.require(TARGETS)?;
        Ok(Self {
            id,
            system,
            texts: [(prompt, TEXTS[0]), (response_a, TEXTS[1]), (response_b, TEXTS[2])],
            vote,
            targets,
            weight,
            metadata,
            common: Common::new(table, &[], false),
            keep_metadata,
        })
    }

    fn label(&self, row: &Row<'_>) -> Result<Option<RowLabel>, Fault> {
        let shares = self.targets.map(|column| row.cell(column).number());
        let [Some(a), Some(b), Some(tie)] = shares else { return Ok(None) };
        let cell = row.cell(self.targets[0]);
        let target =
            Target::new([a, b, tie]).map_err(|error| Fault::new(TARGETS[0], cell, error.to_string()))?;
        let cell = row.cell(self.vote);
        let vote = match cell.text() {
            None => None,
            Some(text) => {
                Some(Vote::from_spelling(&text).ok_or_else(|| Fault::new("vote", cell, "is no vote"))?)
            }
        };
        Ok(Some(RowLabel { vote, target }))
    }
}

impl Decode for Canonical {
    fn decode(&self, row: &Row<'_>, counts: &mut Counts, battles: &mut Vec<SourceRow>) -> Result<(), Fault> {
        let [prompts, responses_a, responses_b] = self.texts;
        let prompts = list(row, prompts, counts)?;
        let turns = turns(prompts, list(row, responses_a, counts)?, list(row, responses_b, counts)?, counts);
        let system = row.cell(self.system).text().map(std::borrow::Cow::into_owned);
        let battle = Battle { id: row_id(row, self.id)?, system, turns };
        let mut found = self.common.row(row, battle, self.label(row)?);
        found.weight = weight(row, self.weight, "weight")?;
        if let (true, cell @ Cell::Text(text)) = (self.keep_metadata, row.cell(self.metadata)) {
            found.metadata = serde_json::from_str(text).map_err(|error| {
                Fault::new("metadata", cell, format!("is not a JSON object of texts: {error}"))
            })?;
        }
        battles.push(found);
        Ok(())
    }
}
