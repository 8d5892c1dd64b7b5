//! Whether the ids are the expected ones, each once.

use std::collections::{HashMap, HashSet};

use super::Case;
use super::finding::{Findings, Row, Severity, counted};
use super::reading::Read;
use crate::battle::BattleId;
use crate::submissions::ids_of_sample;

/// The ids that the file should hold, in order: the sample's, else the test file's.
pub(super) fn expected(case: &Case, findings: &mut Findings) -> Vec<BattleId> {
    let test: Vec<BattleId> = case.test.iter().map(|battle| battle.id.clone()).collect();
    let Some(bytes) = case.sample else { return test };
    let Some(sample) = ids_of_sample(bytes) else {
        let message = "the sample has no column `id`; give the competition's sample submission".to_owned();
        findings.file(Severity::Error, "sample-unreadable", message);
        return test;
    };
    let known: HashSet<&BattleId> = test.iter().collect();
    let common = sample.iter().filter(|id| known.contains(id)).count();
    if common != test.len() || common != sample.len() {
        let message = format!(
            "sample and test file differ: {common} common ids, {} in the sample, {} in the test file; the \
             sample's ids are expected here",
            sample.len(),
            test.len()
        );
        findings.file(Severity::Warning, "sample-differs", message);
    }
    sample
}

/// For each expected id the position of its (first) row in the file.
pub(super) fn place(read: &Read, expected: &[BattleId], findings: &mut Findings) -> Vec<Option<usize>> {
    let wanted: HashSet<&str> = expected.iter().map(|id| id.0.as_str()).collect();
    let mut first: HashMap<&str, usize> = HashMap::new();
    let (mut repeated, mut extra, mut blank) = (Vec::new(), Vec::new(), Vec::new());
    for (position, row) in read.rows.iter().enumerate() {
        let id = row.at.id.as_str();
        if id.trim().is_empty() {
            blank.push(row.at.clone());
        } else if first.contains_key(id) {
            repeated.push(row.at.clone());
        } else {
            first.insert(id, position);
            if !wanted.contains(id) {
                extra.push(row.at.clone());
            }
        }
    }
    let missing: Vec<Row> = expected
        .iter()
        .filter(|id| !first.contains_key(id.0.as_str()))
        .map(|id| Row { row: None, id: id.0.clone() })
        .collect();
    report_count(read, expected, findings);
    findings.rows((Severity::Error, "id-missing"), &missing, |n| {
        format!("{} of {} expected {} absent; predict every row of the test file", n, expected.len(), are(n))
    });
    findings.rows((Severity::Error, "id-repeated"), &repeated, |n| {
        format!("{} an id that an earlier row has; keep one row for each id", repeats(n))
    });
    findings.rows((Severity::Error, "id-extra"), &extra, |n| {
        format!("{} not expected{}; is it the right test file?", ids_are(n), number_hint(&extra, &wanted))
    });
    findings.rows((Severity::Error, "id-empty"), &blank, |n| format!("{} without an id", counted(n, "row")));
    let placed: Vec<Option<usize>> = expected.iter().map(|id| first.get(id.0.as_str()).copied()).collect();
    report_order(&placed, findings);
    placed
}

fn report_count(read: &Read, expected: &[BattleId], findings: &mut Findings) {
    if read.rows.len() != expected.len() {
        let message = format!("{} where {} are expected", counted(read.rows.len(), "row"), expected.len());
        findings.file(Severity::Error, "row-count", message);
    }
}

fn report_order(placed: &[Option<usize>], findings: &mut Findings) {
    let found: Vec<usize> = placed.iter().copied().flatten().collect();
    if !found.is_sorted() {
        let message =
            "rows are in another order than the expected ids; they are matched by id, so that is harmless";
        findings.file(Severity::Note, "row-order", message.to_owned());
    }
}

/// Ids that went through a floating-point column look like `136060.0` or `4.1973e9`.
fn number_hint(extra: &[Row], wanted: &HashSet<&str>) -> &'static str {
    let is_written_as_float = |row: &Row| {
        let number: Option<f64> = row.id.parse().ok();
        number.is_some_and(|n| wanted.contains(format!("{n:.0}").as_str()))
    };
    let is_padded = |row: &Row| wanted.contains(row.id.trim());
    if extra.iter().any(is_padded) {
        " (they match with blanks taken away)"
    } else if extra.iter().any(is_written_as_float) {
        " (they went through a column of floating-point numbers; write them as integers)"
    } else {
        ""
    }
}

fn are(n: usize) -> &'static str {
    if n == 1 { "id is" } else { "ids are" }
}

fn ids_are(n: usize) -> String {
    if n == 1 { "1 id is".to_owned() } else { format!("{n} ids are") }
}

fn repeats(n: usize) -> String {
    if n == 1 { "1 row repeats".to_owned() } else { format!("{n} rows repeat") }
}
