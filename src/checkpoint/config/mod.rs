mod bert;
mod gemma2;

pub use bert::BertConfig;
pub use gemma2::{Gemma2Config, LayerType};

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CheckpointError;

/// The families whose graphs can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// BERT, `MiniLM`: an encoder with learnt positions.
    Bert,
    /// Gemma-2: a decoder with rotary positions, sliding windows and soft-capped scores.
    Gemma2,
}

impl Family {
    /// All of them, for messages.
    pub const ALL: [Self; 2] = [Self::Bert, Self::Gemma2];

    /// The `model_type` of config.json.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Gemma2 => "gemma2",
        }
    }

    /// Whether a token sees only what stands before it.
    #[must_use]
    pub fn is_decoder(self) -> bool {
        self == Self::Gemma2
    }

    /// What a whole model's files put before the names that the bare model uses.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::Gemma2 => "model.",
        }
    }
}

/// The non-linear functions of the families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x Phi(x), exactly.
    #[serde(alias = "gelu", alias = "gelu_python")]
    GeluErf,
    /// The approximation of x Phi(x) by a hyperbolic tangent.
    #[serde(alias = "gelu_pytorch_tanh", alias = "gelu_new", alias = "gelu_fast")]
    GeluTanh,
    /// x sigmoid(x).
    #[serde(alias = "swish")]
    Silu,
}

/// The typed configuration of one family.
#[derive(Clone, Debug, PartialEq)]
pub enum FamilyConfig {
    /// BERT, `MiniLM`.
    Bert(BertConfig),
    /// Gemma-2.
    Gemma2(Gemma2Config),
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
        let model_type = value.get("model_type").and_then(Value::as_str).unwrap_or("(absent)");
        let Some(family) = Family::ALL.into_iter().find(|family| family.name() == model_type) else {
            let names: Vec<&str> = Family::ALL.iter().map(|family| family.name()).collect();
            let way_out = format!("supported are {}", names.join(", "));
            return Err(refused(path, "model_type", model_type, way_out));
        };
        check_switches(path, &value, family)?;
        let config = match family {
            Family::Bert => Self::Bert(serde_json::from_value(value.clone()).map_err(json)?),
            Family::Gemma2 => Self::Gemma2(serde_json::from_value(value.clone()).map_err(json)?),
        };
        config.check_sizes(path)?;
        Ok((config, value))
    }

    /// Which family it is.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Bert(_) => Family::Bert,
            Self::Gemma2(_) => Family::Gemma2,
        }
    }

    /// Width of a hidden state.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Bert(config) => config.hidden_size,
            Self::Gemma2(config) => config.hidden_size,
        }
    }

    /// Rows of the embedding table.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        match self {
            Self::Bert(config) => config.vocab_size,
            Self::Gemma2(config) => config.vocab_size,
        }
    }

    /// The longest text, in tokens.
    #[must_use]
    pub fn max_positions(&self) -> usize {
        match self {
            Self::Bert(config) => config.max_position_embeddings,
            Self::Gemma2(config) => config.max_position_embeddings,
        }
    }

    fn check_sizes(&self, path: &Path) -> Result<(), CheckpointError> {
        let sizes: Vec<(&str, usize, usize)> = match self {
            Self::Bert(config) => {
                vec![("num_attention_heads", config.num_attention_heads, config.hidden_size)]
            }
            Self::Gemma2(config) => vec![
                ("num_key_value_heads", config.num_key_value_heads, config.num_attention_heads),
                ("head_dim", 2, config.head_dim),
            ],
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

/// Switches that would change the graph, with the only value that the graph has.
fn check_switches(path: &Path, value: &Value, family: Family) -> Result<(), CheckpointError> {
    let switches: &[(&str, &[Value])] = match family {
        Family::Bert => &[
            ("position_embedding_type", &[Value::Null]),
            ("is_decoder", &[Value::Bool(false), Value::Null]),
            ("add_cross_attention", &[Value::Bool(false), Value::Null]),
        ],
        Family::Gemma2 => &[
            ("attention_bias", &[Value::Bool(false), Value::Null]),
            ("use_bidirectional_attention", &[Value::Bool(false), Value::Null]),
            ("rope_scaling", &[Value::Null]),
        ],
    };
    for (key, accepted) in switches {
        let stated = value.get(key).unwrap_or(&Value::Null);
        let absolute = *key == "position_embedding_type" && stated == "absolute";
        if !absolute && !accepted.contains(stated) {
            return Err(refused(
                path,
                key,
                &stated.to_string(),
                "only the plain form is supported".to_owned(),
            ));
        }
    }
    let rope = value.get("rope_parameters").and_then(|rope| rope.get("rope_type")).and_then(Value::as_str);
    if let Some(other) = rope.filter(|kind| *kind != "default") {
        return Err(refused(path, "rope_type", other, "only `default` is supported".to_owned()));
    }
    Ok(())
}

fn refused(path: &Path, key: &str, value: &str, way_out: String) -> CheckpointError {
    CheckpointError::Config { path: path.to_owned(), key: key.to_owned(), value: value.to_owned(), way_out }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FamilyConfig, CheckpointError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, text).unwrap();
        FamilyConfig::read(&path).map(|(config, _)| config)
    }

    const BERT: &str = r#""model_type":"bert","vocab_size":48,"hidden_size":16,"num_hidden_layers":2,
        "num_attention_heads":2,"intermediate_size":32,"max_position_embeddings":32,"hidden_act":"gelu""#;

    #[test]
    fn an_unknown_family_is_refused_and_the_known_ones_are_named() {
        let message = read(r#"{"model_type":"mamba"}"#).unwrap_err().to_string();
        assert!(message.contains("`mamba`") && message.contains("bert, gemma2"), "{message}");
    }

    #[test]
    fn switches_that_would_change_the_graph_are_refused() {
        assert!(read(&format!("{{{BERT}}}")).is_ok());
        assert!(read(&format!(r#"{{{BERT},"position_embedding_type":"absolute"}}"#)).is_ok());
        let relative = format!(r#"{{{BERT},"position_embedding_type":"relative_key"}}"#);
        assert!(read(&relative).unwrap_err().to_string().contains("position_embedding_type"));
        assert!(read(&format!(r#"{{{BERT},"is_decoder":true}}"#)).is_err());
    }

    #[test]
    fn missing_numbers_unknown_functions_and_odd_head_counts_are_errors() {
        assert!(read(r#"{"model_type":"bert","vocab_size":3}"#).is_err());
        let relu = format!("{{{}}}", BERT.replace("\"gelu\"", "\"relu6\""));
        assert!(read(&relu).unwrap_err().to_string().contains("relu6"));
        let heads = format!("{{{}}}", BERT.replace("heads\":2", "heads\":3"));
        assert!(read(&heads).unwrap_err().to_string().contains("num_attention_heads"));
    }
}
