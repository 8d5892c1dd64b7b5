//! Which predictions become labels.

use crate::battle::{BattleId, Probabilities};
use crate::manifest::{Choice, Selection, SelectionCounts};
use crate::predictors::language_model::Outcome;
use crate::shipped::ShippedPredictions;

/// The positions of the rows that get a label, ascending, and what became of the others.
///
/// The same rows for any order of the file: of equal confidence the smaller id comes first, and a random choice
/// goes by the hash of seed and id.
pub(super) fn select(
    selection: &Selection,
    ids: &[&BattleId],
    predicted: &ShippedPredictions,
) -> (Vec<usize>, SelectionCounts) {
    let mut counts = SelectionCounts { offered: ids.len(), ..SelectionCounts::default() };
    let mut kept = Vec::with_capacity(ids.len());
    for (row, (probabilities, outcome)) in predicted.probabilities.iter().zip(&predicted.outcomes).enumerate()
    {
        if *outcome == Outcome::Fallback {
            counts.fallback += 1;
        } else if confidence(*probabilities) < selection.min_confidence {
            counts.below_confidence += 1;
        } else {
            kept.push(row);
        }
    }
    if let Some(limit) = selection.max_rows.filter(|limit| *limit < kept.len()) {
        counts.over_limit = kept.len() - limit;
        match selection.choose {
            Choice::Confident => kept.sort_by(|one, other| {
                let confidence = |row: &usize| confidence(predicted.probabilities[*row]);
                confidence(other).total_cmp(&confidence(one)).then_with(|| ids[*one].cmp(ids[*other]))
            }),
            Choice::Random => kept.sort_by_cached_key(|row| draw(selection.seed, ids[*row])),
        }
        kept.truncate(limit);
        kept.sort_unstable();
    }
    counts.kept = kept.len();
    (kept, counts)
}

fn confidence(probabilities: Probabilities) -> f64 {
    probabilities.to_array().into_iter().fold(0.0, f64::max)
}

fn draw(seed: u64, id: &BattleId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(id.0.as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predicted(rows: &[([f64; 3], Outcome)]) -> ShippedPredictions {
        ShippedPredictions {
            probabilities: rows.iter().map(|(p, _)| Probabilities::new(*p).unwrap()).collect(),
            outcomes: rows.iter().map(|(_, outcome)| *outcome).collect(),
            members: Vec::new(),
        }
    }

    fn selection(min_confidence: f64, max_rows: Option<usize>, choose: Choice, seed: u64) -> Selection {
        Selection { min_confidence, max_rows, choose, seed }
    }

    #[test]
    fn rows_are_left_out_for_one_reason_each_and_the_rest_keep_their_order() {
        let rows = [
            ([0.5, 0.3, 0.2], Outcome::Complete),
            ([0.1, 0.1, 0.8], Outcome::Fallback),
            ([0.4, 0.3, 0.3], Outcome::Complete),
            ([0.2, 0.6, 0.2], Outcome::OnePass),
            ([0.2, 0.2, 0.6], Outcome::Complete),
        ];
        let ids: Vec<BattleId> = ["e", "d", "c", "b", "a"].map(|id| BattleId(id.to_owned())).to_vec();
        let ids: Vec<&BattleId> = ids.iter().collect();
        let predicted = predicted(&rows);
        let all = select(&selection(0.0, None, Choice::Confident, 0), &ids, &predicted);
        assert_eq!(all.0, [0, 2, 3, 4]);
        let (kept, counts) = select(&selection(0.5, Some(2), Choice::Confident, 0), &ids, &predicted);
        assert_eq!(kept, [3, 4]);
        let expected =
            SelectionCounts { offered: 5, kept: 2, fallback: 1, below_confidence: 1, over_limit: 1 };
        assert_eq!(counts, expected);
        // Of equal confidence the smaller id.
        assert_eq!(select(&selection(0.5, Some(1), Choice::Confident, 0), &ids, &predicted).0, [4]);
    }

    #[test]
    fn a_random_choice_depends_on_the_seed_and_on_no_order() {
        let rows = vec![([0.5, 0.3, 0.2], Outcome::Complete); 60];
        let ids: Vec<BattleId> = (0..60).map(|id| BattleId(id.to_string())).collect();
        let chosen = |seed, backwards: bool| {
            let mut ids: Vec<&BattleId> = ids.iter().collect();
            if backwards {
                ids.reverse();
            }
            let (kept, _) = select(&selection(0.0, Some(20), Choice::Random, seed), &ids, &predicted(&rows));
            let mut chosen: Vec<&str> = kept.iter().map(|row| ids[*row].0.as_str()).collect();
            chosen.sort_unstable();
            chosen.join(" ")
        };
        assert_eq!(chosen(1, false), chosen(1, true));
        assert_ne!(chosen(1, false), chosen(2, false));
    }
}
