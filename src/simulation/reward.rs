use super::ArenaParameters;
use super::kinds::Kind;
use super::tasks::{Task, Wish};

/// What a reader can see of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that a reader sees or does not see")]
pub(super) struct Qualities {
    /// The core of the answer is right.
    pub(super) correct: bool,
    /// It answers the question that was asked.
    pub(super) relevant: bool,
    /// It is written in the language of the prompt.
    pub(super) own_language: bool,
    /// It declines to answer.
    pub(super) refused: bool,
    /// It does not break off in the middle.
    pub(super) complete: bool,
    /// It says the same thing over and over.
    pub(super) repetitive: bool,
    /// It begins by saying what language models cannot do.
    pub(super) boilerplate: bool,
    /// Share of its sentences that say something of substance, 0..1.
    pub(super) depth: f64,
    /// It has bullet points, numbers or headings.
    pub(super) formatted: bool,
    /// By how many items a list misses the number asked for.
    pub(super) items_off: usize,
    /// Logarithm of its length over the usual length for such a prompt.
    pub(super) ln_length: f64,
}

/// The part of the reward that the text shows, in logits before `reward_scale`.
pub(super) fn visible_reward(task: &Task, seen: &Qualities, parameters: &ArenaParameters) -> f64 {
    if seen.refused {
        // People accept a refusal of what should be refused, and nothing else.
        return if task.kind == Kind::Unsafe { 1.1 } else { -1.8 };
    }
    let mut reward = correctness(task.kind, seen.correct);
    reward -= if seen.relevant { 0.0 } else { 1.8 };
    reward -= if seen.own_language { 0.0 } else { 1.5 };
    reward -= if seen.complete { 0.0 } else { 0.8 };
    reward -= if seen.repetitive { 1.4 } else { 0.0 };
    reward -= if seen.boilerplate { 0.35 } else { 0.0 };
    reward += 1.6 * (seen.depth - 0.5);
    reward -= 0.5 * (seen.items_off as f64).min(3.0);
    reward + form(task, seen) + length(task, seen.ln_length, parameters.verbosity_bias)
}

fn correctness(kind: Kind, correct: bool) -> f64 {
    let weight = match kind {
        Kind::Arithmetic | Kind::Code | Kind::Translation => 1.1,
        Kind::Factual | Kind::Summary => 0.8,
        Kind::Creative | Kind::Advice | Kind::Unsafe => 0.9,
        Kind::List => 0.4,
    };
    if correct { weight } else { -weight }
}

fn form(task: &Task, seen: &Qualities) -> f64 {
    let liked = match (task.listed, task.kind) {
        (true, _) => 0.8,
        (_, Kind::List) => 0.4,
        (_, Kind::Factual | Kind::Advice) => 0.3,
        (_, Kind::Creative) => -0.5,
        _ => 0.0,
    };
    if seen.formatted { liked } else { 0.0 }
}

fn length(task: &Task, ln_length: f64, verbosity_bias: f64) -> f64 {
    match task.wish {
        // Whoever asks for few words does not like many.
        Wish::Short => verbosity_bias * ln_length - 0.7 * ln_length.max(0.0),
        Wish::Usual => verbosity_bias * ln_length,
        Wish::Long => (verbosity_bias + 0.25) * ln_length,
    }
}
