use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::Battle;

/// The name of a set of rows that must stay together: in splits, in resampling, in intervals.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub String);

impl fmt::Display for GroupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Text as it is compared: compatibility-composed (NFKC), lower case, runs of white space as one
/// blank, none at the ends.
#[must_use]
pub fn normalised(text: &str) -> String {
    // Composition changes no ASCII character and costs most of the time.
    if text.is_ascii() {
        collapsed(text.chars().map(|character| character.to_ascii_lowercase()), text.len())
    } else {
        collapsed(text.nfkc().flat_map(char::to_lowercase), text.len())
    }
}

fn collapsed(characters: impl Iterator<Item = char>, capacity: usize) -> String {
    let mut result = String::with_capacity(capacity);
    let mut pending_blank = false;
    for character in characters {
        if character.is_whitespace() {
            pending_blank = !result.is_empty();
            continue;
        }
        if pending_blank {
            result.push(' ');
            pending_blank = false;
        }
        result.push(character);
    }
    result
}

/// The prompts of all turns, normalised, one line a turn: two battles with the same one are votes on
/// the same question.
#[must_use]
pub fn normalised_prompt(battle: &Battle) -> String {
    let prompts: Vec<String> = battle.turns.iter().map(|turn| normalised(&turn.prompt)).collect();
    prompts.join("\n")
}

impl GroupId {
    /// The group of a prompt: 16 hexadecimal digits of the BLAKE3 hash of its normalised text.
    #[must_use]
    pub fn of_prompt(battle: &Battle) -> Self {
        let hash = blake3::hash(normalised_prompt(battle).as_bytes());
        Self(hash.to_hex()[..16].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_case_and_white_space_do_not_tell_two_prompts_apart() {
        assert_eq!(normalised("  Ｈｅｌｌｏ \n\t World "), "hello world");
        assert_eq!(normalised(""), "");
        let ascii: String = (0..128_u8).map(char::from).collect();
        assert_eq!(normalised(&ascii), normalised(&(ascii.clone() + "é")).trim_end_matches('é'));
        assert_eq!(normalised(&normalised("Straße  İ")), normalised("Straße  İ"));
    }
}
