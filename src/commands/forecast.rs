//! `--dry-run` of `predict` and `submit`: how long it would take.

use std::fmt::Write;
use std::path::Path;

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

use super::serving::LongRunArgs;
use super::{BadInput, Console, OrBadInput};
use crate::predictors::PlannedRows;
use crate::shipped::{RunForecast, Shipped};
use crate::sources::{self, ReadOptions};

/// Reads the file, or the one that it is like, computes a sample and prints the forecast; writes nothing.
///
/// # Errors
/// When the file cannot be read, or the sample cannot be computed.
pub(super) fn run(
    shipped: &Shipped,
    (file, options): (&Path, &ReadOptions),
    long: &LongRunArgs,
    console: &Console,
) -> anyhow::Result<()> {
    let progress = console.progress();
    let file = long.like.as_deref().unwrap_or(file);
    let battles = sources::read_battles(file, options, progress.as_ref()).or_bad_input()?.rows;
    if battles.is_empty() {
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
