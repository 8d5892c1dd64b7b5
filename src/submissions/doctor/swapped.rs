//! Predictions for the same battles with A and B exchanged should be the same with the columns exchanged.

use std::collections::HashMap;

use super::evidence::Rows;
use super::finding::{Findings, Row, Severity};
use super::reading::{Read, ReadRow};
use super::statistic::{LEAST_PROMPTS, z_score};
use crate::battle::BattleId;
use crate::submissions::correlation::pearson;

/// A z-score that a sound file reaches about once in 30,000 tries.
const SURE: f64 = 4.0;

pub(super) fn check(rows: &Rows, other: &Read, expected: &[BattleId], findings: &mut Findings) {
    let by_id: HashMap<&str, &ReadRow> = other.rows.iter().map(|row| (row.at.id.as_str(), row)).collect();
    let mut pairs = Vec::new();
    let mut apart: Vec<(f64, Row)> = Vec::new();
    let mut groups = Vec::new();
    for entry in &rows.entries {
        let found = expected.get(entry.expected).and_then(|id| by_id.get(id.0.as_str()));
        let Some([a, b, tie]) = found.and_then(|row| row.values()) else { continue };
        let back = [b, a, tie];
        let distance = (0..3).map(|class| (entry.values[class] - back[class]).abs()).sum::<f64>() / 2.0;
        pairs.push((entry.values[0] - entry.values[1], back[0] - back[1]));
        apart.push((distance, entry.at.clone()));
        groups.push(entry.group);
    }
    if pairs.len() < rows.entries.len() {
        let message = format!(
            "the predictions of the swapped battles cover {} of {} rows; the rest is not compared",
            pairs.len(),
            rows.entries.len()
        );
        findings.file(Severity::Warning, "swap-partial", message);
    }
    if !pairs.is_empty() {
        report(&pairs, apart, &groups, findings);
    }
}

fn report(pairs: &[(f64, f64)], mut apart: Vec<(f64, Row)>, groups: &[usize], findings: &mut Findings) {
    let n = pairs.len() as f64;
    let (straight, back): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mean_straight, mean_back) = (mean(&straight), mean(&back));
    let opposed: Vec<f64> = pairs.iter().map(|(x, y)| -(x - mean_straight) * (y - mean_back)).collect();
    let distinct = groups.iter().collect::<std::collections::BTreeSet<_>>().len();
    if distinct >= LEAST_PROMPTS && z_score(&opposed, groups) >= SURE {
        let message = "the predictions of the swapped battles agree with these only when their columns are not \
                       exchanged: one of the two files was exchanged twice, or not at all";
        findings.file(Severity::Error, "swap-opposed", message.to_owned());
    }
    let distance = apart.iter().map(|(distance, _)| distance).sum::<f64>() / n;
    let position = (mean_straight - mean_back) / 2.0;
    apart.sort_by(|one, other| other.0.total_cmp(&one.0));
    let rows: Vec<Row> =
        apart.into_iter().filter(|(distance, _)| *distance > 0.0).map(|(_, row)| row).collect();
    let correlation = pearson(&straight, &back).map_or_else(String::new, |r| format!(", correlation {r:.3}"));
    findings.rows((Severity::Note, "swap-inconsistent"), &rows, |count| {
        format!(
            "{count} rows change when the sides are exchanged: mean total variation {distance:.4}{correlation}, mean \
             preference for the first place {position:+.4}; the mean of both orders removes it"
        )
    });
}
