use std::path::{Path, PathBuf};

use super::Format;
use crate::battle::BattleId;
use crate::files::WriteError;
use crate::tables::{Cell, TableError};

/// A file could not be turned into battles.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The table itself is at fault, or one of its values.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The columns are those of no format that we know.
    #[error(
        "`{}` has columns of no known format ({}); say `--format` with one of {}",
        path.display(), found.join(", "), Format::list()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// Its columns.
        found: Vec<String>,
    },
    /// The file says that it is canonical, of a version that we do not know.
    #[error("`{}` has format version `{found}`, but this program reads up to {supported}; ingest it anew", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The newest version we read.
        supported: u32,
    },
    /// Two rows with one id.
    #[error("`{}` has id `{id}` twice, in rows {first} and {second}; every battle needs its own", path.display())]
    RepeatedId {
        /// The file.
        path: PathBuf,
        /// The id.
        id: BattleId,
        /// The row that has it first, 1-based.
        first: u64,
        /// The row that has it again.
        second: u64,
    },
    /// A row without a label where labels are needed.
    #[error(
        "`{}` row {row} (id `{id}`) has no label; training and scoring need \
         `winner_model_a`, `winner_model_b`, `winner_tie` or `winner` in every row",
        path.display()
    )]
    NoLabel {
        /// The file.
        path: PathBuf,
        /// The row, 1-based.
        row: u64,
        /// The id of the row.
        id: BattleId,
    },
    /// A file of outcomes where battles with text are needed.
    #[error("`{}` holds outcomes without text; there is nothing in it to predict from", path.display())]
    NoText {
        /// The file.
        path: PathBuf,
    },
    /// The canonical file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What is wrong in one cell; the reader adds file and row.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) column: String,
    pub(super) value: String,
    pub(super) problem: String,
}

impl Fault {
    pub(super) fn new(column: &str, cell: &Cell<'_>, problem: impl Into<String>) -> Self {
        let value = TableError::shown(&cell.text().unwrap_or("null".into()));
        Self { column: column.to_owned(), value, problem: problem.into() }
    }

    pub(super) fn at(self, path: &Path, row: u64) -> TableError {
        let Self { column, value, problem } = self;
        TableError::Value { path: path.to_owned(), row, column, value, problem }
    }
}
