//! The values of an LMSYS submission: numbers, range, sums, and what the boldest of them would cost.

use super::WorstCase;
use super::finding::{Findings, Row, Severity, counted};
use super::reading::{Read, ReadRow};
use crate::battle::Probabilities;
use crate::submissions::{DEFAULT_FLOOR, SubmissionFormat};

/// Kaggle clips at the machine epsilon of f64.
const CLIP: f64 = f64::EPSILON;

/// Checks every row; also says which probability would cost most if it failed.
pub(super) fn check(read: &Read, findings: &mut Findings) -> Option<WorstCase> {
    let mut faults = Faults::default();
    let mut worst: Option<WorstCase> = None;
    for row in &read.rows {
        let Some(values) = faults.examine(row) else { continue };
        let sum: f64 = values.iter().sum();
        for (class, value) in values.iter().enumerate() {
            let nats = -(value / sum).clamp(CLIP, 1.0 - CLIP).ln();
            if worst.as_ref().is_none_or(|worst| nats > worst.nats) {
                let column = SubmissionFormat::Lmsys.columns()[class + 1];
                let share_of_score = nats / read.rows.len() as f64;
                worst = Some(WorstCase {
                    row: row.at.clone(),
                    column,
                    probability: *value,
                    nats,
                    share_of_score,
                });
            }
        }
    }
    faults.report(findings);
    report_cost(worst.as_ref(), findings);
    worst
}

#[derive(Default)]
struct Faults {
    not_numbers: Vec<Row>,
    text: Vec<Row>,
    out_of_range: Vec<Row>,
    sums: Vec<Row>,
    rounded_sums: Vec<Row>,
    largest_gap: f64,
    zeros: Vec<Row>,
    tiny: Vec<Row>,
}

impl Faults {
    /// The row's values if they can be scored at all.
    fn examine(&mut self, row: &ReadRow) -> Option<[f64; 3]> {
        let cells: Vec<&str> = row.cells.iter().map(|cell| cell.as_deref().unwrap_or("").trim()).collect();
        let missing =
            |cell: &&str| ["", "nan", "na", "null", "none", "<na>"].contains(&cell.to_lowercase().as_str());
        if cells.iter().any(missing) {
            self.not_numbers.push(row.at.clone());
            return None;
        }
        let Some(values) = row.values() else {
            self.text.push(row.at.clone());
            return None;
        };
        if !values.iter().all(|p| (0.0..=1.0).contains(p)) {
            self.out_of_range.push(row.at.clone());
            return None;
        }
        self.examine_sum(row, values, &cells);
        if values.contains(&0.0) {
            self.zeros.push(row.at.clone());
        } else if values.iter().any(|p| *p < DEFAULT_FLOOR * 0.999) {
            self.tiny.push(row.at.clone());
        }
        (values.iter().sum::<f64>() > 0.0).then_some(values)
    }

    fn examine_sum(&mut self, row: &ReadRow, values: [f64; 3], cells: &[&str]) {
        let gap = (values.iter().sum::<f64>() - 1.0).abs();
        let rounding = rounding_of(cells);
        if gap > rounding.max(Probabilities::SUM_TOLERANCE) {
            self.sums.push(row.at.clone());
        } else if gap > rounding.max(1e-6) {
            self.rounded_sums.push(row.at.clone());
        } else {
            return;
        }
        self.largest_gap = self.largest_gap.max(gap);
    }

    fn report(&self, findings: &mut Findings) {
        findings.rows((Severity::Error, "not-a-number"), &self.not_numbers, |n| {
            format!("{} an empty or NaN value; predict every row", hold(n))
        });
        findings.rows((Severity::Error, "not-numeric"), &self.text, |n| {
            format!("{} text where a number belongs", hold(n))
        });
        findings.rows((Severity::Error, "out-of-range"), &self.out_of_range, |n| {
            format!("{} a value outside 0..1; are these logits? Write probabilities", hold(n))
        });
        let gap = self.largest_gap;
        findings.rows((Severity::Error, "sum-off"), &self.sums, |n| {
            format!("{} not to 1, by up to {gap:.3e}: not three probabilities; normalise them", sum(n))
        });
        findings.rows((Severity::Warning, "sum-inexact"), &self.rounded_sums, |n| {
            format!("{} to 1 only within {gap:.1e}, more than the printed digits explain", sum(n))
        });
        findings.rows((Severity::Error, "zero-probability"), &self.zeros, |n| {
            format!(
                "{} a probability of 0: each costs {:.1} nats if it comes true; keep a floor of {DEFAULT_FLOOR:e}",
                hold(n), -CLIP.ln()
            )
        });
        findings.rows((Severity::Warning, "tiny-probability"), &self.tiny, |n| {
            format!(
                "{} a probability below {DEFAULT_FLOOR:e}; nobody is that sure of a person's vote: keep a floor",
                hold(n)
            )
        });
    }
}

/// By how much three correctly printed numbers may miss a sum of 1: half a unit of the last digit each.
fn rounding_of(cells: &[&str]) -> f64 {
    let decimals = |cell: &&str| {
        if cell.contains(['e', 'E']) {
            return 17;
        }
        // Trailing zeros may have been dropped, so the longest of the three tells how many were meant;
        // fewer than three digits are not taken for the rounding of a probability.
        cell.split_once('.').map_or(0, |(_, digits)| digits.len())
    };
    let digits = cells.iter().map(decimals).max().unwrap_or(0).clamp(3, 17);
    1.5 * 10.0_f64.powi(-i32::try_from(digits).unwrap_or(17)) * (1.0 + 1e-9)
}

fn report_cost(worst: Option<&WorstCase>, findings: &mut Findings) {
    let Some(worst) = worst else { return };
    findings.rows((Severity::Note, "worst-case"), std::slice::from_ref(&worst.row), |_| {
        format!(
            "the boldest value is {} = {:.3e}: if that came true the row would cost {:.2} nats and the whole \
             score {:.2e}",
            worst.column, worst.probability, worst.nats, worst.share_of_score
        )
    });
}

fn hold(n: usize) -> String {
    format!("{} {}", counted(n, "row"), if n == 1 { "holds" } else { "hold" })
}

fn sum(n: usize) -> String {
    format!("{} {}", counted(n, "row"), if n == 1 { "sums" } else { "sum" })
}
