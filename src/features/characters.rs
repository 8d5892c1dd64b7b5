//! What single characters are, shared by the counts and by the lexical features.

/// Whether the script of this letter writes no blanks between words, so that each character is a
/// token of its own: Thai, Lao, Burmese, Khmer, kana and Han.
pub(super) fn is_unspaced(character: char) -> bool {
    matches!(u32::from(character),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0xFF66..=0xFF9D | 0x2_0000..=0x3_FFFF)
}

/// A letter, a digit or the underscore, as in `\w` of a regular expression.
pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The start of every hash of a token.
pub(super) const HASH_START: u64 = 0xCBF2_9CE4_8422_2325;

/// One more character of a token (FNV-1a over code points).
pub(super) fn hash_step(hash: u64, character: char) -> u64 {
    (hash ^ u64::from(u32::from(character))).wrapping_mul(0x0000_0100_0000_01B3)
}

/// The hash of a token after one more character in lower case.
pub(super) fn hash_lower(hash: u64, character: char) -> u64 {
    if character.is_ascii() {
        hash_step(hash, character.to_ascii_lowercase())
    } else {
        character.to_lowercase().fold(hash, hash_step)
    }
}

/// Spreads a finished hash over all 64 bits (the finaliser of `SplitMix64`).
pub(super) fn hash_end(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

/// The hash of a sequence, one more token at its end.
pub(super) fn hash_join(sequence: u64, token: u64) -> u64 {
    hash_end(sequence.rotate_left(23) ^ token)
}

/// The hash of a whole token in lower case; equal to what a scan over a text finds.
pub(super) fn hash_word(word: &str) -> u64 {
    hash_end(word.chars().fold(HASH_START, hash_lower))
}

/// How many scripts are told apart.
pub(super) const SCRIPTS: usize = 12;

/// The script of a letter as a place in a histogram; `None` for what is no letter of a known script.
pub(super) fn script_of(character: char) -> Option<usize> {
    Some(match u32::from(character) {
        0x41..=0x5A | 0x61..=0x7A | 0xC0..=0x024F | 0x1E00..=0x1EFF => 0,
        0x0370..=0x03FF | 0x1F00..=0x1FFF => 1,
        0x0400..=0x052F => 2,
        0x0530..=0x058F | 0x10A0..=0x10FF => 3,
        0x0590..=0x05FF => 4,
        0x0600..=0x06FF | 0x0750..=0x077F | 0xFB50..=0xFDFF | 0xFE70..=0xFEFF => 5,
        0x0900..=0x0DFF => 6,
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF => 7,
        0x1100..=0x11FF | 0x3130..=0x318F | 0xAC00..=0xD7AF => 8,
        0x3040..=0x30FF | 0x31F0..=0x31FF | 0xFF66..=0xFF9D => 9,
        0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF => 10,
        0x1200..=0x137F => 11,
        _ => return None,
    })
}

/// A pictogram, such as a face or a flag.
pub(super) fn is_emoji(character: char) -> bool {
    matches!(u32::from(character), 0x1F300..=0x1FAFF | 0x2600..=0x27BF | 0x1F1E6..=0x1F1FF)
}

/// A mark that ends a sentence.
pub(super) fn is_terminal(character: char) -> bool {
    matches!(character, '.' | '!' | '?' | '…' | '。' | '！' | '？' | '।' | '؟' | '۔' | '։' | '።')
}
