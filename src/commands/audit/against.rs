//! Two files beside each other, as a person reads it.

use super::cells::{excerpt, interval, pairs, table};
use crate::audit::{AgainstReport, Difference, Match, Shift};

pub(super) fn section(other: &AgainstReport) -> String {
    let leaks = &other.leaks;
    let row = |name: &str, found: &Match| {
        vec![
            name.to_owned(),
            found.rows_here.to_string(),
            found.rows_there.to_string(),
            pairs(&found.examples),
        ]
    };
    let rows = [
        row("same id", &leaks.ids),
        row("same prompt", &leaks.prompts),
        row("nearly the same prompt", &leaks.near_prompts),
        row("same battle, same order", &leaks.battles),
        row("same battle, sides exchanged", &leaks.swapped_battles),
    ];
    let mut parts = vec![
        format!("AGAINST {} ({} rows)", other.file, other.rows),
        table(&["in both files", "rows here", "rows there", "examples (ids)"], rows),
    ];
    if leaks.not_all_compared > 0 {
        parts.push(format!(
            "{} prompts share so much with so many others that not all pairs were compared: there may be more.",
            leaks.not_all_compared
        ));
    }
    match &other.shift {
        Some(shift) => parts.extend(shift_parts(shift)),
        None => parts.push("Too few prompts to tell the files apart.".to_owned()),
    }
    parts.join("\n")
}

fn shift_parts(shift: &Shift) -> Vec<String> {
    let number = |value: f64| format!("{value:.3}");
    let verdict = if shift.told_apart {
        "the files are told apart, so a score on one says less about the other"
    } else {
        "it does not tell the files apart"
    };
    let mut parts = vec![format!(
        "A classifier that guesses the file of a row ({} and {} rows, {} columns) has AUC {} ({}): {verdict}.",
        shift.rows_here,
        shift.rows_there,
        shift.columns,
        number(shift.auc.value),
        interval(&shift.auc, number)
    )];
    if !shift.differences.is_empty() {
        let row = |difference: &Difference| {
            let numbers = [difference.here, difference.there, difference.auc].map(number);
            std::iter::once(excerpt(&difference.column)).chain(numbers).collect()
        };
        let header = ["differs most", "mean here", "mean there", "AUC alone"];
        parts.push(table(&header, shift.differences.iter().map(row)));
    }
    parts
}
