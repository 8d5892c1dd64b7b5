use super::characters::is_terminal;
use super::measure::{Measure, Shared, View, flag, log, share};

/// Signs that a response went wrong.
pub(super) const MEASURES: &[Measure] = &[
    Measure { name: "missing", even: true, value: |view| flag(view.own.missing > 0) },
    Measure { name: "empty", even: true, value: |view| flag(view.own.words == 0) },
    Measure { name: "tiny", even: true, value: |view| 1.0 / (1.0 + f64::from(view.own.words) / 3.0) },
    Measure { name: "cut", even: true, value: |view| flag(is_cut(view)) },
    Measure { name: "without_end", even: false, value: |view| flag(!ends_well(view)) },
    Measure {
        name: "repeated_runs",
        even: true,
        value: |view| {
            let runs = f64::from(view.own.words.saturating_sub(2));
            if runs > 0.0 { 1.0 - view.own.trigrams.len() as f64 / runs } else { 0.0 }
        },
    },
    Measure {
        name: "repeated_sentences",
        even: true,
        value: |view| 1.0 - share(view.own.different_sentences.max(1), view.own.sentences.max(1)),
    },
    Measure { name: "stutters", even: false, value: |view| log(view.own.stutters) },
    Measure { name: "leaked_markup", even: true, value: |view| log(view.own.markup.leaked) },
    Measure {
        name: "open_code_block",
        even: false,
        value: |view| flag(!view.own.markup.fences.is_multiple_of(2)),
    },
];

/// Rows that hardly let a person choose.
pub(super) const SHARED: &[Shared] = &[
    Shared { name: "identical", value: |facts| flag(facts.identical) },
    Shared { name: "same_words", value: |facts| flag(facts.a.vocabulary == facts.b.vocabulary) },
    Shared { name: "both_empty", value: |facts| flag(facts.both(|side| side.words) == 0.0) },
    Shared { name: "empty_prompt", value: |facts| flag(facts.prompt.words == 0) },
];

fn ends_well(view: &View<'_>) -> bool {
    view.own.last.is_none_or(|last| {
        is_terminal(last)
            || matches!(last, '"' | '”' | '»' | '」' | '\'' | ')' | '`' | '|' | '*' | '}' | ';' | ':')
    })
}

/// Longer than a phrase and without an end: the model ran into its limit.
fn is_cut(view: &View<'_>) -> bool {
    view.own.words > 60 && !ends_well(view)
}
