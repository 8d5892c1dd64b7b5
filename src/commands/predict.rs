//! `tiebreak predict`: the probabilities of a file of battles.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Console, OrBadInput};
use crate::battle::BattleId;
use crate::files::AtomicFile;
use crate::run_dir::RunDir;
use crate::shipped::Shipped;
use crate::sources::{self, Format, ReadOptions};
use crate::tables;

/// Arguments of `tiebreak predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: tiebreak predict --run first data/raw/test.csv --out predictions.csv\n\n\
    Beside predictions.csv lies predictions.scores.parquet with the raw log-probabilities of every member.")]
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
}

#[derive(Serialize)]
struct Predicted {
    rows: usize,
    out: PathBuf,
    scores: PathBuf,
}

/// Predicts battles.
///
/// # Errors
/// When the run or the file cannot be read, or the predictions cannot be written.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let directory = RunDir::open(&args.run).or_bad_input()?;
    let scores_path = args.out.with_extension("scores.parquet");
    let mut out = AtomicFile::create(&args.out)?;
    let mut scores = AtomicFile::create(&scores_path)?;
    let shipped = Shipped::load(&directory)?;
    let options = ReadOptions { format: args.format, max_rows: None };
    let progress = console.progress();
    let battles = sources::read_battles(&args.file, &options, progress.as_ref()).or_bad_input()?.rows;
    let predicted = shipped.predict(&battles, progress.as_ref())?;
    let ids: Vec<BattleId> = battles.iter().map(|battle| battle.id.clone()).collect();
    let rows: Vec<_> = ids.iter().cloned().zip(predicted.probabilities).collect();
    let members = &shipped.manifest().identity.members;
    write_all(&mut out, &args.out, &tables::predictions::to_csv(&rows))?;
    write_all(&mut scores, &scores_path, &tables::scores::to_parquet(&ids, members, &predicted.members)?)?;
    out.commit()?;
    scores.commit()?;
    let result = Predicted { rows: rows.len(), out: args.out.clone(), scores: scores_path };
    console.result(&result, || {
        format!("{} rows: {} and {}", result.rows, result.out.display(), result.scores.display())
    })
}

fn write_all(file: &mut AtomicFile, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use anyhow::Context;
    file.write_all(bytes)
        .with_context(|| format!("cannot write `{}`; nothing was changed there", path.display()))
}
