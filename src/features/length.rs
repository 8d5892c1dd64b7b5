use super::measure::{Measure, Product, log, share};

/// Counts as `ln(1 + n)`, means as logarithms or tenths.
pub(super) const MEASURES: &[Measure] = &[
    Measure { name: "characters", even: true, value: |view| log(view.own.characters) },
    Measure { name: "words", even: true, value: |view| log(view.own.words) },
    Measure { name: "sentences", even: true, value: |view| log(view.own.sentences) },
    Measure { name: "lines", even: true, value: |view| log(view.own.filled_lines) },
    Measure { name: "paragraphs", even: false, value: |view| log(view.own.paragraphs) },
    Measure { name: "vocabulary", even: false, value: |view| (view.own.vocabulary.len() as f64).ln_1p() },
    Measure { name: "numbers", even: true, value: |view| log(view.own.number_count) },
    Measure { name: "names", even: false, value: |view| (view.own.names.len() as f64).ln_1p() },
    Measure {
        name: "sentence_length",
        even: true,
        value: |view| share(view.own.words, view.own.sentences).ln_1p(),
    },
    Measure {
        name: "word_length",
        even: true,
        value: |view| share(view.own.word_letters, view.own.words).min(30.0) / 10.0,
    },
    Measure { name: "long_words", even: false, value: |view| share(view.own.long_words, view.own.words) },
    // Different words over the square root of all words (Guiraud) hardly depends on the length.
    Measure {
        name: "richness",
        even: true,
        value: |view| view.own.vocabulary.len() as f64 / f64::from(view.own.words.max(1)).sqrt() / 10.0,
    },
    Measure {
        name: "type_token_ratio",
        even: false,
        value: |view| share(view.own.vocabulary.len() as f64, view.own.words),
    },
    // How far the length is from that of the prompt, whatever the direction: translations, edits.
    Measure {
        name: "off_prompt",
        even: false,
        value: |view| (log(view.own.characters) - log(view.prompt.characters)).abs().min(4.0),
    },
    // Whether there is more than a line at all, then whether it is more than a page.
    Measure { name: "beyond_sentence", even: false, value: |view| (f64::from(view.own.words) / 20.0).tanh() },
    Measure { name: "beyond_page", even: false, value: |view| (f64::from(view.own.words) / 400.0).tanh() },
];

/// A longer answer may be better only up to some length.
pub(super) const PRODUCTS: &[Product] = &[
    Product { odd: "length.words", even: "length.words" },
    Product { odd: "length.sentence_length", even: "length.sentence_length" },
    Product { odd: "length.words", even: "similarity.trigrams" },
];
