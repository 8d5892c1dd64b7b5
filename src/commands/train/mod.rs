//! `tiebreak train`: from battles to a run.

mod cascade;
mod costs;
mod curves;
mod data;
mod fold_labels;
mod labels;
mod outputs;
mod source;

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{BadInput, Console, OrBadInput, ServingArgs, interrupt};
use crate::battle::{HeldOut, Probabilities, Provenance, Scored};
use crate::config::{Config, DataSource, FinalFit, Role};
use crate::learning::{FitContext, FitError};
use crate::onnx::Device;
use crate::predictors::SavedPredictor;
use crate::predictors::language_model::Serving;
use crate::run_dir::{GrowingRun, RunDir, Start};
use crate::validation::{self, CrossPredictions, Member, Plan, ValidationError};

use data::Prepared;

/// Arguments of `tiebreak train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: tiebreak train --config configs/tabular.toml --train data/raw/train.csv --run first\n\n\
    Cross-validates, blends and calibrates on held-out predictions, fits the final predictors, and leaves\n\
    everything in models/first, with a report in models/first/report/report.html.\n\n\
    Two finished runs as one, the expensive one for uncertain rows: tiebreak train --config configs/cascade.toml \
    --run cascade"
)]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Labelled battles to train and validate on, instead of the configuration's competition data
    #[arg(long, value_name = "FILE")]
    train: Vec<PathBuf>,
    /// A CSV `id,fold` that assigns the folds
    #[arg(long, value_name = "FILE")]
    folds: Option<PathBuf>,
    /// The name of the run under models/, or a path
    #[arg(long, default_value = "run")]
    run: String,
    /// Overrides a key of the configuration; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The seed of every fit, instead of the configuration's seeds
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Known true probabilities (of a simulation), for the report only
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Continue an interrupted run
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Start afresh, and replace an earlier run of this name when the new one is done
    #[arg(long)]
    force: bool,
    /// Where language models are trained, where not on --device: cpu, cuda or auto; cuda:1 is the second GPU. A GPU
    /// trains only in a program of `make build-cuda-training`
    #[arg(long, value_name = "DEVICE", help_heading = "Language models")]
    train_device: Option<Device>,
    #[command(flatten)]
    serving: ServingArgs,
}

/// Trains a run.
///
/// # Errors
/// When the configuration or the data are wrong, a fit fails, or a file cannot be written.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let started = Instant::now();
    let config = resolve(args)?;
    if !config.cascade.is_empty() {
        return cascade::run(args, &config, (console, started));
    }
    let mut serving = args.serving.serving(console);
    // Already in the configuration, so that it is what the run is fitted at.
    serving.max_tokens = None;
    serving.training.clone_from(&args.train_device);
    let members = members(&config, &serving)?;
    check_average(&config, &members)?;
    warn(&members, &serving, console);
    let growing = GrowingRun::begin(&args.run, start(args)).or_bad_input()?;
    let prepared = data::prepare(&config, console)?;
    for warning in labels::warnings(&prepared) {
        console.warn(&warning);
    }
    let progress = console.progress();
    let workspace = growing.workspace();
    let stop = interrupt::flag()?;
    let context = FitContext {
        member: "",
        seed: config.seeds[0],
        fold: None,
        threads: console.threads(),
        workspace: &workspace,
        stop: &stop,
        progress: progress.as_ref(),
    };
    let identity = data::identity(&config, &prepared, &serving, &members)?;
    let journal = growing.journal(&identity).or_bad_input()?;
    let plan = Plan {
        folds: &prepared.folds,
        seeds: &config.seeds,
        keep_predictors: config.final_fit.fit != FinalFit::Refit,
    };
    validation::prepare(prepared.set(), &members, &plan, &context).map_err(of_input)?;
    let cross =
        validation::cross_fit(prepared.set(), &members, &plan, &context, &journal).map_err(of_input)?;
    let held_out = held_out(&prepared, &cross);
    let post = config.post_processing.cross_fit(&held_out, config.task)?;
    let shipped = match config.final_fit.fit {
        FinalFit::Refit => validation::fit_final(prepared.set(), &members, &config.seeds, &context, &journal)
            .map_err(of_input)?,
        FinalFit::AverageWeights => validation::average_folds(&members, &plan, &context, &journal)?,
        fit => fits_of_folds(fit, &prepared, &cross)?,
    };
    let outputs = outputs::Outputs {
        config: &config,
        prepared: &prepared,
        cross: &cross,
        held_out: &held_out,
        post: &post,
        members: &members,
        serving: &serving,
    };
    outputs.write(growing, &shipped, args, (console, started))
}

/// What a recipe names may not fit the rows or the machine: that is the fault of the input.
fn of_input(error: ValidationError) -> anyhow::Error {
    match error {
        ValidationError::Prepare { source: FitError::Input(_), .. }
        | ValidationError::Fit { source: FitError::Input(_), .. } => BadInput(error.to_string()).into(),
        error => error.into(),
    }
}

fn start(args: &Args) -> Start {
    match (args.resume, args.force) {
        (true, _) => Start::Resume,
        (_, true) => Start::Force,
        _ => Start::New,
    }
}

fn resolve(args: &Args) -> anyhow::Result<Config> {
    let mut config = Config::read(&args.config, &args.overrides).or_bad_input()?;
    if !args.train.is_empty() {
        config.data.retain(|source| source.role == Role::Extra);
        config.data.splice(0..0, args.train.iter().cloned().map(DataSource::competition));
    }
    if let Some(cheap) = config.cascade.first() {
        if args.folds.is_some() {
            let message = "a cascade has the folds of its runs; leave `--folds` out".to_owned();
            return Err(BadInput(message).into());
        }
        if config.data.is_empty() {
            let cheap = RunDir::open(&cheap.run).or_bad_input()?;
            config.data = Config::read(&cheap.config_path(), &[]).or_bad_input()?.data;
            config.data.retain(|source| source.role == Role::Competition);
        }
    }
    if !config.data.iter().any(|source| source.role == Role::Competition) {
        return Err(BadInput(format!(
            "`{}` names no competition data; add `[[data]] path = \"train.csv\"` or give `--train FILE`",
            args.config.display()
        ))
        .into());
    }
    if let Some(file) = &args.folds {
        config.validation.folds_file = Some(file.clone());
    }
    if let Some(seed) = args.seed {
        config.seeds = vec![seed];
    }
    if let Some(max_tokens) = args.serving.max_tokens() {
        for entry in &mut config.predictor {
            entry.recipe.override_max_tokens(max_tokens);
        }
    }
    Ok(config)
}

/// Says what must be known of the members before hours are spent on them.
fn warn(members: &[Member], serving: &Serving, console: &Console) {
    super::serving::remarks(&serving.in_use(), console);
    for member in members {
        if let Some(place) = member.learner.trains_on() {
            console.remark(&format!("predictor `{}`: trains on {place}", member.name));
        }
        for warning in member.learner.warnings() {
            console.warn(&format!("predictor `{}`: {warning}", member.name));
        }
    }
}

fn members(config: &Config, serving: &Serving) -> anyhow::Result<Vec<Member>> {
    let names = config.predictor_names();
    let learners = config.predictor.iter().map(|entry| entry.recipe.learner(serving).or_bad_input());
    names.into_iter().zip(learners).map(|(name, learner)| Ok(Member { name, learner: learner? })).collect()
}

/// Refuses, before any work, a mean of weights that one of the members has not.
fn check_average(config: &Config, members: &[Member]) -> anyhow::Result<()> {
    if config.final_fit.fit != FinalFit::AverageWeights {
        return Ok(());
    }
    for member in members {
        if let Err(reason) = member.learner.averages() {
            return Err(BadInput(format!(
                "final.fit `average_weights`: predictor `{}` cannot be averaged, because {reason}; use `refit` or \
                 `fold_mean`",
                member.name
            ))
            .into());
        }
    }
    Ok(())
}

/// The rows whose fold was trained, with one prediction a member.
fn held_out(prepared: &Prepared, cross: &CrossPredictions) -> HeldOut<Vec<Probabilities>> {
    let mut rows = Vec::new();
    for (row, predictions) in cross.rows.iter().enumerate() {
        let Some(predictions) = predictions else { continue };
        let labeled = &prepared.competition[row];
        rows.push(Scored {
            id: labeled.battle.id.clone(),
            group: prepared.groups[row].clone(),
            fold: Some(prepared.assignment[row]),
            prediction: predictions.clone(),
            target: labeled.target,
        });
    }
    let folds = u32::try_from(prepared.folds.len()).unwrap_or(u32::MAX);
    HeldOut::new(rows, Provenance::CrossFitted { folds })
}

/// The predictors of the folds as the shipped ones.
fn fits_of_folds(
    fit: FinalFit,
    prepared: &Prepared,
    cross: &CrossPredictions,
) -> anyhow::Result<Vec<Vec<SavedPredictor>>> {
    let FinalFit::Fold(number) = fit else {
        return Ok(cross.predictors.iter().map(|folds| folds.iter().flatten().cloned().collect()).collect());
    };
    let Some(position) = prepared.folds.iter().position(|fold| fold.number == number) else {
        let trained: Vec<String> = prepared.folds.iter().map(|fold| fold.number.to_string()).collect();
        return Err(BadInput(format!(
            "final.fit `fold:{number}` was not trained; the folds are {}",
            trained.join(", ")
        ))
        .into());
    };
    Ok(cross.predictors.iter().map(|folds| folds[position].clone()).collect())
}

/// The name of a file without its folder, for what is compared between machines.
fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
