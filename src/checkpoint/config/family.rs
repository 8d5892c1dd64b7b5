use serde::{Deserialize, Serialize};

/// The families whose graphs can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// BERT, `MiniLM`: an encoder with learnt positions.
    Bert,
    /// `RoBERTa` and XLM-R: a BERT whose positions begin behind the padding id, with a head of its own.
    Roberta,
    /// `DeBERTa` v2 and v3: an encoder that scores content and distance apart.
    #[serde(rename = "deberta-v2")]
    DebertaV2,
    /// `ModernBERT`: an encoder with rotary positions and local windows.
    ModernBert,
    /// Llama: a decoder with rotary positions and grouped heads.
    Llama,
    /// Mistral: the same, with a sliding window.
    Mistral,
    /// Qwen2 and Qwen2.5: the same, with biases.
    Qwen2,
    /// Qwen3: the same, with normalised heads.
    Qwen3,
    /// Gemma-2: a decoder with rotary positions, sliding windows and soft-capped scores.
    Gemma2,
    /// Gemma-3, text only: a decoder with normalised heads and two kinds of rotary positions.
    #[serde(rename = "gemma3_text")]
    Gemma3,
}

impl Family {
    /// All of them, for messages.
    pub const ALL: [Self; 10] = [
        Self::Bert,
        Self::Roberta,
        Self::DebertaV2,
        Self::ModernBert,
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Gemma2,
        Self::Gemma3,
    ];

    /// The `model_type` of config.json.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::DebertaV2 => "deberta-v2",
            Self::ModernBert => "modernbert",
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
        }
    }

    /// The family of a `model_type`; XLM-R is a `RoBERTa` of many languages.
    #[must_use]
    pub fn of_model_type(model_type: &str) -> Option<Self> {
        let name = if model_type == "xlm-roberta" { "roberta" } else { model_type };
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// Whether a token sees only what stands before it.
    #[must_use]
    pub fn is_decoder(self) -> bool {
        match self {
            Self::Bert | Self::Roberta | Self::DebertaV2 | Self::ModernBert => false,
            Self::Llama | Self::Mistral | Self::Qwen2 | Self::Qwen3 | Self::Gemma2 | Self::Gemma3 => true,
        }
    }

    /// What a whole model's files put before the names that the bare model uses.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::Roberta => "roberta.",
            Self::DebertaV2 => "deberta.",
            _ => "model.",
        }
    }
}
