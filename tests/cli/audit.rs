#![expect(clippy::unwrap_used, reason = "this is test code throughout")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

const TRAIN: &str = r#"id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie
1,alpha,beta,"[""What is a monad, in one sentence?""]","[""A burrito.""]","[""A monoid in the category of endofunctors.""]",1,0,0
2,beta,alpha,"[""what is a monad,  in one sentence?""]","[""A monoid in the category of endofunctors.""]","[""A burrito.""]",0,1,0
3,alpha,beta,"[""What is a monad, in one sentence?""]","[""A burrito.""]","[""A monoid in the category of endofunctors.""]",0,1,0
4,alpha,gamma,"[""Write a poem""]","[""""]","[""Roses are red""]",1,0,0
5,beta,gamma,"[""Write a poem""]","[""Same""]","[""Same""]",0,0,1
6,alpha,gamma,"[""Tell me why the sky looks blue at noon and red at sunset please""]","[null]","[""Scattering""]",0,1,0
"#;

const TEST: &str = r#"id,prompt,response_a,response_b
6,"[""Other""]","[""x""]","[""y""]"
7,"[""Tell me why the sky looks blue at noon and red at sunset, please!""]","[""x""]","[""y""]"
8,"[""write a POEM""]","[""Roses are red""]","[""""]"
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.csv"), TRAIN).unwrap();
    fs::write(folder.path().join("test.csv"), TEST).unwrap();
    folder
}

fn tiebreak(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("tiebreak").unwrap();
    command.current_dir(folder).args(arguments);
    command
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output =
        tiebreak(folder, arguments).args(["--json", "--quiet"]).assert().success().get_output().clone();
    assert!(output.stderr.is_empty());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn anomaly(report: &Value, kind: &str) -> u64 {
    let anomalies = report["anomalies"].as_array().unwrap();
    anomalies.iter().find(|anomaly| anomaly["kind"] == kind).unwrap()["rows"].as_u64().unwrap()
}

#[test]
fn one_json_object_holds_every_section() {
    let folder = folder();
    let report = json(folder.path(), &["audit", "train.csv", "--against", "test.csv"]);
    assert_eq!(report["rows"], 6);
    assert_eq!(report["format"], "kaggle_lmsys");
    assert_eq!(report["duplicates"]["prompts"], 3);
    let battles = &report["duplicates"]["battles"];
    assert_eq!(
        (&battles["repeated"], &battles["in_both_orders"], &battles["contradicting"]),
        (&1.into(), &1.into(), &2.into())
    );
    assert_eq!(anomaly(&report, "empty_side_wins"), 1);
    assert_eq!(anomaly(&report, "missing_response"), 1);
    assert_eq!(anomaly(&report, "identical_responses"), 1);
    assert_eq!(report["noise_floor"]["votes"], 3);
    assert_eq!(report["models"][0]["name"], "alpha");
    let against = &report["against"][0];
    assert_eq!((&against["file"], &against["rows"]), (&"test.csv".into(), &3.into()));
    for (kind, here, there) in [
        ("ids", 1, 1),
        ("prompts", 2, 1),
        ("near_prompts", 1, 1),
        ("battles", 0, 0),
        ("swapped_battles", 1, 1),
    ] {
        let found = &against["leaks"][kind];
        assert_eq!((&found["rows_here"], &found["rows_there"]), (&here.into(), &there.into()), "{kind}");
    }
    assert!(against["shift"]["auc"]["value"].is_f64());
}

#[test]
fn the_tables_are_readable_and_the_same_for_any_number_of_threads() {
    let folder = folder();
    let text = |threads: &str| {
        let arguments = ["audit", "train.csv", "--against", "test.csv", "--quiet", "--threads", threads];
        String::from_utf8(tiebreak(folder.path(), &arguments).assert().success().get_output().stdout.clone())
            .unwrap()
    };
    let one = text("1");
    assert_eq!(one, text("3"));
    for part in [
        "train.csv: 6 battles in 3 groups",
        "LABELS",
        "NOISE FLOOR",
        "LENGTHS",
        "DUPLICATES",
        "ANOMALIES",
        "side without an answer wins",
        "AGAINST test.csv (3 rows)",
        "same battle, sides exchanged",
    ] {
        assert!(one.contains(part), "`{part}` is missing in\n{one}");
    }
}

#[test]
fn a_file_without_labels_is_audited_without_the_sections_on_labels() {
    let folder = folder();
    let report = json(folder.path(), &["audit", "test.csv"]);
    assert_eq!(
        (&report["rows"], &report["labels"], &report["noise_floor"]),
        (&3.into(), &Value::Null, &Value::Null)
    );
    assert!(report["models"].as_array().unwrap().is_empty());
}

#[test]
fn the_similarity_decides_what_is_nearly_the_same() {
    let folder = folder();
    let near = |similarity: &str| {
        let arguments = ["audit", "train.csv", "--against", "test.csv", "--similarity", similarity];
        json(folder.path(), &arguments)["against"][0]["leaks"]["near_prompts"]["rows_here"].clone()
    };
    assert_eq!(near("1"), 1, "punctuation is no difference");
    assert_eq!(near("0.5"), 1);
    for wrong in ["0", "1.5", "NaN"] {
        let output = tiebreak(folder.path(), &["audit", "train.csv", "--similarity", wrong])
            .assert()
            .code(2)
            .get_output()
            .clone();
        assert!(String::from_utf8(output.stderr).unwrap().contains("is not a similarity"));
    }
}

#[test]
fn a_missing_or_foreign_file_is_named() {
    let folder = folder();
    fs::write(folder.path().join("other.csv"), "a,b\n1,2\n").unwrap();
    for (arguments, part) in [
        (["audit", "nowhere.csv", "--quiet"].as_slice(), "nowhere.csv"),
        (["audit", "train.csv", "--against", "other.csv", "--quiet"].as_slice(), "other.csv"),
    ] {
        let output = tiebreak(folder.path(), arguments).assert().code(2).get_output().clone();
        assert!(output.stdout.is_empty());
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(part), "{message}");
    }
}
