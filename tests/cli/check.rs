//! `tiebreak check` from the outside.

#![allow(clippy::unwrap_used, reason = "a test whose input cannot be made must fail")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

const TEST: &str = "id,prompt,response_a,response_b\n\
    136060,\"[\"\"why?\"\"]\",\"[\"\"because\"\"]\",\"[\"\"\"\"]\"\n\
    211333,\"[\"\"how, so?\"\"]\",\"[\"\"like this\"\"]\",\"[\"\"like that\"\"]\"\n\
    1233961,\"[\"\"when?\"\"]\",\"[\"\"now\"\"]\",\"[\"\"later\"\"]\"\n";

const SOUND: &str = "id,winner_model_a,winner_model_b,winner_tie\n\
    136060,0.7,0.1,0.2\n211333,0.4,0.35,0.25\n1233961,0.3,0.3,0.4\n";

fn check(folder: &Path, submission: &str, more: &[&str]) -> (i32, Value, String) {
    fs::write(folder.join("test.csv"), TEST).unwrap();
    fs::write(folder.join("s.csv"), submission).unwrap();
    let output = Command::cargo_bin("tiebreak")
        .unwrap()
        .current_dir(folder)
        .args(["--json", "check", "s.csv", "--test", "test.csv"])
        .args(more)
        .output()
        .unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), json, String::from_utf8(output.stderr).unwrap())
}

fn codes(json: &Value) -> Vec<&str> {
    json["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn a_sound_file_exits_0_and_tells_its_worst_case() {
    let folder = tempfile::tempdir().unwrap();
    let (code, json, errors) = check(folder.path(), SOUND, &[]);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(codes(&json), ["worst-case"]);
    assert_eq!(json["worst_case"]["row"]["id"], "136060");
    assert_eq!(json["worst_case"]["column"], "winner_model_b");
    let nats = json["worst_case"]["nats"].as_f64().unwrap();
    assert!((nats - 10.0_f64.ln()).abs() < 1e-9);
}

#[test]
fn an_error_exits_2_after_the_whole_diagnosis_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let broken = SOUND.replace("211333,0.4", "211333,NaN").replace("1233961,", "136060,");
    let (code, json, errors) = check(folder.path(), &broken, &[]);
    assert_eq!(code, 2);
    assert_eq!(codes(&json)[..3], ["id-missing", "id-repeated", "not-a-number"]);
    assert_eq!(json["findings"][0]["rows"][0]["id"], "1233961");
    assert_eq!(json["findings"][2]["rows"][0]["row"], 2);
    assert!(
        errors.contains("`s.csv` must not be submitted: id-missing, id-repeated, not-a-number"),
        "{errors}"
    );
}

#[test]
fn the_ids_of_a_sample_are_the_expected_ones() {
    let folder = tempfile::tempdir().unwrap();
    let sample = "id,winner_model_a,winner_model_b,winner_tie\n9,0.4,0.3,0.3\n136060,0.4,0.3,0.3\n";
    fs::write(folder.path().join("sample.csv"), sample).unwrap();
    let (code, json, _) = check(folder.path(), SOUND, &["--sample", "sample.csv"]);
    assert_eq!(code, 2);
    assert_eq!(codes(&json)[..4], ["row-count", "id-missing", "id-extra", "sample-differs"]);
}

#[test]
fn few_rows_beside_a_reference_are_compared_without_a_false_alarm() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("r.csv"), SOUND.replace("0.7,0.1", "0.1,0.7")).unwrap();
    let (code, json, errors) = check(folder.path(), SOUND, &["--reference", "r.csv"]);
    assert_eq!(code, 0, "{errors}");
    assert!(codes(&json).contains(&"sense-unchecked"));
    assert_eq!(json["agreement"]["n"], 3);
}

#[test]
fn winners_are_checked_by_their_own_form() {
    let folder = tempfile::tempdir().unwrap();
    let winners = "id,winner\n136060,model_a\n211333,model_b\n1233961,tie\n";
    let (code, json, _) = check(folder.path(), winners, &[]);
    assert_eq!((code, json["format"].as_str().unwrap()), (2, "wsdm"));
    assert_eq!(codes(&json)[0], "winner-unknown");
}

#[test]
fn files_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, errors) = check(folder.path(), SOUND, &["--reference", "absent.csv"]);
    assert_eq!(code, 2);
    assert!(errors.contains("absent.csv"), "{errors}");
}
