use std::collections::BTreeMap;

use super::{DistanceToTruth, Floor};
use crate::battle::{BattleId, LabeledBattle, Probabilities, normalised_prompt};
use crate::metrics::{Columns, entropies, entropy_of_votes, kullback_leibler, mean, total_variation};

/// Fewer rows than this say too little about the floor.
const MIN_ROWS: usize = 30;

/// How far predictions are from known true probabilities, on the rows whose truth is known; `None`
/// where none is.
#[must_use]
pub fn distance_to_truth(
    columns: &Columns<Probabilities>,
    truth: &BTreeMap<BattleId, Probabilities>,
) -> Option<DistanceToTruth> {
    let rows = columns.ids.iter().zip(&columns.predictions);
    let known: Vec<(Probabilities, Probabilities)> =
        rows.filter_map(|(id, prediction)| Some((*truth.get(id)?, *prediction))).collect();
    let average = |of_row: fn(Probabilities, Probabilities) -> f64| {
        mean(&known.iter().map(|(truth, prediction)| of_row(*truth, *prediction)).collect::<Vec<f64>>())
    };
    (!known.is_empty()).then(|| DistanceToTruth {
        kullback_leibler: average(kullback_leibler),
        total_variation: average(total_variation),
        floor: mean(&entropies(&known.iter().map(|(truth, _)| *truth).collect::<Vec<_>>())),
        n: known.len(),
    })
}

/// The floor that the spread of repeated votes sets: the mean entropy of the votes on battles with the
/// same prompt and the same two responses, in either order. Where targets are soft, their own entropy.
///
/// It never lies above the true floor in expectation; `None` where too few rows say anything.
#[must_use]
pub fn floor_of_votes(
    columns: &Columns<Probabilities>,
    battles: &BTreeMap<&BattleId, &LabeledBattle>,
) -> Option<Floor> {
    let soft: Vec<f64> =
        columns.targets.iter().filter(|t| t.class().is_none()).map(|t| t.entropy()).collect();
    if soft.len() >= MIN_ROWS {
        let all: Vec<f64> = columns.targets.iter().map(|target| target.entropy()).collect();
        return Some(Floor {
            source: "the spread of the soft labels".to_owned(),
            log_loss: mean(&all),
            n: all.len(),
        });
    }
    let mut votes: BTreeMap<String, [f64; 3]> = BTreeMap::new();
    for (id, target) in columns.ids.iter().zip(&columns.targets) {
        let Some(labeled) = battles.get(id) else { continue };
        let (key, is_swapped) = pair_key(labeled);
        let shares = if is_swapped { target.swapped() } else { *target };
        let counts = votes.entry(key).or_default();
        for (count, share) in counts.iter_mut().zip(shares.to_array()) {
            *count += share;
        }
    }
    let (mut sum, mut rows) = (0.0, 0.0);
    for counts in votes.values() {
        let total: f64 = counts.iter().sum();
        if let Some(entropy) = entropy_of_votes(*counts) {
            sum += total * entropy;
            rows += total;
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of shares of rows")]
    let n = f64::round(rows) as usize;
    (n >= MIN_ROWS).then(|| Floor {
        source: "repeated votes on the same battle".to_owned(),
        log_loss: sum / rows,
        n,
    })
}

/// What two votes on the same pair of responses have in common, and whether the sides are exchanged.
fn pair_key(labeled: &LabeledBattle) -> (String, bool) {
    let mut side_a = blake3::Hasher::new();
    let mut side_b = blake3::Hasher::new();
    for turn in labeled.battle.turns.iter() {
        for (hasher, response) in [(&mut side_a, &turn.response_a), (&mut side_b, &turn.response_b)] {
            hasher.update(&(response.as_str().len() as u64).to_le_bytes());
            hasher.update(response.as_str().as_bytes());
        }
    }
    let (a, b) = (side_a.finalize().to_hex(), side_b.finalize().to_hex());
    let is_swapped = a.as_str() > b.as_str();
    let (first, second) = if is_swapped { (b, a) } else { (a, b) };
    (format!("{first}{second}{}", normalised_prompt(&labeled.battle)), is_swapped)
}
