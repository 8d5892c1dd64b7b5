use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::gemma2::with_one_activation;
use super::rotary::{self, RotaryConfig, RotaryKeys};
use super::switches::{Plain, Switch};
use super::{Activation, LayerType, parse, refused};
use crate::checkpoint::CheckpointError;

/// What decides the graph of a Gemma-3 of text.
#[derive(Clone, Debug, PartialEq)]
pub struct Gemma3Config {
    /// What the file states.
    pub file: Gemma3File,
    /// Whether each layer slides.
    pub slides: Vec<bool>,
    /// Rotary positions of the layers that see everything.
    pub global_rotary: RotaryConfig,
    /// Rotary positions of those that slide.
    pub local_rotary: RotaryConfig,
}

/// The numbers of `config.json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Gemma3File {
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of a hidden state.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads that ask.
    pub num_attention_heads: usize,
    /// Heads that are asked; each serves a group of the former.
    pub num_key_value_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// The longest text that it was trained for, in tokens.
    pub max_position_embeddings: usize,
    /// Added to the mean square before its root is taken.
    pub rms_norm_eps: f32,
    /// Scores are divided by the root of this.
    pub query_pre_attn_scalar: f32,
    /// Logits z of the vocabulary become cap tanh(z / cap); classification heads are not capped.
    #[serde(default)]
    pub final_logit_softcapping: Option<f32>,
    /// How many tokens, itself included, a token of a sliding layer sees.
    pub sliding_window: usize,
    /// Whether the maps of the attention have a bias.
    #[serde(default)]
    pub attention_bias: bool,
    /// The gate of the feed-forward part.
    #[serde(alias = "hidden_act")]
    pub hidden_activation: Activation,
    #[serde(default)]
    layer_types: Option<Vec<LayerType>>,
    #[serde(default)]
    sliding_window_pattern: Option<usize>,
}

/// Switches that would change the graph.
pub(super) const SWITCHES: &[Switch] =
    &[("attn_logit_softcapping", &[]), ("use_bidirectional_attention", &[Plain::False])];

const GLOBAL: RotaryKeys =
    RotaryKeys { layers: Some("full_attention"), base: "rope_theta", usual_base: 1_000_000.0, scaled: true };
const LOCAL: RotaryKeys = RotaryKeys {
    layers: Some("sliding_attention"),
    base: "rope_local_base_freq",
    usual_base: 10_000.0,
    scaled: false,
};

impl Gemma3Config {
    pub(super) fn read(path: &Path, value: &Value) -> Result<Self, CheckpointError> {
        let file: Gemma3File = parse(path, &with_one_activation(value))?;
        // One layer in so many sees everything; without either key one in six.
        let every = file.sliding_window_pattern.unwrap_or(6).max(1);
        let slides: Vec<bool> = match &file.layer_types {
            Some(types) => types.iter().map(|kind| *kind == LayerType::SlidingAttention).collect(),
            None => (1..=file.num_hidden_layers).map(|place| !place.is_multiple_of(every)).collect(),
        };
        if slides.len() != file.num_hidden_layers {
            let way_out = format!("it needs one entry for each of {} layers", file.num_hidden_layers);
            return Err(refused(path, "layer_types", &format!("{} entries", slides.len()), way_out));
        }
        let global_rotary = rotary::read(path, value, &GLOBAL)?;
        let local_rotary = rotary::read(path, value, &LOCAL)?;
        Ok(Self { file, slides, global_rotary, local_rotary })
    }
}
