//! `tiebreak report` from the outside.

#![allow(clippy::unwrap_used, reason = "a test whose input cannot be made must fail")]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// Labels with text and predictions that know something of them.
fn prepare(folder: &Path) {
    let mut labels =
        "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie\n"
            .to_owned();
    let mut predictions = "id,winner_model_a,winner_model_b,winner_tie\n".to_owned();
    for row in 0..120_u32 {
        let class = (row * 7 + row / 5) % 3;
        let [a, b, tie] = [0, 1, 2].map(|other| u32::from(other == class));
        let long = "word ".repeat(1 + (row as usize * 13) % 40);
        let _ = writeln!(
            labels,
            "{row},m1,m2,\"[\"\"question {} <i>?\"\"]\",\"[\"\"{long}\"\"]\",\"[\"\"short | `answer`\"\"]\",{a},{b},{tie}",
            row / 3
        );
        let sure = if row % 4 == 0 { 0.2 } else { 0.5 };
        let rest = (1.0 - sure) / 2.0;
        let p = [0, 1, 2].map(|other| if other == class { sure } else { rest });
        let _ = writeln!(predictions, "{row},{},{},{}", p[0], p[1], p[2]);
    }
    fs::write(folder.join("train.csv"), labels).unwrap();
    fs::write(folder.join("p.csv"), predictions).unwrap();
}

fn report(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("tiebreak")
        .unwrap()
        .current_dir(folder)
        .args(["--json", "report"])
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn any_predictions_become_a_page_and_files() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let (code, json, errors) = report(folder.path(), &["p.csv", "train.csv", "--out", "out"]);
    assert_eq!(code, 0, "{errors}");
    let json: Value = serde_json::from_str(&json).unwrap();
    for file in json["files"].as_array().unwrap() {
        assert!(folder.path().join(file.as_str().unwrap()).is_file(), "{file}");
    }
    let html = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(html.contains("question 0 &lt;i&gt;?") && !html.contains("<i>"));
    let metrics: Value =
        serde_json::from_slice(&fs::read(folder.path().join("out/report.json")).unwrap()).unwrap();
    assert_eq!(metrics["n"], 120);
    assert_eq!(metrics["n_groups"], 40);
    assert_eq!(metrics["provenance"]["kind"], "declared");
    assert!(html.contains(&format!("<strong>{:.4}</strong>", metrics["log_loss"].as_f64().unwrap())));
}

#[test]
fn a_second_report_has_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    for (out, threads) in [("one", "1"), ("two", "2")] {
        let (code, _, errors) =
            report(folder.path(), &["p.csv", "train.csv", "--out", out, "--threads", threads]);
        assert_eq!(code, 0, "{errors}");
    }
    for name in ["report.html", "report.md", "report.json", "plots/scale.svg", "plots/reliability-tie.svg"] {
        let read = |out: &str| fs::read(folder.path().join(out).join(name)).unwrap();
        assert!(read("one") == read("two"), "{name}");
    }
}

#[test]
fn input_at_fault_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let (code, _, errors) = report(folder.path(), &["--run", "absent"]);
    assert_eq!(code, 2);
    assert!(errors.contains("models/absent"), "{errors}");
    let text = fs::read_to_string(folder.path().join("p.csv")).unwrap();
    fs::write(folder.path().join("p.csv"), text.replacen("\n3,", "\n3000,", 1)).unwrap();
    let (code, _, errors) = report(folder.path(), &["p.csv", "train.csv", "--out", "out"]);
    assert_eq!(code, 2);
    assert!(errors.contains("3000"), "{errors}");
    let left = fs::read_dir(folder.path().join("out")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}
