use super::super::characters::{
    HASH_START, hash_end, hash_join, hash_lower, hash_step, is_emoji, is_terminal, is_unspaced, script_of,
};
use super::Profile;
use super::lexicon::lexicon;
use super::lines::{count_inline, count_line};

/// Reads the turns of one text and gives its counts.
#[derive(Default)]
pub(in crate::features) struct Scanner {
    profile: Profile,
    words: Vec<u64>,
    numbers: Vec<u64>,
    names: Vec<u64>,
    sentences: Vec<u64>,
    in_code: bool,
}

/// The word, number and sentence that a scan is in the middle of.
#[expect(clippy::struct_excessive_bools, reason = "four independent facts about one word")]
struct Open {
    word: u64,
    letters: u32,
    capitals: u32,
    capital_first: bool,
    latin: bool,
    digits_only: bool,
    number: u64,
    in_number: bool,
    sentence: u64,
    sentence_words: u32,
    previous: char,
    gap: u32,
}

impl Open {
    fn new() -> Self {
        Self {
            word: HASH_START,
            letters: 0,
            capitals: 0,
            capital_first: false,
            latin: true,
            digits_only: true,
            number: HASH_START,
            in_number: false,
            sentence: 0,
            sentence_words: 0,
            previous: '\n',
            gap: 1,
        }
    }
}

impl Scanner {
    /// Reads one more turn; `None` is a missing one.
    pub(in crate::features) fn turn(&mut self, text: Option<&str>) {
        self.profile.turns += 1;
        self.profile.earlier_words = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        self.profile.earlier_markup = self.profile.markup.total();
        let Some(text) = text else {
            self.profile.missing += 1;
            return;
        };
        self.profile.empty += u32::from(text.trim().is_empty());
        self.in_code = false;
        self.scan(text);
        self.profile.first = self.profile.first.or(text.chars().next());
        self.profile.last = text.trim_end().chars().next_back().or(self.profile.last);
    }

    /// The counts of all turns read.
    pub(in crate::features) fn finish(mut self) -> Profile {
        self.match_lists();
        let profile = &mut self.profile;
        profile.words = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        profile.number_count = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        profile.first_word = self.words.first().copied().unwrap_or(0);
        profile.first_words = self.words.iter().take(3).fold(0, |hash, word| hash_join(hash, *word));
        profile.stutters = stutters(&self.words);
        profile.trigrams = distinct(
            self.words
                .windows(3)
                .map(|run| run.iter().fold(0, |hash, word| hash_join(hash, *word)))
                .collect(),
        );
        profile.vocabulary = distinct(self.words);
        profile.numbers = distinct(self.numbers);
        profile.names = distinct(self.names);
        profile.different_sentences = u32::try_from(distinct(self.sentences).len()).unwrap_or(u32::MAX);
        self.profile
    }

    fn scan(&mut self, text: &str) {
        let mut open = Open::new();
        for (at, character) in text.char_indices() {
            if open.previous == '\n' {
                count_line(&text[at..], &mut self.profile.markup, &mut self.in_code);
            }
            self.profile.characters += 1;
            if character.is_alphanumeric() {
                self.letter(character, &mut open, &text[at..]);
            } else {
                self.mark(character, &mut open, &text[at..]);
            }
            open.previous = character;
        }
        self.end_word(&mut open);
        self.end_number(&mut open);
        self.end_line(&open);
        self.end_sentence(&mut open);
    }

    fn letter(&mut self, character: char, open: &mut Open, rest: &str) {
        let profile = &mut self.profile;
        if matches!(open.previous, ',' | ';') && !character.is_ascii_digit() {
            profile.marks.blanks_missing += u32::from(character.is_ascii());
        }
        if character.is_numeric() {
            profile.digits += 1;
            open.number = hash_step(open.number, character);
            open.in_number = true;
        } else {
            profile.letters += 1;
            open.digits_only = false;
            if let Some(script) = script_of(character) {
                profile.scripts[script] += 1;
            }
            if character == 'h' && open.letters == 0 {
                count_inline(rest, &mut profile.markup);
            }
            self.end_number(open);
        }
        let capital =
            if character.is_ascii() { character.is_ascii_uppercase() } else { character.is_uppercase() };
        self.profile.capitals += u32::from(capital);
        self.profile.foreign += u32::from(!character.is_ascii());
        if is_unspaced(character) {
            self.end_word(open);
            open.latin = false;
            open.letters = 1;
            open.word = hash_lower(HASH_START, character);
            self.end_word(open);
            return;
        }
        open.latin &= character.is_ascii();
        open.capital_first |= capital && open.letters == 0;
        open.capitals += u32::from(capital);
        open.letters += 1;
        open.word = hash_lower(open.word, character);
    }

    fn mark(&mut self, character: char, open: &mut Open, rest: &str) {
        let numeric = matches!(character, '.' | ',' | '\u{a0}' | '\u{202f}')
            && open.in_number
            && rest[character.len_utf8()..].starts_with(|next: char| next.is_ascii_digit());
        self.end_word(open);
        if numeric {
            return;
        }
        self.end_number(open);
        let marks = &mut self.profile.marks;
        if matches!(character, ',' | '.' | '!' | '?' | ';' | ':') && matches!(open.previous, ' ') {
            marks.blanks_before += 1;
        }
        match character {
            ' ' => marks.double_blanks += u32::from(open.previous == ' '),
            '\n' => return self.break_line(open),
            ',' | '，' | '、' | '،' => marks.commas += 1,
            ':' | '：' => marks.colons += 1,
            ';' | '；' | '؛' => marks.semicolons += 1,
            '"' | '“' | '”' | '„' | '«' | '»' | '「' | '」' | '『' | '』' | '《' | '》' => {
                marks.quotes += 1;
            }
            '(' | ')' | '（' | '）' | '{' | '}' => marks.brackets += 1,
            '-' | '–' | '—' => marks.dashes += 1,
            '=' | '+' | '/' | '%' | '^' | '_' | '&' | '~' => marks.operators += 1,
            '*' | '`' | ']' | '<' | '[' | '\\' => {
                marks.operators += u32::from(matches!(character, '<' | '\\'));
                count_inline(rest, &mut self.profile.markup);
            }
            _ if is_terminal(character) => self.terminal(character, open),
            _ if character.is_ascii() => {
                marks.symbols += u32::from(matches!(character, '#' | '@' | '$' | '|'));
            }
            _ if is_emoji(character) => marks.emoji += 1,
            _ => {}
        }
        self.profile.foreign += u32::from(!character.is_ascii());
    }

    fn terminal(&mut self, character: char, open: &mut Open) {
        let marks = &mut self.profile.marks;
        match character {
            '!' | '！' => marks.exclamations += 1,
            '?' | '？' | '؟' => marks.questions += 1,
            '…' => marks.ellipses += 1,
            _ => marks.stops += 1,
        }
        if character == open.previous {
            marks.repeated += u32::from(character != '.');
            marks.ellipses += u32::from(character == '.');
        }
        self.end_sentence(open);
    }

    fn break_line(&mut self, open: &mut Open) {
        self.end_line(open);
        // A line without a mark at its end, such as a list item, is a sentence too.
        self.end_sentence(open);
        open.gap += 1;
    }

    fn end_line(&mut self, open: &Open) {
        self.profile.lines += 1;
        if open.previous != '\n' {
            self.profile.filled_lines += 1;
        }
    }

    fn end_sentence(&mut self, open: &mut Open) {
        if open.sentence_words > 0 {
            self.profile.sentences += 1;
            self.sentences.push(open.sentence);
        }
        open.sentence = 0;
        open.sentence_words = 0;
    }

    fn end_number(&mut self, open: &mut Open) {
        if open.in_number {
            self.numbers.push(hash_end(open.number));
        }
        open.in_number = false;
        open.number = HASH_START;
    }

    fn end_word(&mut self, open: &mut Open) {
        if open.letters == 0 {
            return;
        }
        let word = hash_end(open.word);
        let profile = &mut self.profile;
        profile.paragraphs += u32::from(open.gap > 1 || profile.paragraphs == 0);
        profile.word_letters += open.letters;
        profile.long_words += u32::from(open.letters >= 7);
        profile.shouted += u32::from(open.letters >= 2 && open.capitals == open.letters);
        let starts = open.sentence_words == 0;
        profile.small_starts += u32::from(starts && !open.capital_first && !open.digits_only && open.latin);
        let in_other_script = open.latin && !open.digits_only && profile.scripts[0] * 2 < profile.letters;
        if (open.capital_first && !starts) || in_other_script {
            self.names.push(word);
        }
        self.words.push(word);
        open.sentence = hash_join(open.sentence, word);
        open.sentence_words += 1;
        open.gap = 0;
        open.word = HASH_START;
        open.letters = 0;
        open.capitals = 0;
        open.capital_first = false;
        open.latin = true;
        open.digits_only = true;
    }

    /// Counts the words and phrases of all lists.
    fn match_lists(&mut self) {
        let lexicon = lexicon();
        for place in 0..self.words.len() {
            let Some(entry) = lexicon.get(self.words[place]) else { continue };
            self.profile.stop_words += u32::from(entry.languages != 0);
            for (language, hits) in self.profile.languages.iter_mut().enumerate() {
                *hits += entry.languages >> language & 1;
            }
            for (phrase, category) in &entry.phrases {
                if self.words[place + 1..].starts_with(phrase) {
                    self.profile.categories[*category as usize] += 1;
                    self.profile.early[*category as usize] += u32::from(place < 25);
                }
            }
        }
    }
}

fn distinct(mut values: Vec<u64>) -> Vec<u64> {
    values.sort_unstable();
    values.dedup();
    values
}

/// Words that repeat the one just before, or pairs that repeat the pair just before.
fn stutters(words: &[u64]) -> u32 {
    let single = words.windows(2).filter(|run| run[0] == run[1]).count();
    let double =
        words.windows(4).filter(|run| run[0] == run[2] && run[1] == run[3] && run[0] != run[1]).count();
    u32::try_from(single + double).unwrap_or(u32::MAX)
}
