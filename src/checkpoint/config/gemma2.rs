use serde::Deserialize;

use super::Activation;

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
    /// Base of the rotary wavelengths, as older files write it.
    #[serde(default)]
    rope_theta: Option<f64>,
    /// The same, as newer files write it.
    #[serde(default)]
    rope_parameters: Option<RopeParameters>,
}

/// Whether a layer sees everything before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerType {
    /// The last `sliding_window` tokens only.
    SlidingAttention,
    /// Everything.
    FullAttention,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct RopeParameters {
    rope_theta: Option<f64>,
}

impl Gemma2Config {
    /// Base of the rotary wavelengths.
    #[must_use]
    pub fn rotary_base(&self) -> f64 {
        let newer = self.rope_parameters.as_ref().and_then(|parameters| parameters.rope_theta);
        newer.or(self.rope_theta).unwrap_or(10_000.0)
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
