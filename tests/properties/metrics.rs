#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "helpers unwrap like tests, and exact values are tested"
)]

use proptest::prelude::*;
use tiebreak::battle::{BattleId, Class, GroupId, HeldOut, Probabilities, Scored, Target, Task};
use tiebreak::evaluation::{Evaluation, EvaluationRequest, evaluate};
use tiebreak::metrics::{
    accuracies, auc_a_against_b, brier_scores, classwise_calibration_error, log_losses, mean, top_label,
};

/// Probabilities with an exact zero, an exact one, or two equal ones now and then.
fn probabilities() -> impl Strategy<Value = Probabilities> {
    let odd = prop_oneof![
        Just([1.0, 0.0, 0.0]),
        Just([0.0, 0.5, 0.5]),
        Just([0.4, 0.4, 0.2]),
        Just([1.0 / 3.0; 3])
    ];
    let usual = prop::array::uniform3(-6.0..6.0_f64)
        .prop_map(|logits| Probabilities::from_logits(logits).expect("finite logits").to_array());
    prop_oneof![1 => odd, 6 => usual].prop_map(|p| Probabilities::new(p).expect("a distribution"))
}

/// Targets in quarters, so that four votes say the same.
fn quarters() -> impl Strategy<Value = [u8; 3]> {
    (0..=4_u8, 0..=4_u8).prop_map(|(a, b)| [a.min(4 - b.min(4)), b, 4 - a.min(4 - b) - b])
}

fn target(quarters: [u8; 3]) -> Target {
    Target::new(quarters.map(|quarter| f64::from(quarter) / 4.0)).expect("quarters sum to 1")
}

fn rows(most: usize) -> impl Strategy<Value = Vec<(Probabilities, [u8; 3])>> {
    prop::collection::vec((probabilities(), quarters()), 1..most)
}

pub(crate) fn held_out(rows: &[(Probabilities, Target)], order: impl Iterator<Item = usize>) -> HeldOut {
    let scored = |row: usize| Scored {
        id: BattleId(format!("{row:05}")),
        group: GroupId(format!("group {}", row / 3)),
        fold: None,
        prediction: rows[row].0,
        target: rows[row].1,
    };
    HeldOut::declared(order.map(scored).collect(), "p.csv")
}

/// Runs on a pool of its own.
pub(crate) fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads").install(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn exchanging_the_sides_changes_no_bit_of_a_metric(rows in rows(40)) {
        let p: Vec<_> = rows.iter().map(|row| row.0).collect();
        let t: Vec<_> = rows.iter().map(|row| target(row.1)).collect();
        let (ps, ts): (Vec<_>, Vec<_>) = p.iter().zip(&t).map(|(p, t)| (p.swapped(), t.swapped())).unzip();
        prop_assert_eq!(log_losses(&p, &t), log_losses(&ps, &ts));
        prop_assert_eq!(brier_scores(&p, &t), brier_scores(&ps, &ts));
        prop_assert_eq!(accuracies(&p, &t), accuracies(&ps, &ts));
        prop_assert_eq!(classwise_calibration_error(&p, &t), classwise_calibration_error(&ps, &ts));
        if let (Some(auc), Some(swapped)) = (auc_a_against_b(&p, &t), auc_a_against_b(&ps, &ts)) {
            prop_assert!((auc - swapped).abs() < 1e-12);
        }
    }

    #[test]
    fn a_soft_row_is_worth_its_votes(rows in rows(30)) {
        let soft_p: Vec<_> = rows.iter().map(|row| row.0).collect();
        let soft_t: Vec<_> = rows.iter().map(|row| target(row.1)).collect();
        let votes = rows.iter().flat_map(|(p, quarters)| {
            Class::ALL.into_iter().zip(*quarters).flat_map(move |(class, quarter)| {
                std::iter::repeat_n((*p, Target::one_hot(class)), usize::from(quarter))
            })
        });
        let (p, t): (Vec<_>, Vec<_>) = votes.unzip();
        let close = |soft: f64, hard: f64| (soft - hard).abs() < 1e-9;
        prop_assert!(close(mean(&log_losses(&soft_p, &soft_t)), mean(&log_losses(&p, &t))));
        prop_assert!(close(mean(&brier_scores(&soft_p, &soft_t)), mean(&brier_scores(&p, &t))));
        prop_assert!(close(mean(&accuracies(&soft_p, &soft_t)), mean(&accuracies(&p, &t))));
        prop_assert!(close(classwise_calibration_error(&soft_p, &soft_t), classwise_calibration_error(&p, &t)));
        match (auc_a_against_b(&soft_p, &soft_t), auc_a_against_b(&p, &t)) {
            (Some(soft), Some(hard)) => prop_assert!(close(soft, hard)),
            (soft, hard) => prop_assert_eq!(soft, hard),
        }
    }

    #[test]
    fn no_prediction_beats_the_entropy_of_its_target(p in probabilities(), quarters in quarters()) {
        let t = target(quarters);
        prop_assert!(log_losses(&[p], &[t])[0] >= t.entropy() - 1e-12);
        let top = top_label(p, t);
        prop_assert!((1.0 / 3.0 - 1e-12..=1.0).contains(&top.confidence));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn an_evaluation_is_finite_and_comes_back_from_json(rows in rows(12), two_way in any::<bool>()) {
        let task = if two_way { Task::TwoWay } else { Task::ThreeWay };
        let rows: Vec<_> = rows.into_iter().map(|(p, quarters)| (p, target(quarters))).collect();
        let held_out = held_out(&rows, 0..rows.len());
        let evaluation = evaluate(&EvaluationRequest::new(&held_out, task, "some rows")).expect("at least one row");
        // A number that is not finite would be written as null, and null cannot be read as a number.
        let json = serde_json::to_string(&evaluation).expect("serialisable");
        let back: Evaluation = serde_json::from_str(&json).expect("readable");
        prop_assert_eq!(back, evaluation);
    }

    #[test]
    fn neither_the_order_of_rows_nor_the_number_of_threads_changes_a_bit(rows in rows(60), shift in 0..60_usize) {
        let rows: Vec<_> = rows.into_iter().map(|(p, quarters)| (p, target(quarters))).collect();
        let json = |order: &[usize], threads: usize| {
            let held_out = held_out(&rows, order.iter().copied());
            let request = EvaluationRequest { before: Some(&held_out), ..EvaluationRequest::new(&held_out, Task::ThreeWay, "rows") };
            serde_json::to_string(&with_threads(threads, || evaluate(&request)).expect("rows")).expect("serialisable")
        };
        let forward: Vec<usize> = (0..rows.len()).collect();
        let mut shuffled: Vec<usize> = forward.iter().rev().copied().collect();
        shuffled.rotate_left(shift % rows.len());
        prop_assert_eq!(json(&forward, 1), json(&shuffled, 3));
    }
}
