use std::collections::HashMap;
use std::sync::LazyLock;

use super::super::characters::hash_word;
use super::super::word_lists::{PHRASES, STOP_WORDS};

/// What a list of words and phrases tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::features) enum Category {
    /// Will not or cannot do it.
    Refusal,
    /// Is sorry.
    Apology,
    /// Speaks of itself as a program.
    SelfReference,
    /// Perhaps, probably, it depends.
    Hedge,
    /// Certainly, always, no doubt.
    Certainty,
    /// Of course! Great question!
    Opening,
    /// I hope this helps.
    Closing,
    /// Because, therefore, for example.
    Connective,
    FirstPerson,
    SecondPerson,
    Negation,
    /// Chat spelling: u, gonna, lol.
    Informal,
    /// Insults and swear words.
    Rude,
    // What a prompt asks for.
    QuestionWord,
    YesNo,
    Code,
    Mathematics,
    List,
    Translation,
    Creative,
    Summary,
    Explanation,
    Rewriting,
    Choice,
    RolePlay,
    Short,
    Long,
}

/// The number of categories.
pub(in crate::features) const CATEGORIES: usize = Category::Long as usize + 1;

/// The number of languages with a list of frequent words.
pub(in crate::features) const LANGUAGES: usize = STOP_WORDS.len();

/// What is known of a word: in which languages it is frequent, and what may begin with it.
#[derive(Default)]
pub(super) struct Entry {
    /// One bit a language.
    pub(super) languages: u32,
    /// The further words of each phrase, and what the phrase tells.
    pub(super) phrases: Vec<(Vec<u64>, Category)>,
}

/// All lists, by the hash of a (first) word.
pub(super) struct Lexicon {
    entries: HashMap<u64, Entry>,
    /// Which values of the first 12 bits occur: most words of a text are in no list.
    filter: Vec<bool>,
}

const FILTER: usize = 4_096;

/// The place of a word in the filter.
fn bucket(word: u64) -> usize {
    usize::from((word >> 52) as u16)
}

impl Lexicon {
    pub(super) fn get(&self, word: u64) -> Option<&Entry> {
        if self.filter[bucket(word)] { self.entries.get(&word) } else { None }
    }
}

/// The lists, built once.
pub(super) fn lexicon() -> &'static Lexicon {
    static LEXICON: LazyLock<Lexicon> = LazyLock::new(build);
    &LEXICON
}

fn build() -> Lexicon {
    let mut entries: HashMap<u64, Entry> = HashMap::new();
    for (language, words) in STOP_WORDS.iter().enumerate() {
        for word in words.split(' ') {
            entries.entry(hash_word(word)).or_default().languages |= 1 << language;
        }
    }
    for (category, phrases) in PHRASES {
        for phrase in phrases.split('|') {
            let words = words_of(phrase);
            if let Some((first, others)) = words.split_first() {
                entries.entry(*first).or_default().phrases.push((others.to_vec(), *category));
            }
        }
    }
    let mut filter = vec![false; FILTER];
    for word in entries.keys() {
        filter[bucket(*word)] = true;
    }
    Lexicon { entries, filter }
}

/// The words of a phrase as a scan of a text finds them.
fn words_of(phrase: &str) -> Vec<u64> {
    use super::super::characters::is_unspaced;
    let mut words = Vec::new();
    for piece in
        phrase.split(|character: char| !character.is_alphanumeric()).filter(|piece| !piece.is_empty())
    {
        if piece.chars().any(is_unspaced) {
            let mut single = [0; 4];
            words.extend(piece.chars().map(|character| hash_word(character.encode_utf8(&mut single))));
        } else {
            words.push(hash_word(piece));
        }
    }
    words
}
