use super::*;

#[test]
fn values_outside_their_range_are_named() {
    let recipe = BoostedRecipe { leaves: 1, ..BoostedRecipe::default() };
    assert_eq!(
        recipe.check().unwrap_err().to_string(),
        "`leaves = 1` of the boosted predictor must be at least 2"
    );
    let recipe = BoostedRecipe { row_share: f64::NAN, ..BoostedRecipe::default() };
    assert!(recipe.check().unwrap_err().to_string().contains("row_share = NaN"));
    assert!(BoostedRecipe::default().check().is_ok());
}

#[cfg(not(feature = "boosted"))]
#[test]
fn without_the_cargo_feature_the_way_out_is_named() {
    use crate::features::FeatureSet;
    use crate::predictors::SavedPredictor;
    use crate::predictors::language_model::Serving;

    let error = BoostedLearner::new(BoostedRecipe::default()).unwrap_err();
    assert!(error.to_string().contains("`make setup` builds it"), "{error}");
    let features = FeatureSet::new(&FeatureGroup::ALL);
    let schema_hash = features.schema_hash();
    let saved = Boosted { features, schema_hash, tie: 0.0, rounds: 0, models: Vec::new() };
    let error = SavedPredictor::Boosted(Box::new(saved)).load(&Serving::new(1, 1)).err().unwrap();
    assert!(error.to_string().contains("make setup"), "{error}");
}

#[cfg(feature = "boosted")]
mod built {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::battle::{Battle, BattleId, Class, Response, Target, Turn};
    use crate::predictors::language_model::Serving;
    use crate::predictors::{SavedPredictor, predict_all};
    use crate::progress::Silent;

    /// The longer response wins three times of four where `signal`; else the winner is as if drawn.
    fn rows(count: usize, signal: bool) -> Vec<LabeledBattle> {
        let row = |number: usize| {
            let (a, b) = (number * 7919 % 97, number * 104_729 % 89);
            let noise = (number * 31).is_multiple_of(4);
            let class = match ((number * 65_537).is_multiple_of(5), signal && !noise, a > b) {
                (true, _, _) => Class::Tie,
                (_, true, longer) => {
                    if longer {
                        Class::A
                    } else {
                        Class::B
                    }
                }
                _ => Class::ALL[number * 48_271 % 1_009 % 2],
            };
            let text = |words: usize| Response::Text("word and more. ".repeat(words + 1));
            let turn =
                Turn { prompt: format!("prompt {}", number / 3), response_a: text(a), response_b: text(b) };
            LabeledBattle {
                battle: Battle::new(BattleId(format!("{number:05}")), None, vec![turn]).unwrap(),
                vote: None,
                target: Target::one_hot(class),
                weight: 1.0 + (number % 3) as f64,
                models: None,
                session: None,
                language: None,
                metadata: BTreeMap::new(),
            }
        };
        (0..count).map(row).collect()
    }

    fn fit(rows: &[LabeledBattle], threads: usize) -> Box<dyn Predictor> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let stop = AtomicBool::new(false);
        let context = FitContext {
            member: "",
            seed: 7,
            fold: None,
            threads,
            workspace: Path::new("."),
            stop: &stop,
            progress: &Silent,
        };
        let recipe = BoostedRecipe { max_rounds: 60, ..BoostedRecipe::default() };
        pool.install(|| BoostedLearner::new(recipe).unwrap().fit(rows, &context).unwrap())
    }

    fn loss(predictor: &dyn Predictor, rows: &[LabeledBattle]) -> f64 {
        let battles: Vec<Battle> = rows.iter().map(|row| row.battle.clone()).collect();
        let predictions = predict_all(predictor, &battles).unwrap();
        let losses = predictions.iter().zip(rows).map(|(p, row)| -p.of(row.target.largest()).ln());
        losses.sum::<f64>() / rows.len() as f64
    }

    #[test]
    fn threads_and_the_order_of_the_rows_change_no_byte() {
        let mut rows = rows(600, true);
        let saved = |predictor: &dyn Predictor| serde_json::to_string(&predictor.saved()).unwrap();
        let one = saved(fit(&rows, 1).as_ref());
        assert!(one == saved(fit(&rows, 2).as_ref()), "two threads grow other trees");
        rows.reverse();
        assert!(one == saved(fit(&rows, 2).as_ref()), "another order of the rows grows other trees");
    }

    #[test]
    fn a_signal_is_learned_and_predictions_commute_with_a_swap_alone_and_in_company() {
        let all = rows(1_200, true);
        let predictor = fit(&all[..900], 2);
        let prior = fit(&rows(900, false), 2);
        assert!(loss(predictor.as_ref(), &all[900..]) < loss(prior.as_ref(), &all[900..]) - 0.1);
        let battles: Vec<Battle> = all[900..].iter().map(|row| row.battle.clone()).collect();
        let swapped: Vec<Battle> = battles.iter().map(Battle::swapped).collect();
        let forward = predict_all(predictor.as_ref(), &battles).unwrap();
        let backward = predict_all(predictor.as_ref(), &swapped).unwrap();
        for (row, (one, other)) in forward.iter().zip(&backward).enumerate() {
            assert_eq!(one.ln().map(f64::to_bits), other.swapped().ln().map(f64::to_bits));
            let alone = predict_all(predictor.as_ref(), &battles[row..=row]).unwrap();
            assert_eq!(*one, alone[0]);
        }
    }

    #[test]
    fn without_a_signal_no_tree_is_kept() {
        let saved = fit(&rows(900, false), 2).saved();
        let SavedPredictor::Boosted(boosted) = saved else { panic!("another kind of predictor") };
        assert_eq!(boosted.rounds, 0);
        let tie = boosted.tie.exp() / (boosted.tie.exp() + 2.0);
        assert!((tie - 0.2).abs() < 0.01, "{tie}");
    }

    #[test]
    fn a_saved_predictor_predicts_as_before_and_a_damaged_one_is_refused() {
        let rows = rows(600, true);
        let predictor = fit(&rows, 2);
        let text = serde_json::to_string(&predictor.saved()).unwrap();
        let loaded =
            serde_json::from_str::<SavedPredictor>(&text).unwrap().load(&Serving::new(1, 1)).unwrap();
        assert_eq!(loss(predictor.as_ref(), &rows).to_bits(), loss(loaded.as_ref(), &rows).to_bits());
        let SavedPredictor::Boosted(mut boosted) = predictor.saved() else { panic!("another kind") };
        boosted.models = vec!["no tree".to_owned()];
        assert!(boosted.clone().checked().is_err());
        boosted.schema_hash = "other".to_owned();
        let error = boosted.checked().err().unwrap().to_string();
        assert!(error.contains("train it again"), "{error}");
    }

    #[test]
    fn a_handful_of_rows_and_a_class_that_is_absent_give_a_finite_prediction() {
        for count in [1, 2, 5, 40] {
            let rows: Vec<LabeledBattle> = rows(count, true)
                .into_iter()
                .map(|row| LabeledBattle { target: Target::one_hot(Class::A), ..row })
                .collect();
            assert!(loss(fit(&rows, 1).as_ref(), &rows).is_finite(), "{count}");
        }
    }
}
