use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::blocks::{Blocks, Scanner};
use super::{Cell, Row, TableError, json_text};

/// How many rows say which columns there are.
const ROWS_FOR_COLUMNS: usize = 100;

/// One JSON object a line.
pub(super) struct JsonLinesFile {
    path: PathBuf,
    pub(super) columns: Vec<String>,
    pub(super) blocks: Blocks,
    pending: Option<JsonChunk>,
    rows: u64,
}

/// Lines of one block.
pub(super) struct JsonChunk {
    pub(super) bytes: Vec<u8>,
    lines: Vec<(usize, usize)>,
}

impl JsonLinesFile {
    pub(super) fn open(path: &Path, file: File) -> Result<Self, TableError> {
        let mut lines = Self {
            path: path.to_owned(),
            columns: Vec::new(),
            blocks: Blocks::new(file),
            pending: None,
            rows: 0,
        };
        let Some((_, first)) = lines.next()? else { return Err(TableError::Empty { path: path.to_owned() }) };
        for index in 0..first.len().min(ROWS_FOR_COLUMNS) {
            let row = first.row(path, &[], index, index as u64 + 1)?;
            for (name, _) in row.more {
                if !lines.columns.contains(&name) {
                    lines.columns.push(name);
                }
            }
        }
        lines.pending = Some(first);
        Ok(lines)
    }

    /// The next rows, and the number of the rows before them.
    pub(super) fn next(&mut self) -> Result<Option<(u64, JsonChunk)>, TableError> {
        if let Some(chunk) = self.pending.take() {
            return Ok(Some((0, chunk)));
        }
        loop {
            let block = self.blocks.next(&mut LineScanner).map_err(TableError::read(&self.path))?;
            let Some(block) = block else { return Ok(None) };
            let mut lines = Vec::with_capacity(block.ends.len());
            let mut start = 0;
            for end in block.ends {
                if !block.bytes[start..end].trim_ascii().is_empty() {
                    lines.push((start, end));
                }
                start = end;
            }
            if !lines.is_empty() {
                let before = self.rows;
                self.rows += lines.len() as u64;
                return Ok(Some((before, JsonChunk { bytes: block.bytes, lines })));
            }
        }
    }
}

impl JsonChunk {
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn row(
        &self,
        path: &Path,
        columns: &[String],
        index: usize,
        number: u64,
    ) -> Result<Row<'static>, TableError> {
        let (start, end) = self.lines[index];
        let text = std::str::from_utf8(&self.bytes[start..end]).map_err(|error| TableError::NotUtf8 {
            path: path.to_owned(),
            row: number,
            byte: error.valid_up_to() + 1,
        })?;
        let broken = |problem: String| TableError::BrokenLine { path: path.to_owned(), row: number, problem };
        let text = text.trim_start_matches('\u{feff}').trim();
        let (value, lone_surrogates) = json_text::value(text).map_err(|fault| broken(fault.to_string()))?;
        let Value::Object(mut fields) = value else {
            return Err(broken("it is another kind of JSON value".to_owned()));
        };
        let cells = columns
            .iter()
            .map(|name| fields.get_mut(name).map_or(Cell::Null, |value| Cell::of_value(value.take())))
            .collect();
        let more = fields
            .into_iter()
            .filter(|(name, _)| !columns.contains(name))
            .map(|(name, value)| (name, Cell::of_value(value)))
            .collect();
        Ok(Row { number, cells, more, lone_surrogates })
    }
}

struct LineScanner;

impl Scanner for LineScanner {
    fn scan(&mut self, bytes: &[u8], from: usize, ends: &mut Vec<usize>) {
        ends.extend(memchr::memchr_iter(b'\n', &bytes[from..]).map(|position| from + position + 1));
    }

    fn forget(&mut self, _: usize) {}
}
