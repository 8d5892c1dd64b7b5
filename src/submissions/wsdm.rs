//! The likelier winner of each row.

use std::cmp::Ordering;

use super::csv;
use crate::battle::{BattleId, Probabilities};

pub(super) fn write(rows: &[(BattleId, Probabilities)], text: &mut String) {
    for (id, probabilities) in rows {
        text.push_str(&csv::field(&id.0));
        text.push_str(if a_is_named(id, *probabilities) { ",model_a\n" } else { ",model_b\n" });
    }
}

/// Equal probabilities are decided by one bit of the hash of the id: the same in every run, and even
/// between A and B over many rows, so that ties of the model favour no side.
fn a_is_named(id: &BattleId, probabilities: Probabilities) -> bool {
    let [a, b, _] = probabilities.ln();
    match a.total_cmp(&b) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal => blake3::hash(id.0.as_bytes()).as_bytes()[0] & 1 == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likelier_side_is_named_and_the_tie_ignored() {
        let id = BattleId("x".to_owned());
        assert!(a_is_named(&id, Probabilities::new([0.2, 0.1, 0.7]).unwrap()));
        assert!(!a_is_named(&id, Probabilities::new([0.1, 0.2, 0.7]).unwrap()));
    }

    #[test]
    fn equal_rows_are_split_evenly_and_the_same_way_each_time() {
        let named: Vec<bool> =
            (0..4000).map(|i| a_is_named(&BattleId(i.to_string()), Probabilities::UNIFORM)).collect();
        let n_a = named.iter().filter(|is_a| **is_a).count();
        // Four standard deviations of a fair coin.
        assert!(n_a.abs_diff(2000) < 127, "{n_a}");
        let again: Vec<bool> =
            (0..4000).map(|i| a_is_named(&BattleId(i.to_string()), Probabilities::UNIFORM)).collect();
        assert_eq!(named, again);
    }
}
