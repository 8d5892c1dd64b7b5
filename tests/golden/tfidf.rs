//! TF-IDF against scikit-learn's `TfidfVectorizer`; `tfidf.py` printed the numbers.
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has to fail")]

use serde_json::Value;
use tiebreak::battle::{Battle, BattleId, Response, Turn};
use tiebreak::features::{Analyzer, LexicalRecipe};

fn golden() -> Value {
    serde_json::from_str(include_str!("tfidf.json")).unwrap()
}

fn battles(golden: &Value) -> Vec<Battle> {
    let pairs = golden["pairs"].as_array().unwrap().iter().enumerate();
    let battle = |(row, pair): (usize, &Value)| {
        let response = |side: usize| Response::Text(pair[side].as_str().unwrap().to_owned());
        let turn = Turn { prompt: String::new(), response_a: response(0), response_b: response(1) };
        Battle::new(BattleId(row.to_string()), None, vec![turn]).unwrap()
    };
    pairs.map(battle).collect()
}

fn agrees(recipe: &LexicalRecipe, name: &str) {
    let golden = golden();
    let battles = battles(&golden);
    let rows: Vec<&Battle> = battles.iter().collect();
    let lexical = recipe.fit(&rows);
    let expected: Vec<&str> =
        golden[name]["terms"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(lexical.terms(), expected, "{name}");
    for (weight, expected) in lexical.weights().iter().zip(golden[name]["idf"].as_array().unwrap()) {
        assert!((weight - expected.as_f64().unwrap()).abs() < 1e-12);
    }
    let matrices = lexical.transform(&rows);
    for (row, expected) in golden[name]["odd"].as_array().unwrap().iter().enumerate() {
        for (column, expected) in expected.as_array().unwrap().iter().enumerate() {
            let odd = matrices.odd.get(row, column).copied().unwrap_or(0.0);
            let even = matrices.even.get(row, column).copied().unwrap_or(0.0);
            assert!((f64::from(odd) - expected.as_f64().unwrap()).abs() < 1e-6, "{name} {row} {column}");
            assert_eq!(odd.abs().to_bits(), even.to_bits());
        }
    }
}

#[test]
fn words_weigh_as_in_scikit_learn() {
    agrees(&LexicalRecipe { min_document_frequency: 2, ..LexicalRecipe::default() }, "words");
}

#[test]
fn longer_sequences_with_plain_counts_weigh_as_in_scikit_learn() {
    let analyzer = Analyzer::Words { shortest: 2, longest: 3 };
    let recipe =
        LexicalRecipe { analyzer, min_document_frequency: 1, sublinear: false, ..LexicalRecipe::default() };
    agrees(&recipe, "plain");
}

#[test]
fn characters_weigh_as_in_scikit_learn() {
    let analyzer = Analyzer::Characters { shortest: 3, longest: 5 };
    agrees(&LexicalRecipe { analyzer, min_document_frequency: 2, ..LexicalRecipe::default() }, "characters");
}
