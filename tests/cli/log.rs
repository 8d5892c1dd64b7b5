//! `tiebreak log` from the outside.

#![allow(clippy::unwrap_used, reason = "a test whose input cannot be made must fail")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

fn log(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("tiebreak")
        .unwrap()
        .current_dir(folder)
        .arg("log")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn add(folder: &Path, run: &str, local: &str) {
    let rest = ["--n", "10000", "--standard-error", "0.005", "--date", "2026-11-24", "--lesson", "none"];
    let (code, _, errors) = log(folder, &[&["--add", "--run", run, "--local", local][..], &rest].concat());
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn runs_are_added_scored_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    for (run, local, public) in [("a", "1.00", "0.98"), ("b", "1.01", "1.00"), ("c", "1.02", "0.99")] {
        add(folder.path(), run, local);
        let scores = ["--run", run, "--public", public, "--public-rows", "2500"];
        assert_eq!(log(folder.path(), &scores).0, 0);
    }
    let (code, json, _) = log(folder.path(), &["--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json["entries"].as_array().unwrap().len()), (0, 3));
    assert!((json["summary"]["spearman"].as_f64().unwrap() - 0.5).abs() < 1e-12);
    assert!(
        (json["summary"]["comparisons"][0]["public_standard_error"].as_f64().unwrap() - 0.01).abs() < 1e-12
    );
    let (_, text, _) = log(folder.path(), &[]);
    assert!(text.contains("0.9800 ± 0.0100") && text.contains("Spearman 0.500"), "{text}");
    let markdown = fs::read_to_string(folder.path().join("submissions/LOG.md")).unwrap();
    assert_eq!(markdown.lines().filter(|line| line.starts_with("| 2026-11-24 |")).count(), 3);
}

#[test]
fn an_unknown_run_and_a_bad_date_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), "a", "1.0");
    let before = fs::read(folder.path().join("submissions/LOG.md")).unwrap();
    let (code, _, errors) = log(folder.path(), &["--run", "z", "--public", "1"]);
    assert_eq!(code, 2);
    assert!(errors.contains("no run `z` in the log; known: a"), "{errors}");
    let (code, _, errors) = log(folder.path(), &["--add", "--run", "b", "--date", "yesterday"]);
    assert_eq!(code, 2);
    assert!(errors.contains("`yesterday`"), "{errors}");
    assert_eq!(fs::read(folder.path().join("submissions/LOG.md")).unwrap(), before);
}

#[test]
fn a_full_disk_leaves_the_log_as_it_was_and_exits_1() {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), "a", "1.0");
    let before = fs::read(folder.path().join("submissions/LOG.md")).unwrap();
    let output = Command::cargo_bin("tiebreak")
        .unwrap()
        .current_dir(folder.path())
        .env("TIEBREAK_INJECT_DISK_FULL_AFTER", "50")
        .args(["log", "--run", "a", "--public", "1.0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read(folder.path().join("submissions/LOG.md")).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path().join("submissions")).unwrap().count(), 1);
}

#[test]
fn a_log_that_is_not_there_is_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, errors) = log(folder.path(), &[]);
    assert_eq!(code, 2);
    assert!(errors.contains("submissions/LOG.md"), "{errors}");
}
