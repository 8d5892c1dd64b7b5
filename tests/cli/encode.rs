//! `tiebreak encode` from the outside.

use serde_json::json;

use super::models::{HEADER, Models, row};

/// A model of at most `tokens` tokens, and two battles: a short one and a long one.
fn models(tokens: usize) -> Models {
    let models = Models::with("bert-classifier");
    models.import(&format!("--max-tokens {tokens}")).json();
    let words = |n: usize| vec!["w7"; n].join(" ");
    let short = row("short", ["w4", "w5", "w6"]);
    let long = row("long", [&words(3), &words(40), &words(2)]);
    models.write("battles.csv", &format!("{HEADER}{short}{long}"));
    models
}

#[test]
fn a_row_shows_every_token_of_every_sequence_by_part() {
    let models = models(32);
    let said = models.run("--json encode --model models/m battles.csv --row short").json();
    let sequences = said["sequences"].as_array().unwrap();
    assert_eq!(sequences.len(), 2, "both orders");
    let word = |sequence: usize, part: &str| {
        let tokens = sequences[sequence]["tokens"].as_array().unwrap();
        tokens.iter().find(|token| token["part"] == part).unwrap()["token"].clone()
    };
    assert_eq!(
        (word(0, "prompt"), word(0, "response_a"), word(0, "response_b")),
        (json!("w4"), json!("w5"), json!("w6"))
    );
    assert_eq!((&sequences[1]["shown"], word(1, "response_a")), (&json!("ba"), json!("w6")));
    let table = models.run("encode --model models/m battles.csv --row short").stdout;
    for part in ["battle `short`, A first", "[prompt 1]", "w4=4", "[frame]", "prompt 1 of 1", "text: "] {
        assert!(table.contains(part), "`{part}` is not in: {table}");
    }
    assert!(!table.contains('\u{1b}'), "no colours where nobody sees them");
}

#[test]
fn a_cut_stands_where_it_was_made_and_all_tokens_are_accounted_for() {
    let models = models(32);
    let said = models.run("--json encode --model models/m battles.csv --row long --max-tokens 30").json();
    for view in said["sequences"].as_array().unwrap() {
        let tokens = view["tokens"].as_array().unwrap();
        assert!(tokens.len() <= 30);
        let cut: u64 = tokens.iter().map(|token| token["cut_before"].as_u64().unwrap()).sum();
        let lost = |part: &str| {
            view["counts"][part]["original"].as_u64().unwrap()
                - view["counts"][part]["kept"].as_u64().unwrap()
        };
        let all: u64 = ["prompt", "response_a", "response_b", "frame"].map(lost).iter().sum();
        assert!(cut > 0);
        assert_eq!(cut + view["cut_at_end"].as_u64().unwrap(), all);
    }
    let table = models.run("encode --model models/m battles.csv --row long").stdout;
    assert!(table.contains("tokens cut ----") && table.contains(" CUT"), "{table}");
}

#[test]
fn the_report_says_how_much_of_the_file_is_cut() {
    let models = models(32);
    let said = models.run("--json encode --model models/m battles.csv").json();
    assert_eq!((&said["rows"], &said["rows_cut"], &said["sequences"]), (&json!(2), &json!(1), &json!(4)));
    assert_eq!(said["max_tokens"], 32);
    assert_eq!(said["tokens"]["max"], 32);
    let shorter = models.run("--json encode --model models/m battles.csv --max-tokens 16").json();
    assert!(shorter["response_a"]["share_kept"].as_f64() < said["response_a"]["share_kept"].as_f64());
    let table = models.run("encode --model models/m battles.csv").stdout;
    for part in ["2 battles, 4 sequences", "1 battles cut (50.0 %)", "response in the first place", "p90"] {
        assert!(table.contains(part), "`{part}` is not in: {table}");
    }
}

#[test]
fn what_cannot_be_encoded_is_refused() {
    let models = models(32);
    models.run("encode --model models/m battles.csv --row absent").refuses(&[
        "`absent`",
        "battles.csv",
        "`short`",
    ]);
    models.run("encode --model models/m battles.csv --max-tokens 33").refuses(&["33 tokens", "32 positions"]);
    models.run("encode --model models/n battles.csv").refuses(&["models/n", "tiebreak import"]);
    models.run("encode --run absent battles.csv").refuses(&["absent", "tiebreak train"]);
    assert_eq!(models.run("encode battles.csv").code, Some(2));
    assert_eq!(models.run("encode --model m --run m battles.csv").code, Some(2));
    models.run("encode --model models/m nothing.csv").refuses(&["nothing.csv"]);
}

#[test]
fn a_tokenizer_that_was_changed_is_refused() {
    let models = models(32);
    models.edit("models/m/tokenizer.json", |tokenizer| tokenizer["model"]["vocab"]["w4"] = json!(5));
    models.run("encode --model m battles.csv").refuses(&[
        "encoder.json",
        "another encoder",
        "import the model again",
    ]);
}
