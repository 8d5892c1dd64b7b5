use super::measure::{Measure, Product, Shared, View, flag, log, share_or};
use super::text::{Marks, Profile, jaccard};

/// Shares of words, three-word runs, numbers and names, between 0 and 1.
pub(super) const MEASURES: &[Measure] = &[
    Measure {
        name: "prompt_words_kept",
        even: true,
        value: |view| share_or(view.with_prompt.words, view.prompt.vocabulary.len(), 0.0),
    },
    Measure {
        name: "words_from_prompt",
        even: true,
        value: |view| share_or(view.with_prompt.words, view.own.vocabulary.len(), 0.0),
    },
    Measure {
        name: "prompt_runs_kept",
        even: false,
        value: |view| share_or(view.with_prompt.trigrams, view.prompt.trigrams.len(), 0.0),
    },
    Measure {
        name: "runs_from_prompt",
        even: true,
        value: |view| share_or(view.with_prompt.trigrams, view.own.trigrams.len(), 0.0),
    },
    Measure {
        name: "prompt_numbers_kept",
        even: false,
        value: |view| share_or(view.with_prompt.numbers, view.prompt.numbers.len(), 1.0),
    },
    Measure {
        name: "numbers_from_prompt",
        even: false,
        value: |view| share_or(view.with_prompt.numbers, view.own.numbers.len(), 1.0),
    },
    Measure {
        name: "prompt_names_kept",
        even: false,
        value: |view| share_or(view.with_prompt.names, view.prompt.names.len(), 1.0),
    },
    Measure {
        name: "names_from_prompt",
        even: false,
        value: |view| share_or(view.with_prompt.names, view.own.names.len(), 1.0),
    },
    Measure {
        name: "words_of_other",
        even: false,
        value: |view| share_or(view.with_other.words, view.own.vocabulary.len(), 1.0),
    },
    Measure {
        name: "runs_of_other",
        even: false,
        value: |view| share_or(view.with_other.trigrams, view.own.trigrams.len(), 1.0),
    },
    Measure {
        name: "numbers_of_other",
        even: false,
        value: |view| share_or(view.with_other.numbers, view.own.numbers.len(), 1.0),
    },
    Measure {
        name: "names_of_other",
        even: false,
        value: |view| share_or(view.with_other.names, view.own.names.len(), 1.0),
    },
    Measure {
        name: "marks_off_prompt",
        even: false,
        value: |view| marks_apart(&view.own.marks, &view.prompt.marks),
    },
    Measure {
        name: "lines_off_prompt",
        even: false,
        value: |view| (log(view.own.filled_lines) - log(view.prompt.filled_lines)).abs().min(4.0),
    },
    Measure { name: "ends_like_prompt", even: false, value: |view| flag(same_end(view)) },
    Measure {
        name: "starts_like_prompt",
        even: false,
        value: |view| flag(view.own.words > 0 && view.own.first_word == view.prompt.first_word),
    },
    Measure {
        name: "capitals_off_prompt",
        even: false,
        value: |view| (capital_share(view.own) - capital_share(view.prompt)).abs(),
    },
];

/// How alike the responses are.
pub(super) const SHARED: &[Shared] = &[
    Shared { name: "words", value: |facts| jaccard(&facts.a.vocabulary, &facts.b.vocabulary) },
    Shared { name: "trigrams", value: |facts| jaccard(&facts.a.trigrams, &facts.b.trigrams) },
    Shared { name: "numbers", value: |facts| jaccard(&facts.a.numbers, &facts.b.numbers) },
    Shared { name: "names", value: |facts| jaccard(&facts.a.names, &facts.b.names) },
    Shared { name: "prefix", value: |facts| facts.prefix },
    Shared { name: "suffix", value: |facts| facts.suffix },
    Shared {
        name: "length_ratio",
        value: |facts| {
            let (a, b) = (facts.a.characters, facts.b.characters);
            f64::from(a.min(b) + 1) / f64::from(a.max(b) + 1)
        },
    },
    Shared { name: "first_words", value: |facts| flag(facts.a.first_words == facts.b.first_words) },
    Shared { name: "last_mark", value: |facts| flag(facts.a.last == facts.b.last) },
    Shared { name: "marks", value: |facts| marks_apart(&facts.a.marks, &facts.b.marks) },
];

/// Where the responses are alike, the same difference says more.
pub(super) const PRODUCTS: &[Product] = &[
    Product { odd: "similarity.prompt_words_kept", even: "similarity.trigrams" },
    Product { odd: "similarity.words_of_other", even: "similarity.trigrams" },
    Product { odd: "formatting.structure", even: "similarity.trigrams" },
];

fn capital_share(profile: &Profile) -> f64 {
    super::measure::share(profile.capitals, profile.letters)
}

/// The mean distance of the logarithms of the counts of marks that a faithful rendering keeps.
fn marks_apart(one: &Marks, other: &Marks) -> f64 {
    let counts = |marks: &Marks| {
        [
            marks.exclamations,
            marks.questions,
            marks.colons,
            marks.quotes,
            marks.brackets,
            marks.stops,
            marks.emoji,
        ]
    };
    let distances =
        counts(one).into_iter().zip(counts(other)).map(|(one, other)| (log(one) - log(other)).abs());
    distances.sum::<f64>() / 7.0
}

/// Whether response and prompt end with a mark of the same kind.
fn same_end(view: &View<'_>) -> bool {
    let kind = |last: Option<char>| match last {
        Some('.' | '。' | '।' | '۔') => 1,
        Some('!' | '！') => 2,
        Some('?' | '？' | '؟') => 3,
        Some(':' | '：') => 4,
        Some('"' | '”' | '“' | '»' | '」' | '\'' | '’') => 5,
        Some(last) if last.is_alphanumeric() => 6,
        Some(_) => 7,
        None => 0,
    };
    kind(view.own.last) == kind(view.prompt.last)
}
