//! `tiebreak calibrate`: calibrators judged on stored predictions.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::judged::{Grouping, Labels, task_of};
use super::score::table;
use super::{Console, OrBadInput};
use crate::calibrators::{
    BlendKind, Calibrator, CalibratorKind, PostProcessing, PostProcessingRecipe, PostProcessingSummary,
};
use crate::evaluation::{Comparison, Scores, compare, scores};
use crate::files::AtomicFile;
use crate::tables::predictions;

/// Arguments of `tiebreak calibrate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: tiebreak calibrate oof.csv train.csv --apply submission.csv --out calibrated.csv

Calibrators are judged on rows that they were not fitted on, and the one that is kept is fitted on all.
PREDICTIONS must be of rows that the model never saw: on its own training rows every calibrator misleads."
)]
pub struct Args {
    /// Held-out predictions
    #[arg(value_name = "PREDICTIONS")]
    predictions: PathBuf,
    /// Any labelled battle file, or a table of `id` and the three winner columns
    #[arg(value_name = "LABELS")]
    labels: PathBuf,
    /// Which calibrator to fit; `auto` takes the simplest that is within one standard error of the best
    #[arg(long, value_name = "METHOD", default_value = "auto", value_parser = kinds())]
    method: CalibratorKind,
    /// Predictions to calibrate with what was fitted
    #[arg(long, value_name = "FILE", requires = "out")]
    apply: Option<PathBuf>,
    /// Where the calibrated predictions go
    #[arg(long, value_name = "FILE", requires = "apply")]
    out: Option<PathBuf>,
    #[command(flatten)]
    grouping: Grouping,
    /// Decides the folds where none are given, and what is resampled
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// The calibrators that can be shipped, by name.
pub(super) fn kinds() -> impl TypedValueParser<Value = CalibratorKind> {
    let named = || CalibratorKind::SHIPPED.into_iter().chain([CalibratorKind::Auto]);
    PossibleValuesParser::new(named().map(CalibratorKind::name)).map(move |name| {
        // The parser lets only these names through.
        named().find(|kind| kind.name() == name).unwrap_or_default()
    })
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Output {
    /// What was asked for.
    method: CalibratorKind,
    /// What was fitted on all rows.
    calibrator: Calibrator,
    /// Scores as given.
    before: Scores,
    /// Scores with the calibration cross-fitted.
    after: Scores,
    /// After against before, paired.
    comparison: Comparison,
    /// What was tried.
    summary: PostProcessingSummary,
    /// How many predictions were calibrated and written.
    applied: Option<usize>,
}

/// Runs `tiebreak calibrate`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let out = args.out.as_deref().map(AtomicFile::create).transpose()?;
    let to_apply = args.apply.as_deref().map(predictions::read).transpose().or_bad_input()?;
    let labels = Labels::read(&args.labels, &args.grouping)?;
    let held_out = labels.judge(std::slice::from_ref(&args.predictions))?;
    let task = task_of(&held_out);
    let recipe = PostProcessingRecipe { blend: BlendKind::Equal, calibrator: args.method, seed: args.seed };
    let fitted = recipe.cross_fit(&held_out, task).or_bad_input()?;
    let output = Output {
        method: args.method,
        calibrator: fitted.fitted.calibrator().clone(),
        before: scores(&fitted.before, task, args.seed).or_bad_input()?,
        after: scores(&fitted.held_out, task, args.seed).or_bad_input()?,
        comparison: compare(&fitted.held_out, &fitted.before, "as given", args.seed).or_bad_input()?,
        summary: fitted.summary,
        applied: to_apply.as_ref().map(Vec::len),
    };
    if let (Some(mut file), Some(rows)) = (out, to_apply) {
        let apply = |post: &PostProcessing, (id, p)| (id, post.apply(&[p]));
        let rows: Vec<_> = rows.into_iter().map(|row| apply(&fitted.fitted, row)).collect();
        file.write_all(&predictions::to_csv(&rows)).context("cannot write the calibrated predictions")?;
        file.commit()?;
    }
    console.result(&output, || text(&output))
}

fn text(output: &Output) -> String {
    let mut lines = vec![candidates(&output.summary)];
    let mut scores = table(&["", "log loss", "ECE, top label", "ECE, smooth", "temperature"]);
    for (name, of) in [("as given", &output.before), ("calibrated, cross-fitted", &output.after)] {
        scores.add_row(vec![
            name.to_owned(),
            format!("{:.5} +- {:.5}", of.log_loss, of.log_loss_standard_error),
            format!("{:.4} (perfect {:.4})", of.ece_top_label, of.ece_top_label_if_perfect),
            format!("{:.4} (perfect {:.4})", of.ece_smooth, of.ece_smooth_if_perfect),
            format!("{:.4}", of.temperature),
        ]);
    }
    lines.push(scores.to_string());
    let [low, high] = output.comparison.delta_interval;
    lines.push(format!(
        "calibrated less as given: {:+.5} nats, 95 % interval {low:+.5} .. {high:+.5}",
        output.comparison.delta_log_loss
    ));
    lines.extend(output.summary.position_bias.as_ref().map(|bias| {
        let given_up =
            if bias.symmetry_given_up { "; the calibrator treats A and B differently" } else { "" };
        format!(
            "position bias: statistic {:.2}, p = {:.4}, A less B {:+.4}{given_up}",
            bias.statistic, bias.p_value, bias.a_minus_b
        )
    }));
    lines.push(format!("fitted on all rows: {}", parameters(&output.calibrator)));
    lines.push(output.summary.verdict.clone());
    lines.join("\n")
}

/// The calibrators that were tried, as a table.
pub(super) fn candidates(summary: &PostProcessingSummary) -> String {
    let mut table = table(&["calibrator, cross-fitted", "log loss", "change", "+-", ""]);
    for candidate in &summary.calibrators {
        let remark = match (candidate.chosen, candidate.name.as_str()) {
            (true, _) => "kept",
            (_, "isotonic") => "diagnostic only",
            _ => "",
        };
        table.add_row(vec![
            candidate.name.clone(),
            format!("{:.5}", candidate.log_loss),
            format!("{:+.5}", candidate.delta_log_loss),
            format!("{:.5}", candidate.delta_standard_error),
            remark.to_owned(),
        ]);
    }
    table.to_string()
}

/// A calibrator on one line.
pub(super) fn parameters(calibrator: &Calibrator) -> String {
    match calibrator {
        Calibrator::Temperature(t) => {
            format!("temperature {:.5}{}", t.temperature, if t.at_bound { " (at its bound)" } else { "" })
        }
        Calibrator::Symmetric(s) => {
            format!("symmetric, contrast x {:.5}, tie x {:.5} {:+.5}", s.contrast, s.tie, s.offset)
        }
        Calibrator::Position(p) => format!("position, offset {:+.5} of A against B", p.offset),
        Calibrator::Vector(v) => format!("vector, factors {:.4?}, offsets {:.4?}", v.factors, v.offsets),
        Calibrator::StructuredMatrix(m) => format!("matrix {:.4?}, offsets {:.4?}", m.matrix, m.offsets),
        Calibrator::Identity {} | Calibrator::Isotonic(_) => calibrator.kind().name().to_owned(),
    }
}
