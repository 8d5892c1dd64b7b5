//! Adapters that do not fit their base, and what is said of them. Their numbers are compared in `checkpoints.rs`.

use std::fs;
use std::path::PathBuf;

use safetensors::tensor::{SafeTensors, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;
use tiebreak::checkpoint::{Checkpoint, HeadChoice, load_head};
use tiebreak::onnx::graph::{ImportOptions, import};

use super::checkpoints_cases::{adapter_fixture, fixture};

const A: &str = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";

/// A copy of an adapter that may be changed.
struct Copy {
    root: TempDir,
}

impl Copy {
    fn of(name: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            fs::write(root.path().join(file), fs::read(adapter_fixture(name).join(file)).unwrap()).unwrap();
        }
        Self { root }
    }

    fn configure(&self, key: &str, value: Value) {
        let path = self.root.path().join("adapter_config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config[key] = value;
        fs::write(path, config.to_string()).unwrap();
    }

    /// Adds a weight whose numbers are all 7.
    fn add(&self, name: &str, shape: &[usize]) {
        let path = self.root.path().join("adapter_model.safetensors");
        let bytes = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let sevens = 7f32.to_le_bytes().repeat(shape.iter().product());
        let seven = TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &sevens).unwrap();
        let views = file.tensors().into_iter().chain([(name.to_owned(), seven)]);
        let whole = safetensors::serialize(views, None).unwrap();
        fs::write(&path, whole).unwrap();
    }

    fn rename(&self, change: impl Fn(&str) -> Option<String>) {
        let path = self.root.path().join("adapter_model.safetensors");
        let bytes = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let views: Vec<(String, TensorView)> =
            file.tensors().into_iter().filter_map(|(name, view)| Some((change(&name)?, view))).collect();
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    }

    fn import_on(&self, base: Option<PathBuf>) -> Result<(), String> {
        let options = ImportOptions { base, ..ImportOptions::default() };
        let target = tempfile::tempdir().unwrap();
        let result = import(self.root.path(), &target.path().join("model"), &options);
        result.map(|_| ()).map_err(|error| error.to_string())
    }

    fn fault(&self) -> String {
        self.import_on(Some(fixture("qwen2-classifier"))).unwrap_err()
    }
}

fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn an_adapter_needs_its_base_and_a_whole_model_none() {
    let copy = Copy::of("qwen2-patterns");
    copy.import_on(Some(fixture("qwen2-classifier"))).unwrap();
    says(&copy.import_on(None).unwrap_err(), &["PEFT adapter", "--base"]);
    let base = Some(fixture("bert-classifier"));
    let options = ImportOptions { base, ..ImportOptions::default() };
    let target = tempfile::tempdir().unwrap();
    let message = import(&fixture("bert-classifier"), &target.path().join("m"), &options).unwrap_err();
    says(&message.to_string(), &["adapter_config.json", "needs no base"]);
}

#[test]
fn a_configuration_beside_an_adapter_is_of_its_base_or_refused() {
    let copy = Copy::of("qwen2-patterns");
    let own = copy.root.path().join("config.json");
    let of = |name: &str| fs::read_to_string(fixture(name).join("config.json")).unwrap();
    fs::write(&own, of("qwen2-classifier").replace("\"model_a\"", "\"response_a\"")).unwrap();
    says(
        &copy.import_on(None).unwrap_err(),
        &["PEFT adapter", "--base", "take `adapter_config.json` out of it"],
    );
    copy.import_on(Some(fixture("qwen2-classifier"))).unwrap();
    // The labels of the adapter's own head are those that were saved with it.
    fs::write(&own, of("qwen2-classifier").replace("\"model_a\"", "\"banana\"")).unwrap();
    says(&copy.fault(), &["banana"]);
    fs::write(&own, of("bert-classifier")).unwrap();
    says(&copy.fault(), &["its config.json is that of another model than the base"]);
}

#[test]
fn trained_biases_of_wrapped_maps_and_a_trained_output_table_take_the_place_of_the_base() {
    let copy = Copy::of("qwen2-patterns");
    copy.configure("bias", json!("all"));
    copy.add("base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias", &[64]);
    let opened = Checkpoint::open_adapter(copy.root.path(), &fixture("qwen2-classifier")).unwrap();
    let bias = opened.weights.get("layers.0.self_attn.q_proj.bias", &[64]).unwrap();
    assert_eq!(bias.values(), [7.0; 64]);
    copy.import_on(Some(fixture("qwen2-classifier"))).unwrap();

    // The base shares its output table with the embedding; the adapter has one of its own.
    let copy = Copy::of("qwen2-patterns");
    copy.rename(|_| None);
    let base = Checkpoint::open(&fixture("gemma2-causal-bf16")).unwrap();
    let [rows, width] = [base.config.vocabulary_size(), base.config.width()];
    copy.add("base_model.model.lm_head.weight", &[rows, width]);
    for (key, value) in [
        ("modules_to_save", json!(["lm_head"])),
        ("target_modules", json!([])),
        ("rank_pattern", json!({})),
        ("alpha_pattern", json!({})),
    ] {
        copy.configure(key, value);
    }
    let opened = Checkpoint::open_adapter(copy.root.path(), &fixture("gemma2-causal-bf16")).unwrap();
    let verdicts = HeadChoice::Verdicts { tokens: vec![6, 9] };
    let head = |checkpoint: &Checkpoint| load_head(checkpoint, &verdicts, None).unwrap().head.layers;
    assert_eq!(head(&opened)[0].weight, vec![7.0; 2 * width]);
    assert_ne!(head(&base)[0].weight, vec![7.0; 2 * width]);
}

#[test]
fn another_base_is_noticed_at_the_first_weight_that_does_not_fit() {
    let copy = Copy::of("qwen2-patterns");
    let fault = |base: &str| copy.import_on(Some(fixture(base))).unwrap_err();
    says(&fault("bert-classifier"), &["the base has no `model.layers.0.mlp.down_proj.weight`"]);
    says(&fault("gemma2-classifier"), &["down_proj", "[16, 24]"]);
}

#[test]
fn a_rank_that_is_not_that_of_the_matrices_is_named_with_the_shapes() {
    let copy = Copy::of("qwen2-patterns");
    copy.configure("rank_pattern", json!({}));
    says(&copy.fault(), &["layers.1.self_attn.q_proj", "[2, 32] and [64, 2]", "rank 4"]);
}

#[test]
fn half_a_pair_a_stranger_and_a_gap_are_named() {
    let copy = Copy::of("qwen2-patterns");
    copy.rename(|name| (name != A).then(|| name.to_owned()));
    says(&copy.fault(), &["layers.0.self_attn.q_proj` has one of its two matrices only"]);

    let copy = Copy::of("qwen2-patterns");
    copy.rename(|name| (!name.contains("layers.0.self_attn.q_proj")).then(|| name.to_owned()));
    says(&copy.fault(), &["names `model.layers.0.self_attn.q_proj` of the base", "no matrices"]);

    let copy = Copy::of("qwen2-patterns");
    copy.rename(|name| Some(name.replace("q_proj.lora", "k_proj.lora")));
    says(&copy.fault(), &["k_proj` has matrices and is not among `target_modules`"]);

    let copy = Copy::of("qwen2-patterns");
    copy.rename(|name| Some(name.replace("score.weight", "model.norm.weight")));
    says(&copy.fault(), &["model.norm.weight` is neither"]);

    let copy = Copy::of("qwen2-patterns");
    copy.rename(|name| Some(name.replace("base_model.model.", "")));
    says(&copy.fault(), &["does not begin with `base_model.model.`"]);
}

#[test]
fn kinds_of_adapter_that_are_not_merged_are_named() {
    for (key, value) in [
        ("peft_type", json!("LOHA")),
        ("use_dora", json!(true)),
        ("init_lora_weights", json!("pissa")),
        ("something_new", json!(1)),
    ] {
        let copy = Copy::of("qwen2-patterns");
        copy.configure(key, value);
        says(&copy.fault(), &[key, "not merged"]);
    }
}
