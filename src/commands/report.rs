//! `tiebreak report`: the report of a run, or of any predictions beside labels.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::judged::{Grouping, Labels, task_of};
use super::score::table;
use super::{BadInput, Console, OrBadInput};
use crate::evaluation::{Baseline, Evaluation, EvaluationRequest, FORMAT_VERSION, MemberCost, evaluate};
use crate::files::AtomicFile;
use crate::reports::{CostCells, Rendered, ReportContext, render};
use crate::run_dir::RunDir;

/// Arguments of `tiebreak report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: tiebreak report models/linear/oof.csv train.csv --out report

Writes report.html (one page that needs nothing beside it), report.md, report.json and plots/*.svg. With --run the
folder is models/NAME/report and everything comes from the run's own files.")]
pub struct Args {
    /// Predictions: a table of `id` and the three winner columns
    #[arg(value_name = "P.csv", required_unless_present = "run", requires = "labels")]
    predictions: Option<PathBuf>,
    /// Any labelled battle file, or a table of `id` and the three winner columns
    #[arg(value_name = "LABELS")]
    labels: Option<PathBuf>,
    /// A run: a name under `models/`, or a path
    #[arg(long, value_name = "NAME", conflicts_with_all = ["predictions", "labels"])]
    run: Option<String>,
    /// Other predictions of the same rows, for a paired comparison
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    grouping: Grouping,
    /// Decides what is resampled
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The folder to write to; `report` beside P.csv, or in the run's folder, if not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    files: Vec<PathBuf>,
    log_loss: f64,
    log_loss_interval: [f64; 2],
}

/// Runs `tiebreak report`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let directory = args.run.as_deref().map(RunDir::open).transpose().or_bad_input()?;
    let out = match (&args.out, &directory, &args.predictions) {
        (Some(out), _, _) => out.clone(),
        (None, Some(directory), _) => directory.report_path(),
        (None, None, predictions) => {
            predictions.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).join("report")
        }
    };
    // Opened before long work starts, so that a folder that cannot be written to is known at once.
    let first = AtomicFile::create(&out.join("report.json"))?;
    let (evaluation, context) = match &directory {
        Some(directory) => of_run(directory)?,
        None => of_predictions(args)?,
    };
    for warning in &evaluation.warnings {
        console.warn(warning);
    }
    drop(first);
    let files = write(&render(&evaluation, &context)?, &out)?;
    let scores = &evaluation.scores;
    let summary = Summary { files, log_loss: scores.log_loss, log_loss_interval: scores.log_loss_interval };
    console.result(&summary, || {
        let [low, high] = scores.log_loss_interval;
        format!(
            "{}: log loss {:.4} [{low:.4}, {high:.4}]",
            out.join("report.html").display(),
            scores.log_loss
        )
    })
}

/// Writes every file of a report below a folder, each atomically, and says which.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(rendered: &Rendered, out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for (name, bytes) in rendered.files() {
        let path = out.join(name);
        crate::files::write(&path, bytes)?;
        paths.push(path);
    }
    Ok(paths)
}

/// Writes the report of a run whose other files are all there, into its own folder.
///
/// # Errors
/// When a file of the run cannot be read or the report cannot be written.
pub(super) fn write_run(directory: &RunDir) -> anyhow::Result<()> {
    let (evaluation, context) = of_run(directory)?;
    write(&render(&evaluation, &context)?, &directory.report_path())?;
    Ok(())
}

fn of_predictions(args: &Args) -> anyhow::Result<(Evaluation, ReportContext)> {
    let (Some(predictions), Some(labels_file)) = (&args.predictions, &args.labels) else {
        return Err(BadInput("give predictions and labels, or a run with --run".to_owned()).into());
    };
    let labels = Labels::read(labels_file, &args.grouping)?;
    let task = task_of(&labels.judge(std::slice::from_ref(predictions))?);
    let held_out = labels.judge_one(predictions)?;
    let baseline = args.baseline.as_ref().map(|path| labels.judge_one(path)).transpose()?;
    let name = args.baseline.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let folds = args.grouping.folds.as_ref();
    let folds =
        folds.map_or_else(|| "no folds given".to_owned(), |path| format!("folds of {}", path.display()));
    let evaluation = evaluate(&EvaluationRequest {
        battles: &labels.battles,
        baseline: baseline.as_ref().map(|predictions| Baseline { name: &name, predictions }),
        seed: args.seed,
        ..EvaluationRequest::new(&held_out, task, &format!("{}, {folds}", labels_file.display()))
    })
    .or_bad_input()?;
    let identity = [("predictions", predictions), ("labels", labels_file)]
        .map(|(what, path)| Ok((format!("{what} {}", path.display()), hash(path)?)));
    let context = ReportContext {
        title: predictions.display().to_string(),
        identity: identity.into_iter().collect::<anyhow::Result<_>>()?,
        ..ReportContext::default()
    };
    Ok((evaluation, context))
}

fn hash(path: &Path) -> anyhow::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let file =
        fs::File::open(path).with_context(|| format!("cannot read `{}`", path.display())).or_bad_input()?;
    hasher.update_reader(file).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(format!("blake3 {}", hasher.finalize().to_hex()))
}

fn of_run(directory: &RunDir) -> anyhow::Result<(Evaluation, ReportContext)> {
    let evaluation = directory.read_metrics().or_bad_input()?;
    if evaluation.format_version != FORMAT_VERSION {
        let (path, version) = (directory.metrics_path(), evaluation.format_version);
        let message = format!(
            "`{}` has format version `{version}`, this program reads `{FORMAT_VERSION}`; train again",
            path.display()
        );
        return Err(BadInput(message).into());
    }
    let mut manifest = directory.read_manifest().or_bad_input()?;
    let costs = std::mem::take(&mut manifest.environment.members);
    let cascade = manifest.environment.cascade.take();
    let context = ReportContext {
        title: directory.name(),
        configuration: fs::read_to_string(directory.config_path()).ok(),
        identity: flat("", &serde_json::to_value(&manifest.identity)?),
        environment: flat("", &serde_json::to_value(&manifest.environment)?),
        costs,
        cascade,
    };
    Ok((evaluation, context))
}

/// The members of a run beside what they cost, as a table.
pub(super) fn costs(members: &[MemberCost]) -> String {
    let header = ["member", "kind", "accuracy", "log loss", "calibrated", "tokens a pair", "seconds a pair"];
    let mut table = table(&header);
    for member in members {
        let cost = CostCells::of(member);
        table.add_row([
            member.name.clone(),
            member.kind.clone(),
            format!("{:.5}", member.accuracy),
            format!("{:.5}", member.log_loss),
            format!("{:.5}", member.calibrated_log_loss),
            cost.tokens,
            cost.seconds,
        ]);
    }
    table.to_string()
}

/// Nested JSON as names and values.
fn flat(prefix: &str, value: &serde_json::Value) -> Vec<(String, String)> {
    let join = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix} {name}") };
    match value {
        serde_json::Value::Null => Vec::new(),
        serde_json::Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| flat(&join(name), value)).collect()
        }
        serde_json::Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(place, value)| flat(&join(&(place + 1).to_string()), value))
            .collect(),
        serde_json::Value::String(text) => vec![(prefix.to_owned(), text.clone())],
        other => vec![(prefix.to_owned(), other.to_string())],
    }
}
