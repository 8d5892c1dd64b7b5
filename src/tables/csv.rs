use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::blocks::{Block, Blocks, Scanner};
use super::{Cell, Row, TableError};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A CSV file (RFC 4180: commas, double quotes, line ends also inside quotes) as chunks of rows.
///
/// We split the records ourselves and not with polars, because the row of a fault must be known (a byte
/// that is not UTF-8, a quote that stays open, a ragged row), because an empty field and `""` must stay
/// apart, and because a chunk then costs its own bytes and nothing more: on a 200 MB file polars takes
/// 0.35 s and 280 MB to hand out its batches, and this file with all decoding behind it 0.45 s and 245 MB.
pub(super) struct CsvFile {
    path: PathBuf,
    pub(super) columns: Vec<String>,
    pub(super) blocks: Blocks,
    scanner: QuoteScanner,
    pending: Option<CsvChunk>,
    rows: u64,
}

/// Records of one block.
pub(super) struct CsvChunk {
    pub(super) bytes: Vec<u8>,
    /// Where each record begins and ends, without its line end.
    records: Vec<(usize, usize)>,
    columns: usize,
}

impl CsvFile {
    pub(super) fn open(path: &Path, file: File) -> Result<Self, TableError> {
        let mut blocks = Blocks::new(file);
        let mut scanner = QuoteScanner::default();
        let block = blocks.next(&mut scanner).map_err(TableError::read(path))?;
        let block = block.ok_or_else(|| TableError::Empty { path: path.to_owned() })?;
        let mut csv =
            Self { path: path.to_owned(), columns: Vec::new(), blocks, scanner, pending: None, rows: 0 };
        let mut first = csv.records(block)?;
        if first.records.is_empty() {
            return Err(TableError::Empty { path: path.to_owned() });
        }
        let (start, end) = first.records.remove(0);
        let start =
            if first.bytes.starts_with(BYTE_ORDER_MARK) { start + BYTE_ORDER_MARK.len() } else { start };
        csv.columns = header(path, first.bytes.get(start..end).unwrap_or_default())?;
        first.columns = csv.columns.len();
        csv.rows = first.records.len() as u64;
        csv.pending = Some(first);
        Ok(csv)
    }

    /// The next rows, and the number of the rows before them.
    pub(super) fn next(&mut self) -> Result<Option<(u64, CsvChunk)>, TableError> {
        if let Some(chunk) = self.pending.take()
            && !chunk.records.is_empty()
        {
            return Ok(Some((0, chunk)));
        }
        loop {
            let block = self.blocks.next(&mut self.scanner).map_err(TableError::read(&self.path))?;
            let Some(block) = block else { return Ok(None) };
            let chunk = self.records(block)?;
            if !chunk.records.is_empty() {
                let before = self.rows;
                self.rows += chunk.records.len() as u64;
                return Ok(Some((before, chunk)));
            }
        }
    }

    fn records(&self, block: Block) -> Result<CsvChunk, TableError> {
        let mut records = Vec::with_capacity(block.ends.len());
        let mut start = 0;
        for end in block.ends {
            let mut stop = end;
            if block.bytes[start..stop].ends_with(b"\n") {
                stop -= 1;
            }
            if block.bytes[start..stop].ends_with(b"\r") {
                stop -= 1;
            }
            if stop > start {
                records.push((start, stop));
            }
            start = end;
        }
        if block.cut && self.scanner.in_quotes {
            let header = u64::from(self.columns.is_empty());
            let row = (self.rows + records.len() as u64).saturating_sub(header);
            return Err(TableError::OpenQuote { path: self.path.clone(), row });
        }
        Ok(CsvChunk { bytes: block.bytes, records, columns: self.columns.len() })
    }
}

impl CsvChunk {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn row(&self, path: &Path, index: usize, number: u64) -> Result<Row<'_>, TableError> {
        let (start, end) = self.records[index];
        let text = utf8(path, &self.bytes[start..end], number)?;
        let mut cells = Vec::with_capacity(self.columns);
        let mut rest = Some(text);
        while let Some(text) = rest {
            let field = field(text);
            if let Some(behind) = field.behind_quote {
                return Err(TableError::Value {
                    path: path.to_owned(),
                    row: number,
                    column: format!("number {}", cells.len() + 1),
                    value: TableError::shown(behind),
                    problem: "stands behind a closing quote; quotes inside a field are doubled".to_owned(),
                });
            }
            cells.push(field.cell);
            rest = field.rest;
        }
        if cells.len() != self.columns {
            let (path, found, expected) = (path.to_owned(), cells.len(), self.columns);
            return Err(TableError::Ragged { path, row: number, found, expected });
        }
        Ok(Row { number, cells, more: Vec::new(), lone_surrogates: 0 })
    }
}

fn utf8<'a>(path: &Path, bytes: &'a [u8], row: u64) -> Result<&'a str, TableError> {
    simdutf8::compat::from_utf8(bytes).map_err(|error| {
        let (path, byte) = (path.to_owned(), error.valid_up_to() + 1);
        TableError::NotUtf8 { path, row, byte }
    })
}

fn header(path: &Path, bytes: &[u8]) -> Result<Vec<String>, TableError> {
    let mut names = Vec::new();
    let mut rest = Some(utf8(path, bytes, 0)?);
    while let Some(text) = rest {
        let field = field(text);
        names.push(field.cell.text().unwrap_or_default().into_owned());
        rest = field.rest;
    }
    Ok(names)
}

struct Field<'a> {
    cell: Cell<'a>,
    rest: Option<&'a str>,
    behind_quote: Option<&'a str>,
}

/// Takes the first field off a record.
fn field(text: &str) -> Field<'_> {
    if let Some(body) = text.strip_prefix('"') {
        return quoted(body);
    }
    let (value, rest) = match memchr::memchr(b',', text.as_bytes()) {
        Some(comma) => (&text[..comma], Some(&text[comma + 1..])),
        None => (text, None),
    };
    let cell = if value.is_empty() { Cell::Null } else { Cell::Text(Cow::Borrowed(value)) };
    Field { cell, rest, behind_quote: None }
}

/// Takes a field whose opening quote is already gone.
fn quoted(body: &str) -> Field<'_> {
    let bytes = body.as_bytes();
    let (mut from, mut doubled) = (0, false);
    let quote = loop {
        let Some(found) = memchr::memchr(b'"', &bytes[from..]) else { break body.len() };
        let quote = from + found;
        if bytes.get(quote + 1) != Some(&b'"') {
            break quote;
        }
        doubled = true;
        from = quote + 2;
    };
    let value = &body[..quote];
    let cell = if doubled { Cell::Quoted(value) } else { Cell::Text(Cow::Borrowed(value)) };
    let behind = body.get(quote + 1..).unwrap_or_default();
    let rest = behind.strip_prefix(',');
    Field { cell, rest, behind_quote: (rest.is_none() && !behind.is_empty()).then_some(behind) }
}

/// Finds line ends that are outside quotes. A quote opens a field only where the field begins.
#[derive(Default)]
struct QuoteScanner {
    in_quotes: bool,
    /// The position behind the last closing quote, where another quote would mean a doubled one.
    closed_at: Option<usize>,
}

impl Scanner for QuoteScanner {
    fn scan(&mut self, bytes: &[u8], from: usize, ends: &mut Vec<usize>) {
        for position in memchr::memchr2_iter(b'"', b'\n', &bytes[from..]) {
            let position = from + position;
            if bytes[position] == b'\n' {
                if !self.in_quotes {
                    ends.push(position + 1);
                }
            } else if self.in_quotes {
                self.in_quotes = false;
                self.closed_at = Some(position + 1);
            } else {
                let begins_field = match position.checked_sub(1).map(|before| bytes[before]) {
                    None | Some(b',' | b'\n') => true,
                    Some(_) => position == BYTE_ORDER_MARK.len() && bytes.starts_with(BYTE_ORDER_MARK),
                };
                self.in_quotes = begins_field || self.closed_at == Some(position);
            }
        }
    }

    fn forget(&mut self, count: usize) {
        self.closed_at = self.closed_at.and_then(|position| position.checked_sub(count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8]) -> Result<Vec<Vec<Option<String>>>, TableError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        let mut csv = CsvFile::open(&path, File::open(&path).unwrap())?;
        let mut rows = Vec::new();
        while let Some((before, chunk)) = csv.next()? {
            for index in 0..chunk.len() {
                let row = chunk.row(&path, index, before + index as u64 + 1)?;
                rows.push(row.cells.iter().map(|cell| cell.text().map(Cow::into_owned)).collect());
            }
        }
        Ok(rows)
    }

    #[test]
    fn quotes_commas_and_line_ends_inside_quotes_belong_to_the_field() {
        let found = rows(b"\xef\xbb\xbfa,b,c\r\n\"x,\"\"y\"\"\r\nz\",,\"\"\n\n1,5\" disk,\"\"\"\"").unwrap();
        let found: Vec<Vec<Option<&str>>> =
            found.iter().map(|row| row.iter().map(Option::as_deref).collect()).collect();
        assert_eq!(found[0], [Some("x,\"y\"\r\nz"), None, Some("")]);
        assert_eq!(found[1], [Some("1"), Some("5\" disk"), Some("\"")]);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_record_longer_than_a_block_is_one_record() {
        let long = format!("a,b\n1,\"{}\"\n2,x\n", "line\n\"\"".repeat(1_000_000));
        let found = rows(long.as_bytes()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0][1].as_ref().unwrap().len(), 6_000_000);
    }

    #[test]
    fn faults_name_their_row() {
        let message = |text: &[u8]| rows(text).unwrap_err().to_string();
        assert!(message(b"a,b\n1,2\n3\n").contains("row 2 has 1 fields, but the header has 2"));
        assert!(message(b"a,b\n1,\"2\n3,4\n").contains("row 1 opens a quote"));
        assert!(message(b"a,b\n1,2\n3,\xff\n").contains("row 2 is not UTF-8 (byte 3"));
        assert!(message(b"a,b\n1,\"2\"x\n").contains("stands behind a closing quote"));
        assert!(message(b"").contains("is empty"));
        assert!(message(b"\n\n").contains("is empty"));
    }
}
