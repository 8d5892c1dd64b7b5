//! `tiebreak submit`: a checked submission.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;

use super::{Console, LongRunArgs, OrBadInput, ServingArgs, check, forecast, interrupt};
use crate::battle::{Battle, BattleId, Probabilities};
use crate::files::{self, AtomicFile};
use crate::predictors::Conditions;
use crate::predictors::language_model::{ModelInUse, Outcome, Outcomes, Serving};
use crate::run_dir::RunDir;
use crate::shipped::{Shipped, ShippedError};
use crate::sources::{self, Format, ReadOptions};
use crate::submissions::doctor::{self, Case, Diagnosis, Reference};
use crate::submissions::{self, DEFAULT_FLOOR, SubmissionFormat};
use crate::tables;

/// Arguments of `tiebreak submit`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: tiebreak submit --run first data/raw/test.csv --sample data/raw/sample_submission.csv --out \
    submissions/first.csv\n\nThe form follows from the run's task: LMSYS probabilities, or WSDM winners. Nothing is \
    written when the doctor finds an error."
)]
pub struct Args {
    /// The run: a name under models/, or a path
    #[arg(long)]
    run: String,
    /// Battles in any supported format; labels are not looked at
    file: PathBuf,
    /// The competition's sample submission: its ids and their order
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// Where the submission goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A cheap run that predicts the same file, to see whether the submission makes sense
    #[arg(long, value_name = "RUN")]
    reference: Option<String>,
    /// The format of the file, if detection should not decide
    #[arg(long)]
    format: Option<Format>,
    /// The least probability that is printed: what a surprise may cost at most
    #[arg(long, default_value_t = DEFAULT_FLOOR)]
    floor: f64,
    #[command(flatten)]
    serving: ServingArgs,
    #[command(flatten)]
    long: LongRunArgs,
}

#[derive(Serialize)]
struct Submitted {
    out: PathBuf,
    rows: usize,
    outcomes: Outcomes,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcomes_file: Option<PathBuf>,
    calibrator_fitted_at_this_budget: bool,
    models: Vec<ModelInUse>,
    diagnosis: Diagnosis,
}

/// Predicts, writes and checks a submission.
///
/// # Errors
/// When the input is wrong, a prediction fails, the doctor finds an error, or the file cannot be written.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let started = Instant::now();
    let directory = RunDir::open(&args.run).or_bad_input()?;
    let mut serving = args.serving.serving(console);
    let options = ReadOptions { format: args.format, max_rows: None };
    if args.long.dry_run {
        let shipped = Shipped::load(&directory, &serving).or_bad_input()?;
        return forecast::run(&shipped, (std::slice::from_ref(&args.file), &options), &args.long, console);
    }
    let journal = args.long.journal(&args.out)?;
    serving.journal = Some(journal.clone());
    let cheap = args.reference.as_deref().map(|run| CheapRun::load(run, &args.serving.cheap(console)));
    let cheap = cheap.transpose()?;
    let mut out = AtomicFile::create(&args.out)?;
    let shipped = Shipped::load(&directory, &serving).or_bad_input()?;
    let models = serving.in_use();
    super::serving::remarks(&models, console);
    let progress = console.progress();
    let battles = sources::read_battles(&args.file, &options, progress.as_ref()).or_bad_input()?.rows;
    let sample = args.sample.as_deref().map(read_bytes).transpose()?;
    let order = order_of(&battles, sample.as_deref(), args)?;
    let stop = interrupt::flag()?;
    let stop = || stop.load(Ordering::Relaxed);
    let deadline = args.long.deadline(started);
    let conditions = Conditions { deadline, stop: &stop, progress: progress.as_ref() };
    let failed = |error| super::serving::failed(error, &journal);
    let predicted = shipped.predict(&battles, &conditions).map_err(failed)?;
    let outcomes = Outcomes::of(predicted.outcomes.iter().copied());
    let outcomes_file = outcomes_file(args, &battles, &predicted.outcomes);
    let rows = with_ids(&battles, predicted.probabilities);
    let format = SubmissionFormat::of_task(shipped.manifest().identity.task);
    let rows = submissions::in_order_of(&order, &rows).or_bad_input()?;
    let bytes = format.write(&rows, args.floor).or_bad_input()?;
    let exchanged = Exchanged { battles: &battles, order: &order, format, floor: args.floor };
    let swapped = exchanged.submission(&shipped, &conditions, &predicted.outcomes, console)?;
    let reference = match &cheap {
        Some(cheap) => Some(cheap.reference(&battles, &conditions).map_err(failed)?),
        None => Some(own_reference(&shipped)),
    };
    let diagnosis = doctor::check(&Case {
        submission: &bytes,
        format: Some(format),
        test: &battles,
        sample: sample.as_deref(),
        reference: reference.as_ref(),
        swapped: swapped.as_deref(),
        // What the deadline left out may all get the same shares.
        constant_is_meant: outcomes.fallback > 0 || is_constant(&directory)?,
    });
    if !console.is_json() {
        console.remark(&check::table(&diagnosis));
    }
    check::verdict(&args.out, &diagnosis)?;
    out.write_all(&bytes)
        .with_context(|| format!("cannot write `{}`; nothing was changed there", args.out.display()))?;
    out.commit()?;
    match &outcomes_file {
        Some((path, bytes)) => files::write(path, bytes)?,
        // Flags of an earlier call would be read as those of this one.
        None => files::remove(&outcomes_path(args))?,
    }
    super::serving::finish(&journal, &outcomes)?;
    super::serving::left_over(&outcomes, console);
    let submitted = Submitted {
        out: args.out.clone(),
        rows: rows.len(),
        outcomes,
        outcomes_file: outcomes_file.map(|(path, _)| path),
        calibrator_fitted_at_this_budget: super::serving::fitted_at_this_budget(&models),
        models,
        diagnosis,
    };
    console.result(&submitted, || format!("{} rows, checked: {}", submitted.rows, submitted.out.display()))
}

/// A CSV `id,outcome` beside the submission, whose form has no place for it; none where every row is complete.
fn outcomes_file(args: &Args, battles: &[Battle], outcomes: &[Outcome]) -> Option<(PathBuf, Vec<u8>)> {
    if outcomes.iter().all(|outcome| *outcome == Outcome::Complete) {
        return None;
    }
    let ids: Vec<BattleId> = battles.iter().map(|battle| battle.id.clone()).collect();
    let names: Vec<&str> = outcomes.iter().map(|outcome| outcome.name()).collect();
    Some((outcomes_path(args), tables::outcomes::to_csv(&ids, &names)))
}

fn outcomes_path(args: &Args) -> PathBuf {
    args.out.with_extension("outcomes.csv")
}

fn read_bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display())).or_bad_input()
}

/// The ids in the order of the sample, else of the file.
fn order_of(battles: &[Battle], sample: Option<&[u8]>, args: &Args) -> anyhow::Result<Vec<BattleId>> {
    let Some(bytes) = sample else { return Ok(battles.iter().map(|battle| battle.id.clone()).collect()) };
    submissions::ids_of_sample(bytes)
        .with_context(|| format!("the sample submission {:?} has no column `id`", args.sample))
        .or_bad_input()
}

fn with_ids(battles: &[Battle], probabilities: Vec<Probabilities>) -> Vec<(BattleId, Probabilities)> {
    battles.iter().map(|battle| battle.id.clone()).zip(probabilities).collect()
}

/// The same battles with A and B exchanged, for the doctor.
struct Exchanged<'a> {
    battles: &'a [Battle],
    order: &'a [BattleId],
    format: SubmissionFormat,
    floor: f64,
}

impl Exchanged<'_> {
    /// Their submission; none where it would have to be computed, or where the deadline left other rows out, which
    /// would be compared with a fallback.
    fn submission(
        &self,
        shipped: &Shipped,
        conditions: &Conditions<'_>,
        straight: &[Outcome],
        console: &Console,
    ) -> anyhow::Result<Option<Vec<u8>>> {
        if let Some(name) = shipped.reads_one_order() {
            console.remark(&format!(
                "predictor `{name}` reads the responses in one order: what it says of exchanged battles is not \
                 computed, and not checked"
            ));
            return Ok(None);
        }
        let exchanged: Vec<Battle> = self.battles.iter().map(Battle::swapped).collect();
        // What a language model reads of a battle in both orders is what it has read already; what the deadline
        // left out stays out.
        let deadline = conditions.deadline.map(|deadline| deadline.spent());
        let conditions = Conditions { deadline, progress: &crate::progress::Silent, ..*conditions };
        let predicted = shipped.predict(&exchanged, &conditions)?;
        if predicted.outcomes != straight {
            return Ok(None);
        }
        let rows = with_ids(self.battles, predicted.probabilities);
        let rows = submissions::in_order_of(self.order, &rows).or_bad_input()?;
        self.format.write(&rows, self.floor).or_bad_input().map(Some)
    }
}

/// Whether the run learned nothing but shares: then each of its folds held one prediction out.
fn is_constant(directory: &RunDir) -> anyhow::Result<bool> {
    let predictions = tables::predictions::read(&directory.out_of_fold_csv_path()).or_bad_input()?;
    let folds = tables::folds::read(&directory.splits_path()).or_bad_input()?;
    let folds: BTreeSet<u32> = folds.into_iter().map(|row| row.fold).collect();
    let distinct: BTreeSet<[u64; 3]> = predictions.iter().map(|(_, p)| p.ln().map(f64::to_bits)).collect();
    Ok(distinct.len() <= folds.len() && predictions.len() > folds.len())
}

/// Without a cheap run, what is known is the shares of the classes in training.
fn own_reference(shipped: &Shipped) -> Reference {
    Reference {
        name: "the training data".to_owned(),
        predictions: Vec::new(),
        class_shares: Some(shipped.manifest().identity.class_shares),
    }
}

/// A finished run whose predictions are a reference for the doctor, loaded before any long work.
pub(super) struct CheapRun {
    name: String,
    shipped: Shipped,
}

impl CheapRun {
    /// # Errors
    /// `BadInput` when there is no such run, or it cannot be loaded.
    pub(super) fn load(run: &str, serving: &Serving) -> anyhow::Result<Self> {
        let directory = RunDir::open(run).or_bad_input()?;
        let shipped = Shipped::load(&directory, serving).or_bad_input()?;
        Ok(Self { name: directory.name(), shipped })
    }

    /// What it says of the battles; only its class shares where the deadline left rows out, which would be compared
    /// with a fallback.
    ///
    /// # Errors
    /// When it cannot predict, or was stopped.
    pub(super) fn reference(
        &self,
        battles: &[Battle],
        conditions: &Conditions<'_>,
    ) -> Result<Reference, ShippedError> {
        let predicted = self.shipped.predict(battles, conditions)?;
        let is_whole = Outcomes::of(predicted.outcomes.iter().copied()).is_complete();
        let predictions = if is_whole { with_ids(battles, predicted.probabilities) } else { Vec::new() };
        let class_shares = Some(self.shipped.manifest().identity.class_shares);
        Ok(Reference { name: self.name.clone(), predictions, class_shares })
    }
}
