use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::rotary::{self, RotaryConfig, RotaryKeys};
use super::switches::{Plain, Switch};
use super::{Activation, LayerType, parse, refused};
use crate::checkpoint::CheckpointError;
use crate::checkpoint::parts::Division;

/// What decides the graph of a `ModernBERT`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModernBertConfig {
    /// What the file states.
    pub file: ModernBertFile,
    /// Whether each layer sees its surroundings only.
    pub local: Vec<bool>,
    /// Rotary positions of the layers that see everything.
    pub global_rotary: RotaryConfig,
    /// Rotary positions of the others.
    pub local_rotary: RotaryConfig,
}

/// The numbers of `config.json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ModernBertFile {
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
    /// Added to the variance before its root is taken.
    #[serde(default = "norm_eps")]
    pub norm_eps: f32,
    /// Whether normalisations have a bias.
    #[serde(default)]
    pub norm_bias: bool,
    /// Whether the maps of the attention have one.
    #[serde(default)]
    pub attention_bias: bool,
    /// Whether the maps of the feed-forward part have one.
    #[serde(default)]
    pub mlp_bias: bool,
    /// Whether the first map of the head has one.
    #[serde(default)]
    pub classifier_bias: bool,
    /// The gate of the feed-forward part.
    #[serde(default = "gelu")]
    pub hidden_activation: Activation,
    /// Width of the surroundings, both sides together.
    #[serde(default = "local_attention")]
    pub local_attention: usize,
    #[serde(default)]
    layer_types: Option<Vec<LayerType>>,
    #[serde(default)]
    global_attn_every_n_layers: Option<usize>,
}

/// Switches that would change the graph or the head.
pub(super) const SWITCHES: &[Switch] = &[
    ("classifier_activation", &[Plain::Text("gelu")]),
    ("classifier_pooling", &[Plain::Text("cls"), Plain::Text("mean")]),
];

const GLOBAL: RotaryKeys = RotaryKeys {
    layers: Some("full_attention"),
    base: "global_rope_theta",
    usual_base: 160_000.0,
    scaled: true,
};
const LOCAL: RotaryKeys = RotaryKeys {
    layers: Some("sliding_attention"),
    base: "local_rope_theta",
    usual_base: 10_000.0,
    scaled: true,
};

impl ModernBertConfig {
    pub(super) fn read(path: &Path, value: &Value) -> Result<Self, CheckpointError> {
        let file: ModernBertFile = parse(path, value)?;
        let every = file.global_attn_every_n_layers.unwrap_or(3).max(1);
        let local: Vec<bool> = match &file.layer_types {
            Some(types) => types.iter().map(|kind| *kind == LayerType::SlidingAttention).collect(),
            None => (0..file.num_hidden_layers).map(|layer| !layer.is_multiple_of(every)).collect(),
        };
        if local.len() != file.num_hidden_layers {
            let way_out = format!("it needs one entry for each of {} layers", file.num_hidden_layers);
            return Err(refused(path, "layer_types", &format!("{} entries", local.len()), way_out));
        }
        let global_rotary = rotary::read(path, value, &GLOBAL)?;
        let local_rotary = rotary::read(path, value, &LOCAL)?;
        Ok(Self { file, local, global_rotary, local_rotary })
    }

    /// The matrices that are stored as one and computed as several.
    pub(super) fn divisions(&self) -> Vec<Division> {
        let (width, inside) = (self.file.hidden_size, self.file.intermediate_size);
        let mut divisions = Vec::new();
        for layer in 0..self.file.num_hidden_layers {
            for end in ["weight", "bias"] {
                let mut divide = |module: &str, parts: &[&str], rows| {
                    let module = format!("layers.{layer}.{module}");
                    let parts = parts.iter().map(|part| (format!("{module}.{part}.{end}"), rows)).collect();
                    divisions.push(Division { name: format!("{module}.{end}"), skipped: 0, parts });
                };
                divide("attn.Wqkv", &["query", "key", "value"], width);
                divide("mlp.Wi", &["gate", "up"], inside);
            }
        }
        divisions
    }
}

fn norm_eps() -> f32 {
    1e-5
}

fn gelu() -> Activation {
    Activation::GeluErf
}

fn local_attention() -> usize {
    128
}
