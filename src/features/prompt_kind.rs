use super::measure::{Facts, Product, Shared, flag, log, share};
use super::text::Category;

/// Kinds are `ln(1 + n)` of their phrases, which damps what a long prompt holds by chance.
pub(super) const SHARED: &[Shared] = &[
    Shared { name: "words", value: |facts| log(facts.prompt.words) },
    Shared { name: "lines", value: |facts| log(facts.prompt.filled_lines) },
    Shared { name: "question_mark", value: |facts| flag(facts.prompt.marks.questions > 0) },
    Shared { name: "question_word", value: |facts| early(facts, Category::QuestionWord) },
    Shared { name: "yes_no", value: |facts| early(facts, Category::YesNo) },
    Shared { name: "code", value: |facts| code(facts) },
    Shared { name: "mathematics", value: |facts| kind(facts, Category::Mathematics) },
    Shared { name: "list", value: |facts| kind(facts, Category::List) },
    Shared { name: "translation", value: |facts| kind(facts, Category::Translation) },
    Shared { name: "creative", value: |facts| kind(facts, Category::Creative) },
    Shared { name: "summary", value: |facts| kind(facts, Category::Summary) },
    Shared { name: "explanation", value: |facts| kind(facts, Category::Explanation) },
    Shared { name: "rewriting", value: |facts| kind(facts, Category::Rewriting) },
    Shared { name: "choice", value: |facts| kind(facts, Category::Choice) },
    Shared { name: "role_play", value: |facts| kind(facts, Category::RolePlay) },
    Shared { name: "short", value: |facts| kind(facts, Category::Short) },
    Shared { name: "long", value: |facts| kind(facts, Category::Long) },
    Shared {
        name: "personal",
        value: |facts| share(facts.prompt.of(Category::FirstPerson), facts.prompt.words),
    },
    Shared { name: "numbers", value: |facts| log(facts.prompt.number_count) },
];

/// What a difference is worth depends on what was asked.
pub(super) const PRODUCTS: &[Product] = &[
    Product { odd: "length.words", even: "prompt_kind.words" },
    Product { odd: "length.words", even: "prompt_kind.question_mark" },
    Product { odd: "length.words", even: "prompt_kind.code" },
    Product { odd: "length.words", even: "prompt_kind.mathematics" },
    Product { odd: "length.words", even: "prompt_kind.list" },
    Product { odd: "length.words", even: "prompt_kind.translation" },
    Product { odd: "length.words", even: "prompt_kind.creative" },
    Product { odd: "length.words", even: "prompt_kind.summary" },
    Product { odd: "length.words", even: "prompt_kind.rewriting" },
    Product { odd: "length.words", even: "prompt_kind.short" },
    Product { odd: "length.words", even: "prompt_kind.long" },
    Product { odd: "formatting.structure", even: "prompt_kind.words" },
    Product { odd: "formatting.structure", even: "prompt_kind.question_mark" },
    Product { odd: "formatting.structure", even: "prompt_kind.list" },
    Product { odd: "formatting.code_lines", even: "prompt_kind.code" },
    Product { odd: "similarity.prompt_words_kept", even: "prompt_kind.words" },
    Product { odd: "similarity.prompt_words_kept", even: "prompt_kind.question_mark" },
    Product { odd: "similarity.words_from_prompt", even: "prompt_kind.rewriting" },
    Product { odd: "similarity.words_from_prompt", even: "prompt_kind.translation" },
    Product { odd: "language.script_like_prompt", even: "prompt_kind.translation" },
    Product { odd: "refusal.refusals", even: "prompt_kind.question_mark" },
];

fn kind(facts: &Facts, category: Category) -> f64 {
    log(facts.prompt.of(category)).min(1.5)
}

fn early(facts: &Facts, category: Category) -> f64 {
    flag(facts.prompt.early[category as usize] > 0)
}

fn code(facts: &Facts) -> f64 {
    let markup = &facts.prompt.markup;
    (kind(facts, Category::Code) + flag(markup.fences > 0) + flag(markup.code_lines > 0)).min(2.0)
}
