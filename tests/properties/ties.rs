//! What must hold of every tie model, whatever the rewards.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use proptest::prelude::*;
use tiebreak::battle::{BattleId, Class, GroupId, HeldOut, Scored, Target};
use tiebreak::ties::{Finite, NonNegative, Positive, TieModel, TieModelKind};

fn model() -> impl Strategy<Value = TieModel> {
    let positive = (-6.0..6.0_f64).prop_map(|ln| Positive::new(ln.exp()).unwrap());
    let finite = || (-5.0..5.0_f64).prop_map(|value| Finite::new(value).unwrap());
    let eta = (0.0..6.0_f64).prop_map(|value| NonNegative::new(value).unwrap());
    (positive, eta, finite(), finite(), finite(), 0..5).prop_map(
        |(temperature, eta, center, intercept, slope, kind)| match kind {
            0 => TieModel::RaoKupper { temperature, eta },
            1 => TieModel::Davidson { temperature, ln_nu: intercept },
            2 => TieModel::QualityDavidson { temperature, center, intercept, slope },
            3 => TieModel::QualityRaoKupper { temperature, center, intercept, slope },
            _ => TieModel::GroundedRaoKupper { temperature, center, spread: intercept, shift: slope },
        },
    )
}

fn reward() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -10.0..10.0_f64,
        1 => -1e9..1e9_f64,
        1 => prop::sample::select(vec![0.0, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 1e300, -1e300]),
    ]
}

type Row = ([f64; 2], usize);

fn held_out(rows: &[Row]) -> HeldOut<[f64; 2]> {
    let rows = rows.iter().enumerate().map(|(row, (rewards, class))| Scored {
        id: BattleId(format!("{row:04}")),
        group: GroupId(row.to_string()),
        fold: None,
        prediction: *rewards,
        target: Target::one_hot(Class::ALL[*class]),
    });
    HeldOut::declared(rows.collect(), "rewards.csv")
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(((-20.0..20.0_f64, -20.0..20.0_f64).prop_map(|(a, b)| [a, b]), 0..3_usize), 1..60)
}

fn kind() -> impl Strategy<Value = TieModelKind> {
    prop::sample::select(TieModelKind::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn exchanging_the_rewards_exchanges_a_and_b_bit_for_bit(model in model(), a in reward(), b in reward()) {
        let one = model.probabilities([a, b]).unwrap();
        let other = model.probabilities([b, a]).unwrap();
        prop_assert_eq!(one.swapped().ln().map(f64::to_bits), other.ln().map(f64::to_bits));
    }

    #[test]
    fn probabilities_sum_to_one_and_the_better_reward_is_likelier(model in model(), a in reward(), b in reward()) {
        let [first, second, tie] = model.probabilities([a, b]).unwrap().to_array();
        prop_assert!((first + second + tie - 1.0).abs() < 1e-9);
        prop_assert!(a <= b || first >= second, "{} {}", first, second);
    }

    #[test]
    fn the_four_outcomes_merge_into_the_three_classes(model in model(), a in -30.0..30.0_f64, b in -30.0..30.0_f64) {
        if let Some(four) = model.four_outcomes([a, b]).unwrap() {
            let three = model.probabilities([a, b]).unwrap().to_array();
            prop_assert!((four.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!((four[2] + four[3] - three[2]).abs() < 1e-9);
        }
    }

    #[test]
    fn a_model_survives_its_file(model in model()) {
        let text = serde_json::to_string(&model).unwrap();
        prop_assert_eq!(serde_json::from_str::<TieModel>(&text).unwrap(), model);
    }

    #[test]
    fn a_fit_does_not_depend_on_the_order_of_the_rows(rows in rows(), kind in kind()) {
        let straight = held_out(&rows);
        let mut scored = straight.rows().to_vec();
        scored.reverse();
        let turned = HeldOut::declared(scored, "rewards.csv");
        prop_assert_eq!(kind.fit(&straight).unwrap(), kind.fit(&turned).unwrap());
    }

    #[test]
    fn a_fit_does_not_depend_on_the_sides(rows in rows(), kind in kind()) {
        let swapped: Vec<Row> = rows.iter().map(|([a, b], class)| ([*b, *a], [1, 0, 2][*class])).collect();
        prop_assert_eq!(kind.fit(&held_out(&rows)).unwrap(), kind.fit(&held_out(&swapped)).unwrap());
    }

    #[test]
    fn a_fit_follows_the_unit_of_the_rewards(rows in rows(), factor in -40..40_i32) {
        let unit = 2.0_f64.powi(factor);
        let scaled: Vec<Row> = rows.iter().map(|([a, b], class)| ([a * unit, b * unit], *class)).collect();
        let one = TieModelKind::RaoKupper.fit(&held_out(&rows)).unwrap();
        let other = TieModelKind::RaoKupper.fit(&held_out(&scaled)).unwrap();
        prop_assert!((other.temperature() / (one.temperature() * unit) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn every_fit_gives_finite_log_probabilities_to_every_class(rows in rows(), kind in kind()) {
        let model = kind.fit(&held_out(&rows)).unwrap();
        prop_assert!(model.temperature() > 0.0 && model.temperature().is_finite());
        for (rewards, _) in &rows {
            prop_assert!(model.probabilities(*rewards).unwrap().ln().iter().all(|ln| ln.is_finite()));
        }
    }
}
