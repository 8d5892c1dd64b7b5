//! `tiebreak score`: every metric of stored predictions.

use std::path::PathBuf;

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

use super::judged::{Grouping, Labels, task_of};
use super::{Console, OrBadInput};
use crate::battle::Task;
use crate::evaluation::{Baseline, Comparison, Evaluation, EvaluationRequest, Scores, Slicing, evaluate};

/// Arguments of `tiebreak score`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: tiebreak score models/linear/oof.csv train.csv --baseline peer.csv --folds splits.csv

Predictions are tables of id,winner_model_a,winner_model_b,winner_tie, in any order; their ids must be
exactly those of LABELS. Where neither labels nor predictions have a tie, A is scored against B alone."
)]
pub struct Args {
    /// The predictions to score
    #[arg(value_name = "PREDICTIONS")]
    predictions: PathBuf,
    /// Any labelled battle file, or a table of `id` and the three winner columns (fractions are soft labels)
    #[arg(value_name = "LABELS")]
    labels: PathBuf,
    /// Other predictions of the same rows, for a paired comparison
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    grouping: Grouping,
    /// Decides what is resampled
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Runs `tiebreak score`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let labels = Labels::read(&args.labels, &args.grouping)?;
    let task = task_of(&labels.judge(std::slice::from_ref(&args.predictions))?);
    let held_out = labels.judge_one(&args.predictions)?;
    let baseline = args.baseline.as_ref().map(|path| labels.judge_one(path)).transpose()?;
    let name = args.baseline.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let folds = args.grouping.folds.as_ref().map(|path| format!(", folds of {}", path.display()));
    let split = format!(
        "{} rows of {}{}",
        labels.len(),
        args.labels.display(),
        folds.unwrap_or_else(|| ", no folds given".to_owned())
    );
    let evaluation = evaluate(&EvaluationRequest {
        battles: &labels.battles,
        baseline: baseline.as_ref().map(|predictions| Baseline { name: &name, predictions }),
        seed: args.seed,
        ..EvaluationRequest::new(&held_out, task, &split)
    })
    .or_bad_input()?;
    for warning in &evaluation.warnings {
        console.warn(warning);
    }
    console.result(&evaluation, || text(&evaluation))
}

pub(super) fn text(evaluation: &Evaluation) -> String {
    let mut parts = vec![
        format!(
            "{} ({})",
            evaluation.split,
            if evaluation.task == Task::TwoWay { "A against B" } else { "A, B, tie" }
        ),
        metrics(&evaluation.scores),
    ];
    parts.extend(evaluation.comparison.as_ref().map(comparison));
    parts.extend(evaluation.floor.as_ref().map(|floor| {
        format!("floor of the log loss: {:.5} ({}, {} rows)", floor.log_loss, floor.source, floor.n)
    }));
    parts.extend(evaluation.slicings.iter().map(slicing));
    parts.join("\n")
}

/// A table in the one style of the commands.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header.to_vec());
    table
}

/// The metrics as a table.
pub(super) fn metrics(scores: &Scores) -> String {
    let mut table = table(&["metric", "value", "95 % interval", "if calibrated perfectly"]);
    let interval = |[low, high]: [f64; 2]| format!("{low:.5} .. {high:.5}");
    let mut row = |name: &str, value: f64, interval: String, perfect: Option<f64>| {
        let perfect = perfect.map_or_else(String::new, |value| format!("{value:.5}"));
        table.add_row(vec![name.to_owned(), format!("{value:.5}"), interval, perfect]);
    };
    row("log loss (nats)", scores.log_loss, interval(scores.log_loss_interval), None);
    row("  standard error, by group", scores.log_loss_standard_error, String::new(), None);
    row("  of the class prior", scores.prior_log_loss, String::new(), None);
    row("  less that of the prior", scores.delta_to_prior, interval(scores.delta_to_prior_interval), None);
    row("  calibration part", scores.calibration_loss, String::new(), None);
    row("Brier", scores.brier, String::new(), None);
    row("accuracy", scores.accuracy, String::new(), None);
    if let Some(auc) = scores.auc_a_against_b {
        row("AUC of A against B", auc, String::new(), None);
    }
    row("ECE, top label", scores.ece_top_label, String::new(), Some(scores.ece_top_label_if_perfect));
    let perfect = Some(scores.ece_top_label_equal_mass_if_perfect);
    row("ECE, top label, equal mass", scores.ece_top_label_equal_mass, String::new(), perfect);
    row("ECE, classwise", scores.ece_classwise, String::new(), Some(scores.ece_classwise_if_perfect));
    row("ECE, smooth", scores.ece_smooth, String::new(), Some(scores.ece_smooth_if_perfect));
    let perfect = Some(scores.calibration_error_debiased_if_perfect);
    row("calibration error, debiased", scores.calibration_error_debiased, String::new(), perfect);
    row("temperature", scores.temperature, String::new(), Some(1.0));
    format!("{} rows in {} groups\n{table}", scores.n, scores.n_groups)
}

fn comparison(comparison: &Comparison) -> String {
    let Comparison { delta_interval: [low, high], .. } = comparison;
    let word = match (*low > 0.0, *high < 0.0) {
        (true, _) => "worse",
        (_, true) => "better",
        _ => "no difference shown",
    };
    format!(
        "against {} ({:.5}): {:+.5} nats, 95 % interval {low:+.5} .. {high:+.5}, p = {:.4}: {word}\n\
         the smallest true difference that this comparison would show (80 % power): {:.5}",
        comparison.baseline,
        comparison.baseline_log_loss,
        comparison.delta_log_loss,
        comparison.delta_p_value,
        comparison.minimum_detectable_effect,
    )
}

fn slicing(slicing: &Slicing) -> String {
    let mut table = table(&[&slicing.property, "rows", "groups", "log loss", "+-", "prior"]);
    for slice in &slicing.slices {
        table.add_row(vec![
            slice.name.clone(),
            slice.n.to_string(),
            slice.n_groups.to_string(),
            format!("{:.4}", slice.log_loss),
            format!("{:.4}", slice.standard_error),
            format!("{:.4}", slice.prior_log_loss),
        ]);
    }
    table.to_string()
}
