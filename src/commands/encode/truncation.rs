//! How much of a file a budget cuts away, for reading.

use std::fmt::Write as _;

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

use crate::encoding::{PartReport, Quantiles, TruncationReport};

/// A table of parts and of whole sequences, with what was cut in words before it.
pub(super) fn text(report: &TruncationReport, max_tokens: usize, template: &str) -> String {
    let mut text = format!(
        "{} battles, {} sequences (template {template}, at most {max_tokens} tokens): {} battles cut ({})\n",
        report.rows,
        report.sequences,
        report.rows_cut,
        percent(report.share_of_rows_cut)
    );
    for (rows, what) in [
        (report.rows_without_early_turns, "lost whole early turns"),
        (report.rows_with_control_tokens, "spell control tokens of the model in their own texts"),
    ] {
        if rows > 0 {
            let _ = writeln!(text, "{rows} battles {what}");
        }
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let quantiles = ["mean", "min", "p25", "p50", "p75", "p90", "p95", "p99", "max"];
    table.set_header(["tokens", "cut", "kept"].iter().chain(&quantiles));
    for (name, part) in [
        ("prompt", &report.prompt),
        ("response in the first place", &report.response_a),
        ("response in the second place", &report.response_b),
    ] {
        table.add_row(part_row(name, part));
    }
    for (name, quantiles) in
        [("sequence before the cut", &report.tokens_before), ("sequence as read", &report.tokens)]
    {
        table.add_row([name, "", ""].map(str::to_owned).into_iter().chain(numbers(quantiles)));
    }
    let _ =
        write!(text, "{table}\ncut: share of sequences; kept: share of tokens; lengths are before the cut");
    text
}

fn part_row(name: &str, part: &PartReport) -> impl Iterator<Item = String> {
    [name.to_owned(), percent(part.share_cut), percent(part.share_kept)]
        .into_iter()
        .chain(numbers(&part.lengths))
}

fn numbers(quantiles: &Quantiles) -> impl Iterator<Item = String> {
    let Quantiles { mean, min, p25, p50, p75, p90, p95, p99, max } = *quantiles;
    let rest = [min, p25, p50, p75, p90, p95, p99, max].map(|number| number.to_string());
    std::iter::once(format!("{mean:.1}")).chain(rest)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
