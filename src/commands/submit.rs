//! `tiebreak submit`: a checked submission.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::{Console, OrBadInput, check};
use crate::battle::{Battle, BattleId, Probabilities};
use crate::files::AtomicFile;
use crate::run_dir::RunDir;
use crate::shipped::Shipped;
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
}

#[derive(Serialize)]
struct Submitted {
    out: PathBuf,
    rows: usize,
    diagnosis: Diagnosis,
}

/// Predicts, writes and checks a submission.
///
/// # Errors
/// When the input is wrong, a prediction fails, the doctor finds an error, or the file cannot be written.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let directory = RunDir::open(&args.run).or_bad_input()?;
    let reference_directory = args.reference.as_deref().map(RunDir::open).transpose().or_bad_input()?;
    let mut out = AtomicFile::create(&args.out)?;
    let shipped = Shipped::load(&directory)?;
    let progress = console.progress();
    let options = ReadOptions { format: args.format, max_rows: None };
    let battles = sources::read_battles(&args.file, &options, progress.as_ref()).or_bad_input()?.rows;
    let sample = args.sample.as_deref().map(read_bytes).transpose()?;
    let order = order_of(&battles, sample.as_deref(), args)?;
    let rows = with_ids(&battles, shipped.predict(&battles, progress.as_ref())?.probabilities);
    let format = SubmissionFormat::of_task(shipped.manifest().identity.task);
    let rows = submissions::in_order_of(&order, &rows).or_bad_input()?;
    let bytes = format.write(&rows, args.floor).or_bad_input()?;
    let swapped = swapped(&battles, &order, format, (args, &shipped))?;
    let reference = match &reference_directory {
        Some(directory) => Some(reference_of(directory, &battles, console)?),
        None => Some(own_reference(&shipped)),
    };
    let diagnosis = doctor::check(&Case {
        submission: &bytes,
        format: Some(format),
        test: &battles,
        sample: sample.as_deref(),
        reference: reference.as_ref(),
        swapped: Some(&swapped),
        constant_is_meant: is_constant(&directory)?,
    });
    if !console.is_json() {
        console.remark(&check::table(&diagnosis));
    }
    check::verdict(&args.out, &diagnosis)?;
    out.write_all(&bytes)
        .with_context(|| format!("cannot write `{}`; nothing was changed there", args.out.display()))?;
    out.commit()?;
    let submitted = Submitted { out: args.out.clone(), rows: rows.len(), diagnosis };
    console.result(&submitted, || format!("{} rows, checked: {}", submitted.rows, submitted.out.display()))
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

/// The submission for the same battles with A and B exchanged, which the doctor compares.
fn swapped(
    battles: &[Battle],
    order: &[BattleId],
    format: SubmissionFormat,
    (args, shipped): (&Args, &Shipped),
) -> anyhow::Result<Vec<u8>> {
    let exchanged: Vec<Battle> = battles.iter().map(Battle::swapped).collect();
    let predicted = shipped.predict(&exchanged, &crate::progress::Silent)?.probabilities;
    let rows = submissions::in_order_of(order, &with_ids(battles, predicted)).or_bad_input()?;
    format.write(&rows, args.floor).or_bad_input()
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

/// What a finished run says of the battles, as a reference for the doctor.
///
/// # Errors
/// When the run cannot be loaded or cannot predict.
pub(super) fn reference_of(
    directory: &RunDir,
    battles: &[Battle],
    console: &Console,
) -> anyhow::Result<Reference> {
    let shipped = Shipped::load(directory)?;
    let predicted = shipped.predict(battles, console.progress().as_ref())?;
    Ok(Reference {
        name: directory.name(),
        predictions: with_ids(battles, predicted.probabilities),
        class_shares: Some(shipped.manifest().identity.class_shares),
    })
}
