use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::switches::{Plain, Switch};
use super::{Activation, parse, refused};
use crate::checkpoint::CheckpointError;

/// What decides the graph of a `DeBERTa` v2 or v3.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DebertaV2Config {
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of a hidden state.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads of a layer; `hidden_size` is a multiple of it.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// The longest text, in tokens.
    pub max_position_embeddings: usize,
    /// Kinds of segment; 0 for v3.
    #[serde(default)]
    pub type_vocab_size: usize,
    /// Added to the variance before its root is taken.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f32,
    /// Between the two halves of the feed-forward part.
    pub hidden_act: Activation,
    /// Whether positions are added to the embedding too.
    #[serde(default = "yes")]
    pub position_biased_input: bool,
    /// Whether the maps to keys and queries of distances are those of the content.
    #[serde(default)]
    pub share_att_key: bool,
    #[serde(default)]
    pos_att_type: Value,
    #[serde(default)]
    position_buckets: Option<i64>,
    #[serde(default)]
    max_relative_positions: Option<i64>,
    #[serde(default)]
    norm_rel_ebd: Option<String>,
}

/// Switches that would change the graph.
pub(super) const SWITCHES: &[Switch] =
    &[("is_decoder", &[Plain::False]), ("pooler_hidden_act", &[Plain::Text("gelu")])];

impl DebertaV2Config {
    pub(super) fn read(path: &Path, value: &Value) -> Result<Self, CheckpointError> {
        let config: Self = parse(path, value)?;
        let refuse = |key: &str, way_out: &str| {
            let stated = value.get(key).unwrap_or(&Value::Null).to_string();
            Err(refused(path, key, &stated, way_out.to_owned()))
        };
        if value.get("relative_attention").and_then(Value::as_bool) != Some(true) {
            return refuse("relative_attention", "only `true` is supported");
        }
        if value.get("conv_kernel_size").and_then(Value::as_i64).unwrap_or(0) > 0 {
            return refuse(
                "conv_kernel_size",
                "no graph is written for the convolution behind the first layer",
            );
        }
        for key in ["embedding_size", "pooler_hidden_size"] {
            let stated = value.get(key).filter(|stated| !stated.is_null());
            if stated.is_some_and(|stated| stated.as_u64() != u64::try_from(config.hidden_size).ok()) {
                return refuse(key, "only the width of the hidden states is supported");
            }
        }
        let heads = config.num_attention_heads.max(1);
        let head = value.get("attention_head_size").and_then(Value::as_u64);
        if head.is_some_and(|head| u64::try_from(config.hidden_size / heads) != Ok(head)) {
            return refuse("attention_head_size", "only hidden_size / num_attention_heads is supported");
        }
        let is_text = match &config.pos_att_type {
            Value::Null | Value::String(_) => true,
            Value::Array(list) => list.iter().all(Value::is_string),
            _ => false,
        };
        if !is_text || config.kinds().iter().any(|kind| kind != "c2p" && kind != "p2c") {
            return refuse("pos_att_type", "`c2p` and `p2c` are supported");
        }
        if !["none", "layer_norm"].contains(&config.distance_norm().as_str()) {
            return refuse("norm_rel_ebd", "`none` and `layer_norm` are supported");
        }
        Ok(config)
    }

    /// Whether content asks distances, and whether distances ask content.
    #[must_use]
    pub fn asks(&self) -> [bool; 2] {
        let kinds = self.kinds();
        ["c2p", "p2c"].map(|kind| kinds.iter().any(|stated| stated == kind))
    }

    /// Whether the rows of the table of distances are normalised.
    #[must_use]
    pub fn normalises_distances(&self) -> bool {
        self.distance_norm() == "layer_norm"
    }

    /// Distances from here on share a row.
    #[must_use]
    pub fn max_distance(&self) -> usize {
        positive(self.max_relative_positions).unwrap_or(self.max_position_embeddings)
    }

    /// Rows of the table for either direction where distances widen with their logarithm; `None` is a row each.
    #[must_use]
    pub fn buckets(&self) -> Option<usize> {
        positive(self.position_buckets)
    }

    fn kinds(&self) -> Vec<String> {
        let parts: Vec<&str> = match &self.pos_att_type {
            Value::String(joined) => joined.split('|').collect(),
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        parts.into_iter().map(|part| part.trim().to_lowercase()).collect()
    }

    fn distance_norm(&self) -> String {
        self.norm_rel_ebd.as_deref().unwrap_or("none").trim().to_lowercase()
    }
}

/// -1 is how these files write "not stated".
fn positive(value: Option<i64>) -> Option<usize> {
    value.and_then(|value| usize::try_from(value).ok()).filter(|value| *value > 0)
}

fn layer_norm_eps() -> f32 {
    1e-7
}

fn yes() -> bool {
    true
}
