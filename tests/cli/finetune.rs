//! Fine-tuning through the whole pipeline: trained, interrupted, resumed, predicted, taught by another run.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::Value;

use crate::model_folders::{checkpoint, drawn};
use crate::workshop::Said;

/// What the tiny checkpoints can read: their words, and labels made of them.
const READS: &str = "max_tokens = 24\ntruncation = { kind = \"parts\", floor = 1 }\n";
pub(crate) const BOTH: &str = "template = { kind = \"concatenated\", labels = { prompt = \"w4 \", response_a = \" w5 \", \
                    response_b = \" w6 \", between_turns = \" w8 \" } }\n";
const ONE: &str = "template = { kind = \"single\", labels = { prompt = \"w4 \", response = \" w7 \", between_turns = \" w8 \" } }\n";
const FULL: &str = "method = \"full\"\nlearning_rate = 3e-3\nhead_learning_rate = 3e-2\nepochs = 6\n";

pub(crate) const LORA: &str = "learning_rate = 1e-2\nhead_learning_rate = 3e-2\nepochs = 5\n\
                    lora = { rank = 4, alpha = 8.0, dropout = 0.05 }\n";

pub(crate) struct Shop(tempfile::TempDir);

impl Shop {
    /// A tie where the prompt says `w10`; else the response that says `w11` wins.
    pub(crate) fn new(rows: usize) -> Self {
        let shop = Self(tempfile::tempdir().unwrap());
        shop.write("train.csv", &battles(0..rows, true));
        shop.write("test.csv", &battles(10_000..10_030, false));
        shop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::cargo_bin("tiebreak").unwrap();
        command.current_dir(self.0.path()).args(arguments.split_whitespace()).arg("--json");
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> Said {
        Said::of(&mut self.command(arguments))
    }

    pub(crate) fn configure(&self, run: &str, model: &str, recipe: &str) {
        let model = checkpoint(model);
        let predictor =
            format!("[[predictor]]\nkind = \"finetune\"\nmodel = {:?}\n", model.display().to_string());
        let top = "[validation]\nfolds = 2\n";
        self.write(&format!("{run}.toml"), &format!("{top}{predictor}{READS}{recipe}"));
    }

    pub(crate) fn train(&self, run: &str, more: &str) -> Said {
        self.run(&training(run, more))
    }
}

pub(crate) fn training(run: &str, more: &str) -> String {
    format!("train --config {run}.toml --train train.csv --run {run} --device cpu {more}")
}

pub(crate) fn battles(rows: std::ops::Range<usize>, labeled: bool) -> String {
    let mut text = "id,prompt,response_a,response_b".to_owned();
    if labeled {
        text = "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie"
            .to_owned();
    }
    for row in rows {
        let (is_tie, a_wins) = (drawn(row, 3) == 0, drawn(row + 70_000, 2) == 0);
        let cell = |seed: usize, key: &str| {
            let words: Vec<String> =
                (0..3).map(|place| format!("w{}", 12 + drawn(seed * 31 + place, 36))).collect();
            format!("\"[\"\"{} {key}\"\"]\"", words.join(" "))
        };
        let prompt = cell(3 * row, if is_tie { "w10 w10" } else { "w9" });
        let [a, b] = if a_wins { ["w11 w11", "w9"] } else { ["w9", "w11 w11"] };
        let (a, b) = (cell(3 * row + 1, a), cell(3 * row + 2, b));
        let label = if !labeled {
            ""
        } else if is_tie {
            ",0,0,1"
        } else if a_wins {
            ",1,0,0"
        } else {
            ",0,1,0"
        };
        let models = if labeled { ",x,y" } else { "" };
        text += &format!("\n{row}{models},{prompt},{a},{b}{label}");
    }
    text + "\n"
}

pub(crate) fn beats_the_prior(metrics: &Value, by: f64) {
    let (loss, prior) = (metrics["log_loss"].as_f64().unwrap(), metrics["prior_log_loss"].as_f64().unwrap());
    assert!(loss < prior - by, "{loss} against {prior}");
}

#[test]
fn full_fine_tuning_learns_resumes_to_the_same_bytes_and_predicts_from_its_run_alone() {
    let shop = Shop::new(160);
    let recipe = format!("{FULL}{BOTH}early_stopping = {{ every = 5, share = 0.2 }}\ncheckpoint_every = 4\n");
    shop.configure("whole", "bert-classifier", &recipe);
    beats_the_prior(&shop.train("whole", "").json(), 0.3);
    shop.configure("broken", "bert-classifier", &recipe);
    for (abort, more) in [("7", ""), ("50", "--resume")] {
        let mut command = shop.command(&training("broken", more));
        let said = Said::of(command.env("TIEBREAK_INJECT_ABORT_AFTER_STEPS", abort));
        assert_eq!(said.code, None, "{}", said.stderr);
    }
    shop.train("broken", "--resume --threads 1").json();
    for file in ["oof.csv", "post_processing.json", "predictors/member-0-fit-0.json"] {
        assert!(
            shop.read(&format!("models/whole/{file}")) == shop.read(&format!("models/broken/{file}")),
            "{file}"
        );
    }
    let model = "models/finetune-final-seed-1";
    for file in ["model.onnx", "model.onnx.data", "head.safetensors", "encoder.json", "model.json"] {
        let [whole, broken] =
            ["whole", "broken"].map(|run| shop.read(&format!("models/{run}/{model}/{file}")));
        assert!(whole == broken, "{file}");
    }
    let steps = |run: &str| -> Vec<(Value, Value, Value)> {
        let text = String::from_utf8(shop.read(&format!("models/{run}/steps.jsonl"))).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| (line["fold"].clone(), line["step"].clone(), line["loss"].clone())).collect()
    };
    assert_eq!(steps("whole"), steps("broken"));
    assert!(!shop.path("models/whole/work").exists());
    // The run holds all that it needs, wherever it lies.
    fs::rename(shop.path("models/whole"), shop.path("elsewhere")).unwrap();
    shop.run("predict --run ./elsewhere test.csv --out p.csv --device cpu").json();
    shop.run("predict --run broken test.csv --out q.csv --device cpu").json();
    assert_eq!(shop.read("p.csv"), shop.read("q.csv"));
    shop.run("encode --run broken test.csv --row 10000").json();
}

#[test]
fn adapters_of_a_decoder_and_a_mean_of_folds_are_shipped() {
    let shop = Shop::new(120);
    shop.configure("run", "qwen2-classifier", &format!("{LORA}{BOTH}"));
    beats_the_prior(&shop.train("run", "--set final.fit=fold_mean").json(), 0.1);
    for fold in [0, 1] {
        assert!(shop.path(&format!("models/run/models/finetune-fold-{fold}-seed-1/model.onnx")).is_file());
    }
    // The model folder is an adapter of PEFT too, and is imported as one with the head that was trained with it.
    shop.write("template.toml", BOTH);
    let base = checkpoint("qwen2-classifier").display().to_string();
    let from = "models/run/models/finetune-fold-0-seed-1";
    shop.run(&format!("import {from} --base {base} --out models/again --template template.toml")).json();
    for file in ["head.safetensors", "tokenizer.json"] {
        assert_eq!(shop.read(&format!("{from}/{file}")), shop.read(&format!("models/again/{file}")));
    }
    assert!(!shop.path("models/run/models/finetune-final-seed-1").exists());
    shop.run("predict --run run test.csv --out p.csv --device cpu").json();
    // Two models: the numbers of each, and a forecast of each.
    let scores = String::from_utf8_lossy(&shop.read("p.scores.parquet")).into_owned();
    assert!(
        ["finetune.fit-0.ab.logit_a", "finetune.fit-1.ba.logit_tie"].iter().all(|name| scores.contains(name))
    );
    let forecast = shop.run("predict --run run test.csv --out q.csv --device cpu --dry-run").json();
    assert_eq!(forecast["models"].as_array().unwrap().len(), 2, "{}", forecast["models"]);
}

#[test]
fn the_weights_of_the_folds_are_averaged_to_one_model_and_only_where_that_can_be() {
    let shop = Shop::new(120);
    shop.configure("run", "bert-base", &format!("{LORA}{BOTH}"));
    beats_the_prior(&shop.train("run", "--set final.fit=average_weights").json(), 0.1);
    assert!(shop.path("models/run/models/finetune-final-seed-1/model.onnx").is_file());
    assert!(!shop.path("models/run/models/finetune-fold-0-seed-1").exists(), "the fits are not shipped");
    shop.run("predict --run run test.csv --out p.csv --device cpu").json();
    shop.configure("full", "bert-base", &format!("{FULL}{BOTH}"));
    let said = shop.train("full", "--set final.fit=average_weights");
    said.refuses(&["predictor `finetune` cannot be averaged", "`method = \"lora\"`"]);
    assert!(!shop.path("models/full.incomplete").exists());
}

#[test]
fn a_head_alone_learns_on_states_that_are_computed_once() {
    let shop = Shop::new(200);
    shop.configure("run", "bert-base", &format!("method = \"head\"\n{BOTH}"));
    let mut command = shop.command(&training("run", ""));
    let said = Said::of(command.env("TIEBREAK_INJECT_ABORT_AFTER_RECORDS", "1"));
    assert_eq!(said.code, None, "{}", said.stderr);
    let states = shop.path("models/run.incomplete/work/finetune.states");
    let before = fs::metadata(&states).unwrap().len();
    let said = shop.train("run", "--resume");
    beats_the_prior(&said.json(), 0.1);
    assert!(before > 400 * 16 * 4, "all rows in both orders, 16 numbers each: {before} bytes");
    shop.run("predict --run run test.csv --out p.csv --device cpu").json();
}

#[test]
fn a_reward_gets_a_link_that_knows_ties() {
    let shop = Shop::new(160);
    let recipe = format!("{}outputs = 1\n{ONE}", FULL.replace("epochs = 6", "epochs = 5"));
    shop.configure("run", "bert-base", &recipe);
    beats_the_prior(&shop.train("run", "").json(), 0.1);
    shop.run("predict --run run test.csv --out p.csv --device cpu").json();
}

#[test]
fn a_teacher_must_have_the_same_folds() {
    let shop = Shop::new(120);
    shop.write("teacher.toml", "[validation]\nfolds = 2\n[[predictor]]\nkind = \"linear\"\n");
    shop.train("teacher", "").json();
    let teacher = "[[predictor.teacher]]\npredictions = \"models/teacher/oof.csv\"\nweight = 0.5\n";
    let recipe = FULL.replace("epochs = 6", "epochs = 1");
    shop.configure("student", "bert-classifier", &format!("{recipe}{BOTH}{teacher}"));
    shop.train("student", "--set validation.seed=5").refuses(&["its folds are not ours", "--folds"]);
    assert!(!shop.path("models/student.incomplete").exists(), "nothing was done");
    let metrics = shop.train("student", "").json();
    assert!(
        metrics["warnings"].to_string().contains("saw no row that it teaches"),
        "{}",
        metrics["warnings"]
    );
    // A teacher that knows some of the rows only would leave the others to their labels.
    let known = String::from_utf8(shop.read("models/teacher/oof.csv")).unwrap();
    let some: Vec<&str> = known.lines().take(1 + 50).collect();
    shop.write("models/teacher/oof.csv", &(some.join("\n") + "\n"));
    shop.train("student", "--force").refuses(&["no held-out prediction of 70 of 120 competition battles"]);
    fs::remove_file(shop.path("models/teacher/splits.csv")).unwrap();
    shop.train("student", "--force").refuses(&["its folds are not at", "splits.csv"]);
}

#[test]
fn faults_of_a_recipe_are_found_before_any_work() {
    let shop = Shop::new(20);
    for (recipe, said) in [
        ("rank = 4\n", "unknown field `rank`"),
        ("max_token = 9\n", "max_token"),
        ("outputs = 9\n", "`outputs` is `9`"),
        (
            "predict_max_tokens = 4096\n",
            "`predict_max_tokens` is `4096`, and the model reads 32 tokens at most",
        ),
        ("outputs = 1\n", "a reward (`outputs = 1`) reads one response"),
        ("method = \"head\"\noutputs = 4\n", "`outputs` is `4`"),
        ("method = \"head\"\nlearning_rate = 1e-3\n", "`learning_rate` has no effect here"),
        (
            "method = \"full\"\nlora = { base = \"int4\" }\n",
            "`lora.base` is `int4` beside `method = \"full\"`: it trains every weight",
        ),
        (
            "[[predictor.teacher]]\npredictions = \"none.csv\"\nweight = 0.5\n",
            "its folds are not at `splits.csv`",
        ),
    ] {
        shop.configure("run", "bert-base", &format!("{BOTH}{recipe}"));
        shop.train("run", "").refuses(&[said]);
        assert!(!shop.path("models").exists(), "{recipe}");
    }
}

#[test]
fn a_training_that_diverges_names_its_step_and_loss_and_keeps_no_state_of_bad_weights() {
    let shop = Shop::new(60);
    let recipe = "method = \"full\"\nlearning_rate = 1e38\nhead_learning_rate = 1e38\nwarmup = 0.0\nepochs = 9\ncheckpoint_every = 1\n";
    shop.configure("run", "bert-base", &format!("{recipe}{BOTH}"));
    let said = shop.train("run", "");
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    // The weights of the first step are beyond all numbers, which the loss of the second one shows.
    let all = ["step 2: the loss is NaN", "no state is kept"];
    assert!(all.iter().all(|part| said.stderr.contains(part)), "{}", said.stderr);
    let kept = fs::read_dir(shop.path("models/run.incomplete/work/training")).unwrap().count();
    assert_eq!(kept, 0, "the state of step 1 is forgotten");
    let again = shop.train("run", "--resume");
    assert!(again.stderr.contains("step 2: the loss is NaN"), "{}", again.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_training_that_no_machine_has_the_memory_for_is_refused_before_its_first_step() {
    let shop = Shop::new(40);
    shop.configure("run", "bert-base", &format!("{BOTH}lora = {{ rank = 1000000000 }}\n"));
    let said = shop.train("run", "");
    said.refuses(&[
        "predictor `finetune`, seed 1, fold 0",
        "GiB for the weights",
        "a smaller model or more memory",
    ]);
    assert!(!shop.path("models/run").exists() && !shop.path("models/run.incomplete").exists());
}

#[test]
fn early_stopping_interrupted_before_and_behind_its_best_state_ends_with_the_same_bytes() {
    let shop = Shop::new(120);
    // Votes by chance: what is learned of them is nothing on the rows that are kept back, so that looks soon find no gain.
    let rows = String::from_utf8(shop.read("train.csv")).unwrap();
    let by_chance = rows.lines().enumerate().map(|(row, line)| match row {
        0 => format!("{line}\n"),
        row => {
            let vote = ["1,0,0", "0,1,0", "0,0,1"][drawn(row + 500_000, 3)];
            format!("{},{vote}\n", &line[..line.len() - ",1,0,0".len()])
        }
    });
    shop.write("train.csv", &by_chance.collect::<String>());
    let recipe = FULL.replace("epochs = 6", "epochs = 12").replace("3e-3", "2e-2");
    let early = "early_stopping = { share = 0.2, every = 3, patience = 2 }\ncheckpoint_every = 4\n";
    let configure = |run: &str| shop.configure(run, "bert-base", &format!("{recipe}{early}{BOTH}"));
    configure("whole");
    shop.train("whole", "").json();
    let steps = |run: &str| -> Vec<Value> {
        let text = String::from_utf8(shop.read(&format!("models/{run}/steps.jsonl"))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let whole = steps("whole");
    let of_first: Vec<&Value> = whole.iter().filter(|step| step["fold"] == 0).collect();
    let number = |step: &Value, name: &str| step[name].as_u64().unwrap();
    let looks = of_first.iter().filter_map(|step| Some((step["held_out_log_loss"].as_f64()?, *step)));
    let best = number(looks.min_by(|one, other| one.0.total_cmp(&other.0)).unwrap().1, "step");
    let last = of_first.last().unwrap();
    let length = number(last, "step");
    assert!(length < number(last, "steps"), "it ended early: {last}");
    assert!(best < length, "{best} {last}");
    // Before the first look, right behind the best state, before the last step, and in the next fold.
    for (place, broken_after) in [2, best, best + 1, length - 1, length + 5].into_iter().enumerate() {
        let run = format!("broken-{place}");
        configure(&run);
        let mut command = shop.command(&training(&run, ""));
        let said = Said::of(command.env("TIEBREAK_INJECT_ABORT_AFTER_STEPS", broken_after.to_string()));
        assert_eq!(said.code, None, "{broken_after}: {}", said.stderr);
        shop.train(&run, "--resume").json();
        for file in [
            "oof.csv",
            "models/finetune-final-seed-1/model.onnx.data",
            "models/finetune-final-seed-1/head.safetensors",
        ] {
            let [whole, broken] = ["whole", &run].map(|run| shop.read(&format!("models/{run}/{file}")));
            assert!(whole == broken, "{broken_after}: {file}");
        }
        let losses = |steps: &[Value]| -> Vec<[Value; 4]> {
            let of_step =
                |step: &Value| ["fold", "step", "loss", "held_out_log_loss"].map(|name| step[name].clone());
            steps.iter().map(of_step).collect()
        };
        assert_eq!(losses(&whole), losses(&steps(&run)), "{broken_after}");
    }
}

#[test]
fn a_gpu_that_cannot_train_is_refused_before_any_work_and_where_a_run_was_trained_is_kept() {
    let shop = Shop::new(60);
    shop.configure(
        "run",
        "bert-classifier",
        &format!("{LORA}{BOTH}epochs = 1\n").replacen("epochs = 5\n", "", 1),
    );
    // Number 99 is nowhere, with or without CUDA.
    for (flags, named) in [
        ("--device cuda:99", "`--device cuda:99`"),
        ("--device cpu --train-device cuda:99", "`--train-device cuda:99`"),
    ] {
        let said = shop.run(&format!("train --config run.toml --train train.csv --run run {flags}"));
        assert_eq!(said.code, Some(2), "{}", said.stderr);
        assert!(
            said.stderr.contains(named) && said.stderr.contains("`--train-device cpu`"),
            "{}",
            said.stderr
        );
        assert!(!shop.path("models/run").exists());
    }
    shop.train("run", "").json();
    let manifest: Value = serde_json::from_slice(&shop.read("models/run/manifest.json")).unwrap();
    assert_eq!(manifest["environment"]["training"]["finetune"], "cpu, by `--device cpu`");
    let said = shop.run("doctor").json();
    assert!(!said["trains_on"].as_str().unwrap().is_empty(), "{said}");
}
