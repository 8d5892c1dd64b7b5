//! The linear predictor: exact symmetry, determinism, weights, and nothing learned from nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has to fail")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, FitWith, Predict};
use ndarray::{Array1, Array2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tiebreak::battle::{Battle, BattleId, Class, LabeledBattle, Probabilities, Response, Target, Turn};
use tiebreak::learning::softmax::SoftmaxParams;
use tiebreak::learning::{
    FitContext, FitError, Learner, LinearLearner, LinearRecipe, PenaltyRule, PriorLearner,
};
use tiebreak::predictors::language_model::Serving;
use tiebreak::predictors::linear::{FitStatus, FittedSoftmax, Matrix, Penalties, SoftmaxRecords};
use tiebreak::predictors::{PredictError, Predictor, SavedPredictor, predict_all};
use tiebreak::progress::Silent;

const WORDS: [&str; 24] = [
    "red",
    "green",
    "blue",
    "sorry",
    "cannot",
    "because",
    "therefore",
    "the",
    "a",
    "of",
    "answer",
    "is",
    "42",
    "step",
    "first",
    "then",
    "finally",
    "code",
    "list",
    "water",
    "stone",
    "tree",
    "sun",
    "moon",
];

fn fit_in(learner: &dyn Learner, train: &[LabeledBattle]) -> Result<Box<dyn Predictor>, FitError> {
    let stop = AtomicBool::new(false);
    let context = FitContext {
        member: "",
        seed: 3,
        fold: None,
        threads: 1,
        workspace: Path::new("."),
        stop: &stop,
        progress: &Silent,
    };
    learner.fit(train, &context)
}

fn words(random: &mut ChaCha8Rng, most: usize) -> String {
    let count = random.random_range(1..=most);
    (0..count).map(|_| WORDS[random.random_range(0..WORDS.len())]).collect::<Vec<_>>().join(" ") + "."
}

fn labeled(id: usize, prompt: &str, responses: [&str; 2], target: Target) -> LabeledBattle {
    let turn = Turn {
        prompt: prompt.to_owned(),
        response_a: Response::Text(responses[0].to_owned()),
        response_b: Response::Text(responses[1].to_owned()),
    };
    LabeledBattle {
        battle: Battle::new(BattleId(format!("{id:05}")), None, vec![turn]).unwrap(),
        vote: None,
        target,
        weight: 1.0,
        models: None,
        session: None,
        language: None,
        metadata: BTreeMap::new(),
    }
}

/// Battles in which the longer response mostly wins, unless `noise`: then the votes know nothing.
fn arena(rows: usize, seed: u64, noise: bool) -> Vec<LabeledBattle> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..rows)
        .map(|id| {
            let prompt = format!("question {}", id / 4);
            let (a, b) = (words(&mut random, 40), words(&mut random, 40));
            let pull = if noise { 0.0 } else { (a.len() as f64 - b.len() as f64) / 60.0 };
            let u: f64 = random.random();
            let a_wins = 0.75 / (1.0 + (-2.0 * pull).exp());
            let class = if u < a_wins {
                Class::A
            } else if u < 0.75 {
                Class::B
            } else {
                Class::Tie
            };
            labeled(id, &prompt, [&a, &b], Target::one_hot(class))
        })
        .collect()
}

fn battles(rows: &[LabeledBattle]) -> Vec<Battle> {
    rows.iter().map(|row| row.battle.clone()).collect()
}

fn log_loss(predictor: &dyn Predictor, rows: &[LabeledBattle]) -> f64 {
    let predictions = predict_all(predictor, &battles(rows)).unwrap();
    let loss = |(row, p): (&LabeledBattle, &Probabilities)| -> f64 {
        row.target
            .to_array()
            .iter()
            .zip(p.ln())
            .filter(|(share, _)| **share > 0.0)
            .map(|(share, ln)| -share * ln)
            .sum()
    };
    rows.iter().zip(&predictions).map(loss).sum::<f64>() / rows.len() as f64
}

fn fixed(penalty: f64) -> LinearLearner {
    let all = Some(penalty);
    let penalties = Penalties { odd: all, even: all, lexical_odd: Some(0.01), lexical_even: Some(0.01) };
    LinearLearner {
        recipe: LinearRecipe { penalties: PenaltyRule::Fixed(penalties), ..LinearRecipe::default() },
    }
}

#[test]
fn it_learns_what_there_is_and_is_better_than_the_prior() {
    let (train, test) = (arena(600, 1, false), arena(400, 2, false));
    let linear = fit_in(&LinearLearner::default(), &train).unwrap();
    let prior = fit_in(&PriorLearner {}, &train).unwrap();
    let (ours, of_prior) = (log_loss(linear.as_ref(), &test), log_loss(prior.as_ref(), &test));
    assert!(ours < of_prior - 0.03, "{ours} against {of_prior}");
}

#[test]
fn exchanging_the_sides_exchanges_the_probabilities_bit_for_bit() {
    let train = arena(200, 4, false);
    for learner in [LinearLearner::default(), fixed(0.01)] {
        let linear = fit_in(&learner, &train).unwrap();
        let rows = battles(&arena(100, 5, false));
        let swapped: Vec<Battle> = rows.iter().map(Battle::swapped).collect();
        let (p, q) =
            (predict_all(linear.as_ref(), &rows).unwrap(), predict_all(linear.as_ref(), &swapped).unwrap());
        for (p, q) in p.into_iter().zip(q) {
            assert_eq!(p.swapped().ln().map(f64::to_bits), q.ln().map(f64::to_bits));
        }
    }
}

#[test]
fn training_on_exchanged_sides_gives_the_same_predictor() {
    let train = arena(150, 6, false);
    let swapped: Vec<LabeledBattle> = train.iter().map(LabeledBattle::swapped).collect();
    let json =
        |rows: &[LabeledBattle]| serde_json::to_string(&fit_in(&fixed(0.03), rows).unwrap().saved()).unwrap();
    assert_eq!(json(&train), json(&swapped));
}

#[test]
fn neither_the_order_of_the_rows_nor_the_number_of_threads_changes_a_byte() {
    let train = arena(1_300, 7, false);
    let mut reversed = train.clone();
    reversed.reverse();
    reversed.rotate_left(17);
    let json = |threads: usize, rows: &[LabeledBattle]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let recipe = LinearRecipe {
            penalties: PenaltyRule::CrossValidated { folds: 2, patience: 0.5 },
            ..LinearRecipe::default()
        };
        pool.install(|| {
            serde_json::to_string(&fit_in(&LinearLearner { recipe }, rows).unwrap().saved()).unwrap()
        })
    };
    let one = json(1, &train);
    assert_eq!(one, json(3, &train));
    assert_eq!(one, json(2, &reversed));
}

#[test]
fn votes_without_a_signal_end_at_the_prior() {
    let mut at_the_prior = 0;
    for seed in 10..16 {
        let train = arena(300, seed, true);
        let linear = fit_in(&LinearLearner::default(), &train).unwrap();
        let prior = fit_in(&PriorLearner {}, &train).unwrap();
        let test = arena(300, seed + 100, true);
        let (p, q) = (
            predict_all(linear.as_ref(), &battles(&test)).unwrap(),
            predict_all(prior.as_ref(), &battles(&test)).unwrap(),
        );
        let distance =
            p.iter().zip(&q).flat_map(|(p, q)| [0, 1, 2].map(|k| (p.to_array()[k] - q.to_array()[k]).abs()));
        at_the_prior += i32::from(distance.fold(0.0, f64::max) < 1e-9);
        let excess = log_loss(linear.as_ref(), &test) - log_loss(prior.as_ref(), &test);
        assert!(excess < 0.01, "seed {seed}: {excess} worse than the prior");
    }
    assert!(at_the_prior >= 5, "only {at_the_prior} of 6 sets without a signal ended exactly at the prior");
}

#[test]
fn degenerate_training_sets_give_finite_predictions() {
    let some = |class: Class| labeled(0, "why", ["because of the sun", "no"], Target::one_hot(class));
    let same: Vec<LabeledBattle> = (0..20)
        .map(|id| labeled(id, &format!("q{}", id % 5), ["same", "same"], Target::one_hot(Class::Tie)))
        .collect();
    let no_tie: Vec<LabeledBattle> =
        arena(120, 20, false).into_iter().filter(|row| row.target.class() != Some(Class::Tie)).collect();
    let only_a: Vec<LabeledBattle> = arena(60, 21, false)
        .into_iter()
        .map(|row| LabeledBattle { target: Target::one_hot(Class::A), ..row })
        .collect();
    let test = battles(&arena(30, 22, false));
    for train in [vec![some(Class::A)], vec![some(Class::Tie)], same, no_tie, only_a] {
        for learner in [LinearLearner::default(), fixed(0.001)] {
            let linear = fit_in(&learner, &train).unwrap();
            let predictions = predict_all(linear.as_ref(), &test).unwrap();
            assert!(predictions.iter().all(|p| p.ln().iter().all(|ln| ln.is_finite())));
        }
    }
    assert!(matches!(fit_in(&LinearLearner::default(), &[]), Err(FitError::NoBattles)));
    assert!(matches!(fit_in(&PriorLearner {}, &[]), Err(FitError::NoBattles)));
}

#[test]
fn a_fit_that_is_asked_to_stop_stops() {
    let stop = AtomicBool::new(true);
    let context = FitContext {
        member: "",
        seed: 3,
        fold: None,
        threads: 1,
        workspace: Path::new("."),
        stop: &stop,
        progress: &Silent,
    };
    let train = arena(50, 23, false);
    assert!(matches!(LinearLearner::default().fit(&train, &context), Err(FitError::Stopped)));
    assert!(matches!(PriorLearner {}.fit(&train, &context), Err(FitError::Stopped)));
}

#[test]
fn a_saved_predictor_predicts_the_same_and_refuses_other_features() {
    let linear = fit_in(&fixed(0.01), &arena(150, 24, false)).unwrap();
    let rows = battles(&arena(40, 25, false));
    let text = serde_json::to_string(&linear.saved()).unwrap();
    let loaded = serde_json::from_str::<SavedPredictor>(&text).unwrap().load(&Serving::new(1, 1)).unwrap();
    assert_eq!(predict_all(linear.as_ref(), &rows).unwrap(), predict_all(loaded.as_ref(), &rows).unwrap());

    let SavedPredictor::Linear(mut other) = serde_json::from_str(&text).unwrap() else {
        panic!("not linear")
    };
    other.schema_hash = "another".to_owned();
    let refused = predict_all(other.as_ref(), &rows);
    assert!(matches!(&refused, Err(PredictError::Unusable(why)) if why.contains("another")), "{refused:?}");
    let SavedPredictor::Linear(mut damaged) = serde_json::from_str(&text).unwrap() else {
        panic!("not linear")
    };
    damaged.odd.pop();
    assert!(matches!(predict_all(damaged.as_ref(), &rows), Err(PredictError::Unusable(_))));
}

#[test]
fn unknown_keys_of_a_recipe_are_errors() {
    assert!(serde_json::from_str::<LinearRecipe>(r#"{"use_lexical": false}"#).is_ok());
    assert!(serde_json::from_str::<LinearRecipe>(r#"{"use_lexicals": false}"#).is_err());
    let rule = r#"{"penalties": {"kind": "cross_validated", "folds": 3, "patience": 0.5, "more": 1}}"#;
    assert!(serde_json::from_str::<LinearRecipe>(rule).is_err());
}

fn numbers(rows: usize, columns: usize, seed: u64) -> (Array2<f64>, Array2<f64>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let x = Array2::from_shape_fn((rows, columns), |_| random.random::<f64>() - 0.5);
    let y = Array2::from_shape_fn((rows, 3), |_| random.random::<f64>() + 0.01);
    let sums = y.sum_axis(ndarray::Axis(1)).insert_axis(ndarray::Axis(1));
    (x, y / sums)
}

fn softmax(x: &Array2<f64>, y: &Array2<f64>, weights: Vec<f32>, penalty: f64) -> FittedSoftmax {
    let records = SoftmaxRecords::multinomial(x.nrows(), vec![Matrix::double(x)]).unwrap();
    let dataset = DatasetBase::new(records, y.clone()).with_weights(Array1::from(weights));
    SoftmaxParams::new().penalty(penalty).tolerance(1e-9).fit(&dataset).unwrap()
}

#[test]
fn a_row_of_weight_two_is_two_rows_and_one_of_weight_zero_none() {
    let (x, y) = numbers(40, 4, 30);
    let weighted = softmax(
        &x,
        &y,
        (0..40)
            .map(|row| {
                if row < 10 {
                    2.0
                } else if row < 30 {
                    1.0
                } else {
                    0.0
                }
            })
            .collect(),
        0.01,
    );
    let rows: Vec<usize> = (0..10).chain(0..30).collect();
    let repeated =
        softmax(&x.select(ndarray::Axis(0), &rows), &y.select(ndarray::Axis(0), &rows), vec![1.0; 40], 0.01);
    assert!((&weighted.weights[0] - &repeated.weights[0]).iter().all(|difference| difference.abs() < 1e-6));
}

#[test]
fn the_report_tells_a_fit_that_ran_out_of_steps() {
    let (x, y) = numbers(60, 5, 31);
    let records = SoftmaxRecords::multinomial(60, vec![Matrix::double(&x)]).unwrap();
    let dataset = DatasetBase::new(records, y);
    let params = SoftmaxParams::new().penalty(1e-6).tolerance(1e-9).max_iterations(1);
    let short: FittedSoftmax = params.fit(&dataset).unwrap();
    assert_eq!((short.report.status, short.report.iterations), (FitStatus::OutOfIterations, 1));
    assert!(short.report.gradient > 1e-9);
    let valid = params.max_iterations(200).check().unwrap();
    let on: FittedSoftmax = valid.fit_with(Some(short), &dataset).unwrap();
    let afresh: FittedSoftmax = valid.fit(&dataset).unwrap();
    assert_eq!(on.report.status, FitStatus::Converged);
    assert!((on.report.objective - afresh.report.objective).abs() < 1e-12);
}

#[test]
fn an_infinite_penalty_leaves_only_the_shares() {
    let (x, y) = numbers(50, 3, 32);
    let fitted = softmax(&x, &y, vec![1.0; 50], f64::INFINITY);
    let records = SoftmaxRecords::multinomial(50, vec![Matrix::double(&x)]).unwrap();
    let p: Array2<f64> = fitted.predict(&DatasetBase::new(records, y.clone()));
    let shares = y.mean_axis(ndarray::Axis(0)).unwrap();
    assert!(
        p.rows().into_iter().all(|row| (&row - &shares).iter().all(|difference| difference.abs() < 1e-9))
    );
}

#[test]
fn faulty_input_is_refused_by_name() {
    let fit = |x: &Array2<f64>, y: &Array2<f64>, weights: Vec<f32>, params: SoftmaxParams| -> String {
        let records = SoftmaxRecords::multinomial(x.nrows(), vec![Matrix::double(x)]).unwrap();
        let dataset = DatasetBase::new(records, y.clone()).with_weights(Array1::from(weights));
        let fitted: Result<FittedSoftmax, _> = params.fit(&dataset);
        fitted.unwrap_err().to_string()
    };
    let (x, y) = numbers(6, 2, 33);
    let ones = || vec![1.0_f32; 6];
    let mut bad = x.clone();
    bad[[3, 1]] = f64::NAN;
    assert!(fit(&bad, &y, ones(), SoftmaxParams::new()).contains("not finite"));
    bad[[3, 1]] = 1e200;
    assert!(fit(&bad, &y, ones(), SoftmaxParams::new()).contains("too large"));
    let mut sum = y.clone();
    sum[[2, 0]] += 0.5;
    assert!(fit(&x, &sum, ones(), SoftmaxParams::new()).contains("row 2"));
    assert!(fit(&x, &y, vec![0.0; 6], SoftmaxParams::new()).contains("no row"));
    assert!(fit(&x, &y, ones(), SoftmaxParams::new().penalty(-1.0)).contains("`-1`"));
    assert!(
        fit(&x, &y, ones(), SoftmaxParams::new().penalties(vec![1.0, 2.0])).contains("2 penalties for 1")
    );
    assert!(fit(&x, &y, ones(), SoftmaxParams::new().tolerance(0.0)).contains("tolerance"));
}
