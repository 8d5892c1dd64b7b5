use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::duplicates::{Texts, prompt};
use super::near::cluster;
use super::view::{Pairing, View};

/// How many pairs of ids are named of each kind of match.
const EXAMPLES: usize = 5;

/// What two files have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leaks {
    /// The same id.
    pub ids: Match,
    /// The same normalised prompt.
    pub prompts: Match,
    /// Prompts that are not in the other file, but whose near-duplicate cluster is; rows with such a
    /// prompt are not counted under `prompts`.
    pub near_prompts: Match,
    /// The same prompt and responses in the same order.
    pub battles: Match,
    /// The same prompt and responses with the sides exchanged.
    pub swapped_battles: Match,
    /// Prompts in crowded buckets, of which not all pairs were compared.
    pub not_all_compared: usize,
}

/// How many rows of each file match a row of the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// Rows of the audited file.
    pub rows_here: usize,
    /// Rows of the other file.
    pub rows_there: usize,
    /// Ids that match, the one here first.
    pub examples: Vec<[String; 2]>,
}

/// The matches between two files; near ones at a Jaccard similarity of at least `threshold`.
pub(super) fn leaks(here: &View<'_>, there: &View<'_>, threshold: f64) -> Leaks {
    let (near_prompts, not_all_compared) = near_prompts(here, there, threshold);
    let sided = |view: &View<'_>, swapped: bool| -> Vec<(Pairing, bool)> {
        let key = |row| {
            let (pairing, exchanged) = view.pairing(row);
            (pairing, exchanged != swapped)
        };
        (0..view.len()).map(key).collect()
    };
    let ids = |view: &View<'_>| view.battles.iter().map(|battle| battle.id.clone()).collect();
    Leaks {
        ids: matched(here, there, [ids(here), ids(there)]),
        prompts: matched(here, there, [here.prompts.clone(), there.prompts.clone()]),
        near_prompts,
        battles: matched(here, there, [sided(here, false), sided(there, false)]),
        swapped_battles: matched(here, there, [sided(here, false), sided(there, true)]),
        not_all_compared,
    }
}

/// Rows whose keys are equal.
fn matched<K: Ord>(here: &View<'_>, there: &View<'_>, [keys_here, keys_there]: [Vec<K>; 2]) -> Match {
    let mut first_there: BTreeMap<&K, usize> = BTreeMap::new();
    for (row, key) in keys_there.iter().enumerate() {
        first_there.entry(key).or_insert(row);
    }
    let known_here: BTreeSet<&K> = keys_here.iter().collect();
    let pairs: Vec<(usize, usize)> = keys_here
        .iter()
        .enumerate()
        .filter_map(|(row, key)| first_there.get(key).map(|other| (row, *other)))
        .collect();
    Match {
        rows_here: pairs.len(),
        rows_there: keys_there.iter().filter(|key| known_here.contains(key)).count(),
        examples: named(here, there, pairs),
    }
}

fn near_prompts(here: &View<'_>, there: &View<'_>, threshold: f64) -> (Match, usize) {
    let size = here.len();
    let battle = |row: usize| if row < size { here.battles[row] } else { there.battles[row - size] };
    let prompts = Texts::new(here.prompts.iter().chain(&there.prompts));
    let clusters = cluster(prompts.rows.len(), &|text| prompt(battle(prompts.rows[text][0])), threshold);
    // The rows of each cluster whose very prompt is in one file only, by file.
    let mut sides: BTreeMap<usize, [Vec<usize>; 2]> = BTreeMap::new();
    let mut first: BTreeMap<usize, [Option<usize>; 2]> = BTreeMap::new();
    for (rows, root) in prompts.rows.iter().zip(&clusters.roots) {
        let (ours, theirs): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| **row < size);
        let known = first.entry(*root).or_default();
        for (known, rows) in known.iter_mut().zip([&ours, &theirs]) {
            *known = known.or(rows.first().copied());
        }
        let side = sides.entry(*root).or_default();
        if theirs.is_empty() {
            side[0].extend(ours);
        } else if ours.is_empty() {
            side[1].extend(theirs);
        }
    }
    let mut result = Match::default();
    let mut pairs = Vec::new();
    for (root, [ours, theirs]) in &sides {
        if let [Some(_), Some(there)] = first[root] {
            result.rows_here += ours.len();
            result.rows_there += theirs.len();
            pairs.extend(ours.first().map(|here| (*here, there - size)));
        }
    }
    pairs.sort_unstable();
    result.examples = named(here, there, pairs);
    (result, clusters.crowded)
}

fn named(here: &View<'_>, there: &View<'_>, pairs: Vec<(usize, usize)>) -> Vec<[String; 2]> {
    let name =
        |(row, other): (usize, usize)| [here.battles[row].id.0.clone(), there.battles[other].id.0.clone()];
    pairs.into_iter().take(EXAMPLES).map(name).collect()
}
