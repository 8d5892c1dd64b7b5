//! Adapters on a frozen base in fewer bits, through the whole pipeline.

use std::fs;

use crate::finetune::{BOTH, LORA, Shop, beats_the_prior, training};
use crate::model_folders::checkpoint;
use crate::workshop::Said;

fn recipe(base: &str) -> String {
    let lora = LORA.replace("dropout = 0.05 }", &format!("dropout = 0.05, base = \"{base}\" }}"));
    format!("{lora}{BOTH}checkpoint_every = 4\n")
}

#[test]
fn a_base_of_four_bits_learns_resumes_to_the_same_bytes_and_is_not_taken_up_on_another() {
    let shop = Shop::new(120);
    shop.configure("whole", "qwen2-classifier", &recipe("int4"));
    beats_the_prior(&shop.train("whole", "").json(), 0.1);
    shop.configure("broken", "qwen2-classifier", &recipe("int4"));
    let mut command = shop.command(&training("broken", ""));
    let said = Said::of(command.env("TIEBREAK_INJECT_ABORT_AFTER_STEPS", "7"));
    assert_eq!(said.code, None, "{}", said.stderr);
    shop.configure("broken", "qwen2-classifier", &recipe("int8"));
    shop.train("broken", "--resume").refuses(&["not the same here: the configuration"]);
    shop.configure("broken", "qwen2-classifier", &recipe("int4"));
    shop.train("broken", "--resume --threads 1").json();
    let model = "models/finetune-final-seed-1";
    for file in
        ["oof.csv", &format!("{model}/model.onnx.data"), &format!("{model}/adapter_model.safetensors")]
    {
        let [whole, broken] = ["whole", "broken"].map(|run| shop.read(&format!("models/{run}/{file}")));
        assert!(whole == broken, "{file}");
    }
    // The run says on which numbers its adapters were trained, and so do they.
    assert!(String::from_utf8_lossy(&shop.read("models/whole/config.toml")).contains("base = \"int4\""));
    let adapter = shop.read(&format!("models/whole/{model}/adapter_model.safetensors"));
    assert!(String::from_utf8_lossy(&adapter).contains(r#""tiebreak.base":"int4""#));
    // Imported on the checkpoint it is put on the base that it was trained on, which `tests/golden` compares.
    shop.write("template.toml", BOTH);
    let base = checkpoint("qwen2-classifier").display().to_string();
    let from = format!("models/whole/{model}");
    shop.run(&format!("import {from} --base {base} --out models/again --template template.toml")).json();
    assert_eq!(shop.read(&format!("{from}/head.safetensors")), shop.read("models/again/head.safetensors"));
    shop.run("predict --run whole test.csv --out p.csv --device cpu").json();
    assert!(fs::metadata(shop.path("p.csv")).unwrap().len() > 0);
}

#[test]
fn the_folds_of_a_base_of_bf16_are_averaged() {
    let shop = Shop::new(120);
    shop.configure("run", "bert-base", &recipe("bf16"));
    beats_the_prior(&shop.train("run", "--set final.fit=average_weights").json(), 0.1);
    shop.run("predict --run run test.csv --out p.csv --device cpu").json();
}
