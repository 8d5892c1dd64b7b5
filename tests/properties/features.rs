//! What every feature keeps to, whatever the texts are.
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has to fail")]

use proptest::prelude::*;
use tiebreak::battle::{Battle, BattleId, Response, Turn};
use tiebreak::features::{Analyzer, FeatureGroup, FeatureSet, LexicalRecipe, Parity};

/// Pieces that reach every branch of a scan: marks, markup, scripts, numbers, leaked templates.
const PIECES: &[&str] = &[
    "the cat",
    "I'm sorry, I can't",
    "As an AI",
    "3.14",
    "1,000",
    "42",
    "```rust\n",
    "- item\n",
    "# Title\n",
    "**bold**",
    "| a | b |\n",
    "北京",
    "東京です",
    "Привет",
    "مرحبا",
    "สวัสดี",
    "한국어",
    "नमस्ते",
    "😀",
    "<|end|>",
    "User: hi\n",
    "…",
    "?!",
    "\n\n",
    "  ",
    "\u{a0}",
    "İ",
    "ß",
    "e\u{301}",
    "[link](http://x.y)",
    "$$x$$",
    "\\frac{1}{2}",
    "translate",
    "u r",
    "\u{0}",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        2 => "[a-zA-Z ,.]{0,12}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.join(" "))
}

fn response() -> impl Strategy<Value = Response> {
    prop_oneof![1 => Just(Response::Missing), 9 => text().prop_map(Response::Text)]
}

fn battle() -> impl Strategy<Value = Battle> {
    let turn = (text(), response(), response()).prop_map(|(prompt, response_a, response_b)| Turn {
        prompt,
        response_a,
        response_b,
    });
    prop::collection::vec(turn, 1..4)
        .prop_map(|turns| Battle::new(BattleId("x".to_owned()), None, turns).unwrap())
}

proptest! {
    #[test]
    fn an_exchange_of_the_sides_turns_odd_columns_and_keeps_even_ones(battle in battle()) {
        let set = FeatureSet::new(&FeatureGroup::ALL);
        let (one, other) = (set.extract(&[&battle]), set.extract(&[&battle.swapped()]));
        for (place, column) in set.columns().iter().enumerate() {
            let (value, swapped) = (one[[0, place]], other[[0, place]]);
            prop_assert!(value.is_finite(), "{}", column.name);
            // The sign of a zero carries nothing: 0 - x gives +0 for both.
            let expected = if column.parity == Parity::Odd { 0.0 - value } else { value };
            prop_assert_eq!((swapped + 0.0).to_bits(), (expected + 0.0).to_bits(), "{}", column.name);
        }
    }

    #[test]
    fn rows_for_trees_are_exchanged_without_reading_the_texts_again(battles in prop::collection::vec(battle(), 1..4)) {
        let set = FeatureSet::new(&FeatureGroup::ALL);
        let swapped: Vec<Battle> = battles.iter().map(Battle::swapped).collect();
        let rows = set.extract_for_trees(&battles.iter().collect::<Vec<_>>());
        prop_assert_eq!(rows.swapped().swapped(), rows.clone());
        prop_assert_eq!(rows.swapped(), set.extract_for_trees(&swapped.iter().collect::<Vec<_>>()));
        prop_assert!(rows.values().iter().all(|value| value.is_finite()));
    }

    #[test]
    fn a_row_depends_on_its_battle_alone(battles in prop::collection::vec(battle(), 2..6)) {
        let set = FeatureSet::new(&FeatureGroup::ALL);
        let all = set.extract(&battles.iter().collect::<Vec<_>>());
        for (row, battle) in battles.iter().enumerate() {
            let alone = set.extract(&[battle]);
            prop_assert_eq!(all.row(row), alone.row(0));
        }
    }

    #[test]
    fn lexical_columns_turn_or_stay_and_forget_the_order_of_the_rows(
        battles in prop::collection::vec(battle(), 1..8),
        characters in any::<bool>(),
        max_features in 0_usize..40,
    ) {
        let analyzer = if characters {
            Analyzer::Characters { shortest: 3, longest: 5 }
        } else {
            Analyzer::Words { shortest: 1, longest: 2 }
        };
        let recipe = LexicalRecipe { analyzer, min_document_frequency: 1, max_features, sublinear: true };
        let rows: Vec<&Battle> = battles.iter().collect();
        let reversed: Vec<&Battle> = battles.iter().rev().collect();
        let swapped: Vec<Battle> = battles.iter().map(Battle::swapped).collect();
        let lexical = recipe.fit(&rows);
        prop_assert!(lexical.terms().len() <= max_features);
        let again = recipe.fit(&reversed);
        prop_assert_eq!(lexical.terms(), again.terms());
        let matrices = lexical.transform(&rows);
        let exchanged = lexical.transform(&swapped.iter().collect::<Vec<_>>());
        prop_assert_eq!(&matrices.even, &exchanged.even);
        prop_assert_eq!(matrices.odd.indices(), exchanged.odd.indices());
        for (one, other) in matrices.odd.data().iter().zip(exchanged.odd.data()) {
            prop_assert_eq!(one.to_bits(), (-other).to_bits());
        }
    }

    #[test]
    fn a_saved_vocabulary_weighs_as_before(battles in prop::collection::vec(battle(), 1..6)) {
        let recipe = LexicalRecipe { min_document_frequency: 1, ..LexicalRecipe::default() };
        let rows: Vec<&Battle> = battles.iter().collect();
        let lexical = recipe.fit(&rows);
        let saved = serde_json::to_string(&lexical).unwrap();
        let loaded: tiebreak::features::Lexical = serde_json::from_str(&saved).unwrap();
        prop_assert_eq!(lexical.transform(&rows).odd, loaded.transform(&rows).odd);
        prop_assert_eq!(lexical.weights(), loaded.weights());
    }
}

#[test]
fn the_number_of_threads_changes_no_vocabulary() {
    let battles: Vec<Battle> = (0..200)
        .map(|row| {
            let text = |side: usize| {
                Response::Text(format!("word{} and {} again {}", row % 7, (row * side) % 11, row))
            };
            let turn = Turn { prompt: "?".to_owned(), response_a: text(1), response_b: text(3) };
            Battle::new(BattleId(row.to_string()), None, vec![turn]).unwrap()
        })
        .collect();
    let rows: Vec<&Battle> = battles.iter().collect();
    let recipe = LexicalRecipe { min_document_frequency: 2, max_features: 30, ..LexicalRecipe::default() };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| serde_json::to_string(&recipe.fit(&rows)).unwrap())
    };
    assert_eq!(with(1), with(2));
    assert_eq!(with(1), with(5));
}

#[test]
fn a_set_is_the_same_whatever_the_order_of_its_groups() {
    let forward = FeatureSet::new(&[FeatureGroup::Length, FeatureGroup::Turns]);
    let backward = FeatureSet::new(&[FeatureGroup::Turns, FeatureGroup::Length, FeatureGroup::Turns]);
    assert_eq!(forward.schema_hash(), backward.schema_hash());
    assert_ne!(forward.schema_hash(), FeatureSet::new(&FeatureGroup::ALL).schema_hash());
}
