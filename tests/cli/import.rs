//! `tiebreak import` from the outside: what becomes a model, and what is refused.

use std::fs;

use serde_json::{Value, json};

use super::models::{Models, fixture};

#[test]
fn a_classifier_becomes_a_model_folder_whose_files_are_all_hashed() {
    let models = Models::with("bert-classifier");
    let said = models.import("").json();
    let card = models.json("models/m/model.json");
    assert_eq!(said["card"], card);
    assert_eq!(card["outputs"], json!(["a", "b", "tie"]));
    let names: Vec<&String> = card["files"].as_object().unwrap().keys().collect();
    let expected = [
        "encoder.json",
        "head.safetensors",
        "model.onnx",
        "model.onnx.data",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names, expected);
    let encoder = models.json("models/m/encoder.json");
    assert_eq!(said["encoder"], encoder);
    assert_eq!(encoder["recipe"]["template"]["kind"], "concatenated");
    assert_eq!(encoder["budget"]["max_tokens"], 32);
    let bytes = fs::read(models.path("models/m/encoder.json")).unwrap();
    assert_eq!(card["files"]["encoder.json"]["blake3"], blake3::hash(&bytes).to_hex().to_string());
}

#[test]
fn the_table_says_what_was_made() {
    let models = Models::with("bert-base");
    let said =
        models.run("import from --out models/m --fresh-head 4 --dtype f16 --max-tokens 20 --orders ab");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for part in [
        "bert",
        "f16, stored as f32",
        "mean of the states of width 16, linear, fresh",
        "a, b, tie, both_bad",
        "pooler.dense.weight",
        "at most 20 tokens, A first, pads with",
        "an encoder compares both responses",
        "tiebreak encode --model models/m",
    ] {
        assert!(said.stdout.contains(part), "`{part}` is not in: {}", said.stdout);
    }
    assert!(said.stderr.contains("warning: the head is fresh"), "{}", said.stderr);
}

#[test]
fn the_family_and_the_head_suggest_the_template() {
    let chosen = |checkpoint: &str, flags: &str| {
        let models = Models::with(checkpoint);
        let encoder = models.import(flags).json()["encoder"].clone();
        let template = &encoder["recipe"]["template"];
        (template["kind"].as_str().unwrap().to_owned(), template.get("pair").cloned())
    };
    assert_eq!(chosen("bert-base", "--fresh-head 1"), ("single".to_owned(), Some(json!(true))));
    assert_eq!(chosen("bert-classifier", ""), ("concatenated".to_owned(), Some(json!(false))));
    assert_eq!(chosen("gemma2-classifier", ""), ("interleaved".to_owned(), None));
    assert_eq!(chosen("gemma2-reward-bf16", ""), ("single".to_owned(), Some(json!(false))));
}

#[test]
fn a_judge_with_a_chat_template_is_told_the_words_of_its_verdict() {
    let models = Models::with("gemma2-causal-bf16");
    let template = "{% for message in messages %}w4 {{ message.content }} w5{% endfor %}";
    models.write("from/chat_template.jinja", template);
    let said = models.import("--verdict-tokens w10,w11,w12").json();
    let template = &said["encoder"]["recipe"]["template"];
    assert_eq!(template["kind"], "chat");
    let ending = template["ending"].as_str().unwrap();
    assert!(ending.contains("`w10` if response_a is better, `w11`"), "{ending}");
    assert!(models.path("models/m/chat_template.jinja").is_file());
}

#[test]
fn a_recipe_may_come_from_a_file_and_flags_go_before_its_budget() {
    let models = Models::with("bert-classifier");
    models.write(
        "recipe.toml",
        "template = { kind = \"custom\", template = \"{{ turns[0].prompt }} {{ turns[0].response_a }}\" }\n\
         missing = { kind = \"empty\" }\n[budget]\nmax_tokens = 12\norders = \"ab\"\n",
    );
    let encoder =
        models.import("--template recipe.toml --max-tokens 24 --truncation left").json()["encoder"].clone();
    assert_eq!(encoder["recipe"]["template"]["kind"], "custom");
    assert_eq!(encoder["recipe"]["missing"], json!({"kind": "empty"}));
    let budget = json!({"max_tokens": 24, "truncation": {"kind": "whole", "side": "left"}, "orders": "ab"});
    assert_eq!(encoder["budget"], budget);
    models.write("wrong.toml", "template = { kind = \"interleaved\" }\nmax_token = 3\n");
    models.run("import from --out models/n --template wrong.toml").refuses(&["wrong.toml", "max_token"]);
    models.run("import from --out models/n --template absent.toml").refuses(&["absent.toml"]);
}

#[test]
fn missing_weights_are_named() {
    let models = Models::with("bert-classifier");
    models.rename_weights(|name| (!name.contains("layer.1.output.dense.bias")).then(|| name.to_owned()));
    models.import_refuses("", &["1 of the weights", "encoder.layer.1.output.dense.bias"]);
}

#[test]
fn weights_that_would_not_be_used_are_named() {
    let models = Models::with("bert-classifier");
    models.rename_weights(|name| {
        Some(name.replace(
            "bert.encoder.layer.1.output.dense.weight",
            "bert.encoder.layer.1.output.dense.weight.lora_A",
        ))
    });
    models.import_refuses("", &["encoder.layer.1.output.dense.weight"]);
    let models = Models::with("bert-classifier");
    models.edit("from/config.json", |config| config["num_hidden_layers"] = json!(1));
    models.import_refuses("", &["weights would not be used", "encoder.layer.1."]);
}

#[test]
fn a_model_without_a_head_needs_a_fresh_one_or_verdict_tokens() {
    Models::with("bert-base").import_refuses("", &["`BertModel`", "`--fresh-head N`"]);
    Models::with("gemma2-causal-bf16").import_refuses("", &["Gemma2ForCausalLM", "--verdict-tokens"]);
}

#[test]
fn pickle_checkpoints_are_refused_with_their_conversion() {
    let models = Models::with("bert-classifier");
    fs::rename(models.path("from/model.safetensors"), models.path("from/pytorch_model.bin")).unwrap();
    models.import_refuses("", &["pytorch_model.bin", "pickle", "safe_serialization=True"]);
}

#[test]
fn labels_that_say_nothing_need_the_flag() {
    let models = Models::with("bert-classifier");
    let nameless = json!({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"});
    models.edit("from/config.json", |config| config["id2label"] = nameless);
    models.import_refuses("", &["LABEL_0", "--outputs a,b,tie"]);
    models.import_refuses("--outputs a,b", &["2 meanings are stated for 3 outputs"]);
    models.import_refuses("--outputs a,b,draws", &["--outputs", "`draws`"]);
    assert_eq!(models.import("--outputs b,a,tie").json()["card"]["outputs"], json!(["b", "a", "tie"]));
}

#[test]
fn a_vocabulary_larger_than_the_embedding_is_named() {
    let models = Models::with("bert-classifier");
    models.edit("from/tokenizer.json", |tokenizer| {
        let mut token = tokenizer["added_tokens"][0].clone();
        token["id"] = json!(48);
        token["content"] = json!("<verdict>");
        tokenizer["added_tokens"].as_array_mut().unwrap().push(token);
    });
    models.import_refuses("", &["49 tokens", "48 rows", "`<verdict>` (48)"]);
}

#[test]
fn a_missing_tokenizer_is_said_with_the_way_to_save_it() {
    let models = Models::with("bert-classifier");
    fs::remove_file(models.path("from/tokenizer.json")).unwrap();
    models.import_refuses("", &["tokenizer.json", "save_pretrained"]);
    let models = Models::with("gemma2-causal-bf16");
    fs::remove_file(models.path("from/tokenizer.json")).unwrap();
    models.import_refuses("--verdict-tokens w10,w11", &["tokenizer.json", "save_pretrained"]);
}

#[test]
fn a_model_that_is_there_is_replaced_only_by_force() {
    let models = Models::with("bert-classifier");
    models.import("").json();
    models.import("").refuses(&["models/m", "--force"]);
    let said = models.import("--force --max-tokens 16").json();
    assert_eq!(said["encoder"]["budget"]["max_tokens"], 16);
    assert_eq!(models.json("models/m/encoder.json")["budget"]["max_tokens"], 16);
    models.import("--force --max-tokens 33").refuses(&["33 tokens", "32 positions"]);
    assert_eq!(
        models.json("models/m/encoder.json")["budget"]["max_tokens"],
        16,
        "a failed import changes nothing"
    );
    assert_eq!(fs::read_dir(models.path("models")).unwrap().count(), 1);
}

#[test]
fn a_folder_that_is_no_model_is_never_replaced() {
    let models = Models::with("bert-classifier");
    fs::create_dir_all(models.path("models/m")).unwrap();
    models.write("models/m/notes.txt", "mine");
    models.import("--force").refuses(&["models/m", "no model folder"]);
    assert_eq!(fs::read_to_string(models.path("models/m/notes.txt")).unwrap(), "mine");
}

#[test]
fn an_adapter_without_its_base_is_told_how_to_name_it() {
    let models = Models::with("bert-classifier");
    fs::rename(models.path("from/config.json"), models.path("from/adapter_config.json")).unwrap();
    models.import_refuses("", &["PEFT adapter", "--base DIR"]);
}

#[test]
fn an_adapter_on_its_base_is_another_model_than_the_base() {
    let models = Models::with("qwen2-classifier");
    models.copy("adapters/qwen2-patterns", "adapter");
    let base = models.import("").json();
    let adapted = models.run("--json import adapter --base from --out models/adapted").json();
    assert_eq!(base["card"]["width"], adapted["card"]["width"]);
    let hash = |said: &Value, name: &str| said["card"]["files"][name]["blake3"].clone();
    for file in ["model.onnx.data", "head.safetensors"] {
        assert_ne!(hash(&base, file), hash(&adapted, file), "{file}");
    }
    assert_eq!(hash(&base, "tokenizer.json"), hash(&adapted, "tokenizer.json"));
    models.run("import adapter --base nowhere --out models/other").refuses(&["nowhere", "config.json"]);
}

#[test]
fn arguments_that_do_not_fit_the_model_are_refused() {
    let models = Models::with("bert-classifier");
    models.import_refuses("--template single", &["single", "3 outputs", "concatenated"]);
    models.import_refuses("--template chat", &["no chat template"]);
    models.import_refuses("--template brackets", &["`--template brackets`", "single-chat"]);
    models.import_refuses("--max-tokens 8", &["max_tokens", "8"]);
    models.import_refuses("--verdict-tokens w4,w5", &["no causal language model"]);
    let causal = Models::with("gemma2-causal-bf16");
    causal.import_refuses("--verdict-tokens w10,nothing", &["`nothing`", "no single token", "`[UNK]`"]);
    let reward = Models::with("gemma2-reward-bf16");
    reward.import_refuses("--template concatenated", &["one output", "single"]);
    for flags in ["--fresh-head 5", "--pooling mean", "--seed 3", "--fresh-head 3 --verdict-tokens a,b"] {
        assert_eq!(models.import(flags).code, Some(2), "{flags}");
    }
}

#[test]
fn a_checkpoint_is_a_folder_and_a_graph_a_file_with_its_ending() {
    let models = Models::with("bert-classifier");
    models.run("import absent --out models/m").refuses(&["`absent`", "neither a directory nor"]);
    models.run("import from/config.json --out models/m").refuses(&["config.json", "the directory"]);
}

/// An ONNX file of the fixtures with a tokenizer of 48 tokens beside it.
fn foreign(name: &str) -> Models {
    let models = Models::new();
    models.copy_file(&format!("onnx/{name}.onnx"), "from/theirs.onnx");
    models.copy_file("checkpoints/bert-classifier/tokenizer.json", "from/tokenizer.json");
    models.copy_file("checkpoints/bert-classifier/tokenizer_config.json", "from/tokenizer_config.json");
    models
}

const IMPORT: &str = "--json import from/theirs.onnx --out models/m";

#[test]
fn a_foreign_graph_with_hidden_states_gets_a_fresh_head() {
    let models = foreign("encoder");
    models.run(&format!("{IMPORT} --max-tokens 64")).refuses(&[
        "theirs.onnx",
        "`last_hidden_state` [batch, sequence, 32]",
        "`--fresh-head N`",
    ]);
    models.leaves_nothing();
    let said = models.run(&format!("{IMPORT} --fresh-head 3 --pooling first --max-tokens 64")).json();
    let card = &said["card"];
    assert_eq!((&card["family"], &card["graph"]), (&Value::Null, &json!("encoder")));
    assert_eq!((&card["width"], &card["max_positions"]), (&json!(32), &json!(64)));
    assert_eq!((&card["head"]["pooling"], &card["token_types"]), (&json!("first"), &json!(true)));
    let copied = fs::read(models.path("models/m/model.onnx")).unwrap();
    assert_eq!(copied, fs::read(fixture("onnx/encoder.onnx")).unwrap());
}

#[test]
fn a_foreign_graph_with_logits_says_what_they_mean_or_is_told() {
    let models = foreign("half_logits");
    models.run(&format!("{IMPORT} --max-tokens 64")).refuses(&["id2label", "--outputs a,b,tie"]);
    models.leaves_nothing();
    let said = models.run(&format!("{IMPORT} --max-tokens 64 --outputs a,b,tie")).json();
    assert_eq!((&said["card"]["graph"], &said["card"]["head"]), (&json!("logits"), &Value::Null));
    assert_eq!(said["card"]["element"], "f16");
    assert!(said["warnings"][0].as_str().unwrap().contains("no attention mask"), "{said}");
    let labels =
        json!({"id2label": {"0": "tie", "1": "model_b", "2": "model_a"}, "max_position_embeddings": 40});
    models.write("from/config.json", &labels.to_string());
    let card = models.run(&format!("{IMPORT} --force")).json()["card"].clone();
    assert_eq!((&card["outputs"], &card["max_positions"]), (&json!(["tie", "b", "a"]), &json!(40)));
    models.run(&format!("{IMPORT} --force --fresh-head 3")).refuses(&["logits already"]);
}

#[test]
fn what_a_foreign_graph_cannot_do_is_found_by_trying() {
    let models = foreign("encoder");
    models.run(&format!("{IMPORT} --fresh-head 3")).refuses(&["how long a text may be", "--max-tokens N"]);
    models.copy_file("tokenizers/wordpiece/tokenizer.json", "from/tokenizer.json");
    models.run(&format!("{IMPORT} --fresh-head 3 --max-tokens 64")).refuses(&[
        "theirs.onnx",
        "token id 282",
        "tokenizer",
    ]);
    let cached = foreign("cached");
    cached
        .run(&format!("{IMPORT} --fresh-head 3 --max-tokens 9"))
        .refuses(&["from/theirs.onnx", "key-value cache"]);
    let fixed = foreign("fixed");
    fixed.run(&format!("{IMPORT} --fresh-head 3 --max-tokens 17")).refuses(&["17 tokens", "16 positions"]);
    let said = fixed.run(&format!("{IMPORT} --fresh-head 3")).json();
    assert_eq!(said["card"]["max_positions"], 16);
    for models in [&models, &cached] {
        models.leaves_nothing();
    }
}

#[test]
fn flags_for_checkpoints_and_files_that_are_no_graphs_are_refused() {
    let models = foreign("encoder");
    models.run(&format!("{IMPORT} --fresh-head 3 --dtype f16")).refuses(&["`--dtype`", "for checkpoints"]);
    models.run(&format!("{IMPORT} --verdict-tokens w4,w5")).refuses(&["--verdict-tokens"]);
    models.write("from/theirs.onnx", "no graph");
    models.run(&format!("{IMPORT} --fresh-head 3")).refuses(&["theirs.onnx", "no ONNX file"]);
    fs::remove_file(models.path("from/tokenizer.json")).unwrap();
    models.run(&format!("{IMPORT} --fresh-head 3")).refuses(&["tokenizer.json", "save_pretrained"]);
    models.leaves_nothing();
}

#[test]
fn without_the_library_a_graph_cannot_be_asked_and_the_way_out_is_said() {
    let models = foreign("encoder");
    let mut command = models.command(&format!("{IMPORT} --fresh-head 3 --max-tokens 9"));
    let said = super::workshop::Said::of(command.env("ORT_DYLIB_PATH", "absent.so"));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("`tiebreak setup`"), "{}", said.stderr);
    models.leaves_nothing();
}

#[test]
fn a_full_disk_fails_the_work_and_leaves_nothing() {
    let models = Models::with("bert-classifier");
    let mut command = models.command("import from --out models/m");
    let said = super::workshop::Said::of(command.env("TIEBREAK_INJECT_DISK_FULL_AFTER", "5000"));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("no space left"), "{}", said.stderr);
    models.leaves_nothing();
}
