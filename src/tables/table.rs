use std::collections::HashSet;
use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::sync::Arc;

use polars::prelude::DataFrame;

use super::blocks::hash_of;
use super::csv::{CsvChunk, CsvFile};
use super::json_lines::{JsonChunk, JsonLinesFile};
use super::kind::{Kind, kind_of};
use super::parquet::{self, ParquetFile};
use super::{Row, TableError};

/// A table in a file, read one chunk of rows at a time.
pub struct Table {
    path: Arc<Path>,
    columns: Arc<[String]>,
    content: Content,
}

enum Content {
    Csv(CsvFile),
    JsonLines(JsonLinesFile),
    Parquet(ParquetFile),
}

/// Some rows of a table, taken apart one by one and by as many threads as there are.
pub struct Chunk {
    path: Arc<Path>,
    columns: Arc<[String]>,
    rows_before: u64,
    content: ChunkContent,
}

enum ChunkContent {
    Csv(CsvChunk),
    JsonLines(JsonChunk),
    Parquet(DataFrame),
}

impl Table {
    /// Opens a file and finds out its kind and its columns.
    ///
    /// # Errors
    /// When the file cannot be read, holds nothing, is of another kind, or its beginning is broken.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        if path.is_dir() {
            return Err(TableError::Folder { path: path.to_owned() });
        }
        let mut file = File::open(path).map_err(TableError::read(path))?;
        let kind = kind_of(path, &mut file)?;
        file.rewind().map_err(TableError::read(path))?;
        let (columns, content) = match kind {
            Kind::Csv => {
                let csv = CsvFile::open(path, file)?;
                (csv.columns.clone(), Content::Csv(csv))
            }
            Kind::JsonLines => {
                let lines = JsonLinesFile::open(path, file)?;
                (lines.columns.clone(), Content::JsonLines(lines))
            }
            Kind::Parquet => {
                let parquet = ParquetFile::open(path, file)?;
                (parquet.columns.clone(), Content::Parquet(parquet))
            }
        };
        let mut seen = HashSet::new();
        if let Some(column) = columns.iter().find(|column| !seen.insert(column.as_str())) {
            return Err(TableError::RepeatedColumn { path: path.to_owned(), column: column.clone() });
        }
        Ok(Self { path: path.into(), columns: columns.into(), content })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the table lies in its file.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.content {
            Content::Csv(_) => Kind::Csv,
            Content::JsonLines(_) => Kind::JsonLines,
            Content::Parquet(_) => Kind::Parquet,
        }
    }

    /// The names of the columns; of JSON lines, the keys of the first hundred rows.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Where the column of a name stands.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// Where the columns of these names stand.
    ///
    /// # Errors
    /// `MissingColumns` with all that are missing.
    pub fn require<const N: usize>(&self, names: [&str; N]) -> Result<[usize; N], TableError> {
        let missing: Vec<String> =
            names.iter().filter(|name| self.column(name).is_none()).map(ToString::to_string).collect();
        if missing.is_empty() {
            return Ok(names.map(|name| self.column(name).unwrap_or_default()));
        }
        Err(TableError::MissingColumns {
            path: self.path.to_path_buf(),
            missing,
            found: self.columns.to_vec(),
        })
    }

    /// What a Parquet file says of itself under a key.
    #[must_use]
    pub fn marker(&self, key: &str) -> Option<&str> {
        match &self.content {
            Content::Parquet(parquet) => parquet.marker(key),
            Content::Csv(_) | Content::JsonLines(_) => None,
        }
    }

    /// The next rows, or `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, TableError> {
        let next = match &mut self.content {
            Content::Csv(csv) => csv.next()?.map(|(before, chunk)| (before, ChunkContent::Csv(chunk))),
            Content::JsonLines(lines) => {
                lines.next()?.map(|(before, chunk)| (before, ChunkContent::JsonLines(chunk)))
            }
            Content::Parquet(parquet) => {
                parquet.next()?.map(|(before, frame)| (before, ChunkContent::Parquet(frame)))
            }
        };
        Ok(next.map(|(rows_before, content)| Chunk {
            path: Arc::clone(&self.path),
            columns: Arc::clone(&self.columns),
            rows_before,
            content,
        }))
    }

    /// Gives back a chunk that is done with, so that its memory is used again.
    pub fn recycle(&mut self, chunk: Chunk) {
        match (&mut self.content, chunk.content) {
            (Content::Csv(csv), ChunkContent::Csv(chunk)) => csv.blocks.recycle(chunk.bytes),
            (Content::JsonLines(lines), ChunkContent::JsonLines(chunk)) => lines.blocks.recycle(chunk.bytes),
            _ => {}
        }
    }

    /// How much there is to read, and in which unit: bytes, or rows of Parquet.
    ///
    /// # Errors
    /// When the system does not say how large the file is.
    pub fn total(&self) -> Result<(u64, &'static str), TableError> {
        match &self.content {
            Content::Parquet(parquet) => Ok((parquet.total_rows(), "rows")),
            Content::Csv(_) | Content::JsonLines(_) => {
                let metadata = std::fs::metadata(&self.path).map_err(TableError::read(&self.path))?;
                Ok((metadata.len(), "bytes"))
            }
        }
    }

    /// How much is read, in the unit of `total`.
    #[must_use]
    pub fn done(&self) -> u64 {
        match &self.content {
            Content::Csv(csv) => csv.blocks.bytes_read(),
            Content::JsonLines(lines) => lines.blocks.bytes_read(),
            Content::Parquet(parquet) => parquet.rows_read(),
        }
    }

    /// The BLAKE3 hash of the bytes of the whole file, hexadecimal; the last thing asked of a table.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn content_hash(mut self) -> Result<String, TableError> {
        let failed = TableError::read(&self.path);
        match &mut self.content {
            Content::Csv(csv) => csv.blocks.content_hash(),
            Content::JsonLines(lines) => lines.blocks.content_hash(),
            Content::Parquet(_) => File::open(&self.path).and_then(hash_of),
        }
        .map_err(failed)
    }

    /// Reads all rows of a small table, one after the other.
    ///
    /// # Errors
    /// The first error of the table or of `take`; `NoRows` when there is none.
    pub fn for_each_row(
        mut self,
        mut take: impl FnMut(&Row<'_>) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let mut rows = 0;
        while let Some(chunk) = self.next_chunk()? {
            for index in 0..chunk.len() {
                take(&chunk.row(index)?)?;
                rows += 1;
            }
        }
        if rows == 0 { Err(self.no_rows()) } else { Ok(()) }
    }

    /// The error of a table without a row.
    #[must_use]
    pub fn no_rows(&self) -> TableError {
        TableError::NoRows { path: self.path.to_path_buf(), columns: self.columns.to_vec() }
    }

    /// The error of a value that cannot be what its column says.
    #[must_use]
    pub fn fault(path: &Path, row: &Row<'_>, column: (usize, &str), problem: &str) -> TableError {
        TableError::Value {
            path: path.to_owned(),
            row: row.number,
            column: column.1.to_owned(),
            value: TableError::shown(&row.cell(column.0).text().unwrap_or_default()),
            problem: problem.to_owned(),
        }
    }
}

impl Chunk {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.content {
            ChunkContent::Csv(chunk) => chunk.len(),
            ChunkContent::JsonLines(chunk) => chunk.len(),
            ChunkContent::Parquet(frame) => frame.height(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One row; `index` counts within the chunk.
    ///
    /// # Errors
    /// When the row is not UTF-8, has the wrong number of fields, or is no JSON object.
    pub fn row(&self, index: usize) -> Result<Row<'_>, TableError> {
        let number = self.rows_before + index as u64 + 1;
        match &self.content {
            ChunkContent::Csv(chunk) => chunk.row(&self.path, index, number),
            ChunkContent::JsonLines(chunk) => chunk.row(&self.path, &self.columns, index, number),
            ChunkContent::Parquet(frame) => Ok(parquet::row(frame, index, number)),
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Table")
            .field("path", &self.path)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}
