//! Checkpoints that must not be imported, and what is said of them.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{SafeTensors, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;
use tiebreak::checkpoint::OutputMeaning::{A, B, BothBad, Tie};
use tiebreak::checkpoint::{HeadChoice, OutputMeaning, Pooling};
use tiebreak::onnx::graph::{ImportOptions, ImportReport, import};

use super::checkpoints_cases::fixture;

struct Copy {
    root: TempDir,
}

impl Copy {
    fn of(name: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("from")).unwrap();
        for entry in fs::read_dir(fixture(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                // Written anew, so that the copy may be changed whatever the rights of the fixture.
                let bytes = fs::read(&path).unwrap();
                fs::write(root.path().join("from").join(path.file_name().unwrap()), bytes).unwrap();
            }
        }
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("from").join(name)
    }

    /// Changes one JSON file.
    fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value: Value = serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap();
        change(&mut value);
        fs::write(self.path(name), serde_json::to_vec(&value).unwrap()).unwrap();
    }

    /// Writes the weights again, some of them under another name or not at all.
    fn rename(&self, change: impl Fn(&str) -> Option<String>) {
        let path = self.path("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let views: Vec<(String, TensorView)> =
            file.tensors().into_iter().filter_map(|(name, view)| Some((change(&name)?, view))).collect();
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    }

    fn import_with(&self, options: &ImportOptions) -> Result<ImportReport, String> {
        let target = self.root.path().join("to/model");
        let result = import(&self.root.path().join("from"), &target, options).map_err(|e| e.to_string());
        let left = fs::read_dir(target.parent().unwrap()).unwrap().count();
        assert_eq!(
            left,
            usize::from(result.is_ok()),
            "a failed import leaves nothing, a done one its folder"
        );
        result
    }

    fn fault(&self) -> String {
        self.import_with(&ImportOptions::default()).unwrap_err()
    }
}

fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn all_missing_weights_are_named_at_once() {
    let copy = Copy::of("bert-classifier");
    copy.rename(|name| (!name.contains("layer.1.attention.self")).then(|| name.to_owned()));
    let message = copy.fault();
    says(&message, &["6 of the weights", "encoder.layer.1.attention.self.key.bias", "[16]", "query.weight"]);
}

#[test]
fn a_weight_of_another_shape_is_named_with_both_shapes() {
    let copy = Copy::of("bert-classifier");
    copy.edit("config.json", |config| config["intermediate_size"] = json!(33));
    says(&copy.fault(), &["intermediate.dense.weight [33, 16] (found [32, 16])"]);
}

#[test]
fn weights_that_would_not_be_used_are_named() {
    let copy = Copy::of("bert-classifier");
    copy.edit("config.json", |config| config["num_hidden_layers"] = json!(1));
    says(&copy.fault(), &["16 weights would not be used", "bert.encoder.layer.1.", "adapter"]);
}

#[test]
fn half_a_head_is_a_missing_weight() {
    let copy = Copy::of("bert-classifier");
    copy.rename(|name| (name != "classifier.bias").then(|| name.to_owned()));
    says(&copy.fault(), &["classifier.bias"]);
}

#[test]
fn old_names_of_normalisations_are_understood() {
    let copy = Copy::of("bert-classifier");
    copy.rename(|name| {
        Some(name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"))
    });
    copy.import_with(&ImportOptions::default()).unwrap();
}

#[test]
fn a_checkpoint_without_a_head_needs_a_fresh_one_which_its_seed_decides() {
    let copy = Copy::of("bert-base");
    says(&copy.fault(), &["no classification head", "BertModel", "--fresh-head"]);
    let fresh = |seed, pooling| {
        let head = HeadChoice::Fresh { outputs: 4, seed, pooling };
        let copy = Copy::of("bert-base");
        let report = copy.import_with(&ImportOptions { head, ..ImportOptions::default() }).unwrap();
        let bytes = fs::read(copy.root.path().join("to/model/head.safetensors")).unwrap();
        (report.card, bytes)
    };
    let (card, bytes) = fresh(1, None);
    assert_eq!(card.outputs, [A, B, Tie, BothBad]);
    assert!(card.source.fresh_head);
    assert_eq!(card.source.left_out, ["pooler.dense.bias", "pooler.dense.weight"]);
    assert_eq!(bytes, fresh(1, None).1);
    assert_ne!(bytes, fresh(2, None).1);
    assert_eq!(fresh(1, Some(Pooling::First)).0.head.unwrap().pooling, Pooling::First);
}

#[test]
fn a_fresh_head_replaces_the_one_that_is_there() {
    let copy = Copy::of("gemma2-classifier");
    let head = HeadChoice::Fresh { outputs: 2, seed: 1, pooling: None };
    let report = copy.import_with(&ImportOptions { head, ..ImportOptions::default() }).unwrap();
    assert_eq!(report.card.outputs, [A, B]);
    assert_eq!(report.card.head.unwrap().pooling, Pooling::Last);
}

#[test]
fn pickle_files_are_refused_with_the_way_to_convert_them() {
    let copy = Copy::of("bert-classifier");
    fs::rename(copy.path("model.safetensors"), copy.path("pytorch_model.bin")).unwrap();
    says(&copy.fault(), &["pytorch_model.bin", "pickle", "safe_serialization=True"]);
    fs::remove_file(copy.path("pytorch_model.bin")).unwrap();
    says(&copy.fault(), &["neither `model.safetensors`"]);
}

#[test]
fn an_unknown_family_names_the_known_ones() {
    let copy = Copy::of("bert-classifier");
    copy.edit("config.json", |config| config["model_type"] = json!("t5"));
    says(&copy.fault(), &["model_type", "`t5`", "bert, roberta", "xlm-roberta"]);
}

#[test]
fn outputs_without_meaning_need_the_flag_that_states_it() {
    let copy = Copy::of("bert-classifier");
    let nameless = json!({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"});
    copy.edit("config.json", |config| config["id2label"] = nameless);
    says(&copy.fault(), &["LABEL_0", "--outputs"]);
    let stated = |outputs: &[OutputMeaning]| ImportOptions {
        outputs: Some(outputs.to_vec()),
        ..ImportOptions::default()
    };
    says(&copy.import_with(&stated(&[A, B])).unwrap_err(), &["2 meanings are stated for 3 outputs"]);
    assert_eq!(copy.import_with(&stated(&[B, A, Tie])).unwrap().card.outputs, [B, A, Tie]);
}

#[test]
fn an_added_token_without_a_row_is_named() {
    let copy = Copy::of("bert-classifier");
    copy.edit("tokenizer.json", |tokenizer| {
        let mut token = tokenizer["added_tokens"][0].clone();
        token["id"] = json!(48);
        token["content"] = json!("<verdict>");
        tokenizer["added_tokens"].as_array_mut().unwrap().push(token);
    });
    says(&copy.fault(), &["49 tokens", "48 rows", "`<verdict>` (48)"]);
}

#[test]
fn a_missing_or_cut_shard_is_named() {
    let copy = Copy::of("bert-base");
    let shard = copy.path("model-00002-of-00003.safetensors");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() - 8]).unwrap();
    says(&copy.fault(), &["model-00002-of-00003.safetensors", "copy or download it again"]);
    fs::remove_file(&shard).unwrap();
    says(&copy.fault(), &["cannot read", "model-00002-of-00003.safetensors"]);
}

#[test]
fn a_shard_outside_the_folder_is_refused() {
    let copy = Copy::of("bert-base");
    copy.edit("model.safetensors.index.json", |index| {
        index["weight_map"]["pooler.dense.bias"] = json!("../model-00003-of-00003.safetensors");
    });
    says(&copy.fault(), &["is not the name of a file beside it"]);
}

#[test]
fn verdict_tokens_need_a_language_model_and_rows() {
    let verdicts = |tokens: &[u32]| ImportOptions {
        head: HeadChoice::Verdicts { tokens: tokens.to_vec() },
        ..ImportOptions::default()
    };
    let decoder = Copy::of("gemma2-causal-bf16");
    says(&decoder.fault(), &["Gemma2ForCausalLM", "--verdict-tokens"]);
    says(&decoder.import_with(&verdicts(&[1, 48])).unwrap_err(), &["token 48", "48 rows"]);
    let encoder = Copy::of("bert-classifier");
    says(&encoder.import_with(&verdicts(&[1, 2])).unwrap_err(), &["no causal language model"]);
}

#[test]
fn a_model_that_is_there_is_not_overwritten() {
    let copy = Copy::of("bert-classifier");
    copy.import_with(&ImportOptions::default()).unwrap();
    let target = copy.root.path().join("to/model");
    let message =
        import(Path::new(&copy.path("")), &target, &ImportOptions::default()).unwrap_err().to_string();
    says(&message, &["is there already"]);
}

#[test]
fn tables_of_rotary_positions_are_as_long_as_texts_and_not_as_long_as_the_model_could_read() {
    let copy = Copy::of("gemma3-classifier");
    copy.edit("config.json", |config| config["max_position_embeddings"] = json!(131_072));
    let bytes = |name: &str, max_tokens: Option<usize>| {
        let options = ImportOptions { max_tokens, ..ImportOptions::default() };
        let target = copy.root.path().join(name);
        let report = import(&copy.path(""), &target, &options).unwrap();
        let size = fs::metadata(target.join("model.onnx.data")).unwrap().len();
        (report.card.max_positions, size, report.warnings)
    };
    let (usual, small, warnings) = bytes("usual", None);
    assert_eq!(usual, 8192);
    says(&warnings.join(" "), &["8192 tokens of the model's 131072", "--max-tokens"]);
    let (asked, larger, _) = bytes("asked", Some(20_000));
    assert_eq!(asked, 20_000);
    // Two kinds of layer, cosines and sines of 8 numbers a position each, in f32; each of the four tables begins on a
    // page of its own.
    let rows = (20_000 - 8192) * 2 * 2 * 8 * 4;
    assert!((larger - small).abs_diff(rows) < 4 * 4096, "{larger} {small}");
}
