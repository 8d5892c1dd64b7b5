#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "helpers unwrap like tests, and exact values are tested"
)]

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tiebreak::battle::{BattleId, GroupId, HeldOut, Probabilities, Scored, Target, Task};
use tiebreak::calibrators::{
    BlendKind, CalibrationError, CalibratorKind, MAX_TEMPERATURE, MIN_TEMPERATURE, PostProcessing,
    PostProcessingRecipe, fit_temperature, position_bias,
};
use tiebreak::metrics::{Columns, draw_class, log_losses, mean, paired_difference};

use crate::metrics::with_threads;

const KINDS: [CalibratorKind; 6] = [
    CalibratorKind::Identity,
    CalibratorKind::Temperature,
    CalibratorKind::Symmetric,
    CalibratorKind::Vector,
    CalibratorKind::StructuredMatrix,
    CalibratorKind::Isotonic,
];

/// A world whose truth is a function of the first member's logits.
#[derive(Clone, Copy)]
struct World {
    seed: u64,
    rows: usize,
    groups: usize,
    folds: bool,
    /// What the logits are multiplied by to give the truth: 1 is calibrated, 0 knows nothing.
    truth: f64,
    /// How much the truth varies between groups beyond what the predictions know.
    group_effect: f64,
    /// What is added to the true logit of A.
    bias: f64,
}

impl World {
    fn calibrated(seed: u64) -> Self {
        Self { seed, rows: 600, groups: 60, folds: true, truth: 1.0, group_effect: 0.0, bias: 0.0 }
    }

    fn make(self) -> HeldOut<Vec<Probabilities>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        // A sum of twelve uniform numbers less six is nearly normal.
        let mut normal = move || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
        let effects: Vec<[f64; 3]> =
            (0..self.groups).map(|_| [0, 1, 2].map(|_| self.group_effect * normal())).collect();
        let mut labels = ChaCha8Rng::seed_from_u64(self.seed ^ 0xabcd);
        let scored = |row: usize| {
            let group = row % self.groups;
            let z = [0, 1, 2].map(|_| normal());
            let noisy = z.map(|value| 0.7 * value + 0.7 * normal());
            let truth = [0, 1, 2].map(|class| {
                self.truth * z[class] + effects[group][class] + if class == 0 { self.bias } else { 0.0 }
            });
            let truth = Probabilities::from_logits(truth).unwrap().to_array();
            Scored {
                id: BattleId(format!("{row:05}")),
                group: GroupId(format!("g{group:04}")),
                fold: self.folds.then_some(u32::try_from(group % 5).unwrap()),
                prediction: vec![
                    Probabilities::from_logits(z).unwrap(),
                    Probabilities::from_logits(noisy).unwrap(),
                ],
                target: Target::one_hot(draw_class(truth, labels.random::<f64>())),
            }
        };
        HeldOut::declared((0..self.rows).map(scored).collect(), "world")
    }

    fn single(self) -> HeldOut<Vec<Probabilities>> {
        let members = self.make();
        let rows =
            members.rows().iter().map(|row| Scored { prediction: vec![row.prediction[0]], ..row.clone() });
        HeldOut::declared(rows.collect(), "world")
    }
}

fn first_member(held_out: &HeldOut<Vec<Probabilities>>) -> HeldOut {
    let rows = held_out.rows().iter().map(|row| Scored {
        id: row.id.clone(),
        group: row.group.clone(),
        fold: row.fold,
        prediction: row.prediction[0],
        target: row.target,
    });
    HeldOut::declared(rows.collect(), "world")
}

fn predictions(held_out: &HeldOut) -> Vec<Probabilities> {
    held_out.rows().iter().map(|row| row.prediction).collect()
}

fn probabilities() -> impl Strategy<Value = Probabilities> {
    let odd = prop_oneof![Just([1.0, 0.0, 0.0]), Just([0.0, 0.0, 1.0]), Just([0.5, 0.5, 0.0])];
    let usual = prop::array::uniform3(-6.0..6.0_f64)
        .prop_map(|logits| Probabilities::from_logits(logits).expect("finite logits").to_array());
    prop_oneof![1 => odd, 6 => usual].prop_map(|p| Probabilities::new(p).expect("a distribution"))
}

fn labelled() -> impl Strategy<Value = Vec<(Probabilities, f64)>> {
    prop::collection::vec((probabilities(), 0.0..1.0_f64), 1..40)
}

fn held_out(rows: &[(Probabilities, f64)]) -> HeldOut {
    let scored = rows.iter().enumerate().map(|(row, (prediction, uniform))| Scored {
        id: BattleId(format!("{row:05}")),
        group: GroupId(format!("g{}", row % 7)),
        fold: None,
        prediction: *prediction,
        target: Target::one_hot(draw_class([0.4, 0.3, 0.3], *uniform)),
    });
    HeldOut::declared(scored.collect(), "rows")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_calibrator_gives_finite_probabilities_and_symmetric_ones_commute_with_a_swap(
        rows in labelled(), p in probabilities(), two_way in any::<bool>(),
    ) {
        let task = if two_way { Task::TwoWay } else { Task::ThreeWay };
        for kind in KINDS {
            let calibrator = kind.fit(&held_out(&rows), task).expect("rows");
            let q = calibrator.apply(p, task);
            let sum: f64 = q.to_array().iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-9, "{kind:?} {q:?}");
            if kind.is_symmetric() {
                prop_assert_eq!(calibrator.apply(p.swapped(), task), q.swapped());
            }
            if two_way && kind != CalibratorKind::Isotonic {
                prop_assert_eq!(q.to_array()[2], 0.0);
            }
            let json = serde_json::to_string(&calibrator).expect("serialisable");
            let back: tiebreak::calibrators::Calibrator = serde_json::from_str(&json).expect("readable");
            prop_assert_eq!(back.apply(p, task), q);
        }
    }

    #[test]
    fn a_temperature_is_positive_and_nearly_the_same_in_single_precision(rows in labelled()) {
        let (p, t): (Vec<_>, Vec<_>) = held_out(&rows).rows().iter().map(|row| (row.prediction, row.target)).unzip();
        let fitted = fit_temperature(&p, &t, Task::ThreeWay);
        prop_assert!((MIN_TEMPERATURE * 0.999..=MAX_TEMPERATURE * 1.001).contains(&fitted.temperature));
        #[expect(clippy::cast_possible_truncation, reason = "single precision is what is tested")]
        let rounded: Vec<_> =
            p.iter().map(|p| Probabilities::from_logits(p.ln().map(|ln| f64::from(ln as f32))).expect("a distribution")).collect();
        let single = fit_temperature(&rounded, &t, Task::ThreeWay);
        prop_assert!((single.temperature / fitted.temperature - 1.0).abs() < 1e-3 || fitted.at_bound, "{fitted:?} {single:?}");
    }
}

#[test]
fn neither_the_order_of_rows_nor_the_number_of_threads_changes_a_bit_of_post_processing() {
    let forward = World { folds: false, ..World::calibrated(1) }.make();
    let backward = HeldOut::declared(forward.rows().iter().rev().cloned().collect(), "world");
    let recipe =
        PostProcessingRecipe { calibrator: CalibratorKind::Symmetric, ..PostProcessingRecipe::default() };
    let one = with_threads(1, || recipe.cross_fit(&forward, Task::ThreeWay)).unwrap();
    let many = with_threads(3, || recipe.cross_fit(&backward, Task::ThreeWay)).unwrap();
    assert_eq!(one.fitted, many.fitted);
    assert_eq!(one.summary, many.summary);
    let mut reversed = predictions(&many.held_out);
    reversed.reverse();
    assert_eq!(predictions(&one.held_out), reversed);
}

#[test]
fn the_targets_of_a_fold_do_not_change_what_is_done_to_it() {
    let honest = World { truth: 0.5, ..World::calibrated(2) }.make();
    let poisoned = honest.rows().iter().map(|row| Scored {
        target: if row.fold == Some(3) { row.target.swapped() } else { row.target },
        ..row.clone()
    });
    let poisoned = HeldOut::declared(poisoned.collect(), "world");
    let recipe =
        PostProcessingRecipe { calibrator: CalibratorKind::Vector, ..PostProcessingRecipe::default() };
    let (one, other) =
        (recipe.cross_fit(&honest, Task::ThreeWay), recipe.cross_fit(&poisoned, Task::ThreeWay));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.fitted, other.fitted);
    for (honest, poisoned) in one.held_out.rows().iter().zip(other.held_out.rows()) {
        assert_eq!(honest.prediction == poisoned.prediction, honest.fold == Some(3), "{:?}", honest.id);
    }
}

#[test]
fn calibrated_predictions_are_left_alone_and_overconfident_ones_are_not() {
    let recipe = PostProcessingRecipe::default();
    let left =
        recipe.cross_fit(&World { rows: 2_000, ..World::calibrated(3) }.single(), Task::ThreeWay).unwrap();
    assert_eq!(left.fitted.calibrator().kind(), CalibratorKind::Identity);
    assert_eq!(left.summary.verdict, "calibration buys nothing here");
    let world = World { rows: 2_000, truth: 0.4, ..World::calibrated(3) };
    let fitted = recipe.cross_fit(&world.single(), Task::ThreeWay).unwrap();
    assert_eq!(fitted.fitted.calibrator().kind(), CalibratorKind::Temperature, "{}", fitted.summary.verdict);
}

#[test]
fn predictions_without_signal_end_near_the_prior() {
    let world = World { rows: 3_000, groups: 600, truth: 0.0, ..World::calibrated(4) };
    let result = PostProcessingRecipe::default().cross_fit(&world.single(), Task::ThreeWay).unwrap();
    let columns = Columns::new(&result.held_out);
    let loss = mean(&log_losses(&columns.predictions, &columns.targets));
    assert!(loss < 3.0_f64.ln() + 0.003, "{loss} {}", result.summary.verdict);
}

#[test]
fn with_few_groups_post_processing_is_not_significantly_worse_than_equal_weights() {
    let mut sum = 0.0;
    for seed in 0..12 {
        let world =
            World { rows: 1_300, groups: 13, group_effect: 0.5, seed: 100 + seed, ..World::calibrated(0) };
        let held_out = world.make();
        let result = PostProcessingRecipe::default().cross_fit(&held_out, Task::ThreeWay).unwrap();
        let equal = PostProcessing::nothing(2, Task::ThreeWay);
        let before: Vec<_> = held_out.rows().iter().map(|row| equal.apply(&row.prediction)).collect();
        let columns = Columns::new(&result.held_out);
        let losses = |p: &[Probabilities]| log_losses(p, &columns.targets);
        let delta = paired_difference(&losses(&columns.predictions), &losses(&before), &columns.groups);
        assert!(delta.interval()[0] <= 0.0, "seed {seed}: {delta:?}");
        sum += delta.value;
    }
    assert!(sum / 12.0 < 0.002, "{sum}");
}

#[test]
fn a_member_that_knows_nothing_gets_little_weight() {
    let world = World { rows: 3_000, groups: 1_000, ..World::calibrated(5) };
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let members = world.make();
    let rows = members.rows().iter().map(|row| {
        let noise = [0, 1, 2].map(|_| 4.0 * random.random::<f64>());
        Scored {
            prediction: vec![row.prediction[0], Probabilities::from_logits(noise).unwrap()],
            ..row.clone()
        }
    });
    let held_out = HeldOut::declared(rows.collect(), "world");
    for blend in [BlendKind::Arithmetic, BlendKind::Geometric] {
        let recipe = PostProcessingRecipe { blend, calibrator: CalibratorKind::Identity, seed: 0 };
        let weights = recipe.fit(&held_out, Task::ThreeWay).unwrap().weights().to_vec();
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12 && weights.iter().all(|w| *w >= 0.0));
        assert!(weights[1] < 0.1, "{blend:?} {weights:?}");
    }
}

#[test]
fn the_position_bias_test_keeps_its_level_with_groups_and_finds_a_bias() {
    let rejections = |world: World, seeds: std::ops::Range<u64>| {
        let rejects = |seed| {
            let columns = Columns::new(&first_member(&World { seed, ..world }.make()));
            position_bias(&columns, Task::ThreeWay).p_value < 0.05
        };
        seeds.filter(|seed| rejects(*seed)).count()
    };
    let clustered = World { rows: 400, groups: 40, group_effect: 0.7, ..World::calibrated(0) };
    // 200 tests at 5 %: more than 22 rejections have a probability below 1 in 100.
    assert!((1..=22).contains(&rejections(clustered, 0..200)));
    let independent = World { rows: 400, groups: 400, ..World::calibrated(0) };
    assert!((1..=22).contains(&rejections(independent, 0..200)));
    assert!(rejections(World { bias: 0.8, ..independent }, 0..20) >= 18);
}

#[test]
fn symmetry_is_given_up_only_for_a_bias() {
    let biased = World { rows: 4_000, groups: 800, bias: 0.8, ..World::calibrated(6) };
    let result = PostProcessingRecipe::default().cross_fit(&biased.single(), Task::ThreeWay).unwrap();
    assert!(!result.fitted.calibrator().kind().is_symmetric(), "{}", result.summary.verdict);
    assert!(result.summary.position_bias.is_some_and(|bias| bias.symmetry_given_up && bias.p_value < 0.05));
}

#[test]
fn stored_post_processing_is_checked_when_it_is_read() {
    let fitted =
        PostProcessingRecipe { calibrator: CalibratorKind::Temperature, ..PostProcessingRecipe::default() }
            .fit(&World::calibrated(7).make(), Task::ThreeWay)
            .unwrap();
    let json = serde_json::to_string(&fitted).unwrap();
    assert_eq!(serde_json::from_str::<PostProcessing>(&json).unwrap(), fitted);
    for (from, to) in [
        (r#""format_version":1"#, r#""format_version":2"#),
        (r#""weights":["#, r#""weights":[0.5,"#),
        (r#""kind":"temperature""#, r#""kind":"temperature","stray":1"#),
        (r#""temperature":"#, r#""temperature":-"#),
        (r#"{"format_version""#, r#"{"stray":0,"format_version""#),
    ] {
        let damaged = json.replacen(from, to, 1);
        assert_ne!(damaged, json, "{from}");
        assert!(serde_json::from_str::<PostProcessing>(&damaged).is_err(), "{damaged}");
    }
    let identity = r#"{"kind":"identity","temperature":2}"#;
    assert!(serde_json::from_str::<tiebreak::calibrators::Calibrator>(identity).is_err());
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let world = World::calibrated(8).make();
    let isotonic =
        PostProcessingRecipe { calibrator: CalibratorKind::Isotonic, ..PostProcessingRecipe::default() };
    assert_eq!(isotonic.fit(&world, Task::ThreeWay).unwrap_err(), CalibrationError::DiagnosticOnly);
    let recipe = PostProcessingRecipe::default();
    let empty = HeldOut::declared(Vec::new(), "nothing");
    assert_eq!(recipe.fit(&empty, Task::ThreeWay).unwrap_err(), CalibrationError::NoRows);
    let mut rows = world.rows().to_vec();
    rows[5].prediction.pop();
    let ragged = HeldOut::declared(rows, "ragged");
    assert!(matches!(
        recipe.fit(&ragged, Task::ThreeWay),
        Err(CalibrationError::MemberCount { found: 1, expected: 2, .. })
    ));
}

#[test]
fn a_single_group_is_blended_equally_and_left_uncalibrated() {
    let one = World { groups: 1, folds: false, rows: 50, ..World::calibrated(9) }.make();
    let result = PostProcessingRecipe::default().cross_fit(&one, Task::ThreeWay).unwrap();
    assert_eq!(result.fitted, PostProcessing::nothing(2, Task::ThreeWay));
    assert_eq!(predictions(&result.before), predictions(&result.held_out));
}
