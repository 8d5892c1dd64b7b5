use std::collections::BTreeMap;

use super::view::{Pairing, View};
use crate::battle::Class;

/// All votes on one battle, regardless of the order in which its responses were shown.
pub(super) struct Votes {
    /// Votes for the one response, for the other, and ties.
    pub(super) counts: [f64; 3],
    /// The rows with what they vote for; A is the first response.
    pub(super) rows: Vec<(usize, Class)>,
    /// The prompt-and-session group of the battle.
    pub(super) group: usize,
}

impl Votes {
    pub(super) fn total(&self) -> f64 {
        self.counts.iter().sum()
    }
}

/// Battles with two or more votes. A soft label is no vote, and neither is a row that repeats the id of
/// another: it is the same vote once more.
pub(super) fn votes(view: &View<'_>) -> Vec<Votes> {
    let mut found: BTreeMap<Pairing, Votes> = BTreeMap::new();
    for (row, labeled) in view.labeled.iter().enumerate() {
        let Some(class) = labeled.target.class() else { continue };
        if row > 0 && view.battles[row - 1].id == view.battles[row].id {
            continue;
        }
        let (pairing, exchanged) = view.pairing(row);
        let class = if exchanged { class.swapped() } else { class };
        let group = view.groups.of_rows()[row];
        let votes =
            found.entry(pairing).or_insert_with(|| Votes { counts: [0.0; 3], rows: Vec::new(), group });
        votes.counts[class.index()] += 1.0;
        votes.rows.push((row, class));
    }
    found.into_values().filter(|votes| votes.rows.len() > 1).collect()
}
