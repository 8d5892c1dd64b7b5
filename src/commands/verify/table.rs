//! How far two programs agree, for reading.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};

use super::compare::{Comparison, Mismatch, Spelled};

/// One row for each thing that was compared.
pub(super) fn text(comparison: &Comparison) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(110);
    let mut row = |name: &str, value: String| {
        table.add_row([name, &value]);
    };
    row("sequences", comparison.sequences.to_string());
    row("with other tokens", comparison.token_mismatches.to_string());
    if let Some(mismatch) = &comparison.first_mismatch {
        row("first difference", mismatch_text(mismatch));
    }
    row("logits compared", format!("{} sequences", comparison.compared_logits));
    if let Some(largest) = &comparison.largest_difference {
        row(
            "largest difference of a logit",
            format!(
                "{:.2e}{}: battle `{}`, output {}: {} here, {} there",
                largest.distance,
                comparison
                    .tolerance
                    .map_or_else(String::new, |tolerance| format!(" (tolerance {tolerance:e})")),
                largest.id,
                largest.output.name(),
                largest.logit,
                largest.their_logit
            ),
        );
    }
    if comparison.compared_logits > 0 {
        row("computed on", comparison.devices.join(", "));
        row("flipped decisions", format!("{} of {}", comparison.flipped_decisions, comparison.decisions));
    }
    if let (Some(ours), Some(theirs), Some(difference)) =
        (comparison.log_loss, comparison.their_log_loss, comparison.log_loss_difference)
    {
        let interval = comparison.log_loss_difference_interval;
        let interval = interval.map_or_else(String::new, |[low, high]| {
            format!(", 95 % interval {low:+.1e} to {high:+.1e} over {} prompts", comparison.prompts)
        });
        let value = format!(
            "{ours:.6} here, {theirs:.6} there, difference {difference:+.1e}{interval} ({} labelled, uncalibrated)",
            comparison.labelled
        );
        row("log loss", value);
    }
    table.to_string()
}

fn mismatch_text(mismatch: &Mismatch) -> String {
    let token = |token: &Option<Spelled>| match token {
        Some(Spelled { id, token }) => format!("`{token}` ({id})"),
        None => "the end".to_owned(),
    };
    format!(
        "battle `{}`, position {}: {} here, {} there; {} tokens here, {} there",
        mismatch.id,
        mismatch.position,
        token(&mismatch.token),
        token(&mismatch.their_token),
        mismatch.length,
        mismatch.their_length
    )
}
