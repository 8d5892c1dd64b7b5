//! `tiebreak predict`: the probabilities of a file of battles.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::{Console, LongRunArgs, OrBadInput, ServingArgs, forecast};
use crate::battle::BattleId;
use crate::files::AtomicFile;
use crate::predictors::language_model::{ModelInUse, Outcomes};
use crate::run_dir::RunDir;
use crate::shipped::{Shipped, ShippedPredictions};
use crate::sources::{self, Format, ReadOptions};
use crate::tables;
use crate::tables::scores::MemberTable;

/// Arguments of `tiebreak predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: tiebreak predict --run first data/raw/test.csv --out predictions.csv\n\n\
    Beside predictions.csv lies predictions.scores.parquet with the raw log-probabilities of every member, and the\n\
    logits or scores of language models.")]
pub struct Args {
    /// The run: a name under models/, or a path
    #[arg(long)]
    run: String,
    /// Battles in any supported format; labels are not looked at
    file: PathBuf,
    /// Where the probabilities go
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The format of the file, if detection should not decide
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    serving: ServingArgs,
    #[command(flatten)]
    long: LongRunArgs,
}

#[derive(Serialize)]
struct Predicted {
    rows: usize,
    out: PathBuf,
    scores: PathBuf,
    outcomes: Outcomes,
    calibrator_fitted_at_this_budget: bool,
    models: Vec<ModelInUse>,
}

/// Predicts battles.
///
/// # Errors
/// When the run or the file cannot be read, or the predictions cannot be written.
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
    let scores_path = args.out.with_extension("scores.parquet");
    let mut out = AtomicFile::create(&args.out)?;
    let mut scores = AtomicFile::create(&scores_path)?;
    let shipped = Shipped::load(&directory, &serving).or_bad_input()?;
    let models = serving.in_use();
    super::serving::remarks(&models, console);
    let progress = console.progress();
    let battles = sources::read_battles(&args.file, &options, progress.as_ref()).or_bad_input()?.rows;
    let deadline = args.long.deadline(started);
    let predicted = super::serving::predict(&shipped, &battles, (deadline, &journal), progress.as_ref())?;
    let ids: Vec<BattleId> = battles.iter().map(|battle| battle.id.clone()).collect();
    let outcomes = Outcomes::of(predicted.outcomes.iter().copied());
    let table = scores_of(&shipped, &ids, &predicted)?;
    let rows: Vec<_> = ids.into_iter().zip(predicted.probabilities).collect();
    write_all(&mut out, &args.out, &tables::predictions::to_csv(&rows))?;
    write_all(&mut scores, &scores_path, &table)?;
    out.commit()?;
    scores.commit()?;
    super::serving::finish(&journal, &outcomes)?;
    super::serving::left_over(&outcomes, console);
    let result = Predicted {
        rows: rows.len(),
        out: args.out.clone(),
        scores: scores_path,
        outcomes,
        calibrator_fitted_at_this_budget: super::serving::fitted_at_this_budget(&models),
        models,
    };
    console.result(&result, || {
        format!("{} rows: {} and {}", result.rows, result.out.display(), result.scores.display())
    })
}

/// The raw scores of every member as Parquet; what came of each row is said where a language model took part.
fn scores_of(shipped: &Shipped, ids: &[BattleId], predicted: &ShippedPredictions) -> anyhow::Result<Vec<u8>> {
    let outcomes: Vec<&str> = predicted.outcomes.iter().map(|outcome| outcome.name()).collect();
    let members: Vec<MemberTable> = predicted
        .members
        .iter()
        .map(|member| MemberTable {
            name: member.name.clone(),
            probabilities: member.rows.iter().map(|row| row.probabilities).collect(),
            raw_columns: member.raw_columns.clone(),
            raw: member.rows.iter().map(|row| row.raw.clone()).collect(),
        })
        .collect();
    let outcomes = shipped.has_language_model().then_some(outcomes.as_slice());
    Ok(tables::scores::to_parquet(ids, outcomes, &members)?)
}

fn write_all(file: &mut AtomicFile, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use anyhow::Context;
    file.write_all(bytes)
        .with_context(|| format!("cannot write `{}`; nothing was changed there", path.display()))
}
