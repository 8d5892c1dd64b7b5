//! From bytes to rows: encoding, header, number of fields.

use super::finding::{Findings, Row, Severity, counted};
use super::{Case, SubmissionFormat};
use crate::submissions::csv::{self, Parsed};

/// A submission as it was written.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// One entry a row below the header.
    pub(super) rows: Vec<ReadRow>,
}

/// One row as it was written.
#[derive(Debug)]
pub(super) struct ReadRow {
    /// The number and the id.
    pub(super) at: Row,
    /// The other columns of the format, in its order; `None` where the row or the column is absent.
    pub(super) cells: Vec<Option<String>>,
}

impl ReadRow {
    /// The three numbers of the row, or those of its named winner; `None` where they are no numbers.
    pub(super) fn values(&self) -> Option<[f64; 3]> {
        let text = |cell: usize| self.cells.get(cell).and_then(Option::as_deref).map(str::trim);
        if self.cells.len() == 1 {
            return match text(0)? {
                "model_a" => Some([1.0, 0.0, 0.0]),
                "model_b" => Some([0.0, 1.0, 0.0]),
                _ => None,
            };
        }
        let number = |cell: usize| text(cell)?.parse::<f64>().ok();
        Some([number(0)?, number(1)?, number(2)?])
    }
}

/// The form that a header shows; LMSYS where nothing tells.
pub(super) fn detect(case: &Case) -> SubmissionFormat {
    let header = csv::parse(&String::from_utf8_lossy(case.sample.unwrap_or(case.submission))).header;
    let has = |name: &str| header.iter().any(|column| column.trim() == name);
    if has("winner") && !has("winner_model_a") { SubmissionFormat::Wsdm } else { SubmissionFormat::Lmsys }
}

/// Reads what can be read and says what cannot.
pub(super) fn read(bytes: &[u8], format: SubmissionFormat, findings: &mut Findings) -> Read {
    if let Err(error) = std::str::from_utf8(bytes) {
        let offset = error.valid_up_to();
        let line = bytes[..offset].split(|byte| *byte == b'\n').count();
        let message = format!("byte {offset} (line {line}) is not UTF-8; save the file as UTF-8");
        findings.file(Severity::Error, "not-utf8", message);
    }
    if bytes.starts_with("\u{feff}".as_bytes()) {
        let message = "the file starts with a byte order mark, which some readers take as part of `id`; save it \
                       as plain UTF-8";
        findings.file(Severity::Warning, "byte-order-mark", message.to_owned());
    }
    let parsed = csv::parse(&String::from_utf8_lossy(bytes));
    if parsed.header.is_empty() {
        findings.file(Severity::Error, "empty-file", "the file is empty; write it again".to_owned());
        return Read::default();
    }
    if parsed.ends_in_quotes {
        let message = "a quoted field is never closed: the end of the file is missing, or a quote is stray";
        findings.file(Severity::Error, "open-quote", message.to_owned());
    }
    check_header(&parsed.header, format, findings);
    rows_of(parsed, format, findings)
}

fn rows_of(parsed: Parsed, format: SubmissionFormat, findings: &mut Findings) -> Read {
    let Parsed { header, records, .. } = parsed;
    let position = |name: &&str| header.iter().position(|column| column.trim() == *name);
    let columns: Vec<Option<usize>> = format.columns().iter().map(position).collect();
    let mut rows = Vec::with_capacity(records.len());
    let mut ragged = Vec::new();
    for (number, record) in records.into_iter().enumerate() {
        let cell = |column: &Option<usize>| column.and_then(|column| record.get(column)).cloned();
        let at = Row { row: Some(number + 1), id: columns.first().and_then(&cell).unwrap_or_default() };
        if record.len() != header.len() {
            ragged.push(at.clone());
        }
        rows.push(ReadRow { at, cells: columns.iter().skip(1).map(cell).collect() });
    }
    findings.rows((Severity::Error, "field-count"), &ragged, |n| {
        let fields = counted(header.len(), "field");
        format!("{} where the header has {fields}; were ids or numbers written with commas?", differ(n))
    });
    Read { rows }
}

fn differ(n: usize) -> String {
    if n == 1 {
        "1 row has another number of fields".to_owned()
    } else {
        format!("{n} rows have other numbers of fields")
    }
}

fn check_header(header: &[String], format: SubmissionFormat, findings: &mut Findings) {
    let wanted = format.columns();
    let names: Vec<&str> = header.iter().map(|name| name.trim()).collect();
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !names.contains(name)).collect();
    if !missing.is_empty() {
        let separator = [";", "\t", "|"].iter().find(|s| header.len() == 1 && header[0].contains(**s));
        let hint = separator.map_or_else(String::new, |s| format!(" (are the fields separated by {s:?}?)"));
        let message = format!(
            "no column {}; the file has {}{hint}; the header must be `{}`",
            quoted(&missing),
            quoted(&names),
            wanted.join(",")
        );
        findings.file(Severity::Error, "column-missing", message);
    }
    let (index, extra): (Vec<&str>, Vec<&str>) =
        names.iter().filter(|name| !wanted.contains(name)).partition(|name| is_index(name));
    if !index.is_empty() {
        let message =
            format!("{} is an index column; write without it (pandas: `index=False`)", quoted(&index));
        findings.file(Severity::Error, "index-column", message);
    }
    // A misnamed column is said once, as a missing one.
    if !extra.is_empty() && missing.is_empty() {
        let message =
            format!("{} belongs to no {format} submission; write `{}`", quoted(&extra), wanted.join(","));
        findings.file(Severity::Error, "column-extra", message);
    }
    check_repetition_and_order(&names, wanted, findings);
}

fn check_repetition_and_order(names: &[&str], wanted: &[&str], findings: &mut Findings) {
    let known: Vec<&str> = names.iter().copied().filter(|name| wanted.contains(name)).collect();
    let repeated: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|name| known.iter().filter(|other| other == &name).count() > 1)
        .collect();
    if !repeated.is_empty() {
        let message = format!("{} stands twice in the header; keep one", quoted(&repeated));
        findings.file(Severity::Error, "column-repeated", message);
    } else if known.len() == wanted.len() && known != wanted {
        let message = format!(
            "the columns are in the order `{}`; read by name that is harmless, read by place it is not: write `{}`",
            known.join(","),
            wanted.join(",")
        );
        findings.file(Severity::Warning, "column-order", message);
    }
}

fn is_index(name: &str) -> bool {
    name.is_empty() || name.starts_with("Unnamed: ") || name == "index" || name == "row_number"
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
