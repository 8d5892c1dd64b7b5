//! `tiebreak calibrate`.

use crate::workshop::Workshop;

#[test]
fn overconfident_predictions_are_calibrated_and_the_result_scores_better() {
    let workshop = Workshop::new(1_200);
    let run = "calibrate sharp.csv labels.csv --groups groups.csv --folds folds.csv --apply sharp.csv --out fixed.csv --json";
    let output = workshop.run(run).json();
    assert_eq!(output["calibrator"]["kind"], "temperature");
    assert!((output["calibrator"]["temperature"].as_f64().unwrap() - 2.5).abs() < 0.4);
    assert!(output["comparison"]["delta_interval"][1].as_f64().unwrap() < 0.0);
    assert_eq!(output["applied"].as_u64(), Some(1_200));
    let after = workshop.run("score fixed.csv labels.csv --baseline sharp.csv --json").json();
    assert!(after["delta_log_loss"].as_f64().unwrap() < 0.0);
}

#[test]
fn calibrated_predictions_are_left_as_they_are_and_the_table_says_so() {
    let workshop = Workshop::new(800);
    let said =
        workshop.run("calibrate good.csv labels.csv --groups groups.csv --apply good.csv --out same.csv");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("calibration buys nothing here"), "{}", said.stdout);
    assert!(said.stdout.contains("diagnostic only"), "{}", said.stdout);
    let same = workshop.run("score same.csv labels.csv --baseline good.csv --json").json();
    assert!(same["delta_log_loss"].as_f64().unwrap().abs() < 1e-12);
}

#[test]
fn every_method_can_be_asked_for_and_isotonic_cannot() {
    let workshop = Workshop::new(200);
    for method in ["identity", "temperature", "symmetric", "vector", "structured_matrix"] {
        let output = workshop.run(&format!("calibrate good.csv labels.csv --method {method} --json")).json();
        assert_eq!(output["calibrator"]["kind"], method);
    }
    workshop.run("calibrate good.csv labels.csv --method isotonic").refuses(&["isotonic", "temperature"]);
}

#[test]
fn a_failure_leaves_the_earlier_result() {
    let workshop = Workshop::new(20);
    workshop.write("out.csv", "precious");
    workshop.run("calibrate missing.csv labels.csv --apply good.csv --out out.csv").refuses(&["missing.csv"]);
    workshop.run("calibrate good.csv labels.csv --apply nowhere.csv --out out.csv").refuses(&["nowhere.csv"]);
    workshop.run("calibrate good.csv labels.csv --out out.csv").refuses(&["--apply"]);
    assert_eq!(workshop.read("out.csv"), "precious");
    let left = std::fs::read_dir(workshop.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("partial"));
    assert_eq!(left.count(), 0);
}
