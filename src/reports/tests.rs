use super::*;
use crate::battle::{Provenance, Task};
use crate::evaluation::{
    Candidate, CascadeCost, CascadePoint, CascadeSummary, Comparison, Evaluation, FORMAT_VERSION, FitCurve,
    Floor, LearningCurve, MemberCost, PositionBias, PostProcessingSummary, Reliability, ReliabilityBin,
    Scores, Slice, Slicing, Uncertainty, WorstRow,
};

fn scores(log_loss: f64) -> Scores {
    Scores {
        n: 12_345,
        n_groups: 987,
        log_loss,
        log_loss_standard_error: 0.0051,
        log_loss_interval: [log_loss - 0.01, log_loss + 0.0101],
        prior_log_loss: 1.0972,
        delta_to_prior: log_loss - 1.0972,
        delta_to_prior_interval: [log_loss - 1.0972 - 0.008, log_loss - 1.0972 + 0.0081],
        brier: 0.55,
        accuracy: 0.561,
        auc_a_against_b: Some(0.7312),
        entropy: 0.93,
        ece_top_label: 0.0123,
        ece_top_label_if_perfect: 0.0099,
        calibration_loss: 0.0011,
        refinement_loss: log_loss - 0.0011,
        temperature: 1.04,
        ..Scores::default()
    }
}

fn reliability(class: &str, slope: f64) -> Reliability {
    let bins = (0..10_usize).map(|bin| {
        let predicted = 0.08 + 0.07 * bin as f64;
        let wobble = [0.01, -0.02, 0.015, 0.0, -0.01][bin % 5];
        let observed = 0.35 + slope * (predicted - 0.35) + wobble;
        ReliabilityBin {
            predicted,
            observed,
            count: 1234,
            consistency: [predicted - 0.026, predicted + 0.026],
        }
    });
    Reliability { class: class.to_owned(), bins: bins.collect() }
}

fn slicing(property: &str, slices: &[(&str, usize, f64, f64)]) -> Slicing {
    let slice = |(name, n, log_loss, standard_error): &(&str, usize, f64, f64)| Slice {
        name: (*name).to_owned(),
        n: *n,
        n_groups: n / 3,
        log_loss: *log_loss,
        standard_error: *standard_error,
        prior_log_loss: 1.09 + 0.01 * log_loss,
    };
    Slicing { property: property.to_owned(), slices: slices.iter().map(slice).collect() }
}

fn cost(name: &str, tokens: Option<f64>, seconds: Option<f64>) -> MemberCost {
    MemberCost {
        name: name.to_owned(),
        kind: name.to_owned(),
        accuracy: 0.4712,
        log_loss: 1.2345,
        calibrated_log_loss: 1.0123,
        tokens_per_pair: tokens,
        seconds_per_pair: seconds,
    }
}

fn candidate(name: &str, delta: f64, weight: Option<f64>, chosen: bool) -> Candidate {
    Candidate {
        name: name.to_owned(),
        log_loss: 0.9744 + delta,
        delta_log_loss: delta,
        delta_standard_error: 0.0008,
        weight,
        chosen,
    }
}

fn post_processing() -> PostProcessingSummary {
    PostProcessingSummary {
        members: vec![
            candidate("linear", 0.012, Some(0.35), true),
            candidate("boosted", 0.004, Some(0.65), true),
            candidate("prior", 0.101, Some(0.0), false),
        ],
        correlations: vec![vec![1.0, 0.81, 0.0], vec![0.81, 1.0, 0.0], vec![0.0, 0.0, 1.0]],
        calibrators: vec![
            candidate("none", 0.0, None, false),
            candidate("temperature", -0.0007, None, false),
            candidate("swap-symmetric scaling", -0.0034, None, true),
            candidate("structured matrix", -0.0031, None, false),
        ],
        position_bias: Some(PositionBias {
            statistic: 2.71,
            p_value: 0.438,
            a_minus_b: 0.0071,
            symmetry_given_up: false,
        }),
        verdict: "swap-symmetric scaling gains 0.0034 nats".to_owned(),
    }
}

fn worst() -> Vec<WorstRow> {
    vec![
        WorstRow {
            id: "4197301939".to_owned(),
            loss: 4.613,
            predicted: [0.0099, 0.95, 0.0401],
            target: [1.0, 0.0, 0.0],
            prompt: "</pre><script>alert(1)</script> & \"more\"".to_owned(),
            response_a: "a ``` fence\n````\nand | a bar".to_owned(),
            response_b: String::new(),
        },
        WorstRow {
            id: "x|y".to_owned(),
            loss: 3.2,
            predicted: [0.04, 0.9, 0.06],
            target: [0.5, 0.0, 0.5],
            prompt: String::new(),
            response_a: String::new(),
            response_b: String::new(),
        },
    ]
}

/// Every part filled, numbers made up.
fn full() -> Evaluation {
    Evaluation {
        format_version: FORMAT_VERSION,
        task: Task::ThreeWay,
        scores: scores(0.9710),
        split: "train.csv, 5 folds by prompt".to_owned(),
        provenance: Provenance::CrossFitted { folds: 5 },
        uncalibrated: Some(scores(0.9744)),
        comparison: Some(Comparison {
            baseline: "peer-oof-0.csv".to_owned(),
            baseline_log_loss: 0.9801,
            delta_log_loss: -0.0091,
            delta_standard_error: 0.0021,
            delta_interval: [-0.0132, -0.005],
            delta_p_value: 0.0001,
            minimum_detectable_effect: 0.0059,
        }),
        warnings: vec!["only 12 groups: intervals are unreliable <b>".to_owned()],
        reliability: ["A wins", "B wins", "tie", "top label"].map(|class| reliability(class, 1.0)).to_vec(),
        reliability_uncalibrated: ["A wins", "B wins", "tie", "top label"]
            .map(|c| reliability(c, 0.8))
            .to_vec(),
        confidence_histogram: vec![
            40, 310, 1210, 1700, 1650, 1500, 1320, 1110, 900, 720, 560, 430, 320, 230, 150, 95, 60, 30, 8, 2,
        ],
        confusion: [[2700.0, 900.0, 700.0], [950.0, 2600.0, 670.0], [1300.0, 1250.0, 1275.0]],
        slicings: vec![
            slicing(
                "length difference",
                &[
                    ("A longer by 2x or more", 2100, 0.901, 0.012),
                    ("A longer", 2500, 0.99, 0.011),
                    ("about equal", 3200, 1.031, 0.009),
                    ("B longer", 2400, 0.985, 0.011),
                    ("B longer by 2x or more", 2145, 0.912, 0.012),
                ],
            ),
            slicing(
                "language",
                &[("English", 9000, 0.96, 0.006), ("a language with a very long name", 45, 1.21, 0.31)],
            ),
            slicing("fold", &[("0", 12_345, 0.971, 0.005)]),
        ],
        worst: worst(),
        floor: Some(Floor { source: "repeated votes on 300 pairs".to_owned(), log_loss: 0.83, n: 1200 }),
        truth: None,
        post_processing: Some(post_processing()),
        cascade: None,
        learning_curves: Vec::new(),
    }
}

/// The least that an evaluation can hold.
fn bare() -> Evaluation {
    Evaluation {
        task: Task::TwoWay,
        scores: Scores {
            prior_log_loss: 0.69,
            delta_to_prior: -0.01,
            delta_to_prior_interval: [-0.03, 0.01],
            ..scores(0.68)
        },
        provenance: Provenance::Declared { file: "p_1.csv".to_owned() },
        uncalibrated: None,
        comparison: None,
        warnings: Vec::new(),
        reliability: Vec::new(),
        reliability_uncalibrated: Vec::new(),
        confidence_histogram: vec![0; 20],
        slicings: Vec::new(),
        worst: Vec::new(),
        floor: None,
        post_processing: None,
        ..full()
    }
}

fn context() -> ReportContext {
    ReportContext {
        title: "quickstart <1>".to_owned(),
        configuration: Some("task = \"three_way\"\nseeds = [1]\n".to_owned()),
        identity: vec![("data".to_owned(), "blake3 0123abcd".to_owned())],
        environment: vec![("seconds".to_owned(), "12.3".to_owned())],
        costs: vec![cost("judge", Some(811.4), Some(0.123_4)), cost("linear", None, Some(0.000_056_78))],
        cascade: None,
    }
}

#[test]
fn the_markdown_of_a_full_report_reads_as_it_should() {
    let rendered = render(&full(), &context()).unwrap();
    insta::assert_snapshot!("full_markdown", rendered.markdown);
}

#[test]
fn the_markdown_of_a_bare_report_reads_as_it_should() {
    let rendered =
        render(&bare(), &ReportContext { title: "bare".to_owned(), ..ReportContext::default() }).unwrap();
    insta::assert_snapshot!("bare_markdown", rendered.markdown);
}

#[test]
fn the_page_needs_nothing_beside_it_and_runs_nothing_from_outside() {
    let html = render(&full(), &context()).unwrap().html;
    for outside in ["<script", "src=", "href=", "url(", "@import", "<b>"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let addresses: Vec<&str> =
        html.match_indices("http").map(|(at, _)| &html[at..(at + 26).min(html.len())]).collect();
    assert!(addresses.iter().all(|address| *address == "http://www.w3.org/2000/svg"), "{addresses:?}");
    assert!(html.contains("&lt;script&gt;alert(1)"));
    assert!(html.contains("quickstart &lt;1&gt;: log loss 0.9710"));
}

#[test]
fn every_plot_is_a_file_and_on_the_page() {
    let rendered = render(&full(), &context()).unwrap();
    let names: Vec<&str> = rendered.plots.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "scale.svg",
        "reliability-a-wins.svg",
        "reliability-b-wins.svg",
        "reliability-tie.svg",
        "reliability-top-label.svg",
        "confidence.svg",
        "confusion.svg",
        "slices-length-difference.svg",
        "slices-language.svg",
        "slices-fold.svg",
        "members.svg",
        "calibrators.svg",
    ];
    assert_eq!(names, expected);
    for (name, svg) in &rendered.plots {
        assert!(
            svg.starts_with("<svg role=\"img\" aria-label=\"") && svg.trim_end().ends_with("</svg>"),
            "{name}"
        );
        assert!(rendered.markdown.contains(&format!("(plots/{name})")), "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
    }
    assert_eq!(rendered.html.matches("<svg").count(), expected.len());
    assert_eq!(rendered.files().len(), 3 + expected.len());
}

#[test]
fn the_same_evaluation_gives_the_same_bytes_and_its_json_comes_back() {
    let (one, other) = (render(&full(), &context()).unwrap(), render(&full(), &context()).unwrap());
    assert_eq!(one, other);
    assert_eq!(serde_json::from_str::<Evaluation>(&one.json).unwrap(), full());
}

#[test]
fn numbers_that_are_missing_or_extreme_break_nothing() {
    let mut evaluation = full();
    evaluation.scores.log_loss_interval = [f64::NAN; 2];
    evaluation.scores.n = 1;
    evaluation.reliability[0].bins.truncate(1);
    evaluation.slicings[0].slices[0].standard_error = f64::NAN;
    evaluation.slicings[1].slices.clear();
    evaluation.confusion = [[0.0; 3]; 3];
    let rendered = render(&evaluation, &context()).unwrap();
    assert!(rendered.plots.iter().all(|(_, svg)| !svg.contains("NaN")));
    assert!(rendered.plots.iter().all(|(name, _)| name != "slices-language.svg"));
}

#[test]
fn a_learning_curve_shows_training_rows_kept_back_and_the_class_shares() {
    let held_out = vec![[10.0, 1.02], [20.0, 0.96], [30.0, 0.98]];
    let fit = FitCurve::new("fold 0".to_owned(), &[1.09, 1.0, 0.95, 0.9], held_out, 60);
    let curve =
        LearningCurve { predictor: "lora <1>".to_owned(), fits: vec![fit], prior_log_loss: Some(1.09) };
    let rendered =
        render(&Evaluation { learning_curves: vec![curve], ..full() }, &ReportContext::default()).unwrap();
    let (_, svg) = rendered.plots.iter().find(|(name, _)| name == "learning-lora-1.svg").unwrap();
    assert!(svg.contains("reaches 0.960 nats") && svg.contains("-0.130 to the class shares"), "{svg}");
    assert!(rendered.markdown.contains("## Training") && rendered.html.contains("<h2>Training</h2>"));
    assert!(!render(&full(), &ReportContext::default()).unwrap().html.contains("<h2>Training</h2>"));
}

#[test]
fn a_cascade_says_its_rule_what_it_gains_and_what_a_second_is_worth() {
    let mut summary = CascadeSummary {
        cheap: "linear".to_owned(),
        expensive: "tabular".to_owned(),
        uncertainty: Uncertainty::TopProbability,
        threshold: Some(0.41),
        share: 0.25,
        cheap_log_loss: 1.01,
        expensive_log_loss: 0.97,
        cascade_log_loss: 0.98,
        gain: 0.03,
        gain_standard_error: 0.004,
        gain_interval: [0.022, 0.038],
        curve: vec![
            CascadePoint { share: 0.0, log_loss: 1.01 },
            CascadePoint { share: 0.25, log_loss: 0.981 },
        ],
        verdict: "asking again gains".to_owned(),
    };
    let page = |summary: &CascadeSummary| {
        let context = ReportContext { cascade: Some(CascadeCost::of(summary, [0.5, 8.0])), ..context() };
        render(&Evaluation { cascade: Some(summary.clone()), ..full() }, &context).unwrap()
    };
    let said = page(&summary);
    for text in [&said.markdown, &said.html] {
        for part in [
            "Cascade",
            "one less the largest probability",
            "0.4100 or more",
            "25.0 %",
            "0.0150 nats",
            "0.9810",
        ] {
            assert!(text.contains(part), "`{part}` is not in {text}");
        }
    }
    summary.threshold = None;
    let said = page(&summary).markdown;
    assert!(said.contains("No row asks") && !said.contains("nats for each of these seconds"), "{said}");
}
