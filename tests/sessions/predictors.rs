//! Predictors over the tiny models: what exchanging the sides of a battle does to them, and what is computed once.

use std::sync::Arc;

use tiebreak::battle::{Battle, BattleId, Probabilities, Response, Turn};
use tiebreak::checkpoint::OutputMeaning;
use tiebreak::encoding::Orders;
use tiebreak::onnx::Device;
use tiebreak::predictors::language_model::{
    Asked, LanguageModel, LanguageModelError, ModelFolder, Serving, WantedBudget,
};
use tiebreak::predictors::{Classifier, Predictor, Reward, predict_all};
use tiebreak::progress::Silent;
use tiebreak::sources::INGEST_VERSION;
use tiebreak::ties::TieModel;

use super::models::{Import, words};
use super::says;

fn serving() -> Serving {
    let mut serving = Serving::new(INGEST_VERSION, 2);
    serving.device = Device::CPU;
    serving
}

fn opened(checkpoint: &str, import: &Import) -> (tempfile::TempDir, Arc<LanguageModel>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    import.run(checkpoint, &path);
    let serving = serving();
    let model = ModelFolder::read(&path, &serving).unwrap().open(&WantedBudget::default(), &serving).unwrap();
    (folder, model)
}

/// Battles of one or two turns, some with equal, empty or missing responses.
fn battles(count: usize) -> Vec<Battle> {
    let response = |seed: usize| match seed % 11 {
        0 => Response::Missing,
        _ => Response::Text(words(seed, 14)),
    };
    let turn = |row: usize, turn: usize| {
        let seed = 100 * row + 10 * turn;
        let response_a = response(seed + 1);
        let response_b = if row % 7 == 3 { response_a.clone() } else { response(seed + 2) };
        Turn { prompt: words(seed, 8), response_a, response_b }
    };
    let turns = |row: usize| (0..=(row % 2)).map(|number| turn(row, number)).collect();
    (0..count).map(|row| Battle::new(BattleId(row.to_string()), None, turns(row)).unwrap()).collect()
}

/// Exchanges the sides and compares bit for bit, also where the exchanged battles are asked first and alone.
fn commutes(fresh: &dyn Fn() -> Box<dyn Predictor>) {
    let straight = battles(60);
    let exchanged: Vec<Battle> = straight.iter().map(Battle::swapped).collect();
    let one = fresh();
    let expected = predict_all(one.as_ref(), &straight).unwrap();
    let turned = predict_all(one.as_ref(), &exchanged).unwrap();
    let apart = predict_all(fresh().as_ref(), &exchanged).unwrap();
    for (row, ((p, q), r)) in expected.iter().zip(&turned).zip(&apart).enumerate() {
        assert_eq!(*p, q.swapped(), "row {row}");
        assert_eq!(q, r, "row {row}");
    }
    assert!(expected.windows(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn a_classifier_in_both_orders_commutes_with_exchanging_the_sides() {
    for checkpoint in ["bert-classifier", "bert-four-f16"] {
        let (_folder, _) = opened(checkpoint, &Import::default());
        commutes(&|| Box::new(Classifier::new(opened(checkpoint, &Import::default()).1).unwrap()));
    }
}

#[test]
fn a_reward_model_commutes_with_exchanging_the_sides() {
    let import = Import { is_single: true, max_tokens: 40, ..Import::default() };
    let link: TieModel =
        serde_json::from_str(r#"{"kind": "rao_kupper", "temperature": 0.7, "eta": 0.4}"#).unwrap();
    // One row of a batch of a decoder depends on its batch by rounding: the same process, the same scores.
    let model = opened("gemma2-reward-bf16", &import).1;
    commutes(&|| Box::new(Reward::new(Arc::clone(&model), link).unwrap()));
}

#[test]
fn one_order_alone_is_the_other_one_of_the_exchanged_battle() {
    let of = |orders| {
        let import = Import { orders, ..Import::default() };
        Classifier::new(opened("bert-classifier", &import).1).unwrap()
    };
    let (ab, ba, both) = (of(Orders::Ab), of(Orders::Ba), of(Orders::Both));
    let straight = battles(20);
    let exchanged: Vec<Battle> = straight.iter().map(Battle::swapped).collect();
    let first = predict_all(&ab, &straight).unwrap();
    let second = predict_all(&ba, &straight).unwrap();
    let back: Vec<_> =
        predict_all(&ab, &exchanged).unwrap().into_iter().map(Probabilities::swapped).collect();
    assert_eq!(second, back);
    let mean: Vec<_> = first.iter().zip(&second).map(|(p, q)| p.mean(*q)).collect();
    assert_eq!(predict_all(&both, &straight).unwrap(), mean);
}

#[test]
fn equal_sequences_are_computed_once() {
    let (_folder, model) = opened("bert-classifier", &Import::default());
    let straight = battles(30);
    let exchanged: Vec<Battle> = straight.iter().map(Battle::swapped).collect();
    let all: Vec<&Battle> = straight.iter().chain(&exchanged).collect();
    let asked = Asked { journal: None, deadline: None, stop: &|| false, progress: &Silent };
    let numbers = model.numbers_of(&all, &asked).unwrap();
    // The very same allocation, not only the same bits.
    for row in 0..30 {
        let [ab, ba] = numbers.row(row) else { panic!("two orders") };
        let [swapped_ab, swapped_ba] = numbers.row(30 + row) else { panic!("two orders") };
        assert!(Arc::ptr_eq(ab.as_ref().unwrap(), swapped_ba.as_ref().unwrap()));
        assert!(Arc::ptr_eq(ba.as_ref().unwrap(), swapped_ab.as_ref().unwrap()));
    }
    assert_eq!(model.numbers_of(&all, &asked).unwrap(), numbers);
}

#[test]
fn a_model_is_loaded_once_for_each_budget() {
    let folder = tempfile::tempdir().unwrap();
    Import::default().run("bert-classifier", &folder.path().join("model"));
    let serving = serving();
    let read = ModelFolder::read(&folder.path().join("model"), &serving).unwrap();
    let one = read.open(&WantedBudget::default(), &serving).unwrap();
    let again =
        read.open(&WantedBudget { max_tokens: Some(24), ..WantedBudget::default() }, &serving).unwrap();
    let other =
        read.open(&WantedBudget { max_tokens: Some(20), ..WantedBudget::default() }, &serving).unwrap();
    assert!(Arc::ptr_eq(&one, &again) && !Arc::ptr_eq(&one, &other));
    assert_eq!(serving.in_use().len(), 2);
    let too_long = read.open(&WantedBudget { max_tokens: Some(33), ..WantedBudget::default() }, &serving);
    says(&too_long.unwrap_err().to_string(), &["`max_tokens` is 33", "at most 32 tokens"]);
}

#[test]
fn a_predictor_that_does_not_fit_its_model_is_refused() {
    let (_one, verdicts) = opened("bert-classifier", &Import::default());
    assert_eq!(verdicts.outputs(), [OutputMeaning::A, OutputMeaning::B, OutputMeaning::Tie]);
    assert!(matches!(Reward::check(&verdicts), Err(LanguageModelError::Unfit { kind: "reward", .. })));
    let alone = Import { is_single: true, ..Import::default() };
    let (_two, alone) = opened("bert-classifier", &alone);
    let message = Classifier::new(alone).err().unwrap().to_string();
    says(&message, &["one response alone"]);
}
