use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::super::characters::{
    HASH_START, hash_end, hash_join, hash_lower, hash_word, is_unspaced, is_word,
};
use crate::battle::{Battle, Turn};

/// What a document is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Analyzer {
    /// Sequences of words in lower case. A word is a run of at least two letters, digits or
    /// underscores; a character of a script without blanks is a word of its own.
    Words {
        /// Words in the shortest sequence, at least 1.
        shortest: u8,
        /// Words in the longest sequence.
        longest: u8,
    },
    /// Sequences of characters in lower case inside each piece between white space, a blank put
    /// before and behind it (`char_wb` of scikit-learn).
    Characters {
        /// Characters in the shortest sequence, at least 1.
        shortest: u8,
        /// Characters in the longest sequence.
        longest: u8,
    },
}

/// Which response of a battle is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    A,
    B,
}

/// The responses of one side in all turns, one line a turn.
pub(super) fn document(battle: &Battle, side: Side) -> Cow<'_, str> {
    let of = |turn: &'_ Turn| match side {
        Side::A => turn.response_a.as_str().to_owned(),
        Side::B => turn.response_b.as_str().to_owned(),
    };
    match (&battle.turns[..], side) {
        ([turn], Side::A) => Cow::Borrowed(turn.response_a.as_str()),
        ([turn], Side::B) => Cow::Borrowed(turn.response_b.as_str()),
        (turns, _) => Cow::Owned(turns.iter().map(of).collect::<Vec<_>>().join("\n")),
    }
}

/// A word of a document: its hash, and the bytes that it covers.
#[derive(Clone, Copy)]
pub(super) struct Word {
    hash: u64,
    start: usize,
    end: usize,
}

/// A term as it stands in the document.
pub(super) enum TermText<'a> {
    Words(&'a str, &'a [Word]),
    Characters(&'a [char]),
}

impl TermText<'_> {
    /// The term in lower case, one blank between words.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Words(document, words) => {
                let words = words.iter().map(|word| document[word.start..word.end].to_lowercase());
                words.collect::<Vec<_>>().join(" ")
            }
            Self::Characters(characters) => characters.iter().collect(),
        }
    }
}

impl Analyzer {
    /// Shows every term of a document, repeated ones repeatedly, with its hash.
    pub(super) fn visit(self, document: &str, mut visit: impl FnMut(u64, &TermText<'_>)) {
        match self {
            Self::Words { shortest, longest } => {
                let words = words_of(document);
                let shortest = usize::from(shortest.max(1));
                for first in 0..words.len() {
                    let mut hash = 0;
                    for (extra, word) in words[first..].iter().take(usize::from(longest)).enumerate() {
                        hash = hash_join(hash, word.hash);
                        if extra + 1 >= shortest {
                            visit(hash, &TermText::Words(document, &words[first..=first + extra]));
                        }
                    }
                }
            }
            Self::Characters { shortest, longest } => {
                let shortest = usize::from(shortest.max(1));
                let mut padded = Vec::new();
                for piece in document.split_whitespace() {
                    padded.clear();
                    padded.push(' ');
                    padded.extend(piece.chars().flat_map(char::to_lowercase));
                    padded.push(' ');
                    for length in shortest..=usize::from(longest) {
                        if length > padded.len() {
                            // A piece shorter than the sequence counts once, whole.
                            if length - 1 < padded.len() || length == shortest {
                                visit(hash_characters(&padded), &TermText::Characters(&padded));
                            }
                            break;
                        }
                        for window in padded.windows(length) {
                            visit(hash_characters(window), &TermText::Characters(window));
                        }
                    }
                }
            }
        }
    }

    /// The hash of a term written out as `TermText::text` gives it.
    pub(super) fn hash_of(self, text: &str) -> u64 {
        match self {
            Self::Words { .. } => text.split(' ').map(hash_word).fold(0, hash_join),
            Self::Characters { .. } => hash_word(text),
        }
    }
}

fn hash_characters(characters: &[char]) -> u64 {
    hash_end(characters.iter().copied().fold(HASH_START, hash_lower))
}

fn words_of(document: &str) -> Vec<Word> {
    let mut words = Vec::with_capacity(document.len() / 6);
    let mut characters = document.char_indices().peekable();
    while let Some((start, first)) = characters.next() {
        if !is_word(first) {
            continue;
        }
        let mut hash = hash_lower(HASH_START, first);
        let mut end = start + first.len_utf8();
        if is_unspaced(first) {
            words.push(Word { hash: hash_end(hash), start, end });
            continue;
        }
        let mut length = 1;
        while let Some((at, next)) = characters.next_if(|(_, next)| is_word(*next) && !is_unspaced(*next)) {
            hash = hash_lower(hash, next);
            end = at + next.len_utf8();
            length += 1;
        }
        if length > 1 {
            words.push(Word { hash: hash_end(hash), start, end });
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(analyzer: Analyzer, document: &str) -> Vec<String> {
        let mut texts = Vec::new();
        analyzer.visit(document, |hash, term| {
            assert_eq!(hash, analyzer.hash_of(&term.text()), "{}", term.text());
            texts.push(term.text());
        });
        texts
    }

    #[test]
    fn words_are_runs_of_two_letters_and_single_characters_where_no_blanks_are_written() {
        let words = Analyzer::Words { shortest: 1, longest: 2 };
        assert_eq!(terms(words, "The a cat_1!"), ["the", "the cat_1", "cat_1"]);
        assert_eq!(terms(words, "GPU芯片"), ["gpu", "gpu 芯", "芯", "芯 片", "片"]);
        assert!(terms(words, " ?! x").is_empty());
    }

    #[test]
    fn characters_stay_inside_their_piece_and_a_short_piece_counts_once() {
        let characters = Analyzer::Characters { shortest: 3, longest: 5 };
        assert_eq!(terms(characters, "AB"), [" ab", "ab ", " ab "]);
        assert_eq!(terms(characters, "a bcd"), [" a ", " bc", "bcd", "cd ", " bcd", "bcd ", " bcd "]);
    }
}
