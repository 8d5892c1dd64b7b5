//! Rows whose answer is known without a model: an empty response against a real one, identical responses.

use super::evidence::{Entry, Rows, tie_against_rest};
use super::finding::{Findings, Row, Severity};
use super::statistic::z_score;
use crate::battle::Battle;

/// Fewer rows than this tell nothing about a rule.
const LEAST: usize = 10;

/// A z-score that a sound file reaches about once in 30,000 tries.
const SURE: f64 = 4.0;

pub(super) fn check(rows: &Rows, battles: &[Option<&Battle>], findings: &mut Findings) {
    empty_responses(rows, battles, findings);
    identical_responses(rows, battles, findings);
}

/// 1 where only the response of A is empty, -1 where only that of B is.
fn empty_side(battle: &Battle) -> Option<f64> {
    let is_empty = |text: fn(&crate::battle::Turn) -> &crate::battle::Response| {
        battle.turns.iter().all(|turn| text(turn).as_str().trim().is_empty())
    };
    match (is_empty(|turn| &turn.response_a), is_empty(|turn| &turn.response_b)) {
        (true, false) => Some(1.0),
        (false, true) => Some(-1.0),
        _ => None,
    }
}

fn are_identical(battle: &Battle) -> bool {
    battle.turns.iter().all(|turn| turn.response_a.as_str().trim() == turn.response_b.as_str().trim())
}

fn empty_responses(rows: &Rows, battles: &[Option<&Battle>], findings: &mut Findings) {
    let side = |entry: &Entry| battles.get(entry.expected).copied().flatten().and_then(empty_side);
    let affected: Vec<(&Entry, f64)> =
        rows.entries.iter().filter_map(|entry| Some((entry, side(entry)?))).collect();
    let winning: Vec<Row> = affected
        .iter()
        .filter(|(entry, side)| entry.a_against_b() * side > 0.0)
        .map(|(entry, _)| entry.at.clone())
        .collect();
    // What the file prefers anyway, such as the first response, is taken off.
    let usual = rows.entries.iter().map(Entry::a_against_b).sum::<f64>() / rows.entries.len().max(1) as f64;
    let terms: Vec<f64> = affected.iter().map(|(entry, side)| side * (entry.a_against_b() - usual)).collect();
    let groups: Vec<usize> = affected.iter().map(|(entry, _)| entry.group).collect();
    let sure = affected.len() >= LEAST && z_score(&terms, &groups) >= SURE;
    let severity = if sure { Severity::Warning } else { Severity::Note };
    findings.rows((severity, "empty-response-wins"), &winning, |n| {
        format!("an empty response is predicted to beat a real one in {n} of {} such rows", affected.len())
    });
}

fn identical_responses(rows: &Rows, battles: &[Option<&Battle>], findings: &mut Findings) {
    if rows.are_winners {
        return;
    }
    let (same, other): (Vec<&Entry>, Vec<&Entry>) = rows
        .entries
        .iter()
        .partition(|entry| battles.get(entry.expected).copied().flatten().is_some_and(are_identical));
    if same.is_empty() || other.is_empty() {
        return;
    }
    let mean = |entries: &[&Entry], of: fn(&Entry) -> f64| {
        entries.iter().map(|entry| of(entry)).sum::<f64>() / entries.len() as f64
    };
    let usual = mean(&other, |entry| tie_against_rest(entry.values));
    let terms: Vec<f64> = same.iter().map(|entry| usual - tie_against_rest(entry.values)).collect();
    let groups: Vec<usize> = same.iter().map(|entry| entry.group).collect();
    let fewer_ties = same.len() >= LEAST && z_score(&terms, &groups) >= SURE;
    let one_sided = mean(&same, |entry| (entry.values[0] - entry.values[1]).abs());
    let preferred = same.len() >= LEAST && one_sided > 0.2;
    let severity = if fewer_ties || preferred { Severity::Warning } else { Severity::Note };
    let at: Vec<Row> = same.iter().map(|entry| entry.at.clone()).collect();
    let tie = |entries: &[&Entry]| mean(entries, |entry| entry.values[2]);
    findings.rows((severity, "identical-responses"), &at, |n| {
        format!(
            "{n} with identical responses: mean P(tie) {:.3} against {:.3} elsewhere, mean |P(A) - P(B)| {one_sided:.3}",
            tie(&same), tie(&other)
        )
    });
}
