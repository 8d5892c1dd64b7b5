//! What stands in the cells of the tables of an audit.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use crate::audit::Estimate;

/// Lists are cut after so many lines; `--json` has all of them.
pub(super) const LONGEST_LIST: usize = 15;

/// A table whose columns but the first are numbers.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec()).add_rows(rows);
    for column in 1..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.1} %", 100.0 * share);
    if text == "-0.0 %" { "0.0 %".to_owned() } else { text }
}

pub(super) fn of(rows: usize, all: usize) -> String {
    percent(rows as f64 / all.max(1) as f64)
}

pub(super) fn interval(estimate: &Estimate, end: impl Fn(f64) -> String) -> String {
    estimate.interval.map_or("-".to_owned(), |[low, high]| format!("{} .. {}", end(low), end(high)))
}

pub(super) fn further(entries: usize) -> String {
    match entries.saturating_sub(LONGEST_LIST) {
        0 => String::new(),
        more => format!("\nand {more} more"),
    }
}

pub(super) fn pairs(examples: &[[String; 2]]) -> String {
    let pair = |[one, other]: &[String; 2]| format!("{} ~ {}", short_id(one), short_id(other));
    examples.iter().take(2).map(pair).collect::<Vec<_>>().join("\n")
}

/// An id, its middle left out when it is long: ids tend to differ at an end.
pub(super) fn short_id(id: &str) -> String {
    const END: usize = 11;
    let characters: Vec<char> = id.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if characters.len() <= 2 * END + 1 {
        return characters.into_iter().collect();
    }
    let end = |part: &[char]| part.iter().collect::<String>();
    format!("{}…{}", end(&characters[..END]), end(&characters[characters.len() - END..]))
}

/// One line of a text, shortened, without control characters.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 48;
    let line: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() { line + "…" } else { line }
}
