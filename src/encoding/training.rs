//! A tokenizer trained on texts: what a model that begins from random weights reads with.

use std::collections::HashSet;

use serde_json::json;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::normalizers::{Lowercase, NFC, NormalizerWrapper, Sequence};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, TokenizerBuilder, TokenizerImpl};

use super::{EncodingError, TokenizerFiles};

/// Padding, and what stands before and behind every text; in the order of their ids, from 0.
const SPECIAL: [&str; 3] = [PAD, BEGIN, END];
const PAD: &str = "[PAD]";
const BEGIN: &str = "[CLS]";
const END: &str = "[SEP]";

/// The marks of the usual [labels](super::Labels), a token each, so that a template costs few tokens.
const MARKS: [&str; 4] = ["<prompt>", "<response_a>", "<response_b>", "<response>"];

type Trained = TokenizerImpl<BPE, NormalizerWrapper, ByteLevel, TemplateProcessing, ByteLevel>;

impl TokenizerFiles {
    /// The fewest tokens that a vocabulary can have: special ones and one for each byte.
    pub const SMALLEST_VOCABULARY: usize = SPECIAL.len() + 256;

    /// Trains a vocabulary of at most `vocabulary` tokens, beside the marks of the usual labels, by byte pair encoding
    /// (Sennrich et al. 2016) over the bytes of the lower-case text: no text is unknown to it. `max_tokens` is what the
    /// files say of the longest text.
    ///
    /// The same texts give the same bytes, whatever their order and the number of threads: words are counted, the
    /// pair with the most occurrences is merged, and of equal ones that of the smaller ids, which begin as the sorted
    /// bytes.
    ///
    /// # Errors
    /// `Recipe` for a vocabulary that cannot hold the bytes; `Tokenizer` when the library fails.
    pub fn train<'a>(
        texts: impl Iterator<Item = &'a str> + Send,
        vocabulary: usize,
        max_tokens: usize,
    ) -> Result<Self, EncodingError> {
        if vocabulary < Self::SMALLEST_VOCABULARY {
            let must = "at least 259: the bytes and three special tokens";
            return Err(EncodingError::recipe("vocabulary", &vocabulary.to_string(), must));
        }
        let mut tokenizer = untrained()?;
        let mut trainer = BpeTrainerBuilder::new()
            .vocab_size(vocabulary)
            // What occurs once is no word of a language.
            .min_frequency(2)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect::<HashSet<char>>())
            .special_tokens(SPECIAL.map(|token| AddedToken::from(token, true)).to_vec())
            .show_progress(false)
            .build();
        tokenizer.train(&mut trainer, texts).map_err(EncodingError::tokenizer)?;
        let marks = MARKS.map(|mark| AddedToken::from(mark, false).normalized(false));
        tokenizer.add_tokens(marks).map_err(EncodingError::tokenizer)?;
        let mut written = tokenizer.to_string(true).map_err(EncodingError::tokenizer)?;
        written.push('\n');
        Ok(Self { tokenizer: written.into_bytes(), config: Some(config(max_tokens)), chat_template: None })
    }

    /// Tokens of the vocabulary, those that were added to it included: rows that an embedding needs.
    ///
    /// # Errors
    /// `Form` when `tokenizer.json` is damaged.
    pub fn vocabulary_size(&self) -> Result<usize, EncodingError> {
        Ok(super::tokenizer::Tokens::new(&self.tokenizer)?.inner().get_vocab_size(true))
    }
}

/// Everything but the vocabulary.
fn untrained() -> Result<Trained, EncodingError> {
    let ids: Vec<(&str, u32)> = SPECIAL.into_iter().zip(0..).collect();
    let around = TemplateProcessing::builder()
        .try_single("[CLS] $A [SEP]")
        .and_then(|builder| builder.try_pair("[CLS] $A [SEP] $B:1 [SEP]:1"))
        .map_err(EncodingError::tokenizer)?
        .special_tokens(ids)
        .build()
        .map_err(EncodingError::tokenizer)?;
    // A word at the beginning of a text is the word that it is elsewhere, and offsets keep the blank before it.
    let bytes = ByteLevel::new(true, false, true);
    TokenizerBuilder::new()
        .with_model(BPE::default())
        .with_normalizer(Some(Sequence::new(vec![NFC.into(), Lowercase.into()]).into()))
        .with_pre_tokenizer(Some(bytes))
        .with_post_processor(Some(around))
        .with_decoder(Some(bytes))
        .build()
        .map_err(EncodingError::tokenizer)
}

/// `tokenizer_config.json`, by which Python opens it.
fn config(max_tokens: usize) -> Vec<u8> {
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "cls_token": BEGIN,
        "sep_token": END,
        "model_max_length": max_tokens,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": false,
    });
    format!("{config:#}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::tokenizer::Tokens;

    const TEXTS: [&str; 5] = [
        "The model answers the question, and the answer is short.",
        "A short answer; an answer of the other model: \u{e9}t\u{e9}, \u{4f60}\u{597d}.",
        "Questions are answered. The questions are short!",
        "<prompt>: models answer questions\n\n<response_a>: the answer",
        "",
    ];

    fn trained(texts: &[&str], vocabulary: usize) -> TokenizerFiles {
        TokenizerFiles::train(texts.iter().copied(), vocabulary, 16).unwrap()
    }

    #[test]
    fn the_same_texts_give_the_same_bytes_in_any_order_and_on_any_number_of_threads() {
        // Every repetition has hash maps of another order.
        let first = trained(&TEXTS, 300);
        for round in 0..20 {
            let mut texts = TEXTS;
            texts.rotate_left(round % TEXTS.len());
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1 + round % 3).build().unwrap();
            let again = pool.install(|| trained(&texts, 300));
            assert!(first.tokenizer == again.tokenizer, "round {round}");
        }
        assert_ne!(first.tokenizer, trained(&TEXTS[1..], 300).tokenizer);
    }

    #[test]
    fn frequent_words_become_tokens_and_every_text_comes_back() {
        let files = trained(&TEXTS, 300);
        let tokens = Tokens::new(&files.tokenizer).unwrap();
        assert_eq!(tokens.ids("answer").unwrap().len(), 1);
        for text in ["the answer", "\u{1f600} \u{4f60}\u{597d}\u{0} zebra", "two\n\nlines"] {
            let decoded = tokens.decoded(&tokens.ids(text).unwrap()).unwrap();
            assert_eq!(decoded.trim_start(), text);
        }
        assert_eq!(tokens.ids("The ANSWER").unwrap(), tokens.ids("the answer").unwrap());
    }

    #[test]
    fn labels_are_one_token_and_the_vocabulary_has_the_size_that_was_wanted() {
        let files = trained(&TEXTS, 280);
        let tokens = Tokens::new(&files.tokenizer).unwrap();
        assert_eq!(files.vocabulary_size().unwrap(), 280 + MARKS.len());
        for mark in MARKS {
            assert_eq!(tokens.ids(mark).unwrap().len(), 1, "{mark}");
        }
        let texts_of_nothing = TokenizerFiles::train(std::iter::empty(), 280, 16).unwrap();
        assert_eq!(
            texts_of_nothing.vocabulary_size().unwrap(),
            TokenizerFiles::SMALLEST_VOCABULARY + MARKS.len()
        );
    }

    #[test]
    fn a_vocabulary_without_room_for_the_bytes_is_refused() {
        let failed = TokenizerFiles::train(std::iter::empty(), 258, 16).unwrap_err().to_string();
        assert!(failed.contains("`vocabulary` is `258`"), "{failed}");
    }
}
