//! `--dry-run` of `predict`, `submit` and `pseudo`: how long it would take.

use std::fmt::Write;
use std::path::PathBuf;

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

use super::serving::LongRunArgs;
use super::{BadInput, Console, OrBadInput};
use crate::predictors::PlannedRows;
use crate::shipped::{RunForecast, Shipped};
use crate::sources::{self, ReadOptions};

/// Reads the files, or the one that they are like, computes a sample and prints the forecast; writes nothing.
///
/// # Errors
/// When the file cannot be read, or the sample cannot be computed.
pub(super) fn run(
    shipped: &Shipped,
    (files, options): (&[PathBuf], &ReadOptions),
    long: &LongRunArgs,
    console: &Console,
) -> anyhow::Result<()> {
    let progress = console.progress();
    let files = long.like.as_ref().map_or(files, std::slice::from_ref);
    let mut battles = Vec::new();
    for file in files {
        battles.extend(sources::read_battles(file, options, progress.as_ref()).or_bad_input()?.rows);
    }
    if let (true, Some(file)) = (battles.is_empty(), files.first()) {
        return Err(BadInput(format!("`{}` has no row to forecast from", file.display())).into());
    }
    let rows = long.rows.unwrap_or(battles.len());
    let plan = PlannedRows { battles: &battles, rows, progress: progress.as_ref() };
    let forecast = shipped.forecast(&plan)?;
    console.result(&forecast, || table(&forecast))
}

fn table(forecast: &RunForecast) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["model", "rows", "sequences", "tokens", "batches", "seconds", "error of the fit"]);
    for model in &forecast.models {
        table.add_row([
            model.model.clone(),
            model.rows.to_string(),
            model.sequences.to_string(),
            model.tokens.to_string(),
            model.batches.to_string(),
            format!("{:.1}", model.tokenization_seconds + model.model_seconds),
            format!("{:.0} %", 100.0 * model.relative_error),
        ]);
    }
    let mut text = if forecast.models.is_empty() { String::new() } else { format!("{table}\n") };
    let _ = write!(
        text,
        "{} rows: {:.1} seconds ({:.1} rows/s), {:.1} of them for members without a language model; nothing was written",
        forecast.rows, forecast.seconds, forecast.rows_per_second, forecast.other_seconds
    );
    text
}
