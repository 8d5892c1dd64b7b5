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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::{Battle, Class, GroupId, HeldOut, Response, Scored, Target, Turn};

    /// Twenty pairs of responses with two votes each, the second vote on exchanged sides.
    fn votes(second: impl Fn(usize) -> Class) -> (Columns<Probabilities>, Vec<LabeledBattle>) {
        let battle = |row: usize, class: Class| {
            let text = |side: &str| Response::Text(format!("{side} {}", row / 2));
            let turn = Turn { prompt: "who?".to_owned(), response_a: text("x"), response_b: text("y") };
            let battle = Battle::new(BattleId(format!("{row:02}")), None, vec![turn]).unwrap();
            let labeled = LabeledBattle {
                battle,
                vote: None,
                target: Target::one_hot(class),
                weight: 1.0,
                models: None,
                session: None,
                language: None,
                metadata: BTreeMap::new(),
            };
            if row.is_multiple_of(2) { labeled } else { labeled.swapped() }
        };
        let rows: Vec<LabeledBattle> = (0..40)
            .map(|row| battle(row, if row.is_multiple_of(2) { Class::A } else { second(row) }))
            .collect();
        let scored = rows.iter().map(|labeled| Scored {
            id: labeled.battle.id.clone(),
            group: GroupId("g".to_owned()),
            fold: None,
            prediction: Probabilities::UNIFORM,
            target: labeled.target,
        });
        (Columns::new(&HeldOut::declared(scored.collect(), "rows")), rows)
    }

    #[test]
    fn votes_that_agree_leave_no_floor_and_votes_that_differ_do_whatever_the_side() {
        let floor = |second: fn(usize) -> Class| {
            let (columns, rows) = votes(second);
            let battles = rows.iter().map(|row| (&row.battle.id, row)).collect();
            floor_of_votes(&columns, &battles).unwrap()
        };
        let agree = floor(|_| Class::A);
        assert!(agree.log_loss.abs() < 1e-12 && agree.n == 40, "{agree:?}");
        // Two votes that differ: psi(2) - psi(1) = 1.
        assert!((floor(|_| Class::B).log_loss - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_distance_to_the_truth_is_that_of_the_rows_whose_truth_is_known() {
        let (columns, _) = votes(|_| Class::A);
        let p = Probabilities::new([0.5, 0.25, 0.25]).unwrap();
        let truth = BTreeMap::from([(BattleId("00".to_owned()), p), (BattleId("elsewhere".to_owned()), p)]);
        let distance = distance_to_truth(&columns, &truth).unwrap();
        let entropy = 1.5 * std::f64::consts::LN_2;
        assert_eq!(distance.n, 1);
        assert!((distance.floor - entropy).abs() < 1e-12);
        assert!((distance.kullback_leibler - (3.0_f64.ln() - entropy)).abs() < 1e-12);
        assert!((distance.total_variation - 1.0 / 6.0).abs() < 1e-12);
        assert_eq!(distance_to_truth(&columns, &BTreeMap::new()), None);
    }
}
