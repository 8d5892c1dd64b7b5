//! What Python read and computed, line by line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use crate::commands::{BadInput, OrBadInput};
use crate::encoding::Shown;

/// One sequence of Python.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// The line of the file, from 1.
    pub(super) line: usize,
    pub(super) id: String,
    pub(super) input_ids: Vec<u32>,
    pub(super) logits: Option<Vec<f64>>,
    pub(super) shown: Option<Shown>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: Value,
    input_ids: Vec<u32>,
    #[serde(default)]
    logits: Option<Vec<f64>>,
    #[serde(default)]
    shown: Option<Shown>,
}

/// Reads a dump.
///
/// # Errors
/// As bad input, with the line.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Record>> {
    let named = || format!("cannot read `{}`", path.display());
    let file = File::open(path).with_context(named).or_bad_input()?;
    let mut records = Vec::new();
    for (index, text) in BufReader::new(file).lines().enumerate() {
        let text = text.with_context(named).or_bad_input()?;
        if text.trim().is_empty() {
            continue;
        }
        let record = parse(index + 1, &text)
            .map_err(|message| BadInput(format!("`{}` line {}: {message}", path.display(), index + 1)))?;
        records.push(record);
    }
    if records.is_empty() {
        return Err(BadInput(format!("`{}` holds no line", path.display())).into());
    }
    Ok(records)
}

fn parse(line: usize, text: &str) -> Result<Record, String> {
    let parsed: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let id = match parsed.id {
        Value::String(id) => id,
        Value::Number(id) => id.to_string(),
        other => return Err(format!("the id `{other}` is neither a text nor a number")),
    };
    if parsed.input_ids.is_empty() {
        return Err("`input_ids` is empty".to_owned());
    }
    Ok(Record { line, id, input_ids: parsed.input_ids, logits: parsed.logits, shown: parsed.shown })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_texts_or_numbers_and_the_rest_may_be_missing() {
        let record = parse(3, r#"{"id": 17, "input_ids": [1, 2]}"#).unwrap();
        assert_eq!((record.line, record.id.as_str(), record.logits), (3, "17", None));
        let record =
            parse(1, r#"{"id": "a", "input_ids": [1], "logits": [0.5], "shown": "only_b"}"#).unwrap();
        assert_eq!((record.id.as_str(), record.shown), ("a", Some(Shown::OnlyB)));
        for wrong in [
            r#"{"id": null, "input_ids": [1]}"#,
            r#"{"id": 1, "input_ids": []}"#,
            r#"{"id": 1, "input_ids": [-1]}"#,
            r#"{"id": 1, "input_ids": [1], "logit": [0]}"#,
            r#"{"id": 1, "input_ids": [1], "logits": [NaN]}"#,
        ] {
            assert!(parse(1, wrong).is_err(), "{wrong}");
        }
    }
}
