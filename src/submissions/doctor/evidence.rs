//! Rows beside what they answer.

use std::collections::HashMap;

use super::finding::Row;
use super::reading::Read;
use crate::battle::{Battle, BattleId, GroupId};

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
    /// The responses of A and B: the same text to the same prompt has the same number.
    pub(super) responses: [usize; 2],
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
        let (mut groups, mut responses) = (Numbers::default(), Numbers::default());
        let mut entries = Vec::new();
        for (expected, in_file) in placed.iter().enumerate() {
            let Some(in_file) = *in_file else { continue };
            let Some(row) = read.rows.get(in_file) else { continue };
            let Some(values) = row.values().and_then(normalised) else { continue };
            let battle = battles.get(expected).copied().flatten();
            let prompt = battle.map_or_else(|| row.at.id.clone(), |battle| GroupId::of_prompt(battle).0);
            let sides = [0, 1].map(|side| responses.of(response_key(&prompt, battle, side)));
            let group = groups.of(prompt);
            entries.push(Entry { expected, in_file, at: row.at.clone(), values, group, responses: sides });
        }
        let are_winners = read.rows.first().is_some_and(|row| row.cells.len() == 1);
        Self { entries, n_groups: groups.0.len(), are_winners }
    }

    /// The mean probabilities.
    pub(super) fn mean(&self) -> [f64; 3] {
        column_means(&self.entries.iter().map(|entry| entry.values).collect::<Vec<_>>())
    }
}

/// Numbers names from 0 as they come.
#[derive(Default)]
struct Numbers(HashMap<String, usize>);

impl Numbers {
    fn of(&mut self, name: String) -> usize {
        let next = self.0.len();
        *self.0.entry(name).or_insert(next)
    }
}

/// What tells one response to a prompt from another; without its text the side itself.
fn response_key(prompt: &str, battle: Option<&Battle>, side: usize) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(prompt.as_bytes());
    let Some(battle) = battle else { return format!("{prompt} {side}") };
    for turn in battle.turns.iter() {
        let response = if side == 0 { &turn.response_a } else { &turn.response_b };
        hash.update(b"\n").update(response.as_str().as_bytes());
    }
    hash.finalize().to_hex()[..32].to_owned()
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

/// Log-probabilities, clipped.
pub(super) fn logarithms(values: [f64; 3]) -> [f64; 3] {
    values.map(|p| p.max(CLIP).ln())
}

fn column_means(rows: &[[f64; 3]]) -> [f64; 3] {
    let n = rows.len().max(1) as f64;
    [0, 1, 2].map(|class| rows.iter().map(|values| values[class]).sum::<f64>() / n)
}
