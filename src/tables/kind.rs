use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::TableError;

/// How a table lies in its file; told by the first bytes, never by the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Commas, double quotes, a header.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

/// Tells the kind of a table by its first bytes.
pub(super) fn kind_of(path: &Path, file: &mut File) -> Result<Kind, TableError> {
    let mut first = Vec::new();
    file.take(64).read_to_end(&mut first).map_err(TableError::read(path))?;
    let refused = |what, way_out| Err(TableError::Kind { path: PathBuf::from(path), what, way_out });
    if first.is_empty() {
        return Err(TableError::Empty { path: path.to_owned() });
    }
    if first.starts_with(b"PAR1") {
        return Ok(Kind::Parquet);
    }
    if first.starts_with(b"\x1f\x8b") {
        return refused("compressed with gzip", "unpack it with `gunzip --keep`");
    }
    if first.starts_with(b"PK\x03\x04") {
        return refused("a ZIP archive (or a spreadsheet)", "unpack it with `unzip`, or save it as CSV");
    }
    if first.starts_with(b"\xff\xfe") || first.starts_with(b"\xfe\xff") {
        return refused("UTF-16 text", "convert it with `iconv -f UTF-16 -t UTF-8`");
    }
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first).trim_ascii_start();
    match text.first() {
        Some(b'{') => Ok(Kind::JsonLines),
        Some(b'[') => refused("one JSON array", "write one object a line with `jq -c '.[]'`"),
        _ => Ok(Kind::Csv),
    }
}
