//! `tiebreak verify` from the outside: the logits of transformers in `tests/golden/checkpoints.json` are the dump.

use serde::Deserialize;
use serde_json::{Value, json};

use super::models::{HEADER, Models, row};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    checkpoint: String,
    input_ids: Vec<Vec<u32>>,
    token_type_ids: Vec<Vec<u32>>,
    right: Vec<Vec<f64>>,
}

fn case(checkpoint: &str) -> Case {
    let golden: Golden = serde_json::from_str(include_str!("../golden/checkpoints.json")).unwrap();
    golden.cases.into_iter().find(|case| case.checkpoint == checkpoint).unwrap()
}

fn words(ids: &[u32]) -> String {
    ids.iter().map(|id| format!("w{id}")).collect::<Vec<_>>().join(" ")
}

/// A recipe that writes nothing of its own, so that the ids are those of the texts.
fn bare(kind: &str) -> String {
    format!(
        "template = {{ kind = \"{kind}\", pair = true, labels = {{ prompt = \"\", response_a = \"\", response_b = \" \", \
         response = \"\", between_turns = \"\" }} }}\n[budget]\norders = \"ab\"\n"
    )
}

/// Battles whose sequences are the rows of the case: the first segment is the prompt, the second both responses.
fn battles(case: &Case, labelled: bool) -> String {
    let header = HEADER.trim_end();
    let labels = if labelled { ",winner_model_a,winner_model_b,winner_tie" } else { "" };
    let mut text = format!("{header}{labels}\n");
    for (index, (ids, types)) in case.input_ids.iter().zip(&case.token_type_ids).enumerate() {
        let second = types.iter().position(|&kind| kind == 1).unwrap_or(ids.len());
        let (prompt, responses) = ids.split_at(second);
        let (a, b) = responses.split_at(responses.len() / 2);
        let line = row(&index.to_string(), [&words(prompt), &words(a), &words(b)]);
        let label = if labelled { ["1,0,0", "0,1,0", "0,0,1"][index % 3] } else { "" };
        text += &format!("{}{}{label}\n", line.trim_end(), if labelled { "," } else { "" });
    }
    text
}

fn dump(case: &Case) -> Vec<Value> {
    let rows = case.input_ids.iter().zip(&case.right).enumerate();
    rows.map(|(index, (ids, logits))| json!({"id": index, "input_ids": ids, "logits": logits})).collect()
}

fn write_dump(models: &Models, lines: &[Value]) {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    models.write("dump.jsonl", &lines.join("\n"));
}

/// The imported checkpoint with battles and dump.
fn workplace(checkpoint: &str, flags: &str) -> Models {
    let models = Models::with(checkpoint);
    models.write("bare.toml", &bare("concatenated"));
    models.import(format!("--template bare.toml {flags}").trim_end()).json();
    let case = case(checkpoint);
    models.write("battles.csv", &battles(&case, true));
    write_dump(&models, &dump(&case));
    models
}

const VERIFY: &str = "verify --model m --against dump.jsonl battles.csv";

#[test]
fn packed_and_linked_models_give_the_logits_of_transformers() {
    for (checkpoint, flags) in [
        ("bert-classifier", ""),
        ("bert-four-f16", ""),
        ("gemma2-classifier", ""),
        ("gemma2-causal-bf16", "--verdict-tokens w10,w11,w12"),
    ] {
        for storage in ["packed", "linked"] {
            let models = workplace(checkpoint, format!("--storage {storage} {flags}").trim_end());
            let said = models.run(&format!("--json {VERIFY} --tolerance 2e-5")).json();
            assert_eq!(
                (&said["sequences"], &said["token_mismatches"]),
                (&json!(4), &json!(0)),
                "{checkpoint}"
            );
            assert_eq!((&said["compared_logits"], &said["flipped_decisions"]), (&json!(4), &json!(0)));
            assert!(
                said["largest_difference"]["difference"].as_f64().unwrap() < 2e-5,
                "{checkpoint}: {said}"
            );
            assert_eq!(said["labelled"], 4);
            assert!(said["log_loss_difference"].as_f64().unwrap().abs() < 1e-5);
        }
    }
}

#[test]
fn each_response_of_a_reward_model_is_compared_and_so_is_the_preference() {
    let models = Models::with("gemma2-reward-bf16");
    models.write("bare.toml", &bare("single"));
    models.import("--template bare.toml").json();
    let case = case("gemma2-reward-bf16");
    let texts: Vec<String> = case.input_ids.iter().map(|ids| words(ids)).collect();
    let rows = [row("x", ["", &texts[0], &texts[1]]), row("y", ["", &texts[2], &texts[3]])];
    models.write("battles.csv", &format!("{HEADER}{}", rows.concat()));
    let line = |id: &str, index: usize| json!({"id": id, "input_ids": case.input_ids[index], "logits": case.right[index]});
    let lines = [line("x", 0), line("x", 1), line("y", 2), line("y", 3)];
    write_dump(&models, &lines);
    let said = models.run(&format!("--json {VERIFY} --tolerance 2e-5")).json();
    assert_eq!(
        (&said["token_mismatches"], &said["decisions"], &said["flipped_decisions"]),
        (&json!(0), &json!(2), &json!(0))
    );
    let mut flipped = lines.to_vec();
    flipped[0]["logits"] = lines[1]["logits"].clone();
    flipped[1]["logits"] = lines[0]["logits"].clone();
    write_dump(&models, &flipped);
    let said = models.run(&format!("--json {VERIFY}"));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let json: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(json["flipped_decisions"], 1);
    write_dump(&models, &[line("x", 0), line("x", 1), line("x", 0)]);
    models.run(VERIFY).refuses(&["dump.jsonl` line 3", "2 sequences"]);
}

#[test]
fn another_token_is_named_with_its_place_and_fails() {
    let models = workplace("bert-classifier", "");
    let mut lines = dump(&case("bert-classifier"));
    let theirs = lines[1]["input_ids"][3].as_u64().unwrap();
    lines[1]["input_ids"][3] = json!(3);
    write_dump(&models, &lines);
    let mismatch = |models: &Models| {
        let said = models.run(&format!("--json {VERIFY}"));
        assert_eq!(said.code, Some(1), "{}", said.stderr);
        assert!(said.stderr.contains("1 of 4 sequences have other tokens"), "{}", said.stderr);
        serde_json::from_str::<Value>(&said.stdout).unwrap()["first_mismatch"].clone()
    };
    let found = mismatch(&models);
    assert_eq!((&found["id"], &found["position"], &found["shown"]), (&json!("1"), &json!(3), &json!("ab")));
    assert_eq!(found["token"], json!({"id": theirs, "token": format!("w{theirs}")}));
    assert_eq!(found["their_token"], json!({"id": 3, "token": "[UNK]"}));
    lines[1]["input_ids"] = case("bert-classifier").input_ids[1][..4].into();
    write_dump(&models, &lines);
    let found = mismatch(&models);
    assert_eq!((&found["position"], &found["their_token"]), (&json!(4), &Value::Null));
    assert_eq!((&found["length"], &found["their_length"]), (&json!(11), &json!(4)));
    let table = models.run(VERIFY).stdout;
    assert!(table.contains("first difference") && table.contains("the end there"), "{table}");
}

#[test]
fn a_logit_beyond_the_tolerance_fails() {
    let models = workplace("bert-classifier", "");
    let mut lines = dump(&case("bert-classifier"));
    lines[2]["logits"][1] = json!(lines[2]["logits"][1].as_f64().unwrap() + 0.01);
    write_dump(&models, &lines);
    let said = models.run(VERIFY);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("a logit of `2` differs by 1.00e-2"), "{}", said.stderr);
    assert_eq!(models.run(&format!("{VERIFY} --tolerance 0.1")).code, Some(0));
}

#[test]
fn tokens_alone_can_be_compared_without_the_library() {
    let models = workplace("bert-classifier", "");
    let lines: Vec<Value> = dump(&case("bert-classifier"))
        .iter()
        .map(|line| json!({"id": line["id"], "input_ids": line["input_ids"]}))
        .collect();
    write_dump(&models, &lines);
    let mut command = models.command(&format!("--json {VERIFY}"));
    let said = super::workshop::Said::of(command.env("ORT_DYLIB_PATH", "absent.so")).json();
    assert_eq!((&said["token_mismatches"], &said["compared_logits"]), (&json!(0), &json!(0)));
}

#[test]
fn dumps_that_do_not_fit_are_refused_by_line() {
    let models = workplace("bert-classifier", "");
    for (text, parts) in [
        ("", &["holds no line"][..]),
        ("{\"id\": 0, \"input_ids\": [4]}\nnothing", &["dump.jsonl` line 2"]),
        ("{\"id\": 99, \"input_ids\": [4]}", &["line 1", "battles.csv", "`99`"]),
        ("{\"id\": 0, \"input_ids\": [4], \"logits\": [1.0]}", &["line 1", "1 logits", "3 outputs"]),
        ("{\"id\": 0, \"input_ids\": [4], \"shown\": \"aa\"}", &["line 1", "aa"]),
    ] {
        models.write("dump.jsonl", text);
        models.run(VERIFY).refuses(parts);
    }
    models.run("verify --model m --against absent.jsonl battles.csv").refuses(&["absent.jsonl"]);
}

#[test]
fn a_graph_with_its_weights_beside_it_gives_the_same_logits_as_the_checkpoint_that_it_was_written_from() {
    let models = Models::with("bert-classifier");
    models.write("bare.toml", &bare("concatenated"));
    let flags = "--fresh-head 3 --seed 7 --pooling mean --template bare.toml";
    models.import(flags).json();
    let foreign = format!("import models/m/model.onnx --out models/f {flags} --max-tokens 32");
    assert_eq!(models.run(&foreign).code, Some(0));
    assert!(models.path("models/f/model.onnx.data").is_file());
    let case = case("bert-classifier");
    models.write("battles.csv", &battles(&case, true));
    write_dump(&models, &dump(&case));
    let [ours, theirs] = ["m", "f"].map(|name| {
        let verify = format!("--json verify --model {name} --against dump.jsonl battles.csv --tolerance 99");
        let said = models.run(&verify).json();
        [said["largest_difference"].clone(), said["log_loss"].clone()]
    });
    assert_eq!(ours, theirs);
    assert!(ours[1].as_f64().unwrap() > 0.0);
}

#[test]
fn a_graph_that_gives_logits_itself_is_run_too() {
    let models = Models::new();
    models.copy_file("onnx/half_logits.onnx", "from/theirs.onnx");
    models.copy_file("checkpoints/bert-classifier/tokenizer.json", "from/tokenizer.json");
    models.copy_file("checkpoints/bert-classifier/tokenizer_config.json", "from/tokenizer_config.json");
    models.write("bare.toml", &bare("concatenated"));
    let import =
        "import from/theirs.onnx --out models/m --outputs a,b,tie --max-tokens 32 --template bare.toml";
    assert_eq!(models.run(import).code, Some(0));
    models.write("battles.csv", &format!("{HEADER}{}", row("0", ["w9", "w5", "w6"])));
    write_dump(&models, &[json!({"id": 0, "input_ids": [9, 5, 6], "logits": [0, 0, 0]})]);
    let said = models.run(&format!("--json {VERIFY} --tolerance 99")).json();
    assert_eq!((&said["token_mismatches"], &said["compared_logits"]), (&json!(0), &json!(1)));
    models.write("battles.csv", &format!("{HEADER}{}", row("0", ["w7", "w5", "w6"])));
    let said = models.run(VERIFY);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("`inf`"), "token 7 gives infinity: {}", said.stderr);
}

#[test]
fn a_graph_that_the_device_cannot_compute_is_explained() {
    let models = workplace("bert-classifier", "--dtype bf16");
    let said = models.run(VERIFY);
    // The table of the tokens alone is not printed: nothing was compared.
    said.refuses(&["models/m/model.onnx", "bf16", "--device cuda", "--dtype f32"]);
}

#[test]
fn auto_says_where_it_computed_and_why() {
    let models = workplace("bert-classifier", "");
    let mut command = models.command(&format!("--json {VERIFY} --device auto"));
    let said = super::workshop::Said::of(command.env("CUDA_VISIBLE_DEVICES", ""));
    assert!(said.stderr.contains("computed on cpu"), "{}", said.stderr);
    let json = said.json();
    assert_eq!(json["devices"][0], "cpu");
    assert!(json["device_choice"].as_str().unwrap().contains("the processor, because"), "{json}");
}

#[test]
fn a_device_that_is_not_there_fails_loudly() {
    let models = workplace("bert-classifier", "");
    models.run(&format!("{VERIFY} --device gpu")).refuses(&["gpu", "tensorrt"]);
    let mut command = models.command(&format!("{VERIFY} --device cuda"));
    let said = super::workshop::Said::of(command.env("CUDA_VISIBLE_DEVICES", ""));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("--device cuda"), "{}", said.stderr);
}
