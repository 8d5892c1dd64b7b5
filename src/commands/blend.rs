//! `tiebreak blend`: how much each of several predictions is worth.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::calibrate::{candidates, kinds, parameters};
use super::judged::{Grouping, Labels, task_of};
use super::score::table;
use super::{BadInput, Console, OrBadInput};
use crate::battle::{BattleId, HeldOut, Probabilities, Task};
use crate::calibrators::{
    BlendKind, CalibratorKind, PostProcessing, PostProcessingRecipe, PostProcessingSummary,
};
use crate::evaluation::{Comparison, compare};
use crate::files::AtomicFile;
use crate::tables::predictions;

/// Arguments of `tiebreak blend`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: tiebreak blend --oof a.csv b.csv --labels train.csv --test a_t.csv b_t.csv --out blend.csv

Weights are non-negative and sum to 1. They are pulled towards equal ones, the more the fewer groups there
are; `auto` is `geometric`. What they are worth is measured on rows that they were not fitted on."
)]
pub struct Args {
    /// Held-out predictions of each member, all of the same rows
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    oof: Vec<PathBuf>,
    /// Any labelled battle file, or a table of `id` and the three winner columns
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Predictions of each member to blend, in the same order
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "out")]
    test: Vec<PathBuf>,
    /// Where the blended predictions go
    #[arg(long, value_name = "FILE", requires = "test")]
    out: Option<PathBuf>,
    /// How members are pooled and weighed
    #[arg(long, value_name = "KIND", default_value = "auto", value_parser = blends())]
    pooling: BlendKind,
    /// What calibrates the blend
    #[arg(long, value_name = "METHOD", default_value = "identity", value_parser = kinds())]
    calibrator: CalibratorKind,
    #[command(flatten)]
    grouping: Grouping,
    /// Decides the folds where none are given, and what is resampled
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

fn blends() -> impl TypedValueParser<Value = BlendKind> {
    PossibleValuesParser::new(["auto", "equal", "arithmetic", "geometric"]).map(|name| match name.as_str() {
        "equal" => BlendKind::Equal,
        "arithmetic" => BlendKind::Arithmetic,
        "geometric" => BlendKind::Geometric,
        _ => BlendKind::Auto,
    })
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Output {
    /// What is shipped: pooling, weights, calibrator.
    fitted: PostProcessing,
    /// Against equal weights, on the rows of the fit: what one would fool oneself with.
    in_sample: Comparison,
    /// Against equal weights, on rows that the blend was not fitted on.
    cross_fitted: Comparison,
    /// Against the best member alone, cross-fitted.
    against_best_member: Comparison,
    /// What the blend loses without each member.
    members: Vec<Member>,
    /// Members alone, correlations, calibrators, in one sentence.
    summary: PostProcessingSummary,
    /// How many predictions were blended and written.
    applied: Option<usize>,
}

/// What one member is worth.
#[derive(Debug, Serialize)]
struct Member {
    file: String,
    weight: f64,
    log_loss: f64,
    /// The cross-fitted blend with it against the one without it: negative when it helps.
    value: Option<Comparison>,
}

/// Runs `tiebreak blend`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    if !args.test.is_empty() && args.test.len() != args.oof.len() {
        let (tests, members) = (args.test.len(), args.oof.len());
        return Err(BadInput(format!(
            "--test has {tests} files and --oof {members}; give one test file for each member, in the same order"
        ))
        .into());
    }
    let out = args.out.as_deref().map(AtomicFile::create).transpose()?;
    let tests = read_tests(&args.test)?;
    let labels = Labels::read(&args.labels, &args.grouping)?;
    let held_out = labels.judge(&args.oof)?;
    let (fitted, output) = fit(args, &held_out, task_of(&held_out), tests.len())?;
    if let Some(mut file) = out {
        let rows: Vec<_> = tests.into_iter().map(|(id, members)| (id, fitted.apply(&members))).collect();
        file.write_all(&predictions::to_csv(&rows)).context("cannot write the blended predictions")?;
        file.commit()?;
    }
    console.result(&output, || text(&output))
}

fn fit(
    args: &Args,
    held_out: &HeldOut<Vec<Probabilities>>,
    task: Task,
    applied: usize,
) -> anyhow::Result<(PostProcessing, Output)> {
    let recipe = PostProcessingRecipe { blend: args.pooling, calibrator: args.calibrator, seed: args.seed };
    let mut result = recipe.cross_fit(held_out, task).or_bad_input()?;
    for (member, path) in result.summary.members.iter_mut().zip(&args.oof) {
        member.name = path.display().to_string();
    }
    let equal = PostProcessing::nothing(args.oof.len(), task);
    let equal = held_out.map(|_, row| equal.apply(&row.prediction));
    let in_sample = held_out.map(|_, row| result.fitted.apply(&row.prediction));
    let losses: Vec<f64> = result.summary.members.iter().map(|member| member.log_loss).collect();
    let best = (0..losses.len()).fold(0, |best, i| if losses[i] < losses[best] { i } else { best });
    let alone = only(held_out, &[best]).map(|_, row| PostProcessing::nothing(1, task).apply(&row.prediction));
    let against =
        |ours: &HeldOut, theirs: &HeldOut, name: &str| compare(ours, theirs, name, args.seed).or_bad_input();
    let output = Output {
        in_sample: against(&in_sample, &equal, "equal weights")?,
        cross_fitted: against(&result.held_out, &equal, "equal weights")?,
        against_best_member: against(&result.held_out, &alone, &result.summary.members[best].name)?,
        members: members(args, held_out, &recipe, (&result.held_out, &result.fitted, &result.summary))?,
        fitted: result.fitted.clone(),
        summary: result.summary,
        applied: args.out.is_some().then_some(applied),
    };
    Ok((result.fitted, output))
}

/// The blend with and without each member, both cross-fitted.
fn members(
    args: &Args,
    held_out: &HeldOut<Vec<Probabilities>>,
    recipe: &PostProcessingRecipe,
    (with, fitted, summary): (&HeldOut, &PostProcessing, &PostProcessingSummary),
) -> anyhow::Result<Vec<Member>> {
    let count = args.oof.len();
    let one = |member: usize| -> anyhow::Result<Member> {
        let others: Vec<usize> = (0..count).filter(|other| *other != member).collect();
        let value = if others.is_empty() {
            None
        } else {
            let without = recipe.cross_fit(&only(held_out, &others), fitted.task()).or_bad_input()?;
            Some(compare(with, &without.held_out, "without it", args.seed).or_bad_input()?)
        };
        Ok(Member {
            file: args.oof[member].display().to_string(),
            weight: fitted.weights()[member],
            log_loss: summary.members[member].log_loss,
            value,
        })
    };
    (0..count).map(one).collect()
}

/// The same rows with some of the members.
fn only(held_out: &HeldOut<Vec<Probabilities>>, members: &[usize]) -> HeldOut<Vec<Probabilities>> {
    held_out.map(|_, row| members.iter().map(|member| row.prediction[*member]).collect())
}

/// The members' predictions of the test rows, in the order of the first file.
fn read_tests(files: &[PathBuf]) -> anyhow::Result<Vec<(BattleId, Vec<Probabilities>)>> {
    let Some((first, others)) = files.split_first() else { return Ok(Vec::new()) };
    let mut rows: Vec<(BattleId, Vec<Probabilities>)> =
        predictions::read(first).or_bad_input()?.into_iter().map(|(id, p)| (id, vec![p])).collect();
    for path in others {
        let of_file: std::collections::BTreeMap<BattleId, Probabilities> =
            predictions::read(path).or_bad_input()?.into_iter().collect();
        for (id, members) in &mut rows {
            members.extend(of_file.get(id));
        }
        same_ids(&rows, &of_file.keys().collect(), (first, path))?;
    }
    Ok(rows)
}

fn same_ids(
    rows: &[(BattleId, Vec<Probabilities>)],
    others: &BTreeSet<&BattleId>,
    (first, path): (&Path, &Path),
) -> anyhow::Result<()> {
    let ids: BTreeSet<&BattleId> = rows.iter().map(|(id, _)| id).collect();
    if ids == *others {
        return Ok(());
    }
    let (missing, extra) = (ids.difference(others).count(), others.difference(&ids).count());
    Err(BadInput(format!(
        "`{}` and `{}` are not of the same rows: the second lacks {missing} of the {} ids of the first and has \
         {extra} others; give predictions of the same test file",
        first.display(),
        path.display(),
        ids.len()
    ))
    .into())
}

fn text(output: &Output) -> String {
    let mut members = table(&["member", "log loss", "weight", "value: blend with less without it"]);
    for member in &output.members {
        let value = member.value.as_ref().map_or_else(String::new, |value| {
            format!("{:+.5} +- {:.5}", value.delta_log_loss, value.delta_standard_error)
        });
        members.add_row(vec![
            member.file.clone(),
            format!("{:.5}", member.log_loss),
            format!("{:.4}", member.weight),
            value,
        ]);
    }
    let change = |name: &str, comparison: &Comparison| {
        let [low, high] = comparison.delta_interval;
        format!("{name}: {:+.5} nats, 95 % interval {low:+.5} .. {high:+.5}", comparison.delta_log_loss)
    };
    let rows: Vec<String> = output
        .summary
        .correlations
        .iter()
        .map(|row| row.iter().map(|r| format!("{r:6.3}")).collect::<Vec<_>>().join(" "))
        .collect();
    [
        members.to_string(),
        format!("correlations of the log-odds of A against B:\n{}", rows.join("\n")),
        candidates(&output.summary),
        change("against equal weights, in sample", &output.in_sample),
        change("against equal weights, cross-fitted", &output.cross_fitted),
        change(
            &format!("against {} alone", output.against_best_member.baseline),
            &output.against_best_member,
        ),
        format!(
            "fitted on all rows: {:?} pooling, {}",
            output.fitted.pooling(),
            parameters(output.fitted.calibrator())
        ),
        output.summary.verdict.clone(),
    ]
    .join("\n")
}
