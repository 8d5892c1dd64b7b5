//! The flags of language models, the same for every command that runs them.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::{BadInput, Console, interrupt};
use crate::battle::Battle;
use crate::files;
use crate::onnx::Device;
use crate::predictors::language_model::{
    Deadline, JournalError, JournalPlace, LanguageModelError, ModelInUse, Outcomes, Serving, TimeLimit,
};
use crate::predictors::{Conditions, PredictError};
use crate::progress::Progress;
use crate::shipped::{Shipped, ShippedError, ShippedPredictions};
use crate::sources::INGEST_VERSION;

/// How language models are run.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Language models")]
pub struct ServingArgs {
    /// Where they run: cpu, cuda, tensorrt or auto; cuda:0,1 for several devices
    #[arg(long, default_value = "auto")]
    device: Device,
    /// Padded tokens that a batch may hold; changes the speed and nothing else
    #[arg(long, value_name = "N", value_parser = positive)]
    batch_tokens: Option<usize>,
    /// Tokens of a sequence, instead of those that the predictor was made with
    #[arg(long, value_name = "N", value_parser = positive)]
    max_tokens: Option<usize>,
}

/// How a long prediction is interrupted, continued and planned.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Long runs")]
pub struct LongRunArgs {
    /// Continue an interrupted run: what OUT.journal holds is not computed again
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Throw the journal of an interrupted run away
    #[arg(long)]
    force: bool,
    /// Say how long it would take, from the longest batch and a sample, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// With --dry-run: battles like those of the run, where the file at hand is tiny
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    pub(super) like: Option<PathBuf>,
    /// With --dry-run: how many rows the run will have
    #[arg(long, value_name = "N", requires = "dry_run", value_parser = positive)]
    pub(super) rows: Option<usize>,
    /// End in time, counted from the start: 8h30m, 45m, 90s. Every row gets one pass before any gets its second,
    /// rows left over are predicted by the other members, and --resume computes them
    #[arg(long, value_name = "TIME")]
    deadline: Option<TimeLimit>,
}

pub(super) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("it must be a whole number above 0".to_owned()),
        Ok(number) => Ok(number),
    }
}

impl ServingArgs {
    /// How models are run.
    pub(super) fn serving(&self, console: &Console) -> Serving {
        let mut serving = plain(console);
        serving.device = self.device.clone();
        serving.batch_tokens = self.batch_tokens;
        serving.max_tokens = self.max_tokens;
        serving
    }

    /// How the models of a cheap run beside the long one are run: on the same device, with their own tokens.
    pub(super) fn cheap(&self, console: &Console) -> Serving {
        let mut serving = self.serving(console);
        serving.max_tokens = None;
        serving
    }

    /// The tokens of a sequence, where they were given.
    pub(super) fn max_tokens(&self) -> Option<usize> {
        self.max_tokens
    }
}

/// How models are run where no flag says it.
pub(super) fn plain(console: &Console) -> Serving {
    Serving::new(INGEST_VERSION, console.threads())
}

impl LongRunArgs {
    /// The journal beside the output, after one that stands in the way was refused or thrown away.
    ///
    /// # Errors
    /// `BadInput` when there is one and neither `--resume` nor `--force` was given.
    pub(super) fn journal(&self, out: &Path) -> anyhow::Result<JournalPlace> {
        let mut path = out.to_owned().into_os_string();
        path.push(".journal");
        let place = JournalPlace { path: path.into(), resume: self.resume };
        let existing = existing(&place)?;
        if let (Some(first), false, false) = (existing.first(), self.resume, self.force) {
            return Err(BadInput(format!(
                "there is an unfinished run at `{}`; `--resume` continues it, `--force` starts afresh",
                first.display()
            ))
            .into());
        }
        if self.force {
            remove(&existing)?;
        }
        Ok(place)
    }

    /// The moment at which the last batch must be done; what comes after it is taken off.
    pub(super) fn deadline(&self, started: Instant) -> Option<Deadline> {
        let TimeLimit(limit) = self.deadline?;
        // Blending, calibrating and writing take some 10 seconds for a million rows.
        let reserve = Duration::from_secs(2) + limit / 100;
        Some(Deadline::new(started, limit.saturating_sub(reserve)))
    }
}

/// What a run says of battles: to the end, to the deadline, or until Ctrl-C.
///
/// # Errors
/// When a member fails or is stopped, as a person is told it.
pub(super) fn predict(
    shipped: &Shipped,
    battles: &[Battle],
    (deadline, journal): (Option<Deadline>, &JournalPlace),
    progress: &dyn Progress,
) -> anyhow::Result<ShippedPredictions> {
    let stop = interrupt::flag()?;
    let stop = || stop.load(Ordering::Relaxed);
    let conditions = Conditions { deadline, stop: &stop, progress };
    shipped.predict(battles, &conditions).map_err(|error| failed(error, journal))
}

/// Removes the journals of a run whose results have reached their final place, unless rows are left to compute.
///
/// # Errors
/// When the system refuses.
pub(super) fn finish(place: &JournalPlace, outcomes: &Outcomes) -> anyhow::Result<()> {
    if outcomes.is_complete() { remove(&existing(place)?) } else { Ok(()) }
}

fn remove(paths: &[PathBuf]) -> anyhow::Result<()> {
    for path in paths {
        files::remove(path)?;
    }
    Ok(())
}

fn existing(place: &JournalPlace) -> anyhow::Result<Vec<PathBuf>> {
    place.existing().with_context(|| format!("cannot look for journals beside `{}`", place.path.display()))
}

/// What a person is told of a prediction that did not come to its end: how it goes on, or what was wrong with the
/// input.
pub(super) fn failed(error: ShippedError, place: &JournalPlace) -> anyhow::Error {
    let ShippedError::Member { source, .. } = &error else { return error.into() };
    match source {
        PredictError::Stopped => {
            let kept = place.existing().unwrap_or_default();
            let kept: Vec<String> = kept.iter().map(|path| format!("`{}`", path.display())).collect();
            if kept.is_empty() {
                return anyhow::anyhow!(
                    "stopped before the end; nothing was written, and the same command starts again"
                );
            }
            anyhow::anyhow!(
                "stopped before the end; what was computed is in {}, and the same command with `--resume` goes on from \
                 there",
                kept.join(", ")
            )
        }
        PredictError::LanguageModel(cause) if is_fault_of_input(cause) => BadInput(error.to_string()).into(),
        _ => error.into(),
    }
}

/// A journal that belongs to something else, or a battle that does not fit the budget.
fn is_fault_of_input(error: &LanguageModelError) -> bool {
    use JournalError::{Damaged, Exists, Foreign};
    matches!(
        error,
        LanguageModelError::Encoding(_)
            | LanguageModelError::Journal(Foreign { .. } | Exists { .. } | Damaged { .. })
    )
}

/// Whether every model ran at the budget that the calibrator was fitted at.
pub(super) fn fitted_at_this_budget(models: &[ModelInUse]) -> bool {
    models.iter().all(|model| model.fitted_at_max_tokens.is_none())
}

/// Says what a person should know of the models that were run.
pub(super) fn remarks(models: &[ModelInUse], console: &Console) {
    for model in models {
        let (name, pool) = (model.folder.display(), &model.pool);
        console.remark(&format!(
            "{name}: on {}, by {}; nodes: {}",
            pool.devices.join(", "),
            pool.choice,
            pool.placement.summary()
        ));
        if let Some(fitted) = model.fitted_at_max_tokens {
            console.warn(&format!(
                "`{name}` reads {} tokens and was fitted at {fitted}: blend and calibrator are not fitted at this budget",
                model.max_tokens
            ));
        }
    }
}

/// Says how many rows there was no time for.
pub(super) fn left_over(outcomes: &Outcomes, console: &Console) {
    if !outcomes.is_complete() {
        console.warn(&format!(
            "the deadline left {} rows with one pass of two, and {} rows to the fallback; `--resume` computes them",
            outcomes.one_pass, outcomes.fallback
        ));
    }
}
