use super::bert_layers::{BertLayers, linear};
use super::{AdapterSlot, Attention, Embedding, Mask, Operations, States};
use crate::checkpoint::BertConfig;

/// BERT (Devlin et al. 2019), `MiniLM`, and `RoBERTa` (Liu et al. 2019), whose positions begin later in its table: learnt
/// positions, normalisation behind each half of a layer.
pub(super) fn bert<O: Operations>(
    operations: &mut O,
    config: &BertConfig,
    states: States,
) -> Result<O::Tensor, O::Error> {
    let attention = |at: &str| attention(config, at);
    layers(config).run(operations, &embedding(config), attention, states)
}

fn layers(config: &BertConfig) -> BertLayers {
    BertLayers {
        width: config.hidden_size,
        inside: config.intermediate_size,
        count: config.num_hidden_layers,
        activation: config.hidden_act,
        epsilon: config.layer_norm_eps,
    }
}

fn embedding(config: &BertConfig) -> Embedding {
    let table =
        |name: &str, rows| Embedding::table(&format!("embeddings.{name}.weight"), rows, config.hidden_size);
    Embedding {
        tokens: table("word_embeddings", config.vocab_size),
        positions: Some(table("position_embeddings", config.max_position_embeddings)),
        segments: Some(table("token_type_embeddings", config.type_vocab_size)),
        scale: 1.0,
    }
}

fn attention(config: &BertConfig, at: &str) -> Attention {
    let (width, heads) = (config.hidden_size, config.num_attention_heads);
    let head_width = width / heads;
    let part = |name: &str, slot| linear(format!("{at}.{name}"), [width, width], slot);
    Attention {
        query: part("query", AdapterSlot::Query),
        key: part("key", AdapterSlot::Key),
        value: part("value", AdapterSlot::Value),
        heads,
        key_value_heads: heads,
        head_width,
        scale: 1.0 / (head_width as f32).sqrt(),
        softcap: None,
        mask: Mask::Padding,
        rotary: None,
        head_norms: None,
        relative_bias: None,
        disentangled: None,
    }
}
