//! The one statistic of the sense checks: how surely terms, one a row, have a sum above 0, although rows
//! that share a prompt or a response are not independent.

use std::collections::BTreeMap;

use super::evidence::{Entry, logarithms};

/// Fewer independent prompts than this cannot show a z-score that means anything.
pub(super) const LEAST_PROMPTS: usize = 20;

/// Fewer different responses than this cannot either.
const LEAST_RESPONSES: usize = 40;

/// A prompt with fewer rows than this has no mean of its own.
const LEAST_ROWS: usize = 8;

/// A row that the file and the reference both predict.
pub(super) struct Pair<'a> {
    /// The row of the file.
    pub(super) ours: &'a Entry,
    /// What the reference says.
    pub(super) theirs: [f64; 3],
}

/// Log-probabilities of the file and probabilities of the reference, centred, with what counts as one
/// observation.
pub(super) struct View {
    /// Of the file: logarithms, centred.
    pub(super) ours: Vec<[f64; 3]>,
    /// Of the reference: probabilities, centred.
    pub(super) theirs: Vec<[f64; 3]>,
    units: Units,
}

enum Units {
    Prompts(Vec<usize>),
    Responses { responses: Vec<[usize; 2]>, pairs: Vec<usize> },
}

/// The ways in which these rows can be evidence: none where all rows are on a few prompts and few responses.
pub(super) fn views(pairs: &[&Pair]) -> Vec<View> {
    by_prompt(pairs).into_iter().chain(by_response(pairs)).collect()
}

/// Columns centred over the file; rows of one prompt are one observation.
fn by_prompt(pairs: &[&Pair]) -> Option<View> {
    let groups: Vec<usize> = pairs.iter().map(|pair| pair.ours.group).collect();
    let mut distinct = groups.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let whole = vec![0; pairs.len()];
    let (ours, theirs) = centred(pairs, &whole, 1);
    (distinct.len() >= LEAST_PROMPTS).then_some(View { ours, theirs, units: Units::Prompts(groups) })
}

/// Columns centred within each prompt, which leaves what tells its responses apart; rows of smaller prompts
/// count as 0.
fn by_response(pairs: &[&Pair]) -> Option<View> {
    let groups: Vec<usize> = pairs.iter().map(|pair| pair.ours.group).collect();
    let (ours, theirs) = centred(pairs, &groups, LEAST_ROWS);
    let mut distinct: Vec<usize> = pairs
        .iter()
        .zip(&theirs)
        .filter(|(_, theirs)| theirs.iter().any(|difference| difference.abs() > 0.0))
        .flat_map(|(pair, _)| pair.ours.responses)
        .collect();
    distinct.sort_unstable();
    distinct.dedup();
    let mut numbers = BTreeMap::new();
    let responses: Vec<[usize; 2]> = pairs.iter().map(|pair| pair.ours.responses).collect();
    let pairs = responses
        .iter()
        .map(|[a, b]| {
            let next = numbers.len();
            *numbers.entry((a.min(b), a.max(b))).or_insert(next)
        })
        .collect();
    (distinct.len() >= LEAST_RESPONSES).then_some(View {
        ours,
        theirs,
        units: Units::Responses { responses, pairs },
    })
}

fn centred(pairs: &[&Pair], groups: &[usize], least: usize) -> (Vec<[f64; 3]>, Vec<[f64; 3]>) {
    let mut sums: BTreeMap<usize, ([f64; 3], [f64; 3], usize)> = BTreeMap::new();
    for (pair, group) in pairs.iter().zip(groups) {
        let (ours, theirs, n) = sums.entry(*group).or_default();
        let values = logarithms(pair.ours.values);
        for class in 0..3 {
            ours[class] += values[class];
            theirs[class] += pair.theirs[class];
        }
        *n += 1;
    }
    let difference = |values: [f64; 3], sums: [f64; 3], n: usize| {
        if n < least { [0.0; 3] } else { [0, 1, 2].map(|class| values[class] - sums[class] / n as f64) }
    };
    pairs
        .iter()
        .zip(groups)
        .map(|(pair, group)| {
            let (ours, theirs, n) = sums[group];
            (difference(logarithms(pair.ours.values), ours, n), difference(pair.theirs, theirs, n))
        })
        .unzip()
}

impl View {
    /// The z-score of terms for the rows from `first` on.
    pub(super) fn z_score(&self, terms: &[f64], first: usize) -> f64 {
        match &self.units {
            Units::Prompts(groups) => z_score(terms, groups.get(first..).unwrap_or_default()),
            Units::Responses { responses, pairs } => dyadic_z_score(
                terms,
                responses.get(first..).unwrap_or_default(),
                pairs.get(first..).unwrap_or_default(),
            ),
        }
    }
}

/// Below this the columns are constant and what is left is rounding.
const ROUNDING: f64 = 1e-18;

/// How surely terms have a sum above 0: the sum over the root of the summed squares, rows of one group
/// added up first.
///
/// About standard normal when the groups are independent with mean 0; with symmetric terms it exceeds x
/// with a probability below exp(-x^2/2) however heavy their tails (Efron 1969, "Student's t-test under
/// symmetry conditions").
pub(super) fn z_score(terms: &[f64], groups: &[usize]) -> f64 {
    let squares = squares_of_sums(terms.iter().copied().zip(groups.iter().copied()));
    if squares < ROUNDING { 0.0 } else { terms.iter().sum::<f64>() / squares.sqrt() }
}

/// The same where two rows depend on each other when they have a response in common: the dyadic variance,
/// in which a pair that stands in both its nodes is taken off once (Aronow, Samii and Assenova 2015,
/// "Cluster-robust variance estimation for dyadic data").
fn dyadic_z_score(terms: &[f64], responses: &[[usize; 2]], pairs: &[usize]) -> f64 {
    let nodes = terms.iter().zip(responses).flat_map(|(term, sides)| sides.iter().map(|side| (*term, *side)));
    let of_pairs = squares_of_sums(terms.iter().copied().zip(pairs.iter().copied()));
    let squares = (squares_of_sums(nodes) - of_pairs).max(of_pairs);
    if squares < ROUNDING { 0.0 } else { terms.iter().sum::<f64>() / squares.sqrt() }
}

fn squares_of_sums(terms: impl Iterator<Item = (f64, usize)>) -> f64 {
    let mut sums: Vec<f64> = Vec::new();
    for (term, unit) in terms {
        if sums.len() <= unit {
            sums.resize(unit + 1, 0.0);
        }
        sums[unit] += term;
    }
    sums.iter().map(|sum| sum * sum).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_group_count_once() {
        let terms = [1.0; 100];
        let own: Vec<usize> = (0..100).collect();
        assert!((z_score(&terms, &own) - 10.0).abs() < 1e-12);
        assert!((z_score(&terms, &[0; 100]) - 1.0).abs() < 1e-12);
        assert!(z_score(&[0.0; 5], &[0, 1, 2, 3, 4]).abs() < f64::EPSILON);
        assert!(z_score(&[], &[]).abs() < f64::EPSILON);
    }

    #[test]
    fn rows_with_a_response_in_common_count_less_than_strangers() {
        let strangers: Vec<[usize; 2]> = (0..100).map(|row| [2 * row, 2 * row + 1]).collect();
        let own: Vec<usize> = (0..100).collect();
        assert!((dyadic_z_score(&[1.0; 100], &strangers, &own) - 10.0).abs() < 1e-12);
        let repeated = [[0, 1]; 100];
        assert!((dyadic_z_score(&[1.0; 100], &repeated, &[0; 100]) - 1.0).abs() < 1e-12);
        // A star: all rows have response 0 in common, so they are nearly one observation.
        let star: Vec<[usize; 2]> = (0..100).map(|row| [0, row + 1]).collect();
        assert!((dyadic_z_score(&[1.0; 100], &star, &own) - 1.0).abs() < 1e-12);
    }
}
