use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::rotary::{self, OF_ALL_LAYERS, RotaryConfig};
use super::switches::{Plain, Switch};
use super::{Activation, Family, LayerType, parse, refused};
use crate::checkpoint::CheckpointError;

/// What decides the graph of a Llama, and of the families that vary it: Mistral, Qwen2, Qwen3.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaConfig {
    /// Which of them it is.
    pub family: Family,
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
    /// The gate of the feed-forward part.
    pub hidden_act: Activation,
    /// Rotary positions.
    pub rotary: RotaryConfig,
    /// How far back each layer sees, in tokens with the asking one; `None` is everything.
    pub windows: Vec<Option<usize>>,
    /// Whether the maps to queries, keys and values have a bias.
    pub projection_bias: bool,
    /// Whether the map from what the heads gathered has one.
    pub output_bias: bool,
    /// Whether the maps of the feed-forward part have one.
    pub inside_bias: bool,
    /// Whether each head of the queries and keys is normalised.
    pub head_norms: bool,
}

/// `config.json` as these families write it.
#[derive(Deserialize)]
struct File {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    intermediate_size: usize,
    max_position_embeddings: usize,
    rms_norm_eps: f32,
    hidden_act: Activation,
    #[serde(default)]
    attention_bias: Option<bool>,
    #[serde(default)]
    mlp_bias: Option<bool>,
    #[serde(default)]
    sliding_window: Option<usize>,
    #[serde(default)]
    use_sliding_window: Option<bool>,
    #[serde(default)]
    max_window_layers: Option<usize>,
    #[serde(default)]
    layer_types: Option<Vec<LayerType>>,
}

impl LlamaConfig {
    /// Switches that would change the graph.
    pub(super) fn switches(family: Family) -> &'static [Switch] {
        match family {
            // `transformers` ignores them too, so a file that states them was meant for something else.
            Family::Mistral => &[("layer_types", &[]), ("attention_bias", &[Plain::False])],
            Family::Qwen2 => &[("dual_chunk_attention_config", &[]), ("mlp_bias", &[Plain::False])],
            Family::Qwen3 => &[("dual_chunk_attention_config", &[]), ("mlp_bias", &[Plain::False])],
            _ => &[],
        }
    }

    pub(super) fn read(path: &Path, value: &Value, family: Family) -> Result<Self, CheckpointError> {
        let file: File = parse(path, value)?;
        let usual_head = match family {
            Family::Qwen3 => 128,
            _ => file.hidden_size.checked_div(file.num_attention_heads).unwrap_or(0),
        };
        let attention_bias = file.attention_bias.unwrap_or(false);
        let windows = windows(path, &file, family)?;
        Ok(Self {
            family,
            vocab_size: file.vocab_size,
            hidden_size: file.hidden_size,
            num_hidden_layers: file.num_hidden_layers,
            num_attention_heads: file.num_attention_heads,
            num_key_value_heads: file.num_key_value_heads.unwrap_or(file.num_attention_heads),
            head_dim: file.head_dim.unwrap_or(usual_head),
            intermediate_size: file.intermediate_size,
            max_position_embeddings: file.max_position_embeddings,
            rms_norm_eps: file.rms_norm_eps,
            hidden_act: file.hidden_act,
            rotary: rotary::read(path, value, &OF_ALL_LAYERS)?,
            windows,
            projection_bias: attention_bias || family == Family::Qwen2,
            output_bias: attention_bias && family != Family::Qwen2,
            inside_bias: file.mlp_bias.unwrap_or(false),
            head_norms: family == Family::Qwen3,
        })
    }
}

/// Llama has no windows, Mistral one in every layer, Qwen one from a layer on or where `layer_types` says so.
fn windows(path: &Path, file: &File, family: Family) -> Result<Vec<Option<usize>>, CheckpointError> {
    let everywhere = |window| vec![window; file.num_hidden_layers];
    let window = match family {
        Family::Mistral => return Ok(everywhere(file.sliding_window)),
        Family::Qwen2 | Family::Qwen3 if file.use_sliding_window == Some(true) => file.sliding_window,
        _ => None,
    };
    let Some(types) = file.layer_types.as_ref().filter(|_| family != Family::Llama) else {
        let first = file.max_window_layers.unwrap_or(28);
        let slides = |layer: usize| window.filter(|_| layer >= first);
        return Ok((0..file.num_hidden_layers).map(slides).collect());
    };
    let slides = types.contains(&LayerType::SlidingAttention);
    if types.len() != file.num_hidden_layers || (slides && window.is_none()) {
        let way_out = format!(
            "it needs one entry for each of {} layers, and sliding ones need `use_sliding_window` and `sliding_window`",
            file.num_hidden_layers
        );
        return Err(refused(path, "layer_types", &format!("{} entries", types.len()), way_out));
    }
    Ok(types.iter().map(|kind| window.filter(|_| *kind == LayerType::SlidingAttention)).collect())
}
