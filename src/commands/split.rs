//! `tiebreak split`: folds that keep equal prompts together.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::Serialize;

use super::{Console, OrBadInput};
use crate::battle::{Class, GroupId, LabeledBattle};
use crate::files::AtomicFile;
use crate::sources::{self, Format, ReadOptions};
use crate::splits::{self, Fold, GroupedRow};
use crate::tables::folds::{self, FoldRow};

/// Below so many groups, intervals that resample groups are unreliable.
const FEW_GROUPS: usize = 30;

/// The largest fold may have so many times the rows of the smallest before it is worth a word.
const UNEVEN: f64 = 1.1;

/// Arguments of `tiebreak split`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: tiebreak split train.csv --folds 5 --seed 1 --out splits.csv

Rows with the same normalised prompt or the same session stay in one fold. Folds are as even as whole
groups allow, classes are spread over them; the same file, number and seed give the same folds, in
whatever order the rows stand. `train --folds splits.csv` uses them.")]
pub struct Args {
    /// Battles with labels, of any supported format
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How many folds
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..))]
    folds: u32,
    /// Decides which groups come together
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The file to write: id,group,fold
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The format of the file, instead of finding it out
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    out: PathBuf,
    rows: usize,
    n_groups: usize,
    seed: u64,
    folds: Vec<FoldSummary>,
}

/// One fold; its shares are those of the held-out rows.
#[derive(Debug, Serialize)]
struct FoldSummary {
    fold: u32,
    rows: usize,
    n_groups: usize,
    /// Rows of its largest group.
    largest_group: usize,
    share_a: f64,
    share_b: f64,
    share_tie: f64,
}

/// Runs `tiebreak split`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let mut out = AtomicFile::create(&args.out)?;
    let options = ReadOptions { format: args.format, ..ReadOptions::default() };
    let rows = sources::read_labeled(&args.file, &options, &*console.progress()).or_bad_input()?.rows;
    let groups = splits::groups(&rows);
    let grouped: Vec<GroupedRow<'_>> = rows
        .iter()
        .zip(&groups)
        .map(|(row, group)| GroupedRow { id: &row.battle.id, group, target: row.target })
        .collect();
    let assignment = splits::assign(&grouped, args.folds, args.seed).or_bad_input()?;
    let stored: Vec<FoldRow> = grouped
        .iter()
        .zip(&assignment)
        .map(|(row, fold)| FoldRow { id: row.id.clone(), group: Some(row.group.clone()), fold: *fold })
        .collect();
    out.write_all(&folds::to_csv(&stored))
        .with_context(|| format!("cannot write `{}`", args.out.display()))?;
    out.commit()?;
    let summary = Summary {
        out: args.out.clone(),
        rows: rows.len(),
        n_groups: groups.iter().collect::<BTreeSet<_>>().len(),
        seed: args.seed,
        folds: splits::folds(&assignment).iter().map(|fold| summary_of(fold, &rows, &groups)).collect(),
    };
    warn(&summary, console);
    console.result(&summary, || table(&summary))
}

fn summary_of(fold: &Fold, rows: &[LabeledBattle], groups: &[GroupId]) -> FoldSummary {
    let share = |class: Class| {
        fold.held_out.iter().map(|row| rows[*row].target.of(class)).sum::<f64>() / fold.held_out.len() as f64
    };
    let mut names: Vec<&GroupId> = fold.held_out.iter().map(|row| &groups[*row]).collect();
    names.sort_unstable();
    let sizes = names.chunk_by(|one, other| one == other).map(<[_]>::len);
    FoldSummary {
        fold: fold.number,
        rows: fold.held_out.len(),
        n_groups: sizes.clone().count(),
        largest_group: sizes.max().unwrap_or(0),
        share_a: share(Class::A),
        share_b: share(Class::B),
        share_tie: share(Class::Tie),
    }
}

fn warn(summary: &Summary, console: &Console) {
    let sizes = || summary.folds.iter().map(|fold| fold.rows);
    let (smallest, largest) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
    if largest as f64 > UNEVEN * smallest as f64 {
        console.warn(&format!(
            "folds have {smallest} to {largest} rows: {} groups (rows with the same prompt or session) cannot \
             be divided more evenly",
            summary.n_groups
        ));
    }
    if summary.n_groups < FEW_GROUPS {
        console.warn(&format!(
            "only {} groups (prompts, sessions): scores of such folds depend much on the seed, and intervals \
             are unreliable; compare models on identical folds and over several seeds",
            summary.n_groups
        ));
    }
}

fn table(summary: &Summary) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["fold", "rows", "groups", "largest group", "A wins", "B wins", "tie"]);
    for fold in &summary.folds {
        let share = |share: f64| format!("{:.1} %", 100.0 * share);
        table.add_row([
            fold.fold.to_string(),
            fold.rows.to_string(),
            fold.n_groups.to_string(),
            fold.largest_group.to_string(),
            share(fold.share_a),
            share(fold.share_b),
            share(fold.share_tie),
        ]);
    }
    let (rows, groups, out) = (summary.rows, summary.n_groups, summary.out.display());
    format!("{table}\n{rows} rows in {groups} groups (same prompt or session), written to {out}")
}
