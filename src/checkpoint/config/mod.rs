mod activation;
mod bert;
mod deberta_v2;
mod family;
mod gemma2;
mod gemma3;
mod llama;
mod modernbert;
mod roberta;
mod rotary;
mod switches;
#[cfg(test)]
mod tests;

pub use activation::Activation;
pub use bert::BertConfig;
pub use deberta_v2::DebertaV2Config;
pub use family::Family;
pub use gemma2::{Gemma2Config, LayerType};
pub use gemma3::{Gemma3Config, Gemma3File};
pub use llama::LlamaConfig;
pub use modernbert::{ModernBertConfig, ModernBertFile};
pub use roberta::RobertaConfig;
pub use rotary::{RotaryConfig, RotaryScaling};

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CheckpointError;
use super::parts::Division;

/// The typed configuration of one family.
#[derive(Clone, Debug, PartialEq)]
pub enum FamilyConfig {
    /// BERT, `MiniLM`.
    Bert(BertConfig),
    /// `RoBERTa`, XLM-R.
    Roberta(RobertaConfig),
    /// `DeBERTa` v2, v3.
    DebertaV2(DebertaV2Config),
    /// `ModernBERT`.
    ModernBert(ModernBertConfig),
    /// Llama, Mistral, Qwen2, Qwen3.
    Llama(LlamaConfig),
    /// Gemma-2.
    Gemma2(Gemma2Config),
    /// Gemma-3 of text.
    Gemma3(Gemma3Config),
}

/// The numbers that every family has.
#[derive(Clone, Copy)]
struct Sizes {
    width: usize,
    vocabulary: usize,
    positions: usize,
    segments: usize,
}

impl FamilyConfig {
    /// Reads `config.json`: the family, the numbers that decide its graph, and the switches that would change it.
    ///
    /// # Errors
    /// `CheckpointError` for an unreadable file, an unknown `model_type`, a missing number, or a switch that no
    /// graph here expresses.
    pub fn read(path: &Path) -> Result<(Self, Value), CheckpointError> {
        let bytes =
            fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
        let json = |source| CheckpointError::Json { path: path.to_owned(), source };
        let value: Value = serde_json::from_slice(&bytes).map_err(json)?;
        Ok((Self::of_json(&value, path)?, value))
    }

    /// The same of a `config.json` that is read already, or is going to be written; `path` is for messages.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for the reading.
    pub fn of_json(value: &Value, path: &Path) -> Result<Self, CheckpointError> {
        let model_type = value.get("model_type").and_then(Value::as_str).unwrap_or("(absent)");
        let Some(family) = Family::of_model_type(model_type) else {
            let names: Vec<&str> = Family::ALL.iter().map(|family| family.name()).collect();
            let way_out = format!("supported are {}, xlm-roberta", names.join(", "));
            return Err(refused(path, "model_type", model_type, way_out));
        };
        let config = Self::of_family(path, value, family)?;
        config.check_sizes(path)?;
        Ok(config)
    }

    fn of_family(path: &Path, value: &Value, family: Family) -> Result<Self, CheckpointError> {
        let switches = match family {
            Family::Bert | Family::Roberta => switches::OF_ENCODERS,
            Family::DebertaV2 => deberta_v2::SWITCHES,
            Family::ModernBert => modernbert::SWITCHES,
            Family::Gemma2 => gemma2::SWITCHES,
            Family::Gemma3 => gemma3::SWITCHES,
            Family::Llama | Family::Mistral | Family::Qwen2 | Family::Qwen3 => LlamaConfig::switches(family),
        };
        switches::check(path, value, switches)?;
        Ok(match family {
            Family::Bert => Self::Bert(parse(path, value)?),
            Family::Roberta => Self::Roberta(RobertaConfig::read(path, value)?),
            Family::DebertaV2 => Self::DebertaV2(DebertaV2Config::read(path, value)?),
            Family::ModernBert => Self::ModernBert(ModernBertConfig::read(path, value)?),
            Family::Gemma2 => Self::Gemma2(Gemma2Config::read(path, value)?),
            Family::Gemma3 => Self::Gemma3(Gemma3Config::read(path, value)?),
            Family::Llama | Family::Mistral | Family::Qwen2 | Family::Qwen3 => {
                Self::Llama(LlamaConfig::read(path, value, family)?)
            }
        })
    }

    /// Which family it is.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Bert(_) => Family::Bert,
            Self::Roberta(_) => Family::Roberta,
            Self::DebertaV2(_) => Family::DebertaV2,
            Self::ModernBert(_) => Family::ModernBert,
            Self::Llama(config) => config.family,
            Self::Gemma2(_) => Family::Gemma2,
            Self::Gemma3(_) => Family::Gemma3,
        }
    }

    /// Width of a hidden state.
    #[must_use]
    pub fn width(&self) -> usize {
        self.sizes().width
    }

    /// Rows of the embedding table.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.sizes().vocabulary
    }

    /// The longest text, in tokens.
    #[must_use]
    pub fn max_positions(&self) -> usize {
        self.sizes().positions
    }

    /// Makes the longest text shorter where positions are computed and not learnt, so that tables of them need not be as
    /// long as the model could read.
    pub fn limit_positions(&mut self, most: usize) {
        let positions = match self {
            Self::Bert(_) | Self::Roberta(_) | Self::DebertaV2(_) => return,
            Self::ModernBert(config) => &mut config.file.max_position_embeddings,
            Self::Llama(config) => &mut config.max_position_embeddings,
            Self::Gemma2(config) => &mut config.max_position_embeddings,
            Self::Gemma3(config) => &mut config.file.max_position_embeddings,
        };
        *positions = most.min(*positions);
    }

    /// Whether the segment of a token makes a difference.
    #[must_use]
    pub fn has_segments(&self) -> bool {
        self.sizes().segments > 1
    }

    /// The cap of the logits of the vocabulary, where there is one.
    #[must_use]
    pub fn vocabulary_softcap(&self) -> Option<f32> {
        match self {
            Self::Gemma2(config) => config.final_logit_softcapping,
            Self::Gemma3(config) => config.file.final_logit_softcapping,
            _ => None,
        }
    }

    /// The weight that a part is stored in, its rows, and the first of them that is the part's; `None` for a whole one.
    #[must_use]
    pub fn part_of(&self, weight: &str) -> Option<(String, usize, usize)> {
        let divisions = self.divisions();
        divisions.iter().find_map(|division| {
            let place = division.parts.iter().position(|(name, _)| name == weight)?;
            let before: usize = division.parts[..place].iter().map(|(_, rows)| rows).sum();
            Some((division.name.clone(), division.rows(), division.skipped + before))
        })
    }

    /// The weights that the family stores as one and computes as several.
    pub(super) fn divisions(&self) -> Vec<Division> {
        match self {
            Self::Roberta(config) => config.divisions(),
            Self::ModernBert(config) => config.divisions(),
            _ => Vec::new(),
        }
    }

    fn sizes(&self) -> Sizes {
        macro_rules! sizes {
            ($config:expr, $segments:expr) => {
                Sizes {
                    width: $config.hidden_size,
                    vocabulary: $config.vocab_size,
                    positions: $config.max_position_embeddings,
                    segments: $segments,
                }
            };
        }
        match self {
            Self::Bert(config) => sizes!(config, config.type_vocab_size),
            Self::Roberta(config) => sizes!(config.bert, config.bert.type_vocab_size),
            Self::DebertaV2(config) => sizes!(config, config.type_vocab_size),
            Self::ModernBert(config) => sizes!(config.file, 0),
            Self::Llama(config) => sizes!(config, 0),
            Self::Gemma2(config) => sizes!(config, 0),
            Self::Gemma3(config) => sizes!(config.file, 0),
        }
    }

    fn check_sizes(&self, path: &Path) -> Result<(), CheckpointError> {
        let encoder = |heads, width| vec![("num_attention_heads", heads, width)];
        let decoder = |[asked, asking, head]: [usize; 3]| {
            vec![("num_key_value_heads", asked, asking), ("head_dim", 2, head)]
        };
        let sizes: Vec<(&str, usize, usize)> = match self {
            Self::Bert(config) => encoder(config.num_attention_heads, config.hidden_size),
            Self::Roberta(config) => encoder(config.bert.num_attention_heads, config.bert.hidden_size),
            Self::DebertaV2(config) => encoder(config.num_attention_heads, config.hidden_size),
            // Heads are rotated in two halves.
            Self::ModernBert(config) => {
                encoder(config.file.num_attention_heads.saturating_mul(2), config.file.hidden_size)
            }
            Self::Llama(c) => decoder([c.num_key_value_heads, c.num_attention_heads, c.head_dim]),
            Self::Gemma2(c) => decoder([c.num_key_value_heads, c.num_attention_heads, c.head_dim]),
            Self::Gemma3(Gemma3Config { file: c, .. }) => {
                decoder([c.num_key_value_heads, c.num_attention_heads, c.head_dim])
            }
        };
        for (key, divisor, whole) in sizes {
            if divisor == 0 || whole == 0 || !whole.is_multiple_of(divisor) {
                let way_out = format!("{whole} must be a multiple of {divisor}, and neither may be 0");
                return Err(refused(path, key, &divisor.to_string(), way_out));
            }
        }
        Ok(())
    }
}

/// The part of `config.json` that has this form.
fn parse<T: DeserializeOwned>(path: &Path, value: &Value) -> Result<T, CheckpointError> {
    serde_json::from_value(value.clone())
        .map_err(|source| CheckpointError::Json { path: path.to_owned(), source })
}

fn refused(path: &Path, key: &str, value: &str, way_out: String) -> CheckpointError {
    CheckpointError::Config { path: path.to_owned(), key: key.to_owned(), value: value.to_owned(), way_out }
}
