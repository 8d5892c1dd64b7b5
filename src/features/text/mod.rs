//! Everything that is counted of one text, in one pass over its characters.

mod lexicon;
mod lines;
mod scan;
mod sets;

pub(super) use self::lexicon::{CATEGORIES, Category, LANGUAGES};
pub(super) use self::scan::Scanner;
pub(super) use self::sets::{common, common_prefix, common_suffix, jaccard};
use super::characters::SCRIPTS;

/// Counts of single marks.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub(super) commas: u32,
    pub(super) stops: u32,
    pub(super) colons: u32,
    pub(super) semicolons: u32,
    pub(super) exclamations: u32,
    pub(super) questions: u32,
    pub(super) quotes: u32,
    pub(super) brackets: u32,
    pub(super) dashes: u32,
    pub(super) ellipses: u32,
    pub(super) emoji: u32,
    pub(super) symbols: u32,
    pub(super) operators: u32,
    /// A blank before a comma or a stop.
    pub(super) blanks_before: u32,
    /// A letter right behind a comma or a stop.
    pub(super) blanks_missing: u32,
    /// Two blanks in a row.
    pub(super) double_blanks: u32,
    /// The same exclamation or question mark again.
    pub(super) repeated: u32,
}

/// Counts of Markdown and its kin.
#[derive(Clone, Debug, Default)]
pub(super) struct Markup {
    pub(super) bullets: u32,
    pub(super) numbered: u32,
    pub(super) headings: u32,
    pub(super) fences: u32,
    pub(super) code_lines: u32,
    pub(super) table_rows: u32,
    pub(super) quoted_lines: u32,
    pub(super) bold: u32,
    pub(super) backticks: u32,
    pub(super) links: u32,
    pub(super) formulas: u32,
    /// Tags and turns of a template that leaked, such as `<|end|>`, `[INST]`, `User:`.
    pub(super) leaked: u32,
}

impl Markup {
    /// Everything that shows as structure.
    pub(super) fn total(&self) -> u32 {
        self.bullets + self.numbered + self.headings + self.fences + self.table_rows + self.bold / 2
    }
}

/// Counts of one text, perhaps of several turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Profile {
    pub(super) characters: u32,
    pub(super) letters: u32,
    pub(super) capitals: u32,
    pub(super) digits: u32,
    pub(super) foreign: u32,
    pub(super) scripts: [u32; SCRIPTS],
    pub(super) marks: Marks,
    pub(super) markup: Markup,
    pub(super) lines: u32,
    pub(super) filled_lines: u32,
    pub(super) paragraphs: u32,
    pub(super) sentences: u32,
    /// Sentences that begin with a small letter.
    pub(super) small_starts: u32,
    pub(super) words: u32,
    pub(super) word_letters: u32,
    pub(super) long_words: u32,
    /// Words of two and more letters, all of them capitals.
    pub(super) shouted: u32,
    /// How often each word list matches.
    pub(super) categories: [u32; CATEGORIES],
    /// The same within the first 25 words.
    pub(super) early: [u32; CATEGORIES],
    /// Hits of the most frequent words of each language.
    pub(super) languages: [u32; LANGUAGES],
    /// Words that are among the most frequent ones of some language.
    pub(super) stop_words: u32,
    /// Different words, ascending; so are the sets below.
    pub(super) vocabulary: Vec<u64>,
    pub(super) trigrams: Vec<u64>,
    pub(super) numbers: Vec<u64>,
    pub(super) number_count: u32,
    /// Capitalised words inside sentences, and Latin words in other scripts.
    pub(super) names: Vec<u64>,
    pub(super) different_sentences: u32,
    /// Repetitions of the word or the two words just before.
    pub(super) stutters: u32,
    pub(super) first: Option<char>,
    pub(super) last: Option<char>,
    pub(super) first_word: u64,
    pub(super) first_words: u64,
    /// Counts before the last turn began.
    pub(super) earlier_words: u32,
    pub(super) earlier_markup: u32,
    pub(super) turns: u32,
    pub(super) missing: u32,
    pub(super) empty: u32,
}

impl Profile {
    /// How often a word list matches.
    pub(super) fn of(&self, category: Category) -> u32 {
        self.categories[category as usize]
    }

    /// The language with most hits; of equal ones the first; `None` without any hit.
    pub(super) fn language(&self) -> Option<usize> {
        let most = *self.languages.iter().max()?;
        self.languages.iter().position(|hits| *hits == most && most > 0)
    }
}
