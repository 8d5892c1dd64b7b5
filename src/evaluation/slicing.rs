use std::collections::BTreeMap;

use rayon::prelude::*;

use super::language::language_of;
use super::{Slice, Slicing, prior_predictions};
use crate::battle::{BattleId, LabeledBattle, Probabilities, Task, Turn};
use crate::metrics::{Columns, clustered_mean, log_losses, mean};

/// How many languages have a slice of their own; the others share one.
const MAX_LANGUAGES: usize = 8;

/// The log loss along length difference, turns and language (where the text is at hand) and fold
/// (where there are folds). A row belongs to exactly one slice of each property that it has.
#[must_use]
pub fn slicings(
    columns: &Columns<Probabilities>,
    battles: &BTreeMap<&BattleId, &LabeledBattle>,
    task: Task,
) -> Vec<Slicing> {
    let losses = Losses {
        columns,
        ours: log_losses(&columns.predictions, &columns.targets),
        prior: log_losses(&prior_predictions(columns, task), &columns.targets),
    };
    let texts: Vec<Option<&LabeledBattle>> = columns.ids.iter().map(|id| battles.get(id).copied()).collect();
    let of_text = |name: fn(&LabeledBattle) -> (usize, String)| -> Vec<Option<(usize, String)>> {
        texts.par_iter().map(|labeled| labeled.map(name)).collect()
    };
    let folds = columns.folds.iter().map(|fold| fold.map(|fold| (fold as usize, format!("fold {fold}"))));
    let properties = [
        ("length difference", of_text(length_difference)),
        ("turns", of_text(turns)),
        ("language", by_frequency(&of_text(|labeled| (0, language_of(labeled))))),
        ("fold", folds.collect()),
    ];
    let sliced = properties.into_iter().map(|(property, names)| losses.slicing(property, &names));
    sliced.filter(|slicing| !slicing.slices.is_empty()).collect()
}

struct Losses<'a> {
    columns: &'a Columns<Probabilities>,
    ours: Vec<f64>,
    prior: Vec<f64>,
}

impl Losses<'_> {
    /// One slice a name; names are ordered by the number before them.
    fn slicing(&self, property: &str, names: &[Option<(usize, String)>]) -> Slicing {
        let mut rows: BTreeMap<&(usize, String), Vec<usize>> = BTreeMap::new();
        for (row, name) in names.iter().enumerate() {
            if let Some(name) = name {
                rows.entry(name).or_default().push(row);
            }
        }
        let slice = |((_, name), rows): (&(usize, String), Vec<usize>)| {
            let pick = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
            let estimate = clustered_mean(&pick(&self.ours), None, &self.columns.groups.subset(&rows));
            Slice {
                name: name.clone(),
                n: rows.len(),
                n_groups: estimate.n_groups,
                log_loss: estimate.value,
                standard_error: estimate.standard_error,
                prior_log_loss: mean(&pick(&self.prior)),
            }
        };
        Slicing { property: property.to_owned(), slices: rows.into_iter().map(slice).collect() }
    }
}

fn length_difference(labeled: &LabeledBattle) -> (usize, String) {
    let length = |text: fn(&Turn) -> &str| {
        labeled.battle.turns.iter().map(|turn| text(turn).chars().count()).sum::<usize>() as f64
    };
    let (a, b) =
        (length(|turn| turn.response_a.as_str()) + 1.0, length(|turn| turn.response_b.as_str()) + 1.0);
    let (order, name) = match (a / b, b / a) {
        (_, ratio) if ratio >= 2.0 => (0, "B longer by 2x or more"),
        (_, ratio) if ratio >= 1.25 => (1, "B longer by 1.25x to 2x"),
        (ratio, _) if ratio >= 2.0 => (4, "A longer by 2x or more"),
        (ratio, _) if ratio >= 1.25 => (3, "A longer by 1.25x to 2x"),
        _ => (2, "about the same length"),
    };
    (order, name.to_owned())
}

fn turns(labeled: &LabeledBattle) -> (usize, String) {
    match labeled.battle.turns.len() {
        1 => (1, "1 turn".to_owned()),
        2 => (2, "2 turns".to_owned()),
        _ => (3, "3 turns or more".to_owned()),
    }
}

/// The most frequent names first, the rest as one.
fn by_frequency(names: &[Option<(usize, String)>]) -> Vec<Option<(usize, String)>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, name) in names.iter().flatten() {
        *counts.entry(name).or_default() += 1;
    }
    let mut order: Vec<(&str, usize)> = counts.into_iter().collect();
    order.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    let rank: BTreeMap<&str, usize> =
        order.iter().enumerate().map(|(rank, (name, _))| (*name, rank)).collect();
    let renamed = |name: &Option<(usize, String)>| {
        name.as_ref().map(|(_, name)| match rank.get(name.as_str()) {
            Some(rank) if *rank < MAX_LANGUAGES => (*rank, name.clone()),
            _ => (MAX_LANGUAGES, "other".to_owned()),
        })
    };
    names.iter().map(renamed).collect()
}
