//! A causal model as a judge through the whole pipeline, beside a classifier and a reward model.

use serde_json::Value;

use crate::language_model::Shop;
use crate::model_folders::{Import, checkpoint};

const JUDGE: &str =
    "[[predictor]]\nkind = \"judge\"\nmodel = \"models/judge\"\nverdicts = [\" w10\", \" w11\", \" w12\"]\n";
const CLASSIFIER: &str = "[[predictor]]\nkind = \"classifier\"\nmodel = \"models/classifier\"\n";
const REWARD: &str = "[[predictor]]\nkind = \"reward\"\nmodel = \"models/reward\"\n";
const LINEAR: &str = "[[predictor]]\nkind = \"linear\"\n";

/// A shop with a judge that was imported by the command; its prompt ends with the word w7.
fn with_judge(train: usize, test: usize, models: &[(&str, &str, Import)], flags: &str) -> Shop {
    let shop = Shop::with(train, test, models);
    shop.write(
        "prompt.toml",
        "template = { kind = \"custom\", template = \"\"\"{% for turn in turns %}w4 {{ turn.prompt }} w5 \
         {{ turn.response_a }} w6 {{ turn.response_b }} {% endfor %}w7\"\"\" }\nmissing = { kind = \"empty\" }\n\
         [budget]\nmax_tokens = 40\n",
    );
    let from = checkpoint("llama-causal-bf16");
    let from = from.display();
    shop.run(&format!("import {from} --out models/judge --template prompt.toml {flags}")).json();
    shop
}

/// As a vocabulary spells them: the mark of a word's beginning is a blank.
const TOKENS: &str = "--verdict-tokens \u{2581}w10,\u{2581}w11,\u{2581}w12";

fn manifest(shop: &Shop, run: &str) -> Value {
    serde_json::from_slice(&shop.read(&format!("models/{run}/manifest.json"))).unwrap()
}

#[test]
fn a_judge_is_trained_predicted_and_compared_with_its_rivals_by_cost() {
    let single = Import { is_single: true, ..Import::default() };
    let models =
        [("classifier", "bert-classifier", Import::default()), ("reward", "gemma2-reward-bf16", single)];
    let shop = with_judge(60, 12, &models, TOKENS);
    let card: Value = serde_json::from_slice(&shop.read("models/judge/model.json")).unwrap();
    assert_eq!(card["verdicts"][2]["id"], 12);
    let trained = shop.train("run", &format!("{LINEAR}{JUDGE}{CLASSIFIER}{REWARD}"), "").json();
    let scores = String::from_utf8_lossy(&shop.read("models/run/scores.parquet")).into_owned();
    for column in ["judge.ab.logit_a", "judge.ba.logit_tie"] {
        assert!(scores.contains(column), "no column `{column}`");
    }
    let members = trained["members"].as_array().unwrap();
    let kinds: Vec<&str> = members.iter().map(|member| member["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["linear", "judge", "classifier", "reward"]);
    assert!(members[0]["tokens_per_pair"].is_null());
    for member in members {
        assert!(member["seconds_per_pair"].as_f64().unwrap() > 0.0, "{member}");
        assert!(member["calibrated_log_loss"].as_f64().unwrap() < 1.3, "{member}");
    }
    for member in &members[1..] {
        let tokens = member["tokens_per_pair"].as_f64().unwrap();
        assert!((10.0..=80.0).contains(&tokens), "{member}");
    }
    assert_eq!(manifest(&shop, "run")["environment"]["members"], trained["members"]);
    let report = String::from_utf8(shop.read("models/run/report/report.md")).unwrap();
    assert!(report.contains("## What each member costs") && report.contains("| judge | judge |"), "{report}");
    let predicted = shop.predict("run", "p.csv", "").json();
    assert_eq!(predicted["outcomes"]["complete"], 12);
    let submitted = shop.run("submit --run run test.csv --out s.csv --device cpu").json();
    assert!(!submitted["diagnosis"].to_string().contains("swap-partial"));
}

#[test]
fn a_judge_gives_the_same_bytes_for_any_order_of_rows_and_refuses_what_is_no_verdict() {
    let shop = with_judge(45, 8, &[], TOKENS);
    shop.train("one", JUDGE, "").json();
    let mut rows: Vec<String> =
        String::from_utf8(shop.read("train.csv")).unwrap().lines().map(str::to_owned).collect();
    rows[1..].reverse();
    shop.write("train.csv", &(rows.join("\n") + "\n"));
    shop.train("two", JUDGE, "--threads 1").json();
    for name in ["metrics.json", "oof.csv", "scores.parquet", "post_processing.json"] {
        assert_eq!(
            shop.read(&format!("models/one/{name}")),
            shop.read(&format!("models/two/{name}")),
            "{name}"
        );
    }
    for (verdicts, says) in [
        ("[\"w10\", \" w11\", \" w12\"]", ["`w10` is no single token", "write ` w10`"]),
        ("[\" w11\", \" w10\", \" w12\"]", ["for a, b, tie", "another import"]),
        ("[\" w10\", \" w11\"]", ["for a, b, tie", "not ` w10`, ` w11`"]),
        ("[\" w10 w9\", \" w11\", \" w12\"]", ["`w10`, `w9`", "choose another word"]),
    ] {
        let judge =
            format!("[[predictor]]\nkind = \"judge\"\nmodel = \"models/judge\"\nverdicts = {verdicts}\n");
        shop.train("wrong", &judge, "").refuses(&says);
    }
}

#[test]
fn verdicts_that_are_no_tokens_where_the_answer_begins_are_said_at_import_and_refused_as_a_judge() {
    let shop = with_judge(30, 2, &[], "--verdict-tokens w10,w11,w12");
    let from = checkpoint("llama-causal-bf16");
    let again = format!("import {} --out models/judge --force --template", from.display());
    let said = shop.run(&format!("{again} prompt.toml --verdict-tokens w10,w11,w12"));
    assert!(said.stderr.contains("`w10` is no single token behind") && said.stderr.contains("write ` w10`"));
    shop.train("run", JUDGE, "").refuses(&["`models/judge` cannot be a `judge`", "`w10` is no single token"]);
    let said = shop.run(&format!("{again} interleaved {TOKENS}"));
    said.refuses(&["no single token"]);
    let models = [("classifier", "bert-classifier", Import::default())];
    let shop = Shop::with(30, 2, &models);
    let judge = JUDGE.replace("models/judge", "models/classifier");
    shop.train("run", &judge, "").refuses(&[
        "no token logits",
        "--verdict-tokens A,B,tie",
        "`kind = \"classifier\"`",
    ]);
}
