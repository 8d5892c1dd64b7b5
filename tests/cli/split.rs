#![expect(clippy::unwrap_used, reason = "this is test code throughout")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

const HEADER: &str =
    "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie\n";

fn tiebreak(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("tiebreak").unwrap();
    command.current_dir(folder);
    command
}

/// `rows` rows over `prompts` prompts, classes in turn.
fn battles(rows: usize, prompts: usize) -> String {
    let row = |row: usize| {
        let votes = ["1,0,0", "0,1,0", "0,0,1"][row % 3];
        format!(
            "{row},m,n,\"[\"\"Question {}\"\"]\",\"[\"\"a\"\"]\",\"[\"\"b\"\"]\",{votes}\n",
            row % prompts
        )
    };
    (0..rows).fold(HEADER.to_owned(), |text, number| text + &row(number))
}

/// id -> (group, fold)
fn folds(path: &Path) -> BTreeMap<String, (String, u32)> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id,group,fold"));
    lines
        .map(|line| {
            let [id, group, fold] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
            (id.to_owned(), (group.to_owned(), fold.parse().unwrap()))
        })
        .collect()
}

fn message(folder: &Path, arguments: &[&str]) -> String {
    let output = tiebreak(folder).args(arguments).assert().code(2).get_output().clone();
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn folds_are_even_and_keep_prompts_together() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.csv"), battles(600, 100)).unwrap();
    let output = tiebreak(folder.path())
        .args(["split", "train.csv", "--folds", "4", "--seed", "3", "--out", "splits.csv", "--json"])
        .assert()
        .success()
        .get_output()
        .clone();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["rows"], &summary["n_groups"]), (&600.into(), &100.into()));
    let sizes: Vec<u64> =
        summary["folds"].as_array().unwrap().iter().map(|fold| fold["rows"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [150, 150, 150, 150]);
    let folds = folds(&folder.path().join("splits.csv"));
    assert_eq!(folds.len(), 600);
    let pairs: BTreeSet<_> = folds.values().collect();
    assert_eq!(pairs.len(), 100, "every group lies in one fold");
}

#[test]
fn the_same_seed_gives_the_same_folds_in_any_order_of_rows_and_another_seed_others() {
    let folder = tempfile::tempdir().unwrap();
    let text = battles(90, 30);
    let (header, rows) = text.split_once('\n').unwrap();
    let mut reversed: Vec<&str> = rows.lines().collect();
    reversed.reverse();
    fs::write(folder.path().join("one.csv"), &text).unwrap();
    fs::write(folder.path().join("two.csv"), format!("{header}\n{}\n", reversed.join("\n"))).unwrap();
    let split = |file: &str, seed: &str, threads: &str| {
        tiebreak(folder.path())
            .args(["split", file, "--seed", seed, "--out", "out.csv", "--threads", threads])
            .assert()
            .success();
        folds(&folder.path().join("out.csv"))
    };
    let first = split("one.csv", "1", "1");
    assert_eq!(first, split("two.csv", "1", "2"));
    assert_ne!(first, split("one.csv", "2", "1"));
}

#[test]
fn few_groups_are_warned_of_and_too_few_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.csv"), battles(60, 6)).unwrap();
    let output = tiebreak(folder.path())
        .args(["split", "train.csv", "--folds", "4", "--out", "splits.csv", "--quiet"])
        .assert()
        .success()
        .get_output()
        .clone();
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(warnings.contains("only 6 groups") && warnings.contains("10 to 20 rows"), "{warnings}");
    let before = fs::read(folder.path().join("splits.csv")).unwrap();
    let refused =
        message(folder.path(), &["split", "train.csv", "--folds", "7", "--out", "splits.csv", "--quiet"]);
    assert!(refused.contains("60 rows in 6 groups"), "{refused}");
    assert!(refused.contains("at most 6 folds"), "{refused}");
    assert_eq!(
        fs::read(folder.path().join("splits.csv")).unwrap(),
        before,
        "the earlier folds are still there"
    );
}

#[test]
fn bad_input_is_one_message_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("test.csv"),
        "id,prompt,response_a,response_b\n1,\"[\"\"q\"\"]\",\"[\"\"a\"\"]\",\"[\"\"b\"\"]\"\n",
    )
    .unwrap();
    let unlabeled = message(folder.path(), &["split", "test.csv", "--out", "splits.csv", "--quiet"]);
    assert!(unlabeled.contains("has no label"), "{unlabeled}");
    let missing = message(folder.path(), &["split", "nowhere.csv", "--out", "splits.csv", "--quiet"]);
    assert!(missing.contains("nowhere.csv"), "{missing}");
    assert!(
        message(folder.path(), &["split", "test.csv", "--folds", "1", "--out", "s.csv"]).contains("--folds")
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_full_disk_is_a_failure_that_leaves_the_earlier_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.csv"), battles(60, 20)).unwrap();
    fs::write(folder.path().join("splits.csv"), "earlier").unwrap();
    tiebreak(folder.path())
        .args(["split", "train.csv", "--out", "splits.csv", "--quiet"])
        .env("TIEBREAK_INJECT_DISK_FULL_AFTER", "100")
        .assert()
        .code(1);
    assert_eq!(fs::read_to_string(folder.path().join("splits.csv")).unwrap(), "earlier");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}
