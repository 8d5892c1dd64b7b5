use super::measure::{Facts, Measure, Shared, flag, log, rate};
use super::text::{Category, Profile};

/// Phrases of refusal, apology and manner: `ln(1 + n)`, or in a hundred words.
pub(super) const MEASURES: &[Measure] = &[
    Measure { name: "refusals", even: true, value: |view| log(view.own.of(Category::Refusal)) },
    Measure { name: "early_refusal", even: true, value: |view| flag(refuses(view.own)) },
    Measure { name: "apologies", even: true, value: |view| log(view.own.of(Category::Apology)) },
    Measure { name: "self_references", even: true, value: |view| log(view.own.of(Category::SelfReference)) },
    Measure { name: "hedges", even: false, value: |view| rate(view.own.of(Category::Hedge), view.own.words) },
    Measure {
        name: "certainty",
        even: false,
        value: |view| rate(view.own.of(Category::Certainty), view.own.words),
    },
    Measure {
        name: "opening",
        even: false,
        value: |view| flag(view.own.early[Category::Opening as usize] > 0),
    },
    Measure { name: "closing", even: false, value: |view| flag(view.own.of(Category::Closing) > 0) },
    Measure { name: "rude", even: false, value: |view| rate(view.own.of(Category::Rude), view.own.words) },
    // A short refusal is nothing but one; a long one goes on to answer.
    Measure {
        name: "only_refusal",
        even: false,
        value: |view| if refuses(view.own) { 1.0 / (1.0 + f64::from(view.own.words) / 50.0) } else { 0.0 },
    },
];

/// Whether one of the responses refuses, or both.
pub(super) const SHARED: &[Shared] = &[
    Shared { name: "both_refuse", value: |facts| flag(refuses(&facts.a) && refuses(&facts.b)) },
    Shared { name: "one_refuses", value: |facts| flag(one_refuses(facts)) },
];

fn refuses(profile: &Profile) -> bool {
    let early = |category: Category| profile.early[category as usize];
    early(Category::Refusal) > 0 || early(Category::SelfReference) > 0 && early(Category::Apology) > 0
}

fn one_refuses(facts: &Facts) -> bool {
    refuses(&facts.a) != refuses(&facts.b)
}
