//! What the templates see: the evaluation, and its facts as words.

use serde::Serialize;

use super::ReportContext;
use super::format::{nats, probability, share, signed, significant};
use super::plots::{Plot, themed};
use crate::battle::{Provenance, Task};
use crate::evaluation::{
    CascadeCost, CascadeSummary, Comparison, Evaluation, MemberCost, Scores, Uncertainty, WorstRow,
};

/// Everything in a report.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    title: &'a str,
    style: &'static str,
    headline: String,
    provenance: String,
    task: &'static str,
    two_way: bool,
    evaluation: &'a Evaluation,
    scores: &'a Scores,
    uncalibrated: Option<&'a Scores>,
    comparison: Option<&'a Comparison>,
    metrics: Vec<Metric>,
    worst: Vec<Worst<'a>>,
    plots: Vec<Figure<'a>>,
    configuration: Option<&'a str>,
    identity: &'a [(String, String)],
    environment: &'a [(String, String)],
    costs: Vec<Cost<'a>>,
    cascade: Option<CascadeWords>,
}

/// What a cascade comes to, ready to print.
#[derive(Debug, Serialize)]
struct CascadeWords {
    /// Whether a row is asked again, by which rule.
    rule: String,
    /// What that costs and what a second gains; empty where nobody is asked again or nothing was measured.
    cost: String,
}

/// A member beside what it costs.
#[derive(Debug, Serialize)]
struct Cost<'a> {
    member: &'a MemberCost,
    cells: CostCells,
}

/// What a member costs, ready to print; a dash where it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CostCells {
    /// Tokens a pair.
    pub tokens: String,
    /// Seconds a pair.
    pub seconds: String,
}

impl CostCells {
    /// The cells of a member.
    #[must_use]
    pub fn of(member: &MemberCost) -> Self {
        let cell = |value: Option<f64>, text: fn(f64) -> String| value.map_or_else(|| "-".to_owned(), text);
        Self {
            tokens: cell(member.tokens_per_pair, |tokens| format!("{tokens:.0}")),
            seconds: cell(member.seconds_per_pair, significant),
        }
    }
}

/// One line of the table of metrics, ready to print.
#[derive(Debug, Serialize)]
struct Metric {
    name: &'static str,
    value: String,
    before: Option<String>,
    /// What perfectly calibrated predictions of this size would show.
    if_perfect: Option<String>,
}

#[derive(Debug, Serialize)]
struct Worst<'a> {
    row: &'a WorstRow,
    predicted: String,
    target: String,
    has_text: bool,
}

#[derive(Debug, Serialize)]
struct Figure<'a> {
    #[serde(flatten)]
    plot: &'a Plot,
    themed: String,
}

impl<'a> View<'a> {
    pub(super) fn new(evaluation: &'a Evaluation, context: &'a ReportContext, plots: &'a [Plot]) -> Self {
        let two_way = evaluation.task == Task::TwoWay;
        Self {
            title: &context.title,
            style: include_str!("templates/report.css"),
            headline: headline(evaluation),
            provenance: provenance(&evaluation.provenance),
            task: if two_way { "two-way: A or B" } else { "three-way: A, B or tie" },
            two_way,
            evaluation,
            scores: &evaluation.scores,
            uncalibrated: evaluation.uncalibrated.as_ref(),
            comparison: evaluation.comparison.as_ref(),
            metrics: metrics(&evaluation.scores, evaluation.uncalibrated.as_ref()),
            worst: evaluation.worst.iter().map(|row| worst(row, two_way)).collect(),
            plots: plots.iter().map(|plot| Figure { plot, themed: themed(&plot.svg) }).collect(),
            configuration: context.configuration.as_deref(),
            identity: &context.identity,
            environment: &context.environment,
            cascade: evaluation.cascade.as_ref().map(|summary| cascade(summary, context.cascade.as_ref())),
            costs: context.costs.iter().map(|member| Cost { member, cells: CostCells::of(member) }).collect(),
        }
    }
}

fn cascade(summary: &CascadeSummary, cost: Option<&CascadeCost>) -> CascadeWords {
    let what = match summary.uncertainty {
        Uncertainty::Entropy => "the entropy",
        Uncertainty::TopProbability => "one less the largest probability",
    };
    let rule = match summary.threshold {
        Some(threshold) => format!(
            "A row asks `{}` where {what} of its prediction by `{}` is {} or more: {} of the rows, out of fold; it gains \
             {} nats, 95 % interval {} to {}.",
            summary.expensive,
            summary.cheap,
            nats(threshold),
            share(summary.share),
            nats(summary.gain),
            signed(summary.gain_interval[0]),
            signed(summary.gain_interval[1])
        ),
        None => format!("No row asks `{}`.", summary.expensive),
    };
    let told = cost.and_then(|cost| Some((cost, cost.gain_per_second?, cost.gain_per_second_interval?)));
    let cost = told.map_or_else(String::new, |(cost, gain, [low, high])| {
        format!(
            "For 1,000 rows the cheap run takes {} seconds, the expensive one {}, the cascade {} more than the cheap one: \
             {} nats for each of these seconds, 95 % interval {} to {}, on this machine.",
            significant(cost.cheap_seconds),
            significant(cost.expensive_seconds),
            significant(cost.extra_seconds),
            nats(gain),
            signed(low),
            signed(high)
        )
    });
    CascadeWords { rule, cost }
}

/// The distance to the prior, in a sentence.
fn headline(evaluation: &Evaluation) -> String {
    let scores = &evaluation.scores;
    let [low, high] = scores.delta_to_prior_interval;
    let side = if scores.delta_to_prior < 0.0 { "below" } else { "above" };
    let verdict = if low <= 0.0 && high >= 0.0 { "; chance could explain that" } else { "" };
    format!(
        "{} nats {side} the class prior of {} (difference {}, 95 % interval {} to {}{verdict})",
        nats(scores.delta_to_prior.abs()),
        nats(scores.prior_log_loss),
        signed(scores.delta_to_prior),
        signed(low),
        signed(high)
    )
}

fn provenance(provenance: &Provenance) -> String {
    match provenance {
        Provenance::CrossFitted { folds } => {
            format!("out-of-fold predictions of {folds} folds, held out by this program")
        }
        Provenance::Imported { run } => {
            format!("predictions of the run `{run}` on rows it was not trained on, checked")
        }
        Provenance::Declared { file } => {
            format!(
                "predictions of the file `{file}`; that they are held out is its giver's word, nobody checked"
            )
        }
    }
}

type Value = fn(&Scores) -> f64;

/// Name, value and what a perfectly calibrated predictor would show.
const METRICS: [(&str, Value, Option<Value>); 14] = [
    ("log loss (nats)", |s| s.log_loss, None),
    ("standard error, by group", |s| s.log_loss_standard_error, None),
    ("log loss of the class prior", |s| s.prior_log_loss, None),
    ("entropy of the predictions", |s| s.entropy, None),
    ("part due to calibration", |s| s.calibration_loss, None),
    ("part due to refinement", |s| s.refinement_loss, None),
    ("Brier score (0 to 2)", |s| s.brier, None),
    ("accuracy", |s| s.accuracy, None),
    ("ECE, top label, equal width", |s| s.ece_top_label, Some(|s| s.ece_top_label_if_perfect)),
    (
        "ECE, top label, equal mass",
        |s| s.ece_top_label_equal_mass,
        Some(|s| s.ece_top_label_equal_mass_if_perfect),
    ),
    ("ECE, classwise", |s| s.ece_classwise, Some(|s| s.ece_classwise_if_perfect)),
    ("ECE, smooth", |s| s.ece_smooth, Some(|s| s.ece_smooth_if_perfect)),
    (
        "calibration error, debiased",
        |s| s.calibration_error_debiased,
        Some(|s| s.calibration_error_debiased_if_perfect),
    ),
    ("best temperature (1 is calibrated)", |s| s.temperature, None),
];

fn metrics(scores: &Scores, before: Option<&Scores>) -> Vec<Metric> {
    let mut rows: Vec<Metric> = METRICS
        .iter()
        .map(|(name, value, perfect)| Metric {
            name,
            value: nats(value(scores)),
            before: before.map(|before| nats(value(before))),
            if_perfect: perfect.map(|perfect| nats(perfect(scores))),
        })
        .collect();
    if let Some(auc) = scores.auc_a_against_b {
        let before = before.and_then(|before| before.auc_a_against_b).map(nats);
        rows.push(Metric { name: "AUC of A against B", value: nats(auc), before, if_perfect: None });
    }
    rows
}

fn worst(row: &WorstRow, two_way: bool) -> Worst<'_> {
    let names = ["A", "B", "tie"];
    let shown = if two_way { 2 } else { 3 };
    let list = |values: [f64; 3]| {
        let parts =
            names.iter().zip(values).take(shown).map(|(name, p)| format!("{name} {}", probability(p)));
        parts.collect::<Vec<_>>().join(", ")
    };
    let voted =
        names.iter().zip(row.target).find(|(_, share)| *share >= 1.0).map(|(name, _)| (*name).to_owned());
    Worst {
        row,
        predicted: list(row.predicted),
        target: voted.unwrap_or_else(|| list(row.target)),
        has_text: [&row.prompt, &row.response_a, &row.response_b].iter().any(|text| !text.is_empty()),
    }
}
