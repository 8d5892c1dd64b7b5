//! Rows beside what they answer, and the one statistic of the sense checks.

use std::collections::HashMap;

use super::finding::Row;
use super::reading::Read;
use crate::battle::{Battle, BattleId, GroupId};

/// Fewer independent groups than this cannot show a z-score that means anything.
pub(super) const LEAST_GROUPS: usize = 20;

/// Probabilities are clipped here before logarithms are taken, so that a few bold rows do not decide.
const CLIP: f64 = 1e-3;

/// The battles in the order of the expected ids.
pub(super) fn battles_of<'a>(test: &'a [Battle], expected: &[BattleId]) -> Vec<Option<&'a Battle>> {
    let by_id: HashMap<&BattleId, &Battle> = test.iter().map(|battle| (&battle.id, battle)).collect();
    expected.iter().map(|id| by_id.get(id).copied()).collect()
}

/// One row that can be used.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its position among the expected ids.
    pub(super) expected: usize,
    /// Its position in the file.
    pub(super) in_file: usize,
    /// Its number and id.
    pub(super) at: Row,
    /// Its probabilities.
    pub(super) values: [f64; 3],
    /// The rows with the same prompt have the same number here.
    pub(super) group: usize,
}

impl Entry {
    /// Log-odds of A against B.
    pub(super) fn a_against_b(&self) -> f64 {
        a_against_b(self.values)
    }
}

/// The rows that can be used, in the order of the expected ids.
#[derive(Debug)]
pub(super) struct Rows {
    /// The rows.
    pub(super) entries: Vec<Entry>,
    /// How many groups there are.
    pub(super) n_groups: usize,
    /// Whether the rows name winners instead of probabilities.
    pub(super) are_winners: bool,
}

impl Rows {
    /// Picks the rows whose id is expected and whose values are probabilities.
    pub(super) fn new(read: &Read, placed: &[Option<usize>], battles: &[Option<&Battle>]) -> Self {
        let mut groups: HashMap<String, usize> = HashMap::new();
        let mut entries = Vec::new();
        for (expected, in_file) in placed.iter().enumerate() {
            let Some(in_file) = *in_file else { continue };
            let Some(row) = read.rows.get(in_file) else { continue };
            let Some(values) = row.values().and_then(normalised) else { continue };
            let battle = battles.get(expected).copied().flatten();
            let name = battle.map_or_else(|| row.at.id.clone(), |battle| GroupId::of_prompt(battle).0);
            let next = groups.len();
            let group = *groups.entry(name).or_insert(next);
            entries.push(Entry { expected, in_file, at: row.at.clone(), values, group });
        }
        let are_winners = read.rows.first().is_some_and(|row| row.cells.len() == 1);
        Self { entries, n_groups: groups.len(), are_winners }
    }

    /// The mean probabilities.
    pub(super) fn mean(&self) -> [f64; 3] {
        column_means(&self.entries.iter().map(|entry| entry.values).collect::<Vec<_>>())
    }
}

fn normalised(values: [f64; 3]) -> Option<[f64; 3]> {
    let sum: f64 = values.iter().sum();
    let usable = values.iter().all(|p| (0.0..=1.0).contains(p)) && sum > 0.0;
    usable.then(|| values.map(|p| p / sum))
}

/// Log-odds of A against B, clipped.
pub(super) fn a_against_b(values: [f64; 3]) -> f64 {
    values[0].max(CLIP).ln() - values[1].max(CLIP).ln()
}

/// Log-odds of a tie against the (geometric) mean of A and B, clipped.
pub(super) fn tie_against_rest(values: [f64; 3]) -> f64 {
    values[2].max(CLIP).ln() - f64::midpoint(values[0].max(CLIP).ln(), values[1].max(CLIP).ln())
}

/// Log-probabilities with the mean of each column taken away.
pub(super) fn centred_logarithms(rows: &[[f64; 3]]) -> Vec<[f64; 3]> {
    centred(&rows.iter().map(|values| values.map(|p| p.max(CLIP).ln())).collect::<Vec<_>>())
}

/// Rows with the mean of each column taken away.
pub(super) fn centred(rows: &[[f64; 3]]) -> Vec<[f64; 3]> {
    let means = column_means(rows);
    rows.iter().map(|values| [0, 1, 2].map(|class| values[class] - means[class])).collect()
}

fn column_means(rows: &[[f64; 3]]) -> [f64; 3] {
    let n = rows.len().max(1) as f64;
    [0, 1, 2].map(|class| rows.iter().map(|values| values[class]).sum::<f64>() / n)
}

/// How surely terms have a sum above 0: the sum over the root of the summed squares, rows of one group
/// added up first.
///
/// About standard normal when the groups are independent with mean 0; with symmetric terms it exceeds x
/// with a probability below exp(-x^2/2) however heavy their tails (Efron 1969, "Student's t-test under
/// symmetry conditions").
pub(super) fn z_score(terms: &[f64], groups: &[usize]) -> f64 {
    let mut sums = vec![0.0; groups.iter().max().map_or(0, |largest| largest + 1)];
    for (term, group) in terms.iter().zip(groups) {
        sums[*group] += term;
    }
    let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
    // Below this the columns are constant and what is left is rounding.
    if squares < 1e-18 { 0.0 } else { sums.iter().sum::<f64>() / squares.sqrt() }
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
}
