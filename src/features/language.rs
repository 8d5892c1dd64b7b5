use super::measure::{Measure, Shared, flag, rate, share};
use super::text::{Category, Profile};

/// Script, language and choice of words.
pub(super) const MEASURES: &[Measure] = &[
    Measure { name: "script_like_prompt", even: true, value: |view| scripts_alike(view.own, view.prompt) },
    Measure {
        name: "language_like_prompt",
        even: true,
        value: |view| languages_alike(view.own, view.prompt),
    },
    Measure { name: "mixed_scripts", even: false, value: |view| mixed(&view.own.scripts) },
    Measure { name: "mixed_languages", even: false, value: |view| mixed(&view.own.languages) },
    Measure {
        name: "foreign_characters",
        even: true,
        value: |view| share(view.own.foreign, view.own.characters),
    },
    Measure { name: "stop_words", even: true, value: |view| share(view.own.stop_words, view.own.words) },
    Measure {
        name: "connectives",
        even: false,
        value: |view| rate(view.own.of(Category::Connective), view.own.words),
    },
    Measure {
        name: "first_person",
        even: false,
        value: |view| rate(view.own.of(Category::FirstPerson), view.own.words),
    },
    Measure {
        name: "second_person",
        even: false,
        value: |view| rate(view.own.of(Category::SecondPerson), view.own.words),
    },
    Measure {
        name: "negations",
        even: false,
        value: |view| rate(view.own.of(Category::Negation), view.own.words),
    },
    Measure {
        name: "informal",
        even: false,
        value: |view| rate(view.own.of(Category::Informal), view.own.words),
    },
    Measure {
        name: "question_words",
        even: false,
        value: |view| rate(view.own.of(Category::QuestionWord), view.own.words),
    },
];

/// Whether both responses are in one language.
pub(super) const SHARED: &[Shared] = &[
    Shared { name: "scripts", value: |facts| scripts_alike(&facts.a, &facts.b) },
    Shared { name: "languages", value: |facts| languages_alike(&facts.a, &facts.b) },
    Shared { name: "prompt_is_english", value: |facts| flag(facts.prompt.language() == Some(0)) },
    Shared { name: "prompt_is_foreign", value: |facts| share(facts.prompt.foreign, facts.prompt.characters) },
];

/// The cosine of two histograms; 1 where one of them is empty, for nothing speaks against it.
fn cosine(one: &[u32], other: &[u32]) -> f64 {
    let product = |left: &[u32], right: &[u32]| -> f64 {
        left.iter().zip(right).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum()
    };
    let lengths = product(one, one) * product(other, other);
    if lengths > 0.0 { product(one, other) / lengths.sqrt() } else { 1.0 }
}

fn scripts_alike(one: &Profile, other: &Profile) -> f64 {
    cosine(&one.scripts, &other.scripts)
}

/// Frequent words of a few texts are shared by languages, so the hits are compared as a whole.
fn languages_alike(one: &Profile, other: &Profile) -> f64 {
    cosine(&one.languages, &other.languages)
}

/// How much of a histogram lies outside its largest bar.
fn mixed(histogram: &[u32]) -> f64 {
    let total: f64 = histogram.iter().copied().map(f64::from).sum();
    let largest = histogram.iter().copied().max().unwrap_or(0);
    if total > 0.0 { 1.0 - f64::from(largest) / total } else { 0.0 }
}
