//! `tiebreak blend`.

use crate::workshop::Workshop;

#[test]
fn a_member_that_knows_nothing_loses_its_weight_and_its_value_is_shown() {
    let workshop = Workshop::new(1_200);
    let run = "blend --oof good.csv flat.csv --labels labels.csv --groups groups.csv --folds folds.csv \
               --test good.csv flat.csv --out blend.csv --json";
    let output = workshop.run(run).json();
    let weight = |member: usize| output["fitted"]["weights"][member].as_f64().unwrap();
    assert!((weight(0) + weight(1) - 1.0).abs() < 1e-9 && weight(0) > 0.85, "{output}");
    assert!(output["cross_fitted"]["delta_interval"][1].as_f64().unwrap() < 0.0);
    assert!(output["members"][0]["value"]["delta_log_loss"].as_f64().unwrap() < -0.05);
    assert_eq!(output["summary"]["members"][1]["name"], "flat.csv");
    assert_eq!(output["summary"]["correlations"][0][0].as_f64(), Some(1.0));
    assert_eq!(output["applied"].as_u64(), Some(1_200));
    assert_eq!(workshop.read("blend.csv").lines().count(), 1_201);
}

#[test]
fn equally_good_members_get_equal_weights() {
    let workshop = Workshop::new(400);
    workshop.reverse("good.csv", "twin.csv");
    let output =
        workshop.run("blend --oof good.csv twin.csv --labels labels.csv --groups groups.csv --json").json();
    assert_eq!(output["fitted"]["weights"], serde_json::json!([0.5, 0.5]));
    let said = workshop.run("blend --oof good.csv twin.csv --labels labels.csv --groups groups.csv");
    for part in ["correlations", "in sample", "cross-fitted", "weights instead of equal ones"] {
        assert!(said.stdout.contains(part), "`{part}` is not in: {}", said.stdout);
    }
}

#[test]
fn files_that_do_not_fit_together_are_refused() {
    let workshop = Workshop::new(40);
    workshop.write("few.csv", "id,winner_model_a,winner_model_b,winner_tie\nr1,0.5,0.3,0.2\n");
    workshop.run("blend --oof good.csv few.csv --labels labels.csv").refuses(&["few.csv", "39 of the 40"]);
    let run = "blend --oof good.csv flat.csv --labels labels.csv --out o.csv --test";
    workshop.run(&format!("{run} good.csv")).refuses(&["--test has 1 files and --oof 2"]);
    workshop.run(&format!("{run} good.csv few.csv")).refuses(&["good.csv", "few.csv", "39"]);
    assert!(!workshop.path().join("o.csv").exists());
}
