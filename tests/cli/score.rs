//! `tiebreak score`.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "helpers unwrap like tests, and exact values are tested"
)]

use serde_json::Value;

use crate::workshop::Workshop;

#[track_caller]
fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("`{key}` is no number in {value}"))
}

#[test]
fn every_promised_key_is_there_and_a_baseline_adds_the_paired_difference() {
    let workshop = Workshop::new(400);
    let scores =
        workshop.run("score good.csv labels.csv --groups groups.csv --folds folds.csv --json").json();
    assert_eq!((scores["n"].as_u64(), scores["n_groups"].as_u64()), (Some(400), Some(100)));
    for key in ["log_loss", "log_loss_standard_error", "prior_log_loss", "brier", "accuracy"] {
        assert!(number(&scores, key) > 0.0, "{key}");
    }
    for key in ["ece_top_label", "ece_classwise", "temperature"] {
        assert!(number(&scores, key).is_finite(), "{key}");
    }
    let [low, high] = [0, 1].map(|end| scores["log_loss_interval"][end].as_f64().unwrap());
    assert!(low < number(&scores, "log_loss") && number(&scores, "log_loss") < high);
    assert_eq!(scores["provenance"]["kind"], "declared");
    assert!(scores["split"].as_str().unwrap().contains("400 rows of labels.csv, folds of folds.csv"));
    assert!(scores.get("delta_log_loss").is_none() && scores.get("minimum_detectable_effect").is_none());

    let against =
        workshop.run("score good.csv labels.csv --groups groups.csv --baseline flat.csv --json").json();
    let delta = number(&against, "delta_log_loss");
    assert!((delta - (number(&against, "log_loss") - 3.0_f64.ln())).abs() < 1e-12);
    assert!(against["delta_interval"][1].as_f64().unwrap() < 0.0);
    assert!(number(&against, "minimum_detectable_effect") > 0.0);
}

#[test]
fn the_order_of_files_changes_no_byte_and_threads_neither() {
    let workshop = Workshop::new(120);
    workshop.reverse("good.csv", "good-reversed.csv");
    workshop.reverse("labels.csv", "labels-reversed.csv");
    let one = workshop.run("score good.csv labels.csv --groups groups.csv --json --threads 1");
    let other =
        workshop.run("score good-reversed.csv labels-reversed.csv --groups groups.csv --json --threads 3");
    let plain = |text: &str| text.replace("-reversed", "");
    assert_eq!(plain(&one.stdout), plain(&other.stdout));
}

#[test]
fn other_ids_are_refused_with_counts() {
    let workshop = Workshop::new(30);
    workshop.write("few.csv", "id,winner_model_a,winner_model_b,winner_tie\nr1,0.5,0.3,0.2\nx,0.5,0.3,0.2\n");
    workshop.run("score few.csv labels.csv").refuses(&[
        "few.csv",
        "labels.csv",
        "1 ids are in both",
        "29 of the 30",
        "such as `x`",
    ]);
    workshop.run("score good.csv labels.csv --baseline few.csv").refuses(&["few.csv", "29 of the 30"]);
    workshop.run("score good.csv labels.csv --folds missing.csv").refuses(&["missing.csv"]);
    workshop.run("score good.csv labels.csv --groups nobody").refuses(&["labels.csv", "nobody"]);
}

#[test]
fn bad_numbers_are_refused_by_file_row_and_value() {
    let workshop = Workshop::new(3);
    let header = "id,winner_model_a,winner_model_b,winner_tie\n";
    workshop.write("nan.csv", &format!("{header}r0,NaN,0.5,0.5\nr1,0.5,0.3,0.2\nr2,0.5,0.3,0.2\n"));
    workshop.run("score nan.csv labels.csv").refuses(&["nan.csv", "NaN"]);
    workshop.write("soft.csv", &format!("{header}r0,2,0,0\nr1,1,0,0\nr2,1,0,0\n"));
    workshop.run("score good.csv soft.csv").refuses(&["soft.csv", "2"]);
    workshop.write("empty.csv", "");
    workshop.run("score empty.csv labels.csv").refuses(&["empty.csv"]);
}

#[test]
fn one_row_one_class_and_impossible_predictions_give_finite_numbers_and_warnings() {
    let workshop = Workshop::new(1);
    let header = "id,winner_model_a,winner_model_b,winner_tie\n";
    workshop.write("certain.csv", &format!("{header}r0,0,0,1\n"));
    workshop.write("wins.csv", &format!("{header}r0,1,0,0\n"));
    let said = workshop.run("score certain.csv wins.csv --json");
    let scores = said.json();
    assert!((number(&scores, "log_loss") - 36.043_653).abs() < 1e-5);
    assert_eq!(number(&scores, "log_loss_standard_error"), 0.0);
    for warning in ["one row", "no row was `B wins`", "impossible"] {
        assert!(said.stderr.contains(warning), "`{warning}` is not in: {}", said.stderr);
    }
}

#[test]
fn without_any_tie_a_is_scored_against_b() {
    let workshop = Workshop::new(1);
    let header = "id,winner_model_a,winner_model_b,winner_tie\n";
    workshop.write("p.csv", &format!("{header}x,0.8,0.2,0\ny,0.4,0.6,0\n"));
    workshop.write("t.csv", &format!("{header}x,1,0,0\ny,0,1,0\n"));
    let scores = workshop.run("score p.csv t.csv --json").json();
    assert_eq!(scores["task"], "two_way");
    assert!((number(&scores, "log_loss") + f64::midpoint(0.8_f64.ln(), 0.6_f64.ln())).abs() < 1e-12);
    assert!((number(&scores, "prior_log_loss") - 2.0_f64.ln()).abs() < 1e-12);
}

#[test]
fn the_table_names_the_number_its_interval_and_the_prior() {
    let workshop = Workshop::new(200);
    let said = workshop.run("score good.csv labels.csv --groups groups.csv --baseline sharp.csv --quiet");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for part in [
        "log loss (nats)",
        "of the class prior",
        "200 rows in 50 groups",
        "if calibrated perfectly",
        "against sharp.csv",
    ] {
        assert!(said.stdout.contains(part), "`{part}` is not in: {}", said.stdout);
    }
}
