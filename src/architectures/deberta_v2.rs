use super::bert_layers::{BertLayers, linear};
use super::{AdapterSlot, Attention, Disentangled, Embedding, Mask, Operations, States};
use crate::checkpoint::DebertaV2Config;

/// `DeBERTa` v2 and v3 (He et al. 2021): a BERT whose scores know content and distance apart.
pub(super) fn deberta_v2<O: Operations>(
    operations: &mut O,
    config: &DebertaV2Config,
    states: States,
) -> Result<O::Tensor, O::Error> {
    let attention = |at: &str| attention(config, at);
    layers(config).run(operations, &embedding(config), attention, states)
}

fn layers(config: &DebertaV2Config) -> BertLayers {
    BertLayers {
        width: config.hidden_size,
        inside: config.intermediate_size,
        count: config.num_hidden_layers,
        activation: config.hidden_act,
        epsilon: config.layer_norm_eps,
    }
}

fn embedding(config: &DebertaV2Config) -> Embedding {
    let table =
        |name: &str, rows| Embedding::table(&format!("embeddings.{name}.weight"), rows, config.hidden_size);
    let positions = config.position_biased_input;
    let segments = config.type_vocab_size;
    Embedding {
        tokens: table("word_embeddings", config.vocab_size),
        positions: positions.then(|| table("position_embeddings", config.max_position_embeddings)),
        segments: (segments > 0).then(|| table("token_type_embeddings", segments)),
        scale: 1.0,
    }
}

fn attention(config: &DebertaV2Config, at: &str) -> Attention {
    let (width, heads) = (config.hidden_size, config.num_attention_heads);
    let head_width = width / heads;
    let part = |name: &str, slot| linear(format!("{at}.{name}"), [width, width], slot);
    let kinds = config.asks().into_iter().filter(|asks| *asks).count();
    Attention {
        query: part("query_proj", AdapterSlot::Query),
        key: part("key_proj", AdapterSlot::Key),
        value: part("value_proj", AdapterSlot::Value),
        heads,
        key_value_heads: heads,
        head_width,
        scale: 1.0 / ((head_width * (1 + kinds)) as f32).sqrt(),
        softcap: None,
        mask: Mask::Padding,
        rotary: None,
        head_norms: None,
        relative_bias: None,
        disentangled: Some(Box::new(disentangled(config, at))),
    }
}

fn disentangled(config: &DebertaV2Config, at: &str) -> Disentangled {
    let width = config.hidden_size;
    let [content_asks, distance_asks] = config.asks();
    let part = |shared: &str, own: &str, slot| {
        let name = if config.share_att_key { shared } else { own };
        linear(format!("{at}.{name}"), [width, width], slot)
    };
    let rows = 2 * config.buckets().unwrap_or(config.max_distance());
    Disentangled {
        table: Embedding::table("encoder.rel_embeddings.weight", rows, width),
        norm: config.normalises_distances().then(|| layers(config).norm("encoder.LayerNorm")),
        key: content_asks.then(|| part("key_proj", "pos_key_proj", AdapterSlot::Key)),
        query: distance_asks.then(|| part("query_proj", "pos_query_proj", AdapterSlot::Query)),
        max_distance: config.max_distance(),
        logarithmic: config.buckets().is_some(),
        max_positions: config.max_position_embeddings,
    }
}
