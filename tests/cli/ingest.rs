//! `tiebreak ingest`: what it prints, and one clear message with exit code 2 for every kind of bad input.

#![allow(clippy::unwrap_used, reason = "the helpers of tests unwrap like the tests")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sources").join(name)
}

/// A folder to work in and what was said there.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

fn ingest(folder: &Path, arguments: &[&str]) -> Run {
    ingest_with(folder, arguments, &[])
}

fn ingest_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let mut command = Command::cargo_bin("tiebreak").unwrap();
    command.current_dir(folder).arg("ingest").args(arguments).envs(environment.iter().copied());
    let output = command.output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn folder_with(name: &str, content: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    folder
}

/// Ingesting `content` must fail with exit code 2 and one line that holds every one of `expected`, and
/// must leave nothing behind.
fn refused(name: &str, content: &[u8], expected: &[&str]) {
    let folder = folder_with(name, content);
    let run = ingest(folder.path(), &[name, "--out", "out.parquet", "--quiet"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    for part in expected {
        assert!(run.stderr.contains(part), "`{part}` is not in: {}", run.stderr);
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [name]);
}

const HEADER: &str = "id,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie\n";

fn refused_row(row: &str, expected: &[&str]) {
    let good = r#"1,"[""p""]","[""a""]","[""b""]",1,0,0"#;
    refused("train.csv", format!("{HEADER}{good}\n{row}\n").as_bytes(), expected);
}

#[test]
fn several_files_of_different_forms_become_one_canonical_file() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["lmsys_train.csv", "arena_140k.parquet", "hh_rlhf.jsonl"]
        .map(|name| fixture(name).display().to_string());
    let [lmsys, arena, hh] = &files;
    let run = ingest(folder.path(), &[lmsys, arena, hh, "--out", "new/all.parquet"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("kaggle_lmsys") && run.stdout.contains("both bad"), "{}", run.stdout);
    let run = ingest(folder.path(), &["new/all.parquet", "--out", "again.parquet", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(summary["files"][0]["format"], "canonical");
    assert_eq!(summary["total"]["battles"], 17);
    assert_eq!(summary["total"]["both_bad"], 1);
    let bytes = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let hash = blake3::hash(&bytes("new/all.parquet")).to_hex().to_string();
    assert_eq!(summary["files"][0]["content_hash"], hash);
}

#[test]
fn the_same_input_gives_the_same_bytes_with_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let file = fixture("lmsys_train.csv").display().to_string();
    for (threads, out) in [("1", "a.parquet"), ("4", "b.parquet")] {
        assert_eq!(ingest(folder.path(), &[&file, "--out", out, "--threads", threads]).code, 0);
    }
    let bytes = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(bytes("a.parquet"), bytes("b.parquet"));
}

#[test]
fn max_rows_takes_the_first_rows_and_one_row_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let file = fixture("lmsys_train.csv").display().to_string();
    let run = ingest(folder.path(), &[&file, "--out", "o.parquet", "--max-rows", "1", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(summary["total"]["rows"], 1);
}

#[test]
fn an_id_that_stands_in_two_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["lmsys_train.csv", "lmsys_test.csv"].map(|name| fixture(name).display().to_string());
    let run = ingest(folder.path(), &[&files[0], &files[1], "--out", "o.parquet", "--quiet"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("id `4197301939` is in") && run.stderr.contains("row 1 and in"),
        "{}",
        run.stderr
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_column_lists_what_was_found() {
    refused(
        "t.csv",
        b"id,prompt,response_a\n1,p,a\n",
        &["no known format (`id`, `prompt`, `response_a`)", "`kaggle_lmsys`"],
    );
    let text = b"prompt,response_a,response_b,winner\np,a,b,tie\n";
    refused("t.csv", text, &["has no column `id`; found `prompt`, `response_a`, `response_b`, `winner`"]);
    let text = b"id,prompt,response_a,response_b,winner_tie\n1,[],[],[],1\n";
    refused("t.csv", text, &["has no column `winner_model_a`, `winner_model_b`"]);
    refused("t.csv", b"id,id,prompt\n1,1,p\n", &["two columns named `id`"]);
}

#[test]
fn an_unknown_winner_names_file_row_column_and_value() {
    let text = b"id,prompt,response_a,response_b,winner\n1,p,a,b,tie\n2,p,a,b,modelA\n";
    refused("wsdm.csv", text, &["`wsdm.csv` row 2, column `winner`: `modelA` is no winner", "`model_a`"]);
}

#[test]
fn two_winners_none_and_shares_that_do_not_sum_to_one_are_refused() {
    let texts = r#""[""p""]","[""a""]","[""b""]""#;
    refused_row(&format!("2,{texts},1,1,0"), &["row 2", "`1, 1, 0` name 2 winners"]);
    refused_row(&format!("2,{texts},0,0,0"), &["row 2", "name no winner"]);
    refused_row(
        &format!("2,{texts},0.8,0.8,0.4"),
        &["row 2", "`0.8, 0.8, 0.4` sum to 2", "fractions must sum to 1"],
    );
    refused_row(&format!("2,{texts},2,0,0"), &["row 2, column `winner_model_a`: `2` is no share in 0..1"]);
    refused_row(&format!("2,{texts},NaN,0,1"), &["row 2, column `winner_model_a`: `NaN`"]);
    refused_row(&format!("2,{texts},1,,0"), &["row 2, column `winner_model_b`: `null`"]);
    refused_row(&format!("2,{texts},1,yes,0"), &["column `winner_model_b`: `yes`"]);
}

#[test]
fn broken_json_in_a_cell_names_row_column_and_position() {
    let row = r#"2,"[""p""]","[""a"" ""x""]","[""b""]",1,0,0"#;
    refused_row(row, &["row 2, column `response_a`", "`,` or `]` is missing at character 6"]);
    refused_row(
        r#"2,plain,"[""a""]","[""b""]",1,0,0"#,
        &["column `prompt`: `plain`", "`--format kaggle_wsdm`"],
    );
    refused_row(r#"2,[1],"[""a""]","[""b""]",1,0,0"#, &["column `prompt`: `[1]`", "neither text nor `null`"]);
}

#[test]
fn a_lone_surrogate_is_counted_and_is_no_error() {
    let text = format!("{HEADER}1,\"[\"\"\\ud83d\"\"]\",[null],[null],0,0,1\n");
    let folder = folder_with("t.csv", text.as_bytes());
    let run = ingest(folder.path(), &["t.csv", "--out", "o.parquet", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &summary["total"]["lone_surrogates"]), (0, &1.into()));
}

#[test]
fn files_that_hold_nothing_are_refused() {
    refused("t.csv", b"", &["`t.csv` is empty"]);
    refused("t.csv", b"\n\r\n", &["`t.csv` is empty"]);
    refused("t.csv", HEADER.as_bytes(), &["`t.csv` has columns (`id`, `prompt`", "but no row"]);
}

#[test]
fn text_that_is_not_utf8_names_its_row() {
    let mut text = format!("{HEADER}1,[],[],[],1,0,0\n2,\"[\"\"caf").into_bytes();
    text.extend(b"\xe9\"\"]\",[],[],1,0,0\n");
    refused("t.csv", &text, &["`t.csv` row 2 is not UTF-8 (byte 10 of the row)", "iconv"]);
    refused("t.csv", b"\xff\xfei\0d\0", &["UTF-16"]);
    refused("t.jsonl", b"{\"a\": \"\xe9\"}\n", &["row 1 is not UTF-8"]);
}

#[test]
fn rows_that_are_cut_off_or_ragged_name_their_row() {
    refused_row("2,[],[]", &["row 2 has 3 fields, but the header has 7"]);
    refused_row("2,[],[],[],1,0,\"0", &["row 2 opens a quote"]);
    refused(
        "t.jsonl",
        b"{\"id\": 1, \"chosen\": \"a\"}\n{\"id\": 2, \"cho",
        &["row 2 is not a JSON object", "EOF"],
    );
    let parquet = fs::read(fixture("wsdm_train.parquet")).unwrap();
    refused(
        "t.parquet",
        &parquet[..parquet.len() / 2],
        &["`t.parquet` is not a whole Parquet file", "cut off"],
    );
}

#[test]
fn files_of_other_kinds_say_what_to_do() {
    refused("t.csv.gz", b"\x1f\x8b\x08\0", &["compressed with gzip", "gunzip"]);
    refused("t.zip", b"PK\x03\x04", &["ZIP archive", "unzip"]);
    refused("t.json", b"[{\"id\": 1}]", &["one JSON array", "jq -c"]);
    let outcomes = fs::read(fixture("outcomes.csv")).unwrap();
    refused("t.csv", &outcomes, &["holds outcomes without text"]);
}

#[test]
fn a_repeated_id_names_both_rows() {
    refused_row("1,[],[],[],1,0,0", &["id `1` twice, in rows 1 and 2"]);
    refused_row(",[],[],[],1,0,0", &["row 2, column `id`", "is no id"]);
}

#[test]
fn folders_and_missing_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = ingest(folder.path(), &[".", "--out", "o.parquet"]);
    assert_eq!((run.code, run.stderr.contains("`.` is a folder")), (2, true), "{}", run.stderr);
    let run = ingest(folder.path(), &["none.csv", "--out", "o.parquet"]);
    assert_eq!((run.code, run.stderr.contains("cannot read `none.csv`")), (2, true), "{}", run.stderr);
    let run = ingest(folder.path(), &["none.csv", "--out", "o.parquet", "--format", "kaggle"]);
    assert_eq!((run.code, run.stderr.contains("`kaggle` is not a format")), (2, true), "{}", run.stderr);
}

#[test]
fn a_path_that_cannot_be_written_and_a_full_disk_leave_the_earlier_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = fixture("lmsys_train.csv").display().to_string();
    fs::write(folder.path().join("o.parquet"), "earlier").unwrap();
    let run = ingest(folder.path(), &[&file, "--out", "o.parquet/x.parquet"]);
    assert_eq!(
        (run.code, run.stderr.contains("cannot write `o.parquet/x.parquet`")),
        (1, true),
        "{}",
        run.stderr
    );
    for bytes in ["0", "10", "700", "3000"] {
        let environment = [("TIEBREAK_INJECT_DISK_FULL_AFTER", bytes)];
        let run = ingest_with(folder.path(), &[&file, "--out", "o.parquet", "--quiet"], &environment);
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(run.stderr.contains("cannot write `o.parquet`: no space left on device"), "{}", run.stderr);
        assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
    }
    assert_eq!(fs::read(folder.path().join("o.parquet")).unwrap(), b"earlier");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
