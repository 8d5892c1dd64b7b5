//! The values of a WSDM submission: `model_a` or `model_b`, nothing else.

use super::WorstCase;
use super::finding::{Findings, Row, Severity, counted};
use super::reading::Read;

/// Checks every row; there is no probability whose failure could cost more than one row.
pub(super) fn check(read: &Read, findings: &mut Findings) -> Option<WorstCase> {
    let (mut empty, mut unknown) = (Vec::new(), Vec::new());
    let mut first_unknown = String::new();
    for row in read.rows.iter().filter(|row| row.values().is_none()) {
        let cell = row.cells.first().and_then(Option::as_deref).unwrap_or("").trim();
        if cell.is_empty() || cell.eq_ignore_ascii_case("nan") {
            empty.push(row.at.clone());
        } else {
            if unknown.is_empty() {
                cell.clone_into(&mut first_unknown);
            }
            unknown.push(row.at.clone());
        }
    }
    report(&empty, &unknown, &first_unknown, findings);
    None
}

fn report(empty: &[Row], unknown: &[Row], first_unknown: &str, findings: &mut Findings) {
    findings.rows((Severity::Error, "not-a-number"), empty, |n| {
        format!("{} without a winner; predict every row", counted(n, "row"))
    });
    findings.rows((Severity::Error, "winner-unknown"), unknown, |n| {
        let hint = match first_unknown {
            "tie" => "; there is no tie in this task",
            text if text.parse::<f64>().is_ok() => "; write the likelier side, not a probability",
            _ => "",
        };
        format!(
            "{} a winner other than `model_a` and `model_b`, such as `{first_unknown}`{hint}",
            counted_hold(n)
        )
    });
}

fn counted_hold(n: usize) -> String {
    if n == 1 { "1 row has".to_owned() } else { format!("{n} rows have") }
}
