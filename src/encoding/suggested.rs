//! The template that fits a model best that says nothing itself.

use std::collections::BTreeMap;

use super::{
    ChatLayout, Encoder, EncodingBudget, EncodingError, EncodingRecipe, Labels, MissingResponse, Orders,
    Template, TokenizerFiles, Truncation,
};

/// What of a model decides how it is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelForm {
    /// Whether it scores one response, and does not compare two.
    pub scores: bool,
    /// Whether it is a decoder.
    pub is_decoder: bool,
}

impl Template {
    /// The template that fits a model best, and why it is this one.
    ///
    /// # Errors
    /// When the files of the tokenizer are damaged.
    pub fn suggested(form: ModelForm, files: &TokenizerFiles) -> Result<(Self, &'static str), EncodingError> {
        let labels = Labels::default;
        Ok(match (form.scores, form.is_decoder, files.has_chat_template()?) {
            (true, true, true) => (
                Self::SingleChat { variables: BTreeMap::new() },
                "one output scores one response, and the model has a chat template",
            ),
            (true, ..) => (Self::suggested_single(form.is_decoder, files)?, "one output scores one response"),
            (false, true, true) => {
                (Self::plain_chat(String::new()), "a decoder with a chat template compares both responses")
            }
            (false, true, false) => (
                Self::Interleaved { labels: labels() },
                "a decoder without a chat template compares both responses",
            ),
            (false, false, _) => {
                (Self::Concatenated { labels: labels(), pair: false }, "an encoder compares both responses")
            }
        })
    }

    /// Prompt and response as two texts where the tokenizer of an encoder joins texts, else as one.
    ///
    /// # Errors
    /// When the files of the tokenizer are damaged.
    pub fn suggested_single(is_decoder: bool, files: &TokenizerFiles) -> Result<Self, EncodingError> {
        let template = |pair| Self::Single { labels: Labels::default(), pair };
        if is_decoder {
            return Ok(template(false));
        }
        let recipe = EncodingRecipe { template: template(true), missing: MissingResponse::default() };
        let budget =
            EncodingBudget { max_tokens: 1, truncation: Truncation::default(), orders: Orders::default() };
        match Encoder::new(files, recipe, budget) {
            Ok(_) => Ok(template(true)),
            Err(EncodingError::NoPair { .. }) => Ok(template(false)),
            Err(error) => Err(error),
        }
    }

    /// The comparison in the model's chat template, with this behind it.
    #[must_use]
    pub fn plain_chat(ending: String) -> Self {
        Self::Chat {
            instruction: String::new(),
            layout: ChatLayout::default(),
            labels: Labels::default(),
            ending,
            add_generation_prompt: true,
            variables: BTreeMap::new(),
        }
    }
}
