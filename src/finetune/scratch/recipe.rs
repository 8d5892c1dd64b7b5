use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::encoding::{Labels, Template, TokenizerFiles};
use crate::finetune::FinetuneError;

/// The size of a small BERT (Devlin et al. 2019) of random weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScratchRecipe {
    /// Its layers.
    pub layers: usize,
    /// Width of a hidden state.
    pub width: usize,
    /// Heads of a layer; `width` is a multiple of it.
    pub heads: usize,
    /// Width inside the feed-forward part; four times `width` if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_width: Option<usize>,
    /// Tokens of its vocabulary, at most.
    pub vocabulary: usize,
}

impl Default for ScratchRecipe {
    fn default() -> Self {
        Self { layers: 2, width: 64, heads: 4, inner_width: None, vocabulary: 4096 }
    }
}

impl ScratchRecipe {
    /// Checks every number.
    ///
    /// # Errors
    /// `FinetuneError::Settings` names the key, its value and what it must be.
    pub fn check(&self) -> Result<(), FinetuneError> {
        let least = TokenizerFiles::SMALLEST_VOCABULARY;
        let fits = self.heads > 0 && self.width.is_multiple_of(self.heads);
        let faults = [
            ("layers", self.layers, self.layers > 0, "at least 1".to_owned()),
            ("width", self.width, self.width > 0, "at least 1".to_owned()),
            ("heads", self.heads, fits, format!("a divisor of the width, {}", self.width)),
            ("inner_width", self.inner_width(), self.inner_width() > 0, "at least 1".to_owned()),
            ("vocabulary", self.vocabulary, self.vocabulary >= least, format!("at least {least}")),
        ];
        match faults.into_iter().find(|(_, _, holds, _)| !holds) {
            None => Ok(()),
            Some((key, value, _, must)) => {
                Err(FinetuneError::Settings(format!("`from_scratch.{key}` is `{value}`, it must be {must}")))
            }
        }
    }

    /// Width inside the feed-forward part.
    #[must_use]
    pub fn inner_width(&self) -> usize {
        self.inner_width.unwrap_or(4 * self.width)
    }

    /// How a battle is written where the configuration does not say it; its words are single tokens.
    #[must_use]
    pub fn template(&self, is_reward: bool) -> Template {
        let labels = Labels {
            prompt: "<prompt>".to_owned(),
            response_a: "<response_a>".to_owned(),
            response_b: "<response_b>".to_owned(),
            response: "<response>".to_owned(),
            ..Labels::default()
        };
        if is_reward {
            return Template::Single { labels, pair: true };
        }
        Template::Concatenated { labels, pair: false }
    }

    /// `config.json` of a model with an embedding of so many rows, which reads texts of so many tokens.
    #[must_use]
    pub fn config(&self, rows: usize, max_tokens: usize) -> Value {
        json!({
            "architectures": ["BertModel"],
            "model_type": "bert",
            "vocab_size": rows,
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.inner_width(),
            "hidden_act": "gelu",
            "max_position_embeddings": max_tokens,
            "type_vocab_size": 2,
            "layer_norm_eps": 1e-12,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "position_embedding_type": "absolute",
            "pad_token_id": 0,
            "torch_dtype": "float32",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_is_no_size_is_named() {
        let said = |recipe: ScratchRecipe| recipe.check().unwrap_err().to_string();
        let usual = ScratchRecipe::default();
        assert!(usual.check().is_ok());
        assert!(said(ScratchRecipe { layers: 0, ..usual.clone() }).contains("`from_scratch.layers` is `0`"));
        assert!(said(ScratchRecipe { heads: 7, ..usual.clone() }).contains("a divisor of the width, 64"));
        assert!(said(ScratchRecipe { heads: 0, ..usual.clone() }).contains("`from_scratch.heads` is `0`"));
        assert!(said(ScratchRecipe { vocabulary: 100, ..usual }).contains("at least 259"));
    }
}
