//! `tiebreak simulate` as a person runs it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

const FILES: [&str; 5] = ["train.csv", "test.csv", "sample_submission.csv", "truth.csv", "test_labels.csv"];

fn simulate(out: &Path, more: &[&str]) -> Output {
    let mut command = Command::cargo_bin("tiebreak").unwrap();
    command.args(["simulate", "--battles", "300", "--test-battles", "60", "--out"]).arg(out).args(more);
    command.output().unwrap()
}

fn contents(folder: &Path) -> Vec<Vec<u8>> {
    FILES.iter().map(|name| fs::read(folder.join(name)).unwrap()).collect()
}

/// The fields of a CSV file whose quotation marks are doubled inside quoted fields.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            _ => field.push(character),
        }
    }
    rows
}

#[test]
fn the_files_have_the_form_of_the_competition() {
    let folder = tempfile::tempdir().unwrap();
    let output = simulate(folder.path(), &["--degenerate", "0.2"]);
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| records(&fs::read_to_string(folder.path().join(name)).unwrap());
    let train = read("train.csv");
    let header = "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie";
    assert_eq!(train[0].join(","), header);
    assert_eq!(train.len(), 301);
    for row in &train[1..] {
        assert_eq!(row.len(), 9);
        assert!(row[0].parse::<i64>().unwrap() > i64::from(i32::MAX));
        assert_eq!(row[6..].iter().filter(|vote| *vote == "1").count(), 1);
        let lone = row[3].contains("\\ud83d") && !row[3].contains("\\ud83d\\u");
        assert!(lone || serde_json::from_str::<Vec<Option<String>>>(&row[3]).is_ok(), "{}", row[3]);
        for cell in &row[4..6] {
            serde_json::from_str::<Vec<Option<String>>>(cell).unwrap();
        }
    }
    let ids = |rows: &[Vec<String>]| rows[1..].iter().map(|row| row[0].clone()).collect::<BTreeSet<_>>();
    let test = read("test.csv");
    assert_eq!(test[0].join(","), "id,prompt,response_a,response_b");
    assert_eq!(ids(&test).len(), 60);
    assert_eq!(ids(&test), ids(&read("sample_submission.csv")));
    assert_eq!(ids(&test), ids(&read("test_labels.csv")));
    assert_eq!(ids(&read("truth.csv")), ids(&test).union(&ids(&train)).cloned().collect());
    for row in &read("truth.csv")[1..] {
        let sum: f64 = row[1..].iter().map(|p| p.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{row:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other, third] = ["one", "other", "third"].map(|name| folder.path().join(name));
    assert!(simulate(&one, &["--threads", "1"]).status.success());
    assert!(simulate(&other, &["--threads", "3"]).status.success());
    assert!(simulate(&third, &["--seed", "2"]).status.success());
    assert_eq!(contents(&one), contents(&other));
    assert_ne!(contents(&one), contents(&third));
}

#[test]
fn the_report_is_one_json_object_with_shares_floor_and_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let output = simulate(folder.path(), &["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["train"]["rows"], 300);
    assert_eq!(report["parameters"]["seed"], 1);
    let floor = report["train"]["floor_log_loss"].as_f64().unwrap();
    let prior = report["train"]["prior_log_loss"].as_f64().unwrap();
    assert!(floor > 0.5 && floor < prior, "{floor} {prior}");
    for file in report["files"].as_array().unwrap() {
        let length = fs::metadata(file["path"].as_str().unwrap()).unwrap().len();
        assert_eq!(file["bytes"], length);
    }
}

#[test]
fn a_parameter_out_of_range_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (flag, value) in [("--repeat-votes", "1.5"), ("--tie-threshold", "-1"), ("--response-length", "0")] {
        let out = folder.path().join("out");
        let output = simulate(&out, &[&format!("{flag}={value}")]);
        assert_eq!(output.status.code(), Some(2), "{flag} {output:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(&flag[2..].replace('-', "_")) && message.contains("must be"), "{message}");
        assert!(!out.exists());
    }
}

#[test]
fn a_full_disk_leaves_the_earlier_files_alone_and_no_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    assert!(simulate(folder.path(), &[]).status.success());
    let before = contents(folder.path());
    let mut command = Command::cargo_bin("tiebreak").unwrap();
    command.env("TIEBREAK_INJECT_DISK_FULL_AFTER", "50000");
    let output = command
        .args(["simulate", "--battles", "300", "--test-battles", "60", "--seed", "9", "--out"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no space left"));
    assert_eq!(contents(folder.path()), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), FILES.len());
}
