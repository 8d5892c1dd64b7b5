//! Whether the predictions can be what was meant: constant rows, and beside a reference exchanged columns,
//! shifted rows, class shares.

use std::collections::HashMap;

use super::evidence::{self, Entry, LEAST_GROUPS, Rows, centred, centred_logarithms, z_score};
use super::finding::{Findings, Row, Severity};
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

/// A row that both predict.
struct Pair<'a> {
    ours: &'a Entry,
    theirs: [f64; 3],
}

/// Compares with the reference.
pub(super) fn against(
    rows: &Rows,
    expected: &[BattleId],
    reference: &Reference,
    findings: &mut Findings,
) -> Agreement {
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
    if let Some(shares) = reference.class_shares {
        class_shares(rows, shares, findings);
    }
    if rows.n_groups < LEAST_GROUPS {
        let message = format!(
            "{} rows on {} prompts are too few to tell exchanged columns or shifted rows from chance; {LEAST_GROUPS} \
             prompts are needed",
            rows.entries.len(),
            rows.n_groups
        );
        findings.file(Severity::Note, "sense-unchecked", message);
    } else {
        exchanged(&pairs, findings);
        shifted(pairs.iter().collect(), findings);
        let mut in_file: Vec<&Pair> = pairs.iter().collect();
        in_file.sort_by_key(|pair| pair.ours.in_file);
        if !pairs.iter().map(|pair| pair.ours.in_file).is_sorted() {
            shifted(in_file, findings);
        }
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
fn exchanged(pairs: &[Pair], findings: &mut Findings) {
    let (logarithms, reference, groups) = columns(pairs.iter());
    let best = PERMUTATIONS
        .iter()
        .map(|(permutation, name)| {
            let gain = |row: usize| -> f64 {
                (0..3)
                    .map(|k| reference[row][k] * (logarithms[row][permutation[k]] - logarithms[row][k]))
                    .sum()
            };
            let terms: Vec<f64> = (0..pairs.len()).map(gain).collect();
            (terms.iter().sum::<f64>(), z_score(&terms, &groups), name)
        })
        .filter(|(_, z, _)| *z >= SURE)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    if let Some((_, z, name)) = best {
        let message = format!("{name}: so the file follows the reference clearly better (z = {z:.1})");
        findings.file(Severity::Error, "columns-exchanged", message);
    }
}

/// Whether the row above or below follows the reference better than the row itself.
fn shifted(pairs: Vec<&Pair>, findings: &mut Findings) {
    let (logarithms, reference, groups) = columns(pairs.iter().copied());
    let fit =
        |row: usize, other: usize| -> f64 { (0..3).map(|k| reference[row][k] * logarithms[other][k]).sum() };
    let inner = 1..pairs.len().saturating_sub(1);
    let inner_groups: Vec<usize> = inner.clone().map(|row| groups[row]).collect();
    for (step, whose) in [(2, "the id before it"), (0, "the id after it")] {
        let here: Vec<f64> = inner.clone().map(|row| fit(row, row)).collect();
        let there: Vec<f64> = inner.clone().map(|row| fit(row, row + step - 1)).collect();
        let gain: Vec<f64> = there.iter().zip(&here).map(|(there, here)| there - here).collect();
        let (z, z_gain) = (z_score(&there, &inner_groups), z_score(&gain, &inner_groups));
        if z >= SURE && z_gain >= LIKELY {
            let message = format!(
                "each id holds the prediction of {whose}: rows are shifted by one (z = {z:.1}; against the rows as \
                 they stand z = {z_gain:.1})"
            );
            findings.file(Severity::Error, "rows-shifted", message);
            return;
        }
    }
}

fn columns<'a>(pairs: impl Iterator<Item = &'a Pair<'a>>) -> (Vec<[f64; 3]>, Vec<[f64; 3]>, Vec<usize>) {
    let (mut ours, mut theirs, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for pair in pairs {
        ours.push(pair.ours.values);
        theirs.push(pair.theirs);
        groups.push(pair.ours.group);
    }
    (centred_logarithms(&ours), centred(&theirs), groups)
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
        let message = format!(
            "the mean prediction ({}) is far from the training labels ({}): the columns, the calibration or the \
             test set differ",
            show(mean),
            show(shares)
        );
        findings.file(Severity::Warning, "class-shares", message);
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
