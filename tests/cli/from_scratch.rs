//! Training without a checkpoint: a tokenizer and an encoder of the run's own.

use std::fs;

use crate::finetune::{Shop, battles, beats_the_prior, training};
use crate::workshop::Said;

const SMALL: &str = "method = \"full\"\noutputs = 1\nepochs = 5\nmax_tokens = 48\nlearning_rate = 1e-2\n\
                     head_learning_rate = 1e-2\ncheckpoint_every = 4\ntruncation = { kind = \"parts\", floor = 4 }\n\
                     from_scratch = { layers = 1, width = 16, heads = 2, vocabulary = 320 }\n";
const NAME: &str = "finetune-final-seed-1";

fn configure(shop: &Shop, run: &str, recipe: &str) {
    let text = format!("[validation]\nfolds = 2\n[[predictor]]\nkind = \"finetune\"\n{recipe}");
    shop.write(&format!("{run}.toml"), &text);
}

#[test]
fn an_encoder_from_scratch_learns_and_an_interrupted_run_ends_with_the_same_bytes_in_any_order_of_the_rows() {
    let shop = Shop::new(160);
    configure(&shop, "whole", SMALL);
    beats_the_prior(&shop.train("whole", "").json(), 0.1);
    // The same rows backwards, on one thread, broken in the first fold and in the final fit.
    let text = battles(0..160, true);
    let (header, rows) = text.trim_end().split_once('\n').unwrap();
    let backwards: Vec<&str> = rows.lines().rev().collect();
    shop.write("train.csv", &format!("{header}\n{}\n", backwards.join("\n")));
    configure(&shop, "broken", SMALL);
    for (abort, more) in [("7", ""), ("60", "--resume")] {
        let mut command = shop.command(&training("broken", &format!("{more} --threads 1")));
        let said = Said::of(command.env("TIEBREAK_INJECT_ABORT_AFTER_STEPS", abort));
        assert_eq!(said.code, None, "{}", said.stderr);
    }
    shop.train("broken", "--resume --threads 1").json();
    let of_model = ["model.onnx", "model.onnx.data", "head.safetensors", "encoder.json", "model.json"];
    let of_checkpoint = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
    let files = of_model.map(|file| format!("models/{NAME}/{file}"));
    let files = files.into_iter().chain(of_checkpoint.map(|file| format!("checkpoints/{NAME}/{file}")));
    for file in files.chain(["oof.csv".to_owned(), "post_processing.json".to_owned()]) {
        let [whole, broken] = ["whole", "broken"].map(|run| shop.read(&format!("models/{run}/{file}")));
        assert!(whole == broken, "{file}");
    }
    let kept: Vec<_> = fs::read_dir(shop.path("models/whole/checkpoints")).unwrap().collect();
    assert_eq!(kept.len(), 1, "those of the folds are not shipped");
}

#[test]
fn what_it_leaves_is_an_ordinary_checkpoint_with_the_weights_of_the_model_that_predicts() {
    let shop = Shop::new(80);
    configure(&shop, "run", &SMALL.replace("epochs = 5", "epochs = 1"));
    shop.train("run", "").json();
    shop.run("predict --run run test.csv --out p.csv --device cpu").json();
    shop.run("encode --run run test.csv --row 10000").json();
    let checkpoint = format!("models/run/checkpoints/{NAME}");
    shop.run(&format!("import {checkpoint} --out imported --fresh-head 1")).json();
    for file in ["model.onnx", "model.onnx.data", "tokenizer.json"] {
        assert!(
            shop.read(&format!("imported/{file}")) == shop.read(&format!("models/run/models/{NAME}/{file}")),
            "{file}"
        );
    }
    // It can be trained further, by another method.
    configure(&shop, "head", &format!("model = \"{checkpoint}\"\nmethod = \"head\"\nmax_tokens = 48\n"));
    shop.train("head", "").json();
}

#[test]
fn its_tokenizer_knows_the_words_of_its_own_training_rows_alone() {
    let shop = Shop::new(80);
    configure(&shop, "run", &SMALL.replace("epochs = 5", "epochs = 1").replace("320", "400"));
    shop.train("run", "--set final.fit=fold_mean").json();
    let tokenizers = [0, 1].map(|fold| {
        let file = format!("models/run/checkpoints/finetune-fold-{fold}-seed-1/tokenizer.json");
        String::from_utf8(shop.read(&file)).unwrap()
    });
    assert_ne!(tokenizers[0], tokenizers[1]);
}

#[test]
fn faults_of_a_recipe_from_scratch_are_found_before_any_work() {
    let shop = Shop::new(20);
    let scratch = "from_scratch = { layers = 1 }\n";
    for (recipe, said) in [
        (String::new(), "neither `model`"),
        (
            format!("model = \"m\"\nmethod = \"full\"\n{scratch}"),
            "training begins with a checkpoint or without",
        ),
        (scratch.to_owned(), "`from_scratch` needs `method = \"full\"`"),
        ("method = \"full\"\nfrom_scratch = { heads = 5 }\n".to_owned(), "a divisor of the width, 64"),
        ("method = \"full\"\nfrom_scratch = { vocabulary = 99 }\n".to_owned(), "at least 259"),
        ("method = \"full\"\nfrom_scratch = { depth = 5 }\n".to_owned(), "unknown field `depth`"),
        (
            format!("method = \"full\"\nmax_tokens = 64\npredict_max_tokens = 65\n{scratch}"),
            "`predict_max_tokens` is `65`, and the model reads 64 tokens at most",
        ),
        (
            format!("method = \"full\"\noutputs = 1\ntemplate = {{ kind = \"concatenated\" }}\n{scratch}"),
            "a reward (`outputs = 1`) reads one response",
        ),
    ] {
        configure(&shop, "run", &recipe);
        shop.train("run", "").refuses(&[said]);
        assert!(!shop.path("models").exists(), "{recipe}");
    }
    configure(&shop, "run", SMALL);
    let mut command = shop.command(&training("run", ""));
    Said::of(command.env("ORT_DYLIB_PATH", "nowhere.so")).refuses(&["`nowhere.so`", "tiebreak setup"]);
    assert!(!shop.path("models").exists());
}
