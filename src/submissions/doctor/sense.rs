//! Whether the predictions can be what was meant: constant rows, and beside a reference exchanged columns,
//! shifted rows, class shares.

use std::collections::HashMap;

use super::evidence::{self, Entry, Rows};
use super::finding::{Findings, Row, Severity};
use super::statistic::{LEAST_PROMPTS, Pair, View, views};
use super::{Agreement, Reference};
use crate::battle::BattleId;
use crate::submissions::correlation::{interval, pearson};

/// A z-score that a sound file reaches about once in 30,000 tries.
const SURE: f64 = 4.0;

/// A z-score that supports a sure one.
const LIKELY: f64 = 3.0;

/// Rows that differ by less than this in every column are one and the same prediction.
const CONSTANT: f64 = 1e-4;

/// One prediction for all rows, and rows filled with one third each.
pub(super) fn constant(rows: &Rows, is_meant: bool, findings: &mut Findings) {
    let n = rows.entries.len();
    let spread = [0, 1, 2].map(|class| {
        let column = rows.entries.iter().map(|entry| entry.values[class]);
        let (low, high) = column.fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p), high.max(p)));
        high - low
    });
    // Winners are one bit a row: a handful of equal ones says nothing.
    let least = if rows.are_winners { 30 } else { 2 };
    if n < least || spread.iter().any(|range| *range >= CONSTANT) {
        uniform(rows, findings);
        return;
    }
    let severity = match (is_meant, rows.are_winners || n < 10) {
        (true, _) => Severity::Note,
        (false, true) => Severity::Warning,
        (false, false) => Severity::Error,
    };
    let [a, b, tie] = rows.mean();
    let message = format!(
        "all {n} rows hold the same prediction ({a:.4}, {b:.4}, {tie:.4}): was the head of the model loaded? For a \
         class prior say that a constant is meant"
    );
    findings.file(severity, "constant-rows", message);
}

fn uniform(rows: &Rows, findings: &mut Findings) {
    let is_third = |entry: &&Entry| entry.values.iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-6);
    let thirds: Vec<Row> = rows.entries.iter().filter(is_third).map(|entry| entry.at.clone()).collect();
    if thirds.len() >= 3 {
        findings.rows((Severity::Warning, "uniform-rows"), &thirds, |n| {
            format!(
                "{n} rows hold exactly one third each while others do not: did they fail and get filled in?"
            )
        });
    }
}

/// Compares with the reference.
pub(super) fn against(
    rows: &Rows,
    expected: &[BattleId],
    reference: &Reference,
    findings: &mut Findings,
) -> Agreement {
    if let Some(shares) = reference.class_shares {
        class_shares(rows, shares, findings);
    }
    if reference.predictions.is_empty() {
        let message = "only the class shares of the training data are known: `--reference RUN` with a cheap run also \
                       tells exchanged columns and shifted rows";
        findings.file(Severity::Note, "sense-unchecked", message.to_owned());
        return Agreement {
            n: 0,
            a_against_b: None,
            a_against_b_interval: None,
            tie: None,
            tie_interval: None,
        };
    }
    let theirs: HashMap<&BattleId, [f64; 3]> =
        reference.predictions.iter().map(|(id, p)| (id, p.to_array())).collect();
    let pairs: Vec<Pair> = rows
        .entries
        .iter()
        .filter_map(|ours| Some(Pair { ours, theirs: *theirs.get(expected.get(ours.expected)?)? }))
        .collect();
    if pairs.len() < rows.entries.len() {
        let message = format!(
            "the reference `{}` predicts {} of {} rows",
            reference.name,
            pairs.len(),
            rows.entries.len()
        );
        findings.file(Severity::Note, "reference-partial", message);
    }
    let mut in_order: Vec<&Pair> = pairs.iter().collect();
    let here = views(&in_order);
    if here.is_empty() {
        let message = format!(
            "{} rows on {} prompts are too few to tell exchanged columns or shifted rows from chance; \
             {LEAST_PROMPTS} prompts are enough",
            rows.entries.len(),
            rows.n_groups
        );
        findings.file(Severity::Note, "sense-unchecked", message);
    }
    exchanged(&here, findings);
    if !shifted(&here, findings) && !in_order.is_sorted_by_key(|pair| pair.ours.in_file) {
        in_order.sort_by_key(|pair| pair.ours.in_file);
        shifted(&views(&in_order), findings);
    }
    agreement(&pairs, rows, reference, findings)
}

/// Each way to exchange columns, with what it is called.
const PERMUTATIONS: [([usize; 3], &str); 5] = [
    ([1, 0, 2], "`winner_model_a` and `winner_model_b` are exchanged"),
    ([2, 1, 0], "`winner_model_a` and `winner_tie` are exchanged"),
    ([0, 2, 1], "`winner_model_b` and `winner_tie` are exchanged"),
    ([1, 2, 0], "the columns are rotated: A's values stand under tie"),
    ([2, 0, 1], "the columns are rotated: A's values stand under B"),
];

/// Whether the columns in another order follow the reference better than as they are.
fn exchanged(views: &[View], findings: &mut Findings) {
    let mut best: Option<(f64, f64, &str)> = None;
    for view in views {
        for (permutation, name) in PERMUTATIONS {
            let terms: Vec<f64> = (0..view.ours.len()).map(|row| gain(view, row, permutation)).collect();
            let (total, z) = (terms.iter().sum::<f64>(), view.z_score(&terms, 0));
            if z >= SURE && best.is_none_or(|(largest, ..)| total > largest) {
                best = Some((total, z, name));
            }
        }
    }
    if let Some((_, z, name)) = best {
        let message = format!("{name}: so the file follows the reference clearly better (z = {z:.1})");
        findings.file(Severity::Error, "columns-exchanged", message);
    }
}

/// By how much a row follows the reference better with its columns in another order.
fn gain(view: &View, row: usize, permutation: [usize; 3]) -> f64 {
    let (ours, theirs) = (view.ours[row], view.theirs[row]);
    (0..3).map(|class| theirs[class] * (ours[permutation[class]] - ours[class])).sum()
}

/// Whether the row above or below follows the reference better than the row itself.
fn shifted(views: &[View], findings: &mut Findings) -> bool {
    for view in views {
        let fit = |row: usize, other: usize| -> f64 {
            (0..3).map(|class| view.theirs[row][class] * view.ours[other][class]).sum()
        };
        let inner = 1..view.ours.len().saturating_sub(1);
        let here: Vec<f64> = inner.clone().map(|row| fit(row, row)).collect();
        for (step, whose) in [(2, "before"), (0, "after")] {
            let there: Vec<f64> = inner.clone().map(|row| fit(row, row + step - 1)).collect();
            let better: Vec<f64> = there.iter().zip(&here).map(|(there, here)| there - here).collect();
            let (z, z_better) = (view.z_score(&there, 1), view.z_score(&better, 1));
            if z >= SURE && z_better >= LIKELY {
                let message = format!(
                    "each id holds the prediction of the id {whose} it: rows are shifted by one (z = {z:.1}; against \
                     the rows as they stand z = {z_better:.1})"
                );
                findings.file(Severity::Error, "rows-shifted", message);
                return true;
            }
        }
    }
    false
}

/// Whether the mean prediction is further from the training shares than chance and a modest drift explain.
fn class_shares(rows: &Rows, shares: [f64; 3], findings: &mut Findings) {
    let [a, b, _] = shares;
    let shares = if rows.are_winners { [a / (a + b), b / (a + b), 0.0] } else { shares };
    let mean = rows.mean();
    // The mean of calibrated predictions varies at most as much as that of the votes themselves.
    let allowed = |share: f64| 0.05 + 4.0 * (share * (1.0 - share) / rows.n_groups.max(1) as f64).sqrt();
    if (0..3).any(|class| (mean[class] - shares[class]).abs() > allowed(shares[class])) {
        let show = |p: [f64; 3]| format!("A {:.3}, B {:.3}, tie {:.3}", p[0], p[1], p[2]);
        let (mean, shares) = (show(mean), show(shares));
        // Decisions are bolder than the probabilities behind them: an unsure model that knows which side is
        // favoured names that side everywhere.
        let (severity, message) = if rows.are_winners {
            let message = format!("the winners named ({mean}) are far from the training labels ({shares})");
            (Severity::Note, message + ": usual where one side is favoured and the model is unsure")
        } else {
            let message = format!("the mean prediction ({mean}) is far from the training labels ({shares})");
            (Severity::Warning, message + ": the columns, the calibration or the test set differ")
        };
        findings.file(severity, "class-shares", message);
    }
}

fn agreement(pairs: &[Pair], rows: &Rows, reference: &Reference, findings: &mut Findings) -> Agreement {
    let column = |of: fn([f64; 3]) -> f64| -> (Vec<f64>, Vec<f64>) {
        pairs.iter().map(|pair| (of(pair.ours.values), of(pair.theirs))).unzip()
    };
    let (ours, theirs) = column(evidence::a_against_b);
    let (our_ties, their_ties) = column(evidence::tie_against_rest);
    let n = rows.n_groups.min(pairs.len());
    let a_against_b = pearson(&ours, &theirs);
    let tie = if rows.are_winners { None } else { pearson(&our_ties, &their_ties) };
    let show = |r: Option<f64>| {
        r.map_or_else(
            || "none, one of them is constant".to_owned(),
            |r| format!("{r:.3} [{:.3}, {:.3}]", interval(r, n)[0], interval(r, n)[1]),
        )
    };
    let message = format!(
        "correlation with the reference `{}`: log-odds of A against B {}, of a tie {}",
        reference.name,
        show(a_against_b),
        show(tie)
    );
    findings.file(Severity::Note, "reference-correlation", message);
    unrelated((&ours, &theirs), a_against_b, n, findings);
    Agreement {
        n: pairs.len(),
        a_against_b,
        a_against_b_interval: a_against_b.map(|r| interval(r, n)),
        tie,
        tie_interval: tie.map(|r| interval(r, n)),
    }
}

/// Two bold predictions of the same votes cannot be strangers, unless rows were mixed up.
fn unrelated((ours, theirs): (&[f64], &[f64]), correlation: Option<f64>, n: usize, findings: &mut Findings) {
    let deviation = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64).sqrt()
    };
    let both_bold = deviation(ours) > 0.5 && deviation(theirs) > 0.5;
    if both_bold && n >= 200 && correlation.is_some_and(|r| r.abs() < 0.05) {
        let message = "both predict boldly and yet have nothing in common: are the rows in a wrong order under \
                       their ids?";
        findings.file(Severity::Warning, "reference-unrelated", message.to_owned());
    }
}
