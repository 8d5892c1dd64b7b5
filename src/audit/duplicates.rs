use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::near::{Clusters, Document, cluster};
use super::view::{Key, View};
use super::votes::{Votes, votes};
use crate::battle::{Battle, Class, Response, Turn, normalised, normalised_prompt};

/// How many of the most frequent prompts are named.
const MOST_FREQUENT: usize = 10;

/// How many examples of near-duplicates and contradictions are named.
const EXAMPLES: usize = 5;

/// How often things come again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Duplicates {
    /// Different normalised prompts.
    pub prompts: usize,
    /// Rows that share their prompt with another row.
    pub rows_sharing_a_prompt: usize,
    /// The prompts with the most rows, two or more each.
    pub frequent_prompts: Vec<PromptCount>,
    /// Prompts that are nearly the same.
    pub near_prompts: NearDuplicates,
    /// The same prompt and the same two responses, in either order.
    pub battles: RepeatedBattles,
    /// Battles whose prompt and two responses are each nearly the same, in either order.
    pub near_battles: NearDuplicates,
}

/// A prompt and its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptCount {
    /// The prompt of the first turn as one of the rows has it.
    pub prompt: String,
    /// Rows with it.
    pub rows: usize,
}

/// Texts that are not equal but nearly so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearDuplicates {
    /// The least Jaccard similarity of the shingle sets (three words, or five characters where a
    /// script sets no blanks).
    pub threshold: f64,
    /// Clusters of two or more different texts.
    pub clusters: usize,
    /// Different texts in them.
    pub texts: usize,
    /// Rows in them.
    pub rows: usize,
    /// Texts in crowded buckets, of which not all pairs were compared.
    pub not_all_compared: usize,
    /// Ids of two rows of each of the largest clusters, whose texts differ.
    pub examples: Vec<[String; 2]>,
}

/// Battles that were shown more than once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepeatedBattles {
    /// Different battles, regardless of the side.
    pub different: usize,
    /// Those with two or more rows.
    pub repeated: usize,
    /// Rows of repeated battles.
    pub rows: usize,
    /// Repeated battles that stand in both orders.
    pub in_both_orders: usize,
    /// Pairs of votes on the same battle.
    pub pairs_of_votes: usize,
    /// Pairs that agree, sides taken into account.
    pub agreeing: usize,
    /// Pairs where one vote names the one response and the other the other.
    pub contradicting: usize,
    /// Ids of two rows whose votes contradict each other.
    pub examples: Vec<[String; 2]>,
}

/// Different texts of some rows in the order of their keys, so that the order of rows changes nothing.
pub(super) struct Texts {
    /// Per text its rows, ascending.
    pub(super) rows: Vec<Vec<usize>>,
}

impl Texts {
    pub(super) fn new<K: Ord>(keys: impl Iterator<Item = K>) -> Self {
        let mut rows: BTreeMap<K, Vec<usize>> = BTreeMap::new();
        for (row, key) in keys.enumerate() {
            rows.entry(key).or_default().push(row);
        }
        Self { rows: rows.into_values().collect() }
    }
}

pub(super) fn duplicates(view: &View<'_>, threshold: f64) -> Duplicates {
    let prompts = Texts::new(view.prompts.iter());
    let near_prompts =
        cluster(prompts.rows.len(), &|text| prompt(view.battles[prompts.rows[text][0]]), threshold);
    let battles = Texts::new((0..view.len()).map(|row| view.pairing(row).0));
    let near_battles =
        cluster(battles.rows.len(), &|text| whole(view.battles[battles.rows[text][0]]), threshold);
    let mut frequent: Vec<&Vec<usize>> = prompts.rows.iter().filter(|rows| rows.len() > 1).collect();
    let sharing = frequent.iter().map(|rows| rows.len()).sum();
    frequent.sort_by_key(|rows| (std::cmp::Reverse(rows.len()), rows[0]));
    Duplicates {
        prompts: prompts.rows.len(),
        rows_sharing_a_prompt: sharing,
        frequent_prompts: frequent
            .into_iter()
            .take(MOST_FREQUENT)
            .map(|rows| PromptCount { prompt: first_prompt(view.battles[rows[0]]), rows: rows.len() })
            .collect(),
        near_prompts: summary(view, &prompts, &near_prompts, threshold),
        battles: repeated(view, &battles),
        near_battles: summary(view, &battles, &near_battles, threshold),
    }
}

/// The near-duplicate cluster of the prompt of each battle, as numbers in the order in which clusters
/// first come: rows whose prompts are equal, or linked by pairs of similar prompts (Jaccard similarity
/// of shingle sets of at least `DEFAULT_THRESHOLD`), have the same number.
///
/// Another order of the battles gives the same clusters under other numbers.
#[must_use]
pub fn prompt_clusters(battles: &[&Battle]) -> Vec<u32> {
    use rayon::prelude::*;
    let keys: Vec<Key> = battles.par_iter().map(|battle| super::view::prompt_key(battle)).collect();
    let prompts = Texts::new(keys.iter());
    let document = |text: usize| prompt(battles[prompts.rows[text][0]]);
    let clusters = cluster(prompts.rows.len(), &document, super::DEFAULT_THRESHOLD);
    let mut root_of_row = vec![0; battles.len()];
    for (rows, root) in prompts.rows.iter().zip(&clusters.roots) {
        for row in rows {
            root_of_row[*row] = *root;
        }
    }
    let mut numbers = std::collections::HashMap::new();
    let mut numbered = |root: usize| {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        *numbers.entry(root).or_insert(next)
    };
    root_of_row.into_iter().map(&mut numbered).collect()
}

/// The prompts of a battle, to be compared with others.
pub(super) fn prompt(battle: &Battle) -> Document {
    Document::prompt(&normalised_prompt(battle))
}

/// Prompts and both responses.
fn whole(battle: &Battle) -> Document {
    let side = |response: fn(&Turn) -> &Response| {
        let texts: Vec<String> =
            battle.turns.iter().map(|turn| normalised(response(turn).as_str())).collect();
        texts.join("\n")
    };
    let responses = [side(|turn| &turn.response_a), side(|turn| &turn.response_b)];
    Document::battle(&normalised_prompt(battle), [&responses[0], &responses[1]])
}

fn first_prompt(battle: &Battle) -> String {
    battle.turns.first().map_or_else(String::new, |turn| turn.prompt.clone())
}

fn summary(view: &View<'_>, texts: &Texts, clusters: &Clusters, threshold: f64) -> NearDuplicates {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (text, root) in clusters.roots.iter().enumerate() {
        members.entry(*root).or_default().push(text);
    }
    let mut several: Vec<Vec<usize>> = members.into_values().filter(|texts| texts.len() > 1).collect();
    several.sort_by_key(|texts| std::cmp::Reverse(texts.len()));
    let id = |text: usize| view.battles[texts.rows[text][0]].id.0.clone();
    NearDuplicates {
        threshold,
        clusters: several.len(),
        texts: several.iter().map(Vec::len).sum(),
        rows: several.iter().flatten().map(|text| texts.rows[*text].len()).sum(),
        not_all_compared: clusters.crowded,
        examples: several.iter().take(EXAMPLES).map(|members| [id(members[0]), id(members[1])]).collect(),
    }
}

fn repeated(view: &View<'_>, battles: &Texts) -> RepeatedBattles {
    let several: Vec<&Vec<usize>> = battles.rows.iter().filter(|rows| rows.len() > 1).collect();
    let both_orders =
        |rows: &&&Vec<usize>| rows.iter().any(|row| view.pairing(*row).1 != view.pairing(rows[0]).1);
    let votes = votes(view);
    let pairs = |count: f64| count * (count - 1.0) / 2.0;
    let sum = |value: &dyn Fn(&Votes) -> f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of pairs")]
        let count = votes.iter().map(value).sum::<f64>() as usize;
        count
    };
    let contradiction = |votes: &Votes| {
        let row_of = |class: Class| votes.rows.iter().find(|(_, vote)| *vote == class).map(|(row, _)| *row);
        let (one, other) = (row_of(Class::A)?, row_of(Class::B)?);
        Some([one.min(other), one.max(other)].map(|row| view.battles[row].id.0.clone()))
    };
    RepeatedBattles {
        different: battles.rows.len(),
        repeated: several.len(),
        rows: several.iter().map(|rows| rows.len()).sum(),
        in_both_orders: several.iter().filter(both_orders).count(),
        pairs_of_votes: sum(&|votes| pairs(votes.total())),
        agreeing: sum(&|votes| votes.counts.iter().map(|count| pairs(*count)).sum()),
        contradicting: sum(&|votes| votes.counts[0] * votes.counts[1]),
        examples: votes.iter().filter_map(contradiction).take(EXAMPLES).collect(),
    }
}
