//! `tiebreak import --weights`, `--audit` and `--in-f32`, and `tiebreak verify --like`, from the outside.

use std::fs;

use safetensors::tensor::{SafeTensors, TensorView};
use serde_json::{Value, json};

use super::models::{HEADER, Models, row};

/// Battles of words that the tiny models know; three labels in turn where they are wanted.
fn battles(count: usize, labelled: bool) -> String {
    let labels = if labelled { ",winner_model_a,winner_model_b,winner_tie" } else { "" };
    let mut text = format!("{}{labels}\n", HEADER.trim_end());
    for index in 0..count {
        let word = |place: usize| format!("w{}", 9 + (7 * index + 3 * place) % 39);
        let texts = [[0, 1], [2, 3], [4, 5]].map(|pair| pair.map(word).join(" "));
        let line = row(&index.to_string(), [&texts[0], &texts[1], &texts[2]]);
        let label = if labelled { ["1,0,0", "0,1,0", "0,0,1"][index % 3] } else { "" };
        text += &format!("{}{}{label}\n", line.trim_end(), if labelled { "," } else { "" });
    }
    text
}

/// Multiplies weights of `from/model.safetensors` that are stored in f32.
fn multiply(models: &Models, factors: &[(&str, f32)]) {
    let path = models.path("from/model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let changed: Vec<(String, Vec<usize>, safetensors::Dtype, Vec<u8>)> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let factor = factors.iter().find(|(end, _)| name.ends_with(end)).map(|(_, factor)| factor);
            let data = match factor {
                None => view.data().to_vec(),
                Some(factor) => {
                    let numbers = view.data().as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw));
                    numbers.flat_map(|number| (number * factor).to_le_bytes()).collect()
                }
            };
            (name, view.shape().to_vec(), view.dtype(), data)
        })
        .collect();
    let views = changed
        .iter()
        .map(|(name, shape, kind, data)| (name, TensorView::new(*kind, shape.clone(), data).unwrap()));
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn import(models: &Models, name: &str, flags: &str) -> Value {
    models.run(format!("--json import from --out models/{name} {flags}").trim_end()).json()
}

#[test]
fn an_import_in_few_bits_says_how_far_weights_moved_and_what_it_does_not_know() {
    let models = Models::with("gemma2-classifier");
    let full = import(&models, "full", "");
    assert!(full.get("rounded").is_none() && full.get("log_loss_cost").is_none(), "{full}");
    let four = import(&models, "four", "--weights int4 --block-size 16");
    assert_eq!(four["card"]["low_bits"], json!({"weights": "int4", "block_size": 16}));
    assert_eq!(four["log_loss_cost"], "not measured on real weights");
    let rounded = four["rounded"].as_array().unwrap();
    assert!(rounded.iter().any(|weight| weight["name"] == "layers.0.mlp.down_proj.weight"), "{four}");
    let eight = import(&models, "eight", "--weights int8");
    assert_eq!(eight["card"]["low_bits"]["block_size"], 32);
    let mean = |said: &Value| {
        let errors = said["rounded"].as_array().unwrap().iter();
        errors.map(|weight| weight["relative_error"].as_f64().unwrap()).sum::<f64>() / rounded.len() as f64
    };
    assert!(mean(&eight) < mean(&four) / 4.0, "{} {}", mean(&eight), mean(&four));
    let table = models.run("import from --out models/table --weights int4").stdout;
    for part in
        ["int4 in blocks of 32", "most: ", "not measured on real weights", "verify --model models/table"]
    {
        assert!(table.contains(part), "`{part}` is not in: {table}");
    }
}

#[test]
fn two_imports_of_a_model_are_compared_on_labels() {
    let models = Models::with("bert-classifier");
    for (name, flags) in [("full", ""), ("four", "--weights int4"), ("same", "")] {
        import(&models, name, flags);
    }
    models.write("battles.csv", &battles(12, true));
    let same = models.run("--json verify --model same --like full battles.csv").json();
    assert_eq!((&same["log_loss_difference"], &same["flipped_decisions"]), (&json!(0.0), &json!(0)));
    let said = models.run("--json verify --model four --like full battles.csv").json();
    // Both orders of 12 battles.
    assert_eq!((&said["labelled"], &said["token_mismatches"]), (&json!(24), &json!(0)));
    let [low, high] = [0, 1].map(|end| said["log_loss_difference_interval"][end].as_f64().unwrap());
    let difference = said["log_loss_difference"].as_f64().unwrap();
    assert!(low <= difference && difference <= high && low < high, "{said}");
    let both = ["log_loss", "their_log_loss"].map(|key| said[key].as_f64().unwrap());
    assert!((both[0] - both[1] - difference).abs() < 1e-12);
    let largest = said["largest_difference"]["difference"].as_f64().unwrap();
    assert!(largest > 0.0 && said["tolerance"].is_null(), "{said}");
    let strict = models.run("verify --model four --like full --tolerance 1e-9 battles.csv");
    assert_eq!(strict.code, Some(1), "{}", strict.stderr);
    assert!(strict.stdout.contains("95 % interval"), "{}", strict.stdout);
}

#[test]
fn models_that_give_something_else_are_not_compared() {
    let models = Models::with("bert-classifier");
    import(&models, "three", "");
    models.copy("checkpoints/bert-four-f16", "from");
    import(&models, "four", "");
    models.write("battles.csv", &battles(3, true));
    models
        .run("verify --model three --like four battles.csv")
        .refuses(&["`four` gives tie, a, both_bad, b", "gives a, b, tie"]);
    models.run("verify --model three --like nowhere battles.csv").refuses(&["nowhere", "no model folder"]);
    models.run("verify --model three battles.csv").refuses(&["--against"]);
}

#[test]
fn an_audit_names_the_layers_that_f16_does_not_hold_and_mixing_heals_them() {
    let models = Models::with("llama-classifier");
    models.write("battles.csv", &battles(6, false));
    let fine = import(&models, "fine", "--dtype f16 --audit battles.csv --audit-rows 4");
    assert_eq!((&fine["audit"]["in_f32"], &fine["audit"]["overflowing"]), (&json!([]), &json!(0)));
    // Both orders of 4 battles.
    assert_eq!(fine["audit"]["sequences"], 8);

    multiply(
        &models,
        &[("layers.0.mlp.up_proj.weight", 32_768.0), ("layers.0.mlp.down_proj.weight", 1.0 / 32_768.0)],
    );
    import(&models, "full", "");
    let plain = models.run("--json import from --out models/plain --dtype f16 --audit battles.csv");
    let needed = json!(["layers.0.mlp.down_proj", "layers.0.mlp.up_proj"]);
    let said = plain.json();
    assert_eq!((&said["audit"]["in_f32"], &said["audit"]["beyond"]), (&needed, &json!([])));
    let advice = "--in-f32 layers.0.mlp.down_proj,layers.0.mlp.up_proj";
    assert!(plain.stderr.contains(advice), "{}", plain.stderr);
    let layers = said["audit"]["layers"].as_array().unwrap();
    let up = layers.iter().find(|layer| layer["name"] == "layers.0.mlp.up_proj").unwrap();
    assert!(up["largest"].as_f64().unwrap() > 65_504.0 && up["overflows"] == true, "{up}");

    let mixed = models
        .run(&format!("--json import from --out models/mixed --dtype f16 --audit battles.csv {advice}"));
    assert_eq!(mixed.json()["card"]["in_f32"], needed);
    assert!(!mixed.stderr.contains("f16 does not hold"), "{}", mixed.stderr);
    let said = models.run("--json verify --model mixed --like full --tolerance 0.05 battles.csv").json();
    assert_eq!(said["compared_logits"], 12);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let models = Models::with("llama-classifier");
    models.import_refuses("--block-size 32", &["--weights"]);
    models.import_refuses("--weights int4 --block-size 24", &["24"]);
    models.import_refuses("--in-f32 residual", &["`residual`", "computes in f32"]);
    models.import_refuses(
        "--dtype f16 --in-f32 layers.0.mlp.nothing",
        &["`layers.0.mlp.nothing`", "no such layer"],
    );
    models.import_refuses("--dtype f16 --in-f32 layers.0.self_attn.k_proj", &["goes into attention"]);
    models.import_refuses("--audit nowhere.csv", &["nowhere.csv"]);
    models.copy_file("onnx/encoder.onnx", "theirs/model.onnx");
    models
        .run("import theirs/model.onnx --out models/theirs --weights int8")
        .refuses(&["is a graph already", "`--weights`"]);
}
