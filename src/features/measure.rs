use super::FeatureGroup;
use super::text::{Profile, Scanner, common, common_prefix, common_suffix};
use super::{degenerate, formatting, language, length, prompt_kind, refusal, similarity, turns};
use crate::battle::{Battle, Response, Turn};

/// A number of one response, the same function for both sides.
pub(super) struct Measure {
    /// Unique in its group.
    pub(super) name: &'static str,
    /// Whether the even columns are made of it too: the size of the difference, and the mean.
    pub(super) even: bool,
    /// The number; finite for every text, and small (a share, a logarithm).
    pub(super) value: fn(&View<'_>) -> f64,
}

/// A number of the whole battle that an exchange of the sides does not change.
pub(super) struct Shared {
    /// Unique in its group.
    pub(super) name: &'static str,
    /// The number; finite for every text, and small.
    pub(super) value: fn(&Facts) -> f64,
}

/// An odd column times an even one, both by name: the same difference means another thing there.
pub(super) struct Product {
    /// The measure whose difference is the odd factor, with its group: `length.words`.
    pub(super) odd: &'static str,
    /// The even factor: a shared number, or the mean of a measure.
    pub(super) even: &'static str,
}

/// What two texts have in common.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Overlap {
    pub(super) words: usize,
    pub(super) trigrams: usize,
    pub(super) numbers: usize,
    pub(super) names: usize,
}

impl Overlap {
    fn of(one: &Profile, other: &Profile) -> Self {
        Self {
            words: common(&one.vocabulary, &other.vocabulary),
            trigrams: common(&one.trigrams, &other.trigrams),
            numbers: common(&one.numbers, &other.numbers),
            names: common(&one.names, &other.names),
        }
    }
}

/// One response with what surrounds it.
pub(super) struct View<'a> {
    pub(super) own: &'a Profile,
    pub(super) prompt: &'a Profile,
    pub(super) with_prompt: Overlap,
    pub(super) with_other: Overlap,
}

/// Everything counted of a battle.
pub(super) struct Facts {
    pub(super) prompt: Profile,
    pub(super) a: Profile,
    pub(super) b: Profile,
    pub(super) between: Overlap,
    pub(super) identical: bool,
    /// Bytes that the responses share at their beginning and at their end, over the shorter length.
    pub(super) prefix: f64,
    pub(super) suffix: f64,
    prompt_a: Overlap,
    prompt_b: Overlap,
}

impl Facts {
    /// Counts all texts of a battle.
    pub(super) fn of(battle: &Battle) -> Self {
        let mut scanners = [Scanner::default(), Scanner::default(), Scanner::default()];
        let [prompt, a, b] = &mut scanners;
        for turn in battle.turns.iter() {
            prompt.turn(Some(&turn.prompt));
            a.turn(text(&turn.response_a));
            b.turn(text(&turn.response_b));
        }
        let [prompt, a, b] = scanners.map(Scanner::finish);
        let ends = |share: fn(&str, &str) -> usize| {
            let of = |turn: &Turn| share(turn.response_a.as_str(), turn.response_b.as_str());
            let length = |turn: &Turn| turn.response_a.as_str().len().min(turn.response_b.as_str().len());
            let shared: usize = battle.turns.iter().map(of).sum();
            shared as f64 / battle.turns.iter().map(length).sum::<usize>().max(1) as f64
        };
        Self {
            between: Overlap::of(&a, &b),
            prompt_a: Overlap::of(&a, &prompt),
            prompt_b: Overlap::of(&b, &prompt),
            identical: battle.turns.iter().all(|turn| turn.response_a == turn.response_b),
            prefix: ends(common_prefix),
            suffix: ends(common_suffix),
            prompt,
            a,
            b,
        }
    }

    /// Response A, then response B.
    pub(super) fn views(&self) -> [View<'_>; 2] {
        let view =
            |own, with_prompt| View { own, prompt: &self.prompt, with_prompt, with_other: self.between };
        [view(&self.a, self.prompt_a), view(&self.b, self.prompt_b)]
    }

    /// The sum of a count over both responses.
    pub(super) fn both(&self, count: fn(&Profile) -> u32) -> f64 {
        f64::from(count(&self.a)) + f64::from(count(&self.b))
    }
}

fn text(response: &Response) -> Option<&str> {
    match response {
        Response::Missing => None,
        Response::Text(text) => Some(text),
    }
}

/// What a group is made of.
pub(super) fn contents(group: FeatureGroup) -> (&'static [Measure], &'static [Shared], &'static [Product]) {
    match group {
        FeatureGroup::Length => (length::MEASURES, &[], length::PRODUCTS),
        FeatureGroup::Formatting => (formatting::MEASURES, &[], &[]),
        FeatureGroup::Similarity => (similarity::MEASURES, similarity::SHARED, similarity::PRODUCTS),
        FeatureGroup::Refusal => (refusal::MEASURES, refusal::SHARED, &[]),
        FeatureGroup::Language => (language::MEASURES, language::SHARED, &[]),
        FeatureGroup::Turns => (turns::MEASURES, turns::SHARED, turns::PRODUCTS),
        FeatureGroup::Degenerate => (degenerate::MEASURES, degenerate::SHARED, &[]),
        FeatureGroup::PromptKind => (&[], prompt_kind::SHARED, prompt_kind::PRODUCTS),
    }
}

/// `ln(1 + count)`.
pub(super) fn log(count: u32) -> f64 {
    f64::from(count).ln_1p()
}

/// A part of a whole, 0 for an empty whole.
pub(super) fn share(part: impl Into<f64>, whole: impl Into<f64>) -> f64 {
    let whole = whole.into();
    if whole > 0.0 { part.into() / whole } else { 0.0 }
}

/// A part of a whole, `absent` for an empty whole.
pub(super) fn share_or(part: usize, whole: usize, absent: f64) -> f64 {
    if whole == 0 { absent } else { part as f64 / whole as f64 }
}

/// Occurrences in a hundred, compressed: `ln(1 + 100 part / whole)`.
pub(super) fn rate(part: u32, whole: u32) -> f64 {
    (100.0 * share(part, whole)).ln_1p()
}

/// 1 for true.
pub(super) fn flag(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}
