use super::measure::{Measure, Product, Shared, flag, log, share};

/// What the last turn is like; in a battle of one turn the last turn is all.
pub(super) const MEASURES: &[Measure] = &[
    Measure { name: "last_words", even: false, value: |view| log(view.own.words - view.own.earlier_words) },
    Measure {
        name: "last_share",
        even: false,
        value: |view| share(view.own.words - view.own.earlier_words, view.own.words),
    },
    Measure {
        name: "last_structure",
        even: false,
        value: |view| log(view.own.markup.total() - view.own.earlier_markup),
    },
    Measure {
        name: "empty_turns",
        even: false,
        value: |view| share(view.own.empty + view.own.missing, view.own.turns),
    },
];

/// How many turns there are.
pub(super) const SHARED: &[Shared] = &[
    Shared { name: "count", value: |facts| f64::from(facts.prompt.turns.max(1)).ln() },
    Shared { name: "several", value: |facts| flag(facts.prompt.turns > 1) },
    Shared {
        name: "last_prompt_words",
        value: |facts| {
            let words = facts.prompt.words - facts.prompt.earlier_words;
            if facts.prompt.turns > 1 { log(words) } else { 0.0 }
        },
    },
];

/// The same difference may count less over several turns.
pub(super) const PRODUCTS: &[Product] = &[
    Product { odd: "length.words", even: "turns.several" },
    Product { odd: "formatting.structure", even: "turns.several" },
];
