use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::battle::BattleId;

/// A table could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be opened or read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A folder was given where a file is needed.
    #[error("`{}` is a folder; give a file in it", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The file holds no byte.
    #[error("`{}` is empty; a table needs a header and at least one row", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file has columns and nothing below them.
    #[error("`{}` has columns ({}) but no row", path.display(), Names(columns))]
    NoRows {
        /// The file.
        path: PathBuf,
        /// The columns.
        columns: Vec<String>,
    },
    /// The file is of a kind that is not read.
    #[error("`{}` is {what}, which is not read; {way_out}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do.
        way_out: &'static str,
    },
    /// Bytes that are not UTF-8.
    #[error(
        "`{}` row {row} is not UTF-8 (byte {byte} of the row); convert it, for example with `iconv -f LATIN1 -t UTF-8`",
        path.display()
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The row, 1-based; 0 is the header.
        row: u64,
        /// The offset of the first wrong byte in the row.
        byte: usize,
    },
    /// A quote that is opened and never closed.
    #[error("`{}` row {row} opens a quote (\") that is never closed; is the file cut off?", path.display())]
    OpenQuote {
        /// The file.
        path: PathBuf,
        /// The row, 1-based.
        row: u64,
    },
    /// A row with more or fewer fields than the header.
    #[error("`{}` row {row} has {found} fields, but the header has {expected}", path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The row, 1-based.
        row: u64,
        /// How many fields the row has.
        found: usize,
        /// How many the header has.
        expected: usize,
    },
    /// A line that is not a JSON object.
    #[error("`{}` row {row} is not a JSON object: {problem}", path.display())]
    BrokenLine {
        /// The file.
        path: PathBuf,
        /// The row, 1-based.
        row: u64,
        /// What is wrong with it, and where.
        problem: String,
    },
    /// Two columns of one name.
    #[error("`{}` has two columns named `{column}`; rename one", path.display())]
    RepeatedColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
    },
    /// Columns that must be there and are not.
    #[error("`{}` has no column {}; found {}", path.display(), Names(missing), Names(found))]
    MissingColumns {
        /// The file.
        path: PathBuf,
        /// What is missing.
        missing: Vec<String>,
        /// What is there.
        found: Vec<String>,
    },
    /// A value that cannot be what its column says.
    #[error("`{}` row {row}, column `{column}`: `{value}` {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The row, 1-based.
        row: u64,
        /// The column.
        column: String,
        /// The value, shortened.
        value: String,
        /// What is wrong with it, and the way out.
        problem: String,
    },
    /// Two rows with one id.
    #[error("`{}` has id `{id}` twice, in rows {first} and {second}; every row needs its own", path.display())]
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
    /// A Parquet file that is cut off, damaged or beyond us.
    #[error("`{}` is not a whole Parquet file: {problem}; was the download cut off?", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        problem: String,
    },
    /// A Parquet file could not be put together.
    #[error("cannot make a Parquet file: {problem}")]
    MakeParquet {
        /// What the writer said.
        problem: String,
    },
}

impl TableError {
    /// The value of a cell as a message shows it: one line, shortened.
    #[must_use]
    pub fn shown(value: &str) -> String {
        const LONGEST: usize = 60;
        let line: String =
            value.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if value.chars().nth(LONGEST).is_some() { format!("{line}…") } else { line }
    }

    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }
}

/// Names as a message lists them, each in backticks; very long lists are cut.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 40;
        if self.0.is_empty() {
            return formatter.write_str("none");
        }
        for (index, name) in self.0.iter().take(MOST).enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(formatter, "{comma}`{}`", TableError::shown(name))?;
        }
        if self.0.len() > MOST {
            write!(formatter, " and {} more", self.0.len() - MOST)?;
        }
        Ok(())
    }
}
