//! Three probabilities a row whose printed digits sum to exactly 1.

use std::fmt::Write;

use super::{SubmissionError, csv};
use crate::battle::{BattleId, Probabilities};

/// Eight decimals: mantissas stay exact in f64, and one division by 1e8 reads them back correctly rounded
/// even in the fast and careless number parsers that some CSV readers use by default.
const UNITS: i64 = 100_000_000;

/// How many units a row may be moved to make its f64 sum exact; a handful is always enough.
const MOST_NUDGES: i64 = 64;

pub(super) fn write(
    rows: &[(BattleId, Probabilities)],
    floor: f64,
    text: &mut String,
) -> Result<(), SubmissionError> {
    if !(1e-8..=0.1).contains(&floor) {
        return Err(SubmissionError::Floor { floor });
    }
    for (id, probabilities) in rows {
        text.push_str(&csv::field(&id.0));
        for units in printed(*probabilities, floor) {
            let _ = write!(text, ",0.{units:08}");
        }
        text.push('\n');
    }
    Ok(())
}

/// The row in units of 1e-8: sums to `UNITS`, each at least the floor, exchanged with the sides.
fn printed(probabilities: Probabilities, floor: f64) -> [i64; 3] {
    let least = in_units((floor * UNITS as f64 - 1e-6).ceil());
    let [a, b, _] =
        raised(probabilities.to_array(), floor).map(|p| in_units((p * UNITS as f64).round()).max(least));
    let mut row = [a, b, UNITS - a - b];
    while row[2] < least {
        row = moved(row, -1).into_iter().next().unwrap_or(row);
    }
    (0..=MOST_NUDGES)
        .flat_map(|step| moved(row, step).into_iter().chain(moved(row, -step)))
        .find(|candidate| candidate.iter().all(|units| *units >= least) && sums_to_one(*candidate))
        .unwrap_or(row)
}

#[expect(clippy::cast_possible_truncation, reason = "the values lie in 0..1e8")]
fn in_units(value: f64) -> i64 {
    value as i64
}

/// Raises what lies below the floor to it and scales the rest down in proportion.
fn raised(values: [f64; 3], floor: f64) -> [f64; 3] {
    let sum = (values[0] + values[1]) + values[2];
    let mut values = values.map(|p| p / sum);
    // Scaling down can push another value below the floor once.
    for _ in 0..2 {
        let low = values.map(|p| p <= floor);
        let n_low = low.iter().filter(|is_low| **is_low).count();
        let kept = |class: usize| if low[class] { 0.0 } else { values[class] };
        let scale = (1.0 - n_low as f64 * floor) / ((kept(0) + kept(1)) + kept(2));
        values = [0, 1, 2].map(|class| if low[class] { floor } else { values[class] * scale });
    }
    values
}

/// The row with `step` units moved, in every way that treats A and B alike: which of the two gives or
/// takes depends on their sizes and never on their places.
fn moved([a, b, tie]: [i64; 3], step: i64) -> Vec<[i64; 3]> {
    let both = [a + step, b + step, tie - 2 * step];
    if a == b {
        return vec![both];
    }
    let (larger, smaller) = (i64::from(a > b) * step, i64::from(a < b) * step);
    vec![
        [a + larger, b + smaller, tie - step],
        both,
        [a + smaller, b + larger, tie - step],
        [a + larger - smaller, b + smaller - larger, tie],
    ]
}

fn sums_to_one(row: [i64; 3]) -> bool {
    let [a, b, tie] = row.map(|units| units as f64 / UNITS as f64);
    #[expect(clippy::float_cmp, reason = "exactly 1 is what is asked for")]
    let exact = (a + b) + tie == 1.0;
    exact
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn drawn(random: &mut ChaCha8Rng) -> Probabilities {
        let scale = [0.01, 1.0, 5.0, 30.0][random.random_range(0..4_usize)];
        Probabilities::from_logits([0, 1, 2].map(|_| scale * (random.random::<f64>() - 0.5))).unwrap()
    }

    #[test]
    fn printed_rows_sum_to_one_in_decimals_and_in_f64_and_keep_the_floor() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..200_000 {
            let p = drawn(&mut random);
            let row = printed(p, 1e-6);
            assert_eq!(row.iter().sum::<i64>(), UNITS, "{p:?}");
            assert!(row.iter().all(|units| *units >= 100), "{p:?} {row:?}");
            let read = row.map(|units| format!("0.{units:08}").parse::<f64>().unwrap());
            assert!((read[0] + read[1] + read[2] - 1.0).abs() < f64::MIN_POSITIVE, "{read:?}");
            for (printed, meant) in read.iter().zip(p.to_array()) {
                assert!((printed - meant.max(1e-6)).abs() < 3e-6, "{read:?} {p:?}");
            }
        }
    }

    #[test]
    fn exchanging_the_sides_exchanges_the_printed_columns() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..20_000 {
            let p = drawn(&mut random);
            let [a, b, tie] = printed(p, 1e-6);
            assert_eq!(printed(p.swapped(), 1e-6), [b, a, tie]);
        }
        let even = Probabilities::from_logits([0.3, 0.3, -1.0]).unwrap();
        let [a, b, _] = printed(even, 1e-6);
        assert_eq!(a, b);
    }

    #[test]
    fn certain_rows_keep_the_floor_in_every_class() {
        for values in [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0], [0.999_999, 1e-6, 0.0]] {
            for floor in [1e-8, 1.5e-8, 1e-6, 0.05] {
                let row = printed(Probabilities::new(values).unwrap(), floor);
                assert_eq!(row.iter().sum::<i64>(), UNITS);
                assert!(
                    row.iter().all(|units| *units as f64 >= floor * 1e8 - 1e-3),
                    "{values:?} {floor} {row:?}"
                );
                assert!(sums_to_one(row), "{values:?} {floor} {row:?}");
            }
        }
    }

    #[test]
    fn a_floor_that_cannot_be_printed_is_refused() {
        for floor in [0.0, 1e-9, 0.4, f64::NAN] {
            assert!(write(&[], floor, &mut String::new()).is_err());
        }
    }
}
