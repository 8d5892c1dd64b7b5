//! A cascade of two runs from the outside: fitted, predicted, submitted, cut off by a deadline, refused.

use serde_json::Value;

use crate::language_model::{Shop, late, lines};
use crate::model_folders::{Import, drawn};
use crate::workshop::Said;

const CASCADE: &str =
    "[[cascade]]\nrun = \"cheap\"\n[[cascade]]\nrun = \"dear\"\nuncertainty = \"entropy\"\nmax_share = 0.5\n";
const CLASSIFIER: &str = "[[predictor]]\nkind = \"classifier\"\nmodel = \"models/classifier\"\n";
const TEST: std::ops::Range<usize> = 10_000..10_040;

/// A predictor that knows nothing, as sure of a tie as differs from row to row; uncalibrated, so that it stays so.
fn cheap(width: f64) -> String {
    let row = |id: usize| {
        let side = format!("{:.6}", 0.333 - width * drawn(id, 250) as f64 / 250.0);
        format!("{id} = [{side}, {side}, {:.6}]\n", 1.0 - 2.0 * side.parse::<f64>().unwrap())
    };
    let rows: String = (0..150).chain(TEST).map(row).collect();
    format!(
        "[post_processing]\ncalibrator = \"identity\"\n[[predictor]]\nkind = \"fixed\"\n[predictor.predictions]\n{rows}"
    )
}

fn cascade(shop: &Shop, run: &str, more: &str) -> Said {
    shop.write("cascade.toml", CASCADE);
    shop.run(&format!("train --config cascade.toml --run {run} --device cpu {more}"))
}

/// A shop with a cheap and a dear run; the votes are what the dear run's classifier says, so that asking it gains.
fn shop() -> Shop {
    let shop = Shop::with(150, TEST.len(), &[("classifier", "bert-classifier", Import::default())]);
    shop.train("votes", &format!("{CLASSIFIER}[post_processing]\ncalibrator = \"identity\"\n"), "").json();
    let said: Vec<(String, [f64; 3])> = lines(&shop.read("models/votes/oof.csv"))[1..]
        .iter()
        .map(|line| {
            let mut cells = line.split(',');
            let id = cells.next().unwrap().to_owned();
            (id, std::array::from_fn(|_| cells.next().unwrap().parse().unwrap()))
        })
        .collect();
    let mut ties: Vec<f64> = said.iter().map(|(_, p)| p[2]).collect();
    ties.sort_by(f64::total_cmp);
    let third = ties[ties.len() * 2 / 3];
    let vote = |id: &str| {
        let p = said.iter().find(|(known, _)| known == id).unwrap().1;
        if p[2] >= third {
            "0,0,1"
        } else if p[0] > p[1] {
            "1,0,0"
        } else {
            "0,1,0"
        }
    };
    let rows = lines(&shop.read("train.csv"));
    let voted = rows[1..].iter().map(|line| {
        let id = line.split(',').next().unwrap();
        // The labels are the last three cells, five characters and the comma before them.
        format!("{},{}\n", &line[..line.len() - 6], vote(id))
    });
    shop.write("train.csv", &format!("{}\n{}", rows[0], voted.collect::<String>()));
    shop.train("cheap", &cheap(0.28), "").json();
    shop.train("dear", CLASSIFIER, "").json();
    shop
}

fn json(shop: &Shop, name: &str) -> Value {
    serde_json::from_slice(&shop.read(name)).unwrap()
}

#[test]
fn uncertain_rows_ask_the_dear_run_and_that_gains_out_of_fold() {
    let shop = shop();
    let said = cascade(&shop, "both", "").json();
    let summary = &said["cascade"];
    let number = |name: &str| summary[name].as_f64().unwrap();
    assert!(number("gain") > 0.0 && summary["gain_interval"][0].as_f64().unwrap() > 0.0, "{summary}");
    assert!(number("share") > 0.1 && number("share") < 0.7, "{summary}");
    assert_eq!(said["log_loss"], summary["cascade_log_loss"]);
    assert_eq!(said["uncalibrated"]["log_loss"], summary["cheap_log_loss"]);
    assert!(said["cascade_cost"]["gain_per_second"].as_f64().unwrap() > 0.0, "{}", said["cascade_cost"]);
    assert!(said["members"][1]["tokens_per_pair"].as_f64().unwrap() > 10.0, "{}", said["members"]);
    let report = String::from_utf8(shop.read("models/both/report/report.md")).unwrap();
    assert!(report.contains("## Cascade") && report.contains("A row asks `dear`"), "{report}");
    shop.run("report --run both").json();

    shop.predict("both", "p.csv", "").json();
    let scores = String::from_utf8_lossy(&shop.read("p.scores.parquet")).into_owned();
    for column in ["cheap.ln_a", "dear.ln_tie", "dear.classifier.ab.logit_a", "outcome"] {
        assert!(scores.contains(column), "no column `{column}`");
    }
    // Some rows keep the route of the cheap run, some do not.
    shop.predict("dear", "dear.csv", "").json();
    let [of_both, of_dear] = ["p.csv", "dear.csv"].map(|name| lines(&shop.read(name)));
    assert_ne!(of_both, of_dear);
    let forecast = shop.predict("both", "none.csv", "--dry-run --rows 1000").json();
    let of_dear = shop.predict("dear", "none.csv", "--dry-run --rows 1000").json();
    assert_eq!(forecast["rows"], 1000);
    let tokens = |forecast: &Value| forecast["tokens"].as_f64().unwrap();
    assert!(tokens(&forecast) > 0.0 && tokens(&forecast) < 0.7 * tokens(&of_dear), "{forecast}");
    let submitted = shop.run("submit --run both test.csv --out s.csv --device cpu").json();
    assert_eq!(submitted["diagnosis"]["n"], TEST.len());
}

#[test]
fn a_row_of_a_cascade_depends_on_no_other_row_and_no_byte_on_the_threads() {
    let shop = shop();
    cascade(&shop, "both", "").json();
    shop.predict("both", "p.csv", "").json();
    let all = lines(&shop.read("p.csv"));
    let rows = lines(&shop.read("test.csv"));
    let mut some = vec![rows[0].clone()];
    some.extend(rows[1..].iter().rev().step_by(3).cloned());
    shop.write("some.csv", &(some.join("\n") + "\n"));
    shop.run("predict --run both some.csv --out some-p.csv --device cpu --threads 1").json();
    for line in &lines(&shop.read("some-p.csv"))[1..] {
        assert!(all.contains(line), "{line}");
    }
    let mut turned = lines(&shop.read("train.csv"));
    turned[1..].reverse();
    shop.write("train.csv", &(turned.join("\n") + "\n"));
    cascade(&shop, "again", "--threads 1").json();
    for name in ["metrics.json", "cascade.json", "oof.csv", "scores.parquet", "splits.csv"] {
        assert_eq!(
            shop.read(&format!("models/both/{name}")),
            shop.read(&format!("models/again/{name}")),
            "{name}"
        );
    }
    let identity =
        |run: &str| json(&shop, &format!("models/{run}/manifest.json"))["identity"]["config_hash"].clone();
    assert_eq!(identity("both"), identity("again"));
}

#[test]
fn rows_that_the_deadline_leaves_out_keep_their_cheap_prediction_and_a_later_run_computes_them() {
    let shop = shop();
    cascade(&shop, "both", "").json();
    shop.predict("both", "reference.csv", "").json();
    shop.predict("cheap", "cheap.csv", "").json();
    let late = shop.predict("both", "p.csv", "--deadline 1s");
    let outcomes = &late.json()["outcomes"];
    let left_out = outcomes["fallback"].as_u64().unwrap();
    assert!(left_out > 0 && outcomes["complete"].as_u64().unwrap() > 0, "{outcomes}");
    let [reference, cheap, found] =
        ["reference.csv", "cheap.csv", "p.csv"].map(|name| lines(&shop.read(name)));
    let as_cheap = found.iter().zip(&cheap).skip(1).filter(|(found, cheap)| found == cheap).count();
    assert!(as_cheap as u64 >= left_out, "{as_cheap} {left_out}");
    for ((found, cheap), reference) in found.iter().zip(&cheap).zip(&reference) {
        assert!(found == cheap || found == reference, "{found}");
    }
    shop.predict("both", "p.csv", "--resume").json();
    assert_eq!(shop.read("p.csv"), shop.read("reference.csv"));
    assert!(!shop.path("p.csv.journal").exists());
}

#[test]
fn a_deadline_after_any_batch_flags_the_rows_of_a_cascade_and_resumed_it_ends_with_the_same_bytes() {
    let shop = shop();
    cascade(&shop, "both", "").json();
    let small = "--device cpu --batch-tokens 256 --threads 1";
    for (command, batches) in [("predict", 0), ("predict", 1), ("submit", 0), ("submit", 1)] {
        shop.run(&format!("{command} --run both test.csv --out reference.csv {small}")).json();
        shop.run(&format!("{command} --run cheap test.csv --out cheap.csv {small}")).json();
        let [reference, cheap] = ["reference.csv", "cheap.csv"].map(|name| lines(&shop.read(name)));
        let arguments = format!("{command} --run both test.csv --out p.csv {small}");
        let said = late(&shop, &arguments, batches);
        assert!(said.stderr.contains("rows to the fallback; `--resume` computes them"), "{}", said.stderr);
        let outcomes = said.json()["outcomes"].clone();
        let count = |name: &str| usize::try_from(outcomes[name].as_u64().unwrap()).unwrap();
        let (one_pass, fallback) = (count("one_pass"), count("fallback"));
        assert!(fallback > 0, "{command} {batches}: {outcomes}");
        assert_eq!(count("complete") + one_pass + fallback, TEST.len(), "{outcomes}");
        // A row that was left out keeps its cheap prediction, and one that was not is final.
        let found = lines(&shop.read("p.csv"));
        let as_cheap = found.iter().zip(&cheap).skip(1).filter(|(found, cheap)| found == cheap).count();
        assert!(as_cheap >= fallback, "{command} {batches}: {as_cheap} {outcomes}");
        let unlike = found.iter().zip(&reference).filter(|(found, reference)| found != reference).count();
        assert!(unlike > 0 && unlike <= fallback + one_pass, "{command} {batches}: {unlike} {outcomes}");
        if command == "submit" {
            let flagged = lines(&shop.read("p.outcomes.csv"));
            let left_out = flagged.iter().filter(|line| line.ends_with(",fallback")).count();
            assert_eq!((flagged.len(), left_out), (1 + TEST.len(), fallback));
        } else {
            assert!(String::from_utf8_lossy(&shop.read("p.scores.parquet")).contains("fallback"));
        }
        shop.run(&format!("{arguments} --resume")).json();
        assert_eq!(lines(&shop.read("p.csv")), reference, "{command} {batches}");
        assert!(!shop.path("p.csv.journal").exists() && !shop.path("p.outcomes.csv").exists());
    }
}

#[test]
fn a_dear_run_that_knows_nothing_more_is_never_asked() {
    let shop = Shop::new(150, TEST.len());
    shop.train("cheap", &cheap(0.01), "").json();
    shop.train("dear", "[[predictor]]\nkind = \"prior\"\n", "").json();
    let said = cascade(&shop, "both", "").json();
    assert!(said["cascade"]["threshold"].is_null(), "{}", said["cascade"]);
    assert_eq!(said["log_loss"], said["cascade"]["cheap_log_loss"]);
    assert!(said["warnings"].to_string().contains("the cheap run alone"), "{}", said["warnings"]);
    assert_eq!(shop.read("models/both/oof.csv"), shop.read("models/cheap/oof.csv"));
    shop.predict("both", "p.csv", "").json();
    shop.predict("cheap", "cheap.csv", "").json();
    assert_eq!(shop.read("p.csv"), shop.read("cheap.csv"));
}

#[test]
fn runs_that_do_not_fit_each_other_or_changed_are_refused() {
    let shop = Shop::new(60, 4);
    cascade(&shop, "both", "").refuses(&["no run at `models/cheap`"]);
    shop.train("cheap", "[[predictor]]\nkind = \"prior\"\n", "").json();
    shop.write("dear.toml", "[validation]\nfolds = 3\nseed = 5\n[[predictor]]\nkind = \"prior\"\n");
    shop.run("train --config dear.toml --train train.csv --run dear").json();
    cascade(&shop, "both", "").refuses(&["same folds", "battle `", "of `cheap`", "of `dear`", "`--folds`"]);
    shop.train("dear", "[[predictor]]\nkind = \"prior\"\n", "--force").json();
    cascade(&shop, "both", "--folds models/dear/splits.csv").refuses(&["the folds of its runs"]);
    cascade(&shop, "dear", "--force").refuses(&["cannot ask itself"]);
    shop.write("other.csv", &lines(&shop.read("train.csv"))[..40].join("\n"));
    cascade(&shop, "both", "--train other.csv").refuses(&["ids are no row"]);
    cascade(&shop, "both", "").json();
    // The runs are found beside a cascade that moved with them.
    std::fs::rename(shop.path("models"), shop.path("moved")).unwrap();
    shop.run("predict --run moved/both test.csv --out p.csv").json();
    std::fs::rename(shop.path("moved"), shop.path("models")).unwrap();
    shop.train(
        "dear",
        "[[predictor]]\nkind = \"prior\"\n[post_processing]\ncalibrator = \"identity\"\n",
        "--force",
    )
    .json();
    shop.predict("both", "p.csv", "").refuses(&["cascade `both`", "run `dear`", "train the cascade again"]);
}
