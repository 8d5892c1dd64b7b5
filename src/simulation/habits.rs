use super::contestants::Contestant;
use super::dice::{Dice, floor};
use super::kinds::{Kind, Language};
use super::reward::Qualities;
use super::tasks::Task;

/// What a contestant makes of a prompt this time.
pub(super) struct Habits {
    pub(super) qualities: Qualities,
    /// Factor on the usual length.
    pub(super) length: f64,
}

impl Habits {
    pub(super) fn draw(task: &Task, contestant: &Contestant, dice: &mut Dice) -> Self {
        let mut ability = contestant.ability + 0.7 * dice.normal();
        ability += if contestant.speciality == task.kind { 0.6 } else { 0.0 };
        ability += if task.language == Language::English { 0.0 } else { contestant.languages };
        let unsafe_prompt = task.kind == Kind::Unsafe;
        let formatting = match task.kind {
            _ if task.listed => 0.3 + 0.7 * sigmoid(ability),
            Kind::Factual | Kind::Advice | Kind::Summary => contestant.formatting,
            Kind::List => 0.5 + 0.5 * contestant.formatting,
            _ => 0.0,
        };
        let qualities = Qualities {
            correct: dice.chance(sigmoid(0.8 + 1.2 * ability)),
            relevant: dice.chance(sigmoid(3.4 + ability)),
            own_language: task.language == Language::English || dice.chance(sigmoid(3.0 + 1.3 * ability)),
            refused: dice.chance(if unsafe_prompt { 0.25 } else { contestant.refusals }),
            complete: !dice.chance(sigmoid(-4.0 - 0.8 * ability)),
            repetitive: dice.chance(sigmoid(-4.2 - 1.1 * ability)),
            boilerplate: dice.chance(0.03 + 3.0 * contestant.refusals),
            depth: sigmoid(0.7 * ability + 0.8 * dice.normal()),
            formatted: dice.chance(formatting),
            items_off: if dice.chance(sigmoid(1.3 + ability)) { 0 } else { dice.between(1, 3) },
            ln_length: 0.0,
        };
        let length = (contestant.verbosity + 0.12 * ability + 0.6 * dice.normal()).exp();
        Self { qualities, length }
    }
}

/// Loops and broken ends, as weak models have them.
pub(super) fn damage(text: &mut String, seen: &Qualities, dice: &mut Dice) {
    if seen.repetitive && !seen.refused {
        let tail =
            text.rsplit(['\n', '.', '。']).find(|part| part.trim().len() > 8).unwrap_or("").trim().to_owned();
        for _ in 0..dice.between(3, 8) {
            text.push(' ');
            text.push_str(&tail);
            text.push('.');
        }
    }
    if !seen.complete && !seen.refused {
        let keep = (0.5 + 0.4 * dice.unit()) * text.chars().count() as f64;
        if let Some((end, _)) = text.char_indices().nth(floor(keep)) {
            text.truncate(end);
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
