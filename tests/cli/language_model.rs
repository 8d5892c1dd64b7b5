//! Imported language models through the whole pipeline: trained, predicted, submitted, interrupted, in time.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use assert_cmd::Command;
use serde_json::Value;
use tiebreak::encoding::Orders;

use crate::model_folders::{Import, drawn, words};
use crate::workshop::Said;

const CLASSIFIER: &str = "[[predictor]]\nkind = \"classifier\"\nmodel = \"models/classifier\"\n";
const REWARD: &str = "[[predictor]]\nkind = \"reward\"\nmodel = \"models/reward\"\n";
const LINEAR: &str = "[[predictor]]\nkind = \"linear\"\n";

/// A folder with battles of words that the tiny models know, and models.
pub(crate) struct Shop(tempfile::TempDir);

impl Shop {
    pub(crate) fn new(train: usize, test: usize) -> Self {
        let shop = Self(tempfile::tempdir().unwrap());
        shop.write("train.csv", &battles(0..train, true));
        shop.write("test.csv", &battles(10_000..10_000 + test, false));
        shop
    }

    pub(crate) fn with(train: usize, test: usize, models: &[(&str, &str, Import)]) -> Self {
        let shop = Self::new(train, test);
        for (name, checkpoint, import) in models {
            import.run(checkpoint, &shop.path("models").join(name));
        }
        shop
    }

    /// With one classifier, trained alone as the run `run`.
    pub(crate) fn classifier(test: usize) -> Self {
        let shop = Self::with(60, test, &[("classifier", "bert-classifier", Import::default())]);
        shop.train("run", CLASSIFIER, "").json();
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
        said(self.command(arguments))
    }

    pub(crate) fn train(&self, run: &str, predictors: &str, more: &str) -> Said {
        self.write(&format!("{run}.toml"), &format!("[validation]\nfolds = 3\n{predictors}"));
        self.run(&format!("train --config {run}.toml --train train.csv --run {run} --device cpu {more}"))
    }

    pub(crate) fn predict(&self, run: &str, out: &str, more: &str) -> Said {
        self.run(&format!("predict --run {run} test.csv --out {out} --device cpu {more}"))
    }

    /// The predictions of a run without anything special.
    pub(crate) fn reference(&self) -> (Vec<u8>, Vec<u8>) {
        self.predict("run", "reference.csv", "").json();
        (self.read("reference.csv"), self.read("reference.scores.parquet"))
    }
}

fn said(mut command: Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A file of battles in the form of LMSYS.
fn battles(rows: std::ops::Range<usize>, labeled: bool) -> String {
    let mut text = "id,prompt,response_a,response_b".to_owned();
    if labeled {
        text = "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie"
            .to_owned();
    }
    for row in rows {
        let list = |seed: usize, most| format!("\"[\"\"{}\"\"]\"", words(seed, most));
        let models = if labeled { ",x,y" } else { "" };
        let prompt = list(3 * row, 6).replace("[\"\"", "[\"\"w9 ");
        let label = ["", ",1,0,0", ",0,1,0", ",0,0,1"][if labeled { 1 + drawn(row, 3) } else { 0 }];
        text +=
            &format!("\n{row}{models},{prompt},{},{}{label}", list(3 * row + 1, 12), list(3 * row + 2, 12));
    }
    text + "\n"
}

pub(crate) fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}

/// The largest difference of two files of predictions, and of predictions with their sides exchanged.
fn largest_difference(one: &[u8], other: &[u8]) -> f64 {
    let numbers = |bytes: &[u8]| -> Vec<f64> {
        lines(bytes)[1..]
            .iter()
            .flat_map(|line| line.split(',').skip(1).map(|n| n.parse().unwrap()).collect::<Vec<f64>>())
            .collect()
    };
    let (one, other) = (numbers(one), numbers(other));
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn a_classifier_and_a_reward_model_are_blended_with_a_linear_predictor_and_submitted() {
    let single = Import { is_single: true, ..Import::default() };
    let shop = Shop::with(
        90,
        30,
        &[("classifier", "bert-four-f16", Import::default()), ("reward", "gemma2-reward-bf16", single)],
    );
    let trained = shop.train("run", &format!("{LINEAR}{CLASSIFIER}{REWARD}"), "");
    let metrics = trained.json();
    assert!(metrics["log_loss"].as_f64().unwrap() < 1.3);
    let warnings = metrics["warnings"].to_string();
    assert!(warnings.contains("`models/classifier` was trained elsewhere"), "{warnings}");
    assert!(warnings.contains("`models/reward` was trained elsewhere"), "{warnings}");
    let manifest: Value = serde_json::from_slice(&shop.read("models/run/manifest.json")).unwrap();
    assert_eq!(manifest["identity"]["models"].as_array().unwrap().len(), 2);
    let pool = &manifest["environment"]["models"][0]["pool"];
    assert!(pool["placement"]["known"]["nodes"]["CPUExecutionProvider"].is_object(), "{pool}");

    let predicted = shop.predict("run", "p.csv", "").json();
    assert_eq!(
        (&predicted["outcomes"]["complete"], &predicted["calibrator_fitted_at_this_budget"]),
        (&30.into(), &true.into())
    );
    assert!(predicted["models"][1]["pool"]["devices"][0] == "cpu", "{predicted}");
    assert!(!shop.path("p.csv.journal").exists() && !shop.path("p.csv.journal-2").exists());
    let scores = String::from_utf8_lossy(&shop.read("p.scores.parquet")).into_owned();
    for column in [
        "classifier.ab.logit_both_bad",
        "classifier.ba.logit_a",
        "reward.score_a",
        "reward.score_b",
        "outcome",
    ] {
        assert!(scores.contains(column), "no column `{column}`");
    }
    let of_training = String::from_utf8_lossy(&shop.read("models/run/scores.parquet")).into_owned();
    assert!(of_training.contains("reward.score_b") && of_training.contains("classifier.ba.logit_tie"));

    let submitted = shop.run("submit --run run test.csv --out s.csv --device cpu").json();
    assert_eq!(submitted["diagnosis"]["n"], 30);
    assert!(!submitted["diagnosis"].to_string().contains("swap-partial"));
    assert!(!shop.path("s.outcomes.csv").exists() && !shop.path("s.csv.journal").exists());
}

#[test]
fn no_byte_depends_on_the_batch_budget_the_threads_or_the_order_of_rows() {
    let shop = Shop::classifier(60);
    let reference = shop.reference();
    for more in
        ["--batch-tokens 256", "--batch-tokens 1024", "--batch-tokens 8192", "--threads 1", "--threads 2"]
    {
        shop.predict("run", "p.csv", more).json();
        assert_eq!((shop.read("p.csv"), shop.read("p.scores.parquet")), reference, "{more}");
    }
    let mut rows = lines(&shop.read("test.csv"));
    rows[1..].reverse();
    shop.write("turned.csv", &(rows.join("\n") + "\n"));
    shop.run("predict --run run turned.csv --out turned-p.csv --device cpu").json();
    let mut turned = lines(&shop.read("turned-p.csv"));
    turned[1..].reverse();
    assert_eq!(turned, lines(&reference.0));
}

#[test]
fn training_gives_the_same_bytes_for_any_batch_budget_and_thread_count() {
    let shop = Shop::with(60, 5, &[("classifier", "bert-classifier", Import::default())]);
    let predictors = format!("{CLASSIFIER}{LINEAR}");
    shop.train("one", &predictors, "--threads 1 --batch-tokens 256").json();
    shop.train("two", &predictors, "--threads 2 --batch-tokens 8192").json();
    // A budget of the configuration is recorded as one of the command line is.
    shop.train("three", &format!("{CLASSIFIER}batch_tokens = 300\n"), "").json();
    for (run, tokens) in [("one", 256), ("two", 8192), ("three", 300)] {
        let manifest = shop.read(&format!("models/{run}/manifest.json"));
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["environment"]["models"][0]["batch_tokens"], tokens, "{run}");
    }
    for name in [
        "metrics.json",
        "oof.csv",
        "scores.parquet",
        "post_processing.json",
        "predictors/member-0-fit-0.json",
    ] {
        assert_eq!(
            shop.read(&format!("models/one/{name}")),
            shop.read(&format!("models/two/{name}")),
            "{name}"
        );
    }
}

/// The kernel of a decoder may sum attention in an order that depends on the batch, so that 1e-6 in a probability is
/// allowed; on this tiny model it was measured to be 0.
#[test]
fn the_predictions_of_a_decoder_move_by_rounding_alone_when_the_batches_change() {
    let import = Import { max_tokens: 48, ..Import::default() };
    let shop = Shop::with(60, 60, &[("classifier", "gemma2-classifier", import)]);
    // A calibrator could flatten the predictions and hide what is looked for.
    shop.train("run", CLASSIFIER, "--set post_processing.calibrator=identity").json();
    let (reference, _) = shop.reference();
    for budget in [1, 256, 8192] {
        shop.predict("run", "p.csv", &format!("--batch-tokens {budget}")).json();
        let difference = largest_difference(&shop.read("p.csv"), &reference);
        println!("budget {budget}: {difference:e}");
        assert!(difference <= 1e-6, "budget {budget}: {difference:e}");
    }
}

#[test]
fn aborted_at_every_boundary_of_the_journal_a_prediction_ends_with_the_same_bytes() {
    let shop = Shop::classifier(40);
    let reference = shop.reference();
    let arguments = "predict --run run test.csv --out p.csv --device cpu --batch-tokens 256";
    let mut boundaries = 0;
    for boundary in 0.. {
        let _ = fs::remove_file(shop.path("p.csv"));
        let mut command = shop.command(arguments);
        command.env("TIEBREAK_INJECT_ABORT_AFTER", boundary.to_string());
        if said(command).code == Some(0) {
            break;
        }
        assert!(!shop.path("p.csv").exists() && shop.path("p.csv.journal").exists());
        shop.run(arguments).refuses(&["p.csv.journal", "--resume", "--force"]);
        shop.run(&format!("{arguments} --resume")).json();
        assert_eq!((shop.read("p.csv"), shop.read("p.scores.parquet")), reference, "boundary {boundary}");
        assert!(!shop.path("p.csv.journal").exists());
        boundaries += 1;
    }
    assert!(boundaries > 6, "only {boundaries} boundaries");
}

#[test]
fn a_journal_of_another_file_is_refused_and_force_starts_afresh() {
    let shop = Shop::classifier(20);
    let arguments = "predict --run run test.csv --out p.csv --device cpu --batch-tokens 256";
    let mut command = shop.command(arguments);
    command.env("TIEBREAK_INJECT_ABORT_AFTER", "2");
    assert_ne!(said(command).code, Some(0));
    shop.write("other.csv", &battles(500..520, false));
    shop.run("predict --run run other.csv --out p.csv --device cpu --resume")
        .refuses(&["another input", "--force"]);
    shop.run(&format!("{arguments} --force")).json();
    assert!(!shop.path("p.csv.journal").exists());
}

#[test]
fn killed_in_the_middle_of_a_large_file_a_prediction_goes_on_with_the_same_bytes() {
    let shop = Shop::classifier(4000);
    let (reference, _) = shop.reference();
    let program = assert_cmd::cargo::cargo_bin("tiebreak");
    let arguments = "predict --run run test.csv --out p.csv --device cpu --batch-tokens 64 --quiet";
    let mut running = std::process::Command::new(program)
        .current_dir(shop.0.path())
        .args(arguments.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let size = || fs::metadata(shop.path("p.csv.journal")).map_or(0, |metadata| metadata.len());
    while size() < 20_000 && running.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    running.kill().unwrap();
    assert!(!running.wait().unwrap().success(), "it was done before it could be killed");
    assert!(size() >= 20_000 && !shop.path("p.csv").exists());
    shop.predict("run", "p.csv", "--resume").json();
    assert_eq!(shop.read("p.csv"), reference);
}

#[test]
fn an_interrupted_training_goes_on_from_what_the_model_has_said() {
    let shop = Shop::with(60, 5, &[("classifier", "bert-classifier", Import::default())]);
    let predictors = format!("{CLASSIFIER}{LINEAR}");
    shop.train("whole", &predictors, "").json();
    shop.write("broken.toml", &format!("[validation]\nfolds = 3\n{predictors}"));
    let arguments =
        "train --config broken.toml --train train.csv --run broken --device cpu --batch-tokens 256";
    let mut command = shop.command(arguments);
    command.env("TIEBREAK_INJECT_ABORT_AFTER", "3");
    assert_ne!(said(command).code, Some(0));
    shop.run(&format!("{arguments} --resume")).json();
    for name in ["oof.csv", "scores.parquet", "post_processing.json"] {
        assert_eq!(
            shop.read(&format!("models/broken/{name}")),
            shop.read(&format!("models/whole/{name}")),
            "{name}"
        );
    }
}

#[test]
fn after_the_deadline_the_other_members_answer_and_a_later_run_computes_the_rest() {
    let shop = Shop::with(60, 20, &[("classifier", "bert-classifier", Import::default())]);
    shop.train("run", &format!("{LINEAR}{CLASSIFIER}"), "").json();
    shop.train("light", LINEAR, "").json();
    let (reference, _) = shop.reference();
    // Writing takes two seconds of the limit, so that not one batch is begun.
    let late = shop.predict("run", "p.csv", "--deadline 1s");
    assert!(late.stderr.contains("20 rows to the fallback"), "{}", late.stderr);
    let late = late.json();
    assert_eq!((&late["outcomes"]["fallback"], &late["outcomes"]["complete"]), (&20.into(), &0.into()));
    assert!(String::from_utf8_lossy(&shop.read("p.scores.parquet")).contains("fallback"));
    assert!(shop.path("p.csv.journal").exists());
    // The only other member, as it is: nothing was fitted to it alone.
    assert_ne!(shop.read("p.csv"), reference);
    shop.predict("run", "p.csv", "--resume").json();
    assert_eq!(shop.read("p.csv"), reference);
    assert!(!shop.path("p.csv.journal").exists());

    let submitted = shop.run("submit --run run test.csv --out s.csv --device cpu --deadline 1s").json();
    assert_eq!(submitted["outcomes"]["fallback"], 20);
    assert_eq!(lines(&shop.read("s.outcomes.csv"))[1], "10000,fallback");
}

#[test]
fn alone_a_model_falls_back_to_the_shares_of_the_training_data() {
    let shop = Shop::classifier(6);
    shop.predict("run", "p.csv", "--deadline 1s").json();
    let manifest: Value = serde_json::from_slice(&shop.read("models/run/manifest.json")).unwrap();
    let tie = manifest["identity"]["class_shares"][2].as_f64().unwrap();
    for line in &lines(&shop.read("p.csv"))[1..] {
        let found: f64 = line.rsplit(',').next().unwrap().parse().unwrap();
        assert!((found - tie).abs() < 1e-12, "{line}");
    }
}

#[test]
fn another_budget_is_said_and_one_longer_than_the_model_is_refused() {
    let shop = Shop::classifier(10);
    let said = shop.predict("run", "p.csv", "--max-tokens 16");
    assert!(said.stderr.contains("not fitted at this budget"), "{}", said.stderr);
    let json = said.json();
    assert_eq!(json["calibrator_fitted_at_this_budget"], false);
    assert_eq!(
        (&json["models"][0]["max_tokens"], &json["models"][0]["fitted_at_max_tokens"]),
        (&16.into(), &24.into())
    );
    shop.predict("run", "p.csv", "--max-tokens 33").refuses(&[
        "`max_tokens` is 33",
        "at most 32 tokens",
        "--max-tokens",
    ]);
    shop.train("long", &CLASSIFIER.replace("kind", "max_tokens = 40\nkind"), "")
        .refuses(&["40", "at most 32"]);
    assert!(!shop.path("models/long.incomplete").exists());
}

#[test]
fn a_model_that_changed_or_is_gone_is_refused_and_one_that_moved_with_its_run_is_found() {
    let shop = Shop::classifier(10);
    let (reference, _) = shop.reference();
    fs::create_dir(shop.path("elsewhere")).unwrap();
    fs::rename(shop.path("models"), shop.path("elsewhere/models")).unwrap();
    shop.predict("elsewhere/models/run", "p.csv", "").json();
    assert_eq!(shop.read("p.csv"), reference);
    shop.run("encode --run elsewhere/models/run test.csv").json();
    fs::rename(shop.path("elsewhere/models"), shop.path("models")).unwrap();

    let head = shop.path("models/classifier/head.safetensors");
    let whole = fs::read(&head).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&head, damaged).unwrap();
    shop.predict("run", "p.csv", "").refuses(&["head.safetensors", "not the file that was imported"]);
    fs::write(&head, whole).unwrap();

    fs::rename(shop.path("models/classifier"), shop.path("models/first")).unwrap();
    shop.predict("run", "p.csv", "")
        .refuses(&["no language model at `models/classifier`", "tiebreak import"]);
    Import::default().run("bert-four-f16", &shop.path("models/classifier"));
    shop.predict("run", "p.csv", "")
        .refuses(&["not the model that the run was made with", "train the run again"]);
    shop.run("encode --run run test.csv")
        .refuses(&["not the model that the run was made with", "train the run again"]);
}

#[test]
fn a_device_that_is_not_there_is_a_loud_failure_and_auto_says_why_it_is_the_processor() {
    let shop = Shop::classifier(6);
    let json = shop.run("predict --run run test.csv --out p.csv --device auto").json();
    let pool = &json["models"][0]["pool"];
    if pool["devices"][0] != "cpu" {
        return; // There is a GPU, and nothing falls back.
    }
    assert!(pool["choice"].as_str().unwrap().contains("the processor, because"), "{pool}");
    shop.run("predict --run run test.csv --out q.csv --device cuda")
        .refuses(&["--device cuda", "--device cpu"]);
    assert!(!shop.path("q.csv").exists());
    shop.run("predict --run run test.csv --out q.csv --device gpu").refuses(&["`cuda:0,1`"]);
}

#[test]
fn a_dry_run_forecasts_and_writes_nothing() {
    let shop = Shop::classifier(50);
    let json = shop.predict("run", "p.csv", "--dry-run").json();
    assert_eq!((&json["rows"], &json["models"][0]["sequences"]), (&50.into(), &100.into()));
    assert!(json["seconds"].as_f64().unwrap() > 0.0 && json["tokens"].as_u64().unwrap() > 500, "{json}");
    assert!(!shop.path("p.csv").exists() && !shop.path("p.csv.journal").exists());
    let like = shop.predict("run", "p.csv", "--dry-run --like train.csv --rows 5000").json();
    assert_eq!((&like["rows"], &like["models"][0]["sequences"]), (&5000.into(), &10_000.into()));
    shop.predict("run", "p.csv", "--rows 50").refuses(&["--dry-run"]);
}

#[test]
fn a_model_that_is_no_such_predictor_says_which_one_it_is() {
    let single = Import { is_single: true, ..Import::default() };
    let shop = Shop::with(
        30,
        5,
        &[("classifier", "gemma2-reward-bf16", single), ("reward", "bert-classifier", Import::default())],
    );
    shop.train("a", CLASSIFIER, "").refuses(&["kind = \"reward\""]);
    shop.train("b", REWARD, "").refuses(&["a, b, tie", "kind = \"classifier\""]);
    shop.train("c", &REWARD.replace("models/reward", "models/absent"), "").refuses(&["models/absent"]);
    shop.train("d", &CLASSIFIER.replace("kind", "orderz = \"ab\"\nkind"), "").refuses(&["orderz"]);
}

#[test]
fn a_fresh_head_is_warned_of_loudly_and_one_order_alone_can_be_asked() {
    let mut fresh = Import::default();
    fresh.options.head = tiebreak::checkpoint::HeadChoice::Fresh { outputs: 3, seed: 1, pooling: None };
    fresh.orders = Orders::Both;
    let shop = Shop::with(60, 10, &[("classifier", "bert-base", fresh)]);
    let trained = shop.train("run", &CLASSIFIER.replace("kind", "orders = \"ab\"\nkind"), "");
    assert!(trained.stderr.contains("IS RANDOM"), "{}", trained.stderr);
    assert!(trained.json()["warnings"].to_string().contains("IS RANDOM"));
    shop.predict("run", "p.csv", "").json();
    let scores = String::from_utf8_lossy(&shop.read("p.scores.parquet")).into_owned();
    assert!(scores.contains("ab.logit_tie") && !scores.contains("ba.logit_tie"));
    // What is not forecast is not computed either.
    let submitted = shop.run("submit --run run test.csv --out s.csv --device cpu");
    assert!(submitted.stderr.contains("in one order"), "{}", submitted.stderr);
    submitted.json();
}

/// A run whose deadline comes after `batches` batches, whatever the clock says.
pub(crate) fn late(shop: &Shop, arguments: &str, batches: usize) -> Said {
    let mut command = shop.command(&format!("{arguments} --deadline 8h"));
    command.env("TIEBREAK_INJECT_LATE_AFTER_BATCHES", batches.to_string());
    said(command)
}

#[test]
fn a_deadline_after_any_batch_flags_its_rows_and_resumed_a_run_ends_with_the_same_bytes() {
    let shop = Shop::with(60, 20, &[("classifier", "bert-classifier", Import::default())]);
    shop.train("run", &format!("{LINEAR}{CLASSIFIER}"), "").json();
    let reference = shop.reference();
    shop.run("submit --run run test.csv --out whole.csv --device cpu").json();
    let predict = "predict --run run test.csv --out p.csv --device cpu --batch-tokens 256 --threads 1";
    let submit = "submit --run run test.csv --out s.csv --device cpu --batch-tokens 256 --threads 1";
    let (mut some_left_out, mut all_in_one_pass) = (false, false);
    for batches in 0.. {
        let found = late(&shop, predict, batches);
        let outcomes = found.json()["outcomes"].clone();
        let count = |name: &str| outcomes[name].as_u64().unwrap();
        let (complete, one_pass, fallback) = (count("complete"), count("one_pass"), count("fallback"));
        assert_eq!(complete + one_pass + fallback, 20, "{outcomes}");
        if complete == 20 {
            assert_eq!((shop.read("p.csv"), shop.read("p.scores.parquet")), reference);
            break;
        }
        let counts = format!("{one_pass} rows with one pass of two, and {fallback} rows to the fallback");
        assert!(found.stderr.contains(&counts), "{counts}: {}", found.stderr);
        assert_eq!(
            String::from_utf8_lossy(&shop.read("p.scores.parquet")).contains("one_pass"),
            one_pass > 0
        );
        assert_ne!(shop.read("p.csv"), reference.0);
        assert!(shop.path("p.csv.journal").exists());
        shop.run(&format!("{predict} --resume")).json();
        assert_eq!((shop.read("p.csv"), shop.read("p.scores.parquet")), reference, "{batches} batches");
        assert!(!shop.path("p.csv.journal").exists());
        some_left_out |= fallback > 0 && fallback < 20;
        if fallback == 0 && one_pass > 0 && !all_in_one_pass {
            all_in_one_pass = true;
            assert_eq!(late(&shop, submit, batches).json()["outcomes"], outcomes);
            let flagged = lines(&shop.read("s.outcomes.csv"));
            let of_one_pass = flagged.iter().filter(|line| line.ends_with(",one_pass")).count();
            assert_eq!((flagged.len(), of_one_pass as u64), (21, one_pass));
            shop.run(&format!("{submit} --resume")).json();
            assert_eq!(shop.read("s.csv"), shop.read("whole.csv"));
            // The flags of the earlier call are not those of this one.
            assert!(!shop.path("s.outcomes.csv").exists() && !shop.path("s.csv.journal").exists());
        }
    }
    assert!(some_left_out && all_in_one_pass);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_at_the_next_batch_keeps_the_journal_and_says_how_to_go_on() {
    let shop = Shop::classifier(4000);
    let (reference, _) = shop.reference();
    let program = assert_cmd::cargo::cargo_bin("tiebreak");
    for command in ["predict", "submit"] {
        let journal = format!("{command}.csv.journal");
        let arguments =
            format!("{command} --run run test.csv --out {command}.csv --device cpu --batch-tokens 64");
        let mut running = std::process::Command::new(&program)
            .current_dir(shop.0.path())
            .args(arguments.split(' ').chain(["--quiet"]))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let size = || fs::metadata(shop.path(&journal)).map_or(0, |metadata| metadata.len());
        while size() < 20_000 && running.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let id = running.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let output = running.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        for part in ["stopped before the end", &journal, "`--resume`"] {
            assert!(stderr.contains(part), "`{part}` is not in: {stderr}");
        }
        assert!(size() >= 20_000 && !shop.path(&format!("{command}.csv")).exists());
        let names = fs::read_dir(shop.0.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.map(|name| name.into_string().unwrap()).all(|name| !name.ends_with(".partial")));
        shop.run(&format!("{arguments} --resume")).json();
        assert!(!shop.path(&journal).exists());
    }
    assert_eq!(shop.read("predict.csv"), reference);
}

#[test]
fn copies_of_a_model_are_one_model() {
    let models = ["classifier", "copy"].map(|name| (name, "bert-classifier", Import::default()));
    let shop = Shop::with(60, 10, &models);
    shop.train("run", &format!("{CLASSIFIER}{}", CLASSIFIER.replace("models/classifier", "models/copy")), "")
        .json();
    let predicted = shop.predict("run", "p.csv", "").json();
    assert_eq!(predicted["models"].as_array().unwrap().len(), 1, "{}", predicted["models"]);
    let forecast = shop.predict("run", "p.csv", "--dry-run").json();
    let models = forecast["models"].as_array().unwrap();
    assert_eq!((models.len(), &models[0]["sequences"]), (1, &20.into()));
}

#[test]
fn a_run_without_class_shares_is_refused() {
    let shop = Shop::classifier(6);
    let path = "models/run/manifest.json";
    let mut manifest: Value = serde_json::from_slice(&shop.read(path)).unwrap();
    manifest["identity"]["class_shares"] = serde_json::json!([0.9, 0.9, 0.9]);
    shop.write(path, &manifest.to_string());
    shop.predict("run", "p.csv", "").refuses(&["manifest.json", "class_shares", "train the run again"]);
    assert!(!shop.path("p.csv").exists());
}

#[test]
fn a_battle_that_cannot_be_encoded_is_named() {
    let shop = Shop::classifier(3);
    // One token holds not even the words of the template.
    let said = shop.predict("run", "p.csv", "--max-tokens 1");
    assert!(said.code != Some(0) && said.stderr.contains("battle `10000`"), "{}", said.stderr);
    assert!(!shop.path("p.csv").exists());
}
