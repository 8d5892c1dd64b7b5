use serde::Deserialize;

use super::Activation;

/// What decides the graph of a BERT.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BertConfig {
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
    /// Rows of the position table: the longest text, in tokens.
    pub max_position_embeddings: usize,
    /// Kinds of segment, usually 2.
    #[serde(default = "two")]
    pub type_vocab_size: usize,
    /// Added to the variance before its root is taken.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f32,
    /// Between the two halves of the feed-forward part.
    pub hidden_act: Activation,
}

fn two() -> usize {
    2
}

fn layer_norm_eps() -> f32 {
    1e-12
}
