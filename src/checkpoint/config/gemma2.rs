use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::rotary::{self, OF_ALL_LAYERS, RotaryConfig, RotaryScaling};
use super::switches::{Plain, Switch};
use super::{Activation, parse};
use crate::checkpoint::CheckpointError;

/// What decides the graph of a Gemma-2.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Gemma2Config {
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
    /// Scores s become cap tanh(s / cap).
    pub attn_logit_softcapping: Option<f32>,
    /// The same for the logits of the vocabulary; classification heads are not capped.
    pub final_logit_softcapping: Option<f32>,
    /// How many tokens, itself included, a token of a sliding layer sees.
    pub sliding_window: usize,
    /// `sliding_attention` or `full_attention` for each layer; without it the even layers slide.
    #[serde(default)]
    pub layer_types: Option<Vec<LayerType>>,
    /// The gate of the feed-forward part.
    #[serde(alias = "hidden_act")]
    pub hidden_activation: Activation,
    /// Rotary positions.
    #[serde(skip, default = "usual_rotary")]
    pub rotary: RotaryConfig,
}

/// Switches that would change the graph.
pub(super) const SWITCHES: &[Switch] =
    &[("attention_bias", &[Plain::False]), ("use_bidirectional_attention", &[Plain::False])];

/// Whether a layer sees everything before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerType {
    /// The last `sliding_window` tokens only.
    SlidingAttention,
    /// Everything.
    FullAttention,
}

/// Files of a Gemma may state the activation under two names; `hidden_activation` is the one that counts.
pub(super) fn with_one_activation(config: &Value) -> Value {
    let mut config = config.clone();
    if config.get("hidden_activation").is_some_and(|stated| !stated.is_null()) {
        config.as_object_mut().map(|keys| keys.remove("hidden_act"));
    } else {
        config.as_object_mut().map(|keys| keys.remove("hidden_activation"));
    }
    config
}

fn usual_rotary() -> RotaryConfig {
    RotaryConfig { base: OF_ALL_LAYERS.usual_base, scaling: RotaryScaling::None }
}

impl Gemma2Config {
    pub(super) fn read(path: &Path, value: &Value) -> Result<Self, CheckpointError> {
        let rotary = rotary::read(path, value, &OF_ALL_LAYERS)?;
        Ok(Self { rotary, ..parse(path, &with_one_activation(value))? })
    }

    /// How far back layer `index` sees, in tokens with the asking one; `None` is everything.
    #[must_use]
    pub fn window(&self, index: usize) -> Option<usize> {
        let slides = match &self.layer_types {
            Some(types) => types.get(index) == Some(&LayerType::SlidingAttention),
            None => index.is_multiple_of(2),
        };
        slides.then_some(self.sliding_window)
    }
}
