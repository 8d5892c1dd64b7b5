//! `tiebreak log`: the log of experiments and leaderboard scores.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ArgGroup;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::{BadInput, Console, OrBadInput};
use crate::battle::Task;
use crate::evaluation::Evaluation;
use crate::manifest::Manifest;
use crate::run_dir::RunDir;
use crate::submissions::log::{self, Entry, LogError, Summary, Unreadable, Update};

/// Where runs are logged.
const DEFAULT_LOG: &str = "submissions/LOG.md";

/// Arguments of `tiebreak log`.
#[derive(Debug, clap::Args)]
#[command(
    group(ArgGroup::new("change").args(["add", "public", "public_rows", "private", "lesson"]).multiple(true)),
    after_help = "Example: tiebreak log --run gemma --public 0.941 --public-rows 7000 --private 0.951

Without options it lists the log: local scores against public ones, with the noise of both. With `--run` and a score or
a lesson it fills in the latest entry of that run; `--add` makes a new entry, for what was tried by hand or failed."
)]
pub struct Args {
    /// The run whose entry is changed or made
    #[arg(long, value_name = "NAME", requires = "change")]
    run: Option<String>,
    /// Its score on the public leaderboard
    #[arg(long, value_name = "SCORE", requires = "run")]
    public: Option<f64>,
    /// How many rows the public score was measured on
    #[arg(long, value_name = "N", requires = "run")]
    public_rows: Option<usize>,
    /// Its score on the private leaderboard
    #[arg(long, value_name = "SCORE", requires = "run")]
    private: Option<f64>,
    /// What it taught, in a sentence
    #[arg(long, value_name = "TEXT", requires = "run")]
    lesson: Option<String>,
    /// Make a new entry instead of changing one
    #[arg(long, requires = "run")]
    add: bool,
    /// With --add: what was typed
    #[arg(long, value_name = "TEXT", requires = "add")]
    typed: Option<String>,
    /// With --add: what the local score was measured on
    #[arg(long, value_name = "TEXT", requires = "add")]
    split: Option<String>,
    /// With --add: the rows of that split
    #[arg(long, value_name = "N", requires = "add")]
    n: Option<usize>,
    /// With --add: the local score
    #[arg(long, value_name = "SCORE", requires = "add")]
    local: Option<f64>,
    /// With --add: the standard error of the local score
    #[arg(long, value_name = "SE", requires = "add")]
    standard_error: Option<f64>,
    /// With --add: the commit the program was built from
    #[arg(long, value_name = "HASH", requires = "add")]
    commit: Option<String>,
    /// With --add: the day as YYYY-MM-DD; today (UTC) if not given
    #[arg(long, value_name = "DATE", requires = "add")]
    date: Option<String>,
    /// The log
    #[arg(long, value_name = "FILE", default_value = DEFAULT_LOG)]
    file: PathBuf,
}

/// What `--json` prints when the log is listed.
#[derive(Debug, Serialize)]
struct Listing {
    file: PathBuf,
    entries: Vec<Entry>,
    summary: Summary,
    unreadable: Vec<Unreadable>,
}

/// Runs `tiebreak log`.
///
/// # Errors
/// When the log cannot be read or written, or a run is not in it.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let Some(run) = &args.run else { return list(args, console) };
    let entry = if args.add { add(args, run) } else { set(args, run) }?;
    console.result(&entry, || format!("{}: {}", args.file.display(), in_words(&entry)))
}

fn add(args: &Args, run: &str) -> anyhow::Result<Entry> {
    let entry = Entry {
        date: args.date.clone().unwrap_or_else(today),
        commit: args.commit.clone().unwrap_or_default(),
        run: run.to_owned(),
        command: args.typed.clone().unwrap_or_default(),
        split: args.split.clone().unwrap_or_default(),
        n: args.n,
        local: args.local,
        standard_error: args.standard_error,
        public: args.public,
        public_rows: args.public_rows,
        private: args.private,
        lesson: args.lesson.clone().unwrap_or_default(),
    };
    sorted(log::append(&args.file, entry.clone()))?;
    Ok(entry)
}

/// Appends a finished run under `models/` to `submissions/LOG.md`; runs elsewhere are nobody's experiment.
///
/// # Errors
/// When the log cannot be read or written.
pub(super) fn append_run(
    directory: &RunDir,
    evaluation: &Evaluation,
    manifest: &Manifest,
) -> anyhow::Result<()> {
    if directory.path().parent() != Some(Path::new("models")) {
        return Ok(());
    }
    let scores = &evaluation.scores;
    let (local, standard_error) = match evaluation.task {
        Task::ThreeWay => (scores.log_loss, Some(scores.log_loss_standard_error)),
        Task::TwoWay => (scores.accuracy, None),
    };
    let entry = Entry {
        date: today(),
        commit: commit().unwrap_or_default(),
        run: directory.name(),
        command: manifest.environment.command.clone(),
        split: evaluation.split.clone(),
        n: Some(scores.n),
        local: Some(local),
        standard_error,
        ..Entry::default()
    };
    sorted(log::append(Path::new(DEFAULT_LOG), entry))
}

/// The commit that is checked out here, where git knows.
fn commit() -> Option<String> {
    let output = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn set(args: &Args, run: &str) -> anyhow::Result<Entry> {
    let update = Update {
        public: args.public,
        public_rows: args.public_rows,
        private: args.private,
        lesson: args.lesson.clone(),
    };
    sorted(log::update(&args.file, |log| log.set(run, &update)))
}

/// A disk that cannot be written to is not the fault of the input.
fn sorted<T>(result: Result<T, LogError>) -> anyhow::Result<T> {
    match result {
        Err(error @ LogError::Write(_)) => Err(error.into()),
        other => other.or_bad_input(),
    }
}

fn list(args: &Args, console: &Console) -> anyhow::Result<()> {
    if !args.file.exists() {
        let path = args.file.display();
        return Err(BadInput(format!("there is no log `{path}`; `train` or `log --add` starts one")).into());
    }
    let log = sorted(log::read(&args.file))?;
    for row in log.unreadable() {
        console.warn(&format!("`{}` line {} is not counted: {}", args.file.display(), row.line, row.fault));
    }
    let listing = Listing {
        file: args.file.clone(),
        entries: log.entries().cloned().collect(),
        summary: log::summary(log.entries()),
        unreadable: log.unreadable().to_vec(),
    };
    console.result(&listing, || text(&listing))
}

fn in_words(entry: &Entry) -> String {
    let score =
        |name: &str, value: Option<f64>| value.map_or_else(String::new, |value| format!(", {name} {value}"));
    format!(
        "{} `{}`{}{}{}",
        entry.date,
        entry.run,
        score("local", entry.local),
        score("public", entry.public),
        score("private", entry.private)
    )
}

fn text(listing: &Listing) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(120);
    table.set_header(["date", "run", "split", "n", "local ± SE", "public ± SE", "private", "lesson"]);
    let mut comparisons = listing.summary.comparisons.iter();
    for entry in &listing.entries {
        let compared = entry.local.and(entry.public).and_then(|_| comparisons.next());
        let public_error = compared.and_then(|comparison| comparison.public_standard_error);
        table.add_row([
            entry.date.clone(),
            entry.run.clone(),
            entry.split.clone(),
            entry.n.map_or_else(String::new, |n| n.to_string()),
            with_error(entry.local, entry.standard_error),
            with_error(entry.public, public_error),
            with_error(entry.private, None),
            entry.lesson.clone(),
        ]);
    }
    format!("{table}\n{}", conclusion(&listing.summary))
}

fn with_error(value: Option<f64>, error: Option<f64>) -> String {
    match (value, error) {
        (Some(value), Some(error)) => format!("{value:.4} ± {error:.4}"),
        (Some(value), None) => format!("{value:.4}"),
        _ => String::new(),
    }
}

fn conclusion(summary: &Summary) -> String {
    let Summary { comparisons, pearson, pearson_interval, spearman, mean_shift, shift_standard_deviation } =
        summary;
    let n = comparisons.len();
    let (Some(shift), Some(deviation)) = (mean_shift, shift_standard_deviation) else {
        return format!("{n} entries have a local and a public score; from 3 on they can be compared.");
    };
    let number = |value: &Option<f64>| value.map_or_else(|| "none".to_owned(), |r| format!("{r:.3}"));
    let interval = pearson_interval.map_or_else(String::new, |[low, high]| format!(" [{low:.3}, {high:.3}]"));
    format!(
        "Local against public over {n} entries: Spearman {}, Pearson {}{interval}; public minus local {shift:+.4} on \
         average (another split, so the shift itself says nothing), with a spread of {deviation:.4}.",
        number(spearman),
        number(pearson)
    )
}

/// The day in Greenwich.
fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date_of_day(seconds / 86_400)
}

/// The date of a day counted from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn date_of_day(day: u64) -> String {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        let days = [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_781, "2026-11-24")];
        for (day, date) in days {
            assert_eq!(date_of_day(day), date);
        }
    }
}
