//! The whole pipeline through the binary: simulate, train, predict, submit; and what must not change it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

struct Arena {
    folder: tempfile::TempDir,
}

impl Arena {
    /// A folder with a small simulated arena in `data/`.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arena = Self { folder };
        arena
            .run(&["simulate", "--battles", "240", "--test-battles", "40", "--seed", "3", "--out", "data"])
            .success();
        arena
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("tiebreak").unwrap();
        command.current_dir(self.folder.path()).args(arguments).arg("--quiet");
        command
    }

    fn run(&self, arguments: &[&str]) -> assert_cmd::assert::Assert {
        self.command(arguments).assert()
    }

    fn train(&self, run: &str, more: &[&str]) -> assert_cmd::assert::Assert {
        let config = configuration("smoke.toml");
        let mut arguments = vec!["train", "--config", &config, "--run", run];
        arguments.extend(more);
        self.run(&arguments)
    }
}

fn configuration(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs").join(name).display().to_string()
}

/// Everything of a run that must be equal, byte for byte, for the same configuration and data.
fn identity_of(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> =
        ["metrics.json", "splits.csv", "oof.csv", "oof.parquet", "scores.parquet", "post_processing.json"]
            .iter()
            .map(|name| ((*name).to_owned(), fs::read(run.join(name)).unwrap()))
            .collect();
    for entry in fs::read_dir(run.join("predictors")).unwrap() {
        let path = entry.unwrap().path();
        files.push((path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()));
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    files.push(("identity".to_owned(), manifest["identity"].to_string().into_bytes()));
    files.sort();
    files
}

fn assert_same_run(first: &Path, second: &Path) {
    for ((name, ours), (other, theirs)) in identity_of(first).iter().zip(&identity_of(second)) {
        assert_eq!(name, other);
        assert!(ours == theirs, "`{name}` differs between {} and {}", first.display(), second.display());
    }
}

fn stderr_of(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// The rows of a CSV file in the opposite order.
fn reverse_records(text: &str) -> String {
    let records = records(text);
    let (header, rows) = records.split_first().unwrap();
    std::iter::once(header).chain(rows.iter().rev()).cloned().collect()
}

#[test]
fn from_battles_to_a_checked_submission_and_a_report() {
    let arena = Arena::new();
    arena.train("models/first", &["--train", "data/train.csv", "--truth", "data/truth.csv"]).success();
    let run = arena.path("models/first");
    assert!(!arena.path("models/first.incomplete").exists());
    for name in [
        "manifest.json",
        "config.toml",
        "metrics.json",
        "splits.csv",
        "oof.csv",
        "oof.parquet",
        "scores.parquet",
    ] {
        assert!(run.join(name).is_file(), "{name}");
    }
    assert!(fs::read_to_string(run.join("report/report.html")).unwrap().contains("<svg"));
    let metrics: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("metrics.json")).unwrap()).unwrap();
    for key in [
        "n",
        "n_groups",
        "log_loss",
        "log_loss_standard_error",
        "log_loss_interval",
        "prior_log_loss",
        "brier",
        "accuracy",
        "ece_top_label",
        "ece_classwise",
        "temperature",
        "split",
        "provenance",
        "uncalibrated",
        "truth",
    ] {
        assert!(!metrics[key].is_null(), "metrics.json lacks `{key}`");
    }
    arena.run(&["predict", "--run", "first", "data/test.csv", "--out", "p.csv"]).success();
    arena
        .run(&[
            "submit",
            "--run",
            "first",
            "data/test.csv",
            "--sample",
            "data/sample_submission.csv",
            "--out",
            "s.csv",
        ])
        .success();
    assert_eq!(fs::read_to_string(arena.path("s.csv")).unwrap().lines().count(), 41);
    arena
        .run(&[
            "check",
            "s.csv",
            "--test",
            "data/test.csv",
            "--sample",
            "data/sample_submission.csv",
            "--reference",
            "first",
            "--constant",
        ])
        .success();
    // The report of a run is made of its own files, again.
    fs::remove_dir_all(run.join("report")).unwrap();
    arena.run(&["report", "--run", "first"]).success();
    let html = fs::read_to_string(run.join("report/report.html")).unwrap();
    assert!(html.contains("<h1>first</h1>") && html.contains("[validation]"));
    let score = arena.run(&["score", "models/first/oof.csv", "data/train.csv", "--json"]).success();
    let score: serde_json::Value = serde_json::from_slice(&score.get_output().stdout).unwrap();
    let (ours, theirs) = (score["log_loss"].as_f64().unwrap(), metrics["log_loss"].as_f64().unwrap());
    assert!((ours - theirs).abs() < 1e-12, "{ours} is not {theirs}");
}

#[test]
fn neither_the_order_of_rows_nor_the_number_of_threads_changes_a_byte() {
    let arena = Arena::new();
    arena.train("models/one", &["--train", "data/train.csv", "--threads", "1"]).success();
    arena.train("models/two", &["--train", "data/train.csv", "--threads", "2"]).success();
    assert_same_run(&arena.path("models/one"), &arena.path("models/two"));
    let reversed = reverse_records(&fs::read_to_string(arena.path("data/train.csv")).unwrap());
    fs::create_dir(arena.path("reversed")).unwrap();
    fs::write(arena.path("reversed/train.csv"), reversed).unwrap();
    arena.train("models/three", &["--train", "reversed/train.csv"]).success();
    for name in ["metrics.json", "splits.csv", "oof.csv", "scores.parquet", "post_processing.json"] {
        let one = fs::read(arena.path("models/one").join(name)).unwrap();
        assert!(
            one == fs::read(arena.path("models/three").join(name)).unwrap(),
            "`{name}` depends on the order of rows"
        );
    }
}

#[test]
fn a_run_aborted_at_any_record_is_resumed_to_the_same_bytes() {
    let arena = Arena::new();
    arena.train("models/whole", &["--train", "data/train.csv"]).success();
    // Two members, three folds, two final fits.
    for records in 1..=8 {
        let run = format!("models/broken-{records}");
        let config = configuration("smoke.toml");
        let arguments = ["train", "--config", &config, "--run", &run, "--train", "data/train.csv"];
        arena
            .command(&arguments)
            .env("TIEBREAK_INJECT_ABORT_AFTER_RECORDS", records.to_string())
            .assert()
            .failure();
        assert!(!arena.path(&run).exists(), "a broken run has its final name");
        let refused = arena.run(&arguments).code(2);
        assert!(stderr_of(&refused).contains("--resume"), "{}", stderr_of(&refused));
        arena.train(&run, &["--train", "data/train.csv", "--resume"]).success();
        assert_same_run(&arena.path("models/whole"), &arena.path(&run));
    }
}

#[test]
fn an_interrupted_run_is_not_continued_with_other_data_or_settings() {
    let arena = Arena::new();
    let config = configuration("smoke.toml");
    let arguments = ["train", "--config", &config, "--run", "models/broken", "--train", "data/train.csv"];
    arena.command(&arguments).env("TIEBREAK_INJECT_ABORT_AFTER_RECORDS", "2").assert().failure();
    let other = ["--train", "data/train.csv", "--resume", "--set", "validation.seed=9"];
    let refused = arena.train("models/broken", &other).code(2);
    let message = stderr_of(&refused);
    assert!(message.contains("not the same here: the configuration, the folds;"), "{message}");
    arena.train("models/broken", &["--train", "data/train.csv", "--force"]).success();
}

#[test]
fn an_earlier_run_is_kept_until_the_new_one_is_done() {
    let arena = Arena::new();
    arena.train("models/kept", &["--train", "data/train.csv"]).success();
    let before = identity_of(&arena.path("models/kept"));
    let refused = arena.train("models/kept", &["--train", "data/train.csv"]).code(2);
    assert!(stderr_of(&refused).contains("--force"));
    let config = configuration("smoke.toml");
    let arguments =
        ["train", "--config", &config, "--run", "models/kept", "--train", "data/train.csv", "--force"];
    arena.command(&arguments).env("TIEBREAK_INJECT_ABORT_AFTER_RECORDS", "3").assert().failure();
    assert_eq!(identity_of(&arena.path("models/kept")), before);
    arena.command(&arguments).env("TIEBREAK_INJECT_DISK_FULL_AFTER", "3000").assert().failure();
    assert_eq!(identity_of(&arena.path("models/kept")), before);
}

#[test]
fn scrambling_what_a_fold_holds_out_does_not_change_what_was_fitted_for_it() {
    let arena = Arena::new();
    arena.run(&["split", "data/train.csv", "--folds", "3", "--seed", "5", "--out", "folds.csv"]).success();
    let chosen = ["--folds", "folds.csv", "--set", "final.fit=fold:1"];
    let mut plain = vec!["--train", "data/train.csv"];
    plain.extend(chosen);
    arena.train("models/plain", &plain).success();

    let folds = fs::read_to_string(arena.path("folds.csv")).unwrap();
    let held_out: Vec<&str> = folds
        .lines()
        .skip(1)
        .filter(|line| line.rsplit(',').next() == Some("1"))
        .filter_map(|line| line.split(',').next())
        .collect();
    assert!(held_out.len() > 20);
    let ids: std::collections::BTreeSet<&str> = held_out.into_iter().collect();
    let text = fs::read_to_string(arena.path("data/train.csv")).unwrap();
    let mut poisoned = 0;
    let mut result = String::new();
    for record in records(&text) {
        let id = record.split(',').next().unwrap();
        if ids.contains(id) {
            poisoned += 1;
            result.push_str(&format!(
                "{id},x,y,\"[\"\"poison {id}\"\"]\",\"[\"\"aaa aaa\"\"]\",\"[\"\"zzz\"\"]\",0,1,0\n"
            ));
        } else {
            result.push_str(&record);
        }
    }
    assert_eq!(poisoned, ids.len());
    fs::write(arena.path("poisoned.csv"), result).unwrap();
    let mut scrambled = vec!["--train", "poisoned.csv"];
    scrambled.extend(chosen);
    arena.train("models/poisoned", &scrambled).success();
    for member in ["member-0-fit-0.json", "member-1-fit-0.json"] {
        let read = |run: &str| fs::read(arena.path(run).join("predictors").join(member)).unwrap();
        assert!(read("models/plain") == read("models/poisoned"), "`{member}` has seen what it is judged on");
    }
}

/// The records of a CSV text, each with its line end.
fn records(text: &str) -> Vec<String> {
    let mut records = Vec::new();
    let mut record = String::new();
    let mut quoted = false;
    for line in text.split_inclusive('\n') {
        record.push_str(line);
        quoted ^= line.matches('"').count() % 2 == 1;
        if !quoted {
            records.push(std::mem::take(&mut record));
        }
    }
    records
}

#[test]
fn wrong_arguments_and_files_are_one_message_and_exit_code_2() {
    let arena = Arena::new();
    let config = configuration("smoke.toml");
    fs::write(arena.path("bad.toml"), "[[predictor]]\nkind = \"linear\"\nstrenght = 3\n").unwrap();
    fs::write(arena.path("folds.csv"), "id,fold\n1,0\n").unwrap();
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (vec!["train", "--config", "absent.toml", "--train", "data/train.csv"], "absent.toml"),
        (vec!["train", "--config", "bad.toml", "--train", "data/train.csv"], "strenght"),
        (vec!["train", "--config", &config, "--train", "absent.csv"], "absent.csv"),
        (vec!["train", "--config", &config], "--train FILE"),
        (vec!["train", "--config", &config, "--train", "data/test.csv", "--run", "a"], "winner"),
        (
            vec![
                "train",
                "--config",
                &config,
                "--train",
                "data/train.csv",
                "--folds",
                "folds.csv",
                "--run",
                "b",
            ],
            "fold",
        ),
        (
            vec!["train", "--config", &config, "--train", "data/train.csv", "--set", "validation.folds=1"],
            "folds",
        ),
        (vec!["predict", "--run", "nothing", "data/test.csv", "--out", "p.csv"], "nothing"),
        (vec!["submit", "--run", "nothing", "data/test.csv", "--out", "s.csv"], "nothing"),
    ];
    for (arguments, expected) in cases {
        let assert = arena.run(&arguments).code(2);
        let message = stderr_of(&assert);
        assert!(message.contains(expected), "{arguments:?}: {message}");
        assert!(message.starts_with("error: ") || message.contains("\nerror: "), "{message}");
        assert!(!arena.path("p.csv").exists() && !arena.path("s.csv").exists());
    }
}

#[test]
fn one_class_absent_is_trained_and_one_row_is_a_clear_error() {
    let arena = Arena::new();
    let text = fs::read_to_string(arena.path("data/train.csv")).unwrap();
    let all = records(&text);
    let without_ties: String = all
        .iter()
        .filter(|record| !record.trim_end().ends_with(",1") || record.starts_with("id,"))
        .cloned()
        .collect();
    fs::write(arena.path("no-ties.csv"), without_ties).unwrap();
    arena.train("models/no-ties", &["--train", "no-ties.csv"]).success();
    let metrics = fs::read_to_string(arena.path("models/no-ties/metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    assert!(metrics["log_loss"].as_f64().unwrap().is_finite());
    fs::write(arena.path("one.csv"), all[..2].concat()).unwrap();
    let refused = arena.train("models/one", &["--train", "one.csv"]).code(2);
    assert!(stderr_of(&refused).contains("group"), "{}", stderr_of(&refused));
}

#[test]
fn extra_data_soft_labels_and_seeds_reach_the_run() {
    let arena = Arena::new();
    arena
        .run(&["simulate", "--battles", "120", "--test-battles", "5", "--seed", "8", "--out", "extra"])
        .success();
    // The same prompts as in the competition data must leave the folds that hold them out.
    let text = fs::read_to_string(arena.path("data/train.csv")).unwrap();
    let copies: Vec<String> = records(&text)[1..20].iter().map(|record| format!("9{record}")).collect();
    let extra = fs::read_to_string(arena.path("extra/train.csv")).unwrap();
    let renamed: String = records(&extra)
        .iter()
        .enumerate()
        .map(|(row, record)| if row == 0 { record.clone() } else { format!("8{record}") })
        .collect();
    fs::write(arena.path("extra.csv"), format!("{renamed}{}", copies.concat())).unwrap();
    let config = "seeds = [1, 2]\n[validation]\nfolds = 3\n\
                  [[data]]\npath = \"data/train.csv\"\nlabels = \"data/truth.csv\"\n\
                  [[data]]\npath = \"extra.csv\"\nrole = \"extra\"\nweight = 0.5\nmax_rows = 200\ndeduplicate = \"prompt\"\n\
                  [[predictor]]\nkind = \"linear\"\n";
    fs::write(arena.path("extra.toml"), config).unwrap();
    arena.run(&["train", "--config", "extra.toml", "--run", "models/extra"]).success();
    let manifest = fs::read_to_string(arena.path("models/extra/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["identity"]["data"][0]["rows"]["soft_labels"], 240);
    let left_out = manifest["identity"]["extra_left_out"].as_array().unwrap();
    assert!(left_out.iter().any(|count| count.as_u64().unwrap() > 0), "{left_out:?}");
    let metrics = fs::read_to_string(arena.path("models/extra/metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    assert_eq!(metrics["n"], 240);
}
