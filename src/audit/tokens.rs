use unicode_normalization::char::is_combining_mark;

/// Words in a shingle.
const WORDS: usize = 3;

/// Characters in a shingle of a script that sets no blanks between words: about three words.
const CHARACTERS: usize = 5;

/// A word, or one character of a script that sets no blanks between words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    blankless: bool,
}

/// The words of a text; Chinese, Japanese, Thai, Lao, Burmese and Khmer count by character.
/// Punctuation and symbols are no token.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(|c| is_blankless(c) || is_word(c))?;
        let from_start = &rest[start..];
        let first = from_start.chars().next()?;
        let blankless = is_blankless(first);
        let length = if blankless {
            first.len_utf8()
        } else {
            from_start.find(|c| is_blankless(c) || !is_word(c)).unwrap_or(from_start.len())
        };
        let (token, behind) = from_start.split_at(length);
        rest = behind;
        Some(Token { text: token, blankless })
    })
}

/// The shingles of a normalised text as 64-bit hashes in the order of the text, repeated ones again:
/// every run of three words, or of five characters where it begins in a script without blanks. A
/// shorter text is one shingle; a text without a token is one shingle as a whole; an empty text has none.
pub(super) fn shingles(text: &str) -> Vec<u64> {
    let tokens: Vec<(u64, bool)> = tokens(text).map(|token| (hash(token.text), token.blankless)).collect();
    let mut shingles = Vec::with_capacity(tokens.len());
    for start in 0..tokens.len() {
        let width = if tokens[start].1 { CHARACTERS } else { WORDS };
        if let Some(run) = tokens.get(start..start + width) {
            shingles.push(combined(run));
        }
    }
    if shingles.is_empty() && !tokens.is_empty() {
        shingles.push(combined(&tokens));
    } else if shingles.is_empty() && !text.is_empty() {
        shingles.push(hash(text));
    }
    shingles
}

/// The shingles as a set: ascending, each once.
pub(super) fn as_set(mut shingles: Vec<u64>) -> Vec<u64> {
    shingles.sort_unstable();
    shingles.dedup();
    shingles
}

/// The share of common elements of two ascending sets: |x and y| / |x or y|; 1 where both are empty.
pub(super) fn jaccard(x: &[u64], y: &[u64]) -> f64 {
    let (mut i, mut j, mut common) = (0, 0, 0_usize);
    while i < x.len() && j < y.len() {
        match x[i].cmp(&y[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                (i, j, common) = (i + 1, j + 1, common + 1);
            }
        }
    }
    let all = x.len() + y.len() - common;
    if all == 0 { 1.0 } else { common as f64 / all as f64 }
}

/// Spreads the bits of a number over all 64 (the finaliser of `SplitMix64`).
pub(super) fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn hash(text: &str) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ text.len() as u64;
    for chunk in text.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = (state ^ u64::from_le_bytes(word)).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29);
    }
    mixed(state)
}

fn combined(run: &[(u64, bool)]) -> u64 {
    run.iter().fold(run.len() as u64, |state, (token, _)| mixed(state.rotate_left(17) ^ *token))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || (!character.is_ascii() && is_combining_mark(character))
}

/// Han, kana, and the scripts of Thai, Lao, Burmese and Khmer.
fn is_blankless(character: char) -> bool {
    matches!(u32::from(character),
        0x0e01..=0x0e4e | 0x0e81..=0x0ece | 0x1000..=0x103f | 0x1780..=0x17d3
        | 0x3041..=0x3096 | 0x30a1..=0x30fe | 0x31f0..=0x31ff
        | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_134f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).map(|token| token.text).collect()
    }

    fn set(text: &str) -> Vec<u64> {
        as_set(shingles(text))
    }

    #[test]
    fn words_are_found_in_scripts_with_and_without_blanks() {
        assert_eq!(texts("don't  panic, 42!"), ["don", "t", "panic", "42"]);
        assert_eq!(texts("用python写"), ["用", "python", "写"]);
        assert_eq!(texts("สวัสดี").len(), "สวัสดี".chars().count());
        assert_eq!(texts("हिन्दी में"), ["हिन्दी", "में"]);
        assert!(texts(" ?! ").is_empty());
    }

    #[test]
    fn a_changed_word_costs_the_shingles_it_is_in() {
        let one = set("what is the capital of france");
        let other = set("what is the capital of germany");
        assert_eq!(one.len(), 4);
        assert!((jaccard(&one, &other) - 3.0 / 5.0).abs() < 1e-12);
        let one = set("请问法国的首都是哪里");
        let other = set("请问德国的首都是哪里");
        assert_eq!(one.len(), 6);
        assert!((jaccard(&one, &other) - 3.0 / 9.0).abs() < 1e-12);
    }

    #[test]
    fn short_and_wordless_texts_have_one_shingle_and_empty_ones_none() {
        assert_eq!(shingles("hello"), shingles("hello!"));
        assert_eq!(shingles("?!").len(), 1);
        assert_ne!(shingles("?!"), shingles("!!"));
        assert!(shingles("").is_empty());
        assert!(jaccard(&[], &[]) >= 1.0 && jaccard(&[], &[1]) <= 0.0);
    }
}
