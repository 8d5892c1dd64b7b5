use super::{AdapterSlot, Attention, Embedding, Linear, Mask, Norm, NormKind, Operations, States};
use crate::checkpoint::BertConfig;

/// BERT (Devlin et al. 2019), `MiniLM`, and `RoBERTa` (Liu et al. 2019), whose positions begin later in its table: learnt positions, normalisation behind each half of a layer.
pub(super) fn bert<O: Operations>(
    operations: &mut O,
    config: &BertConfig,
    states: States,
) -> Result<O::Tensor, O::Error> {
    let mut x = operations.embed_norm(&embedding(config), &norm(config, "embeddings.LayerNorm"))?;
    for index in 0..config.num_hidden_layers {
        operations.layer_begins(&mut [&mut x])?;
        let at = |part: &str| format!("encoder.layer.{index}.{part}");
        let [width, inside] = [config.hidden_size, config.intermediate_size];

        let gathered = operations.attention(&attention(config, &at("attention.self")), &x)?;
        let output = linear(at("attention.output.dense"), [width, width], AdapterSlot::AttentionOutput);
        let middle_norm = norm(config, &at("attention.output.LayerNorm"));
        let middle = operations.linear_add_norm(&output, &gathered, &x, &middle_norm)?;

        let up = linear(at("intermediate.dense"), [width, inside], AdapterSlot::Up);
        let inner = operations.linear_activate(&up, config.hidden_act, &middle)?;
        let down = linear(at("output.dense"), [inside, width], AdapterSlot::Down);
        x = operations.linear_add_norm(&down, &inner, &middle, &norm(config, &at("output.LayerNorm")))?;
    }
    match states {
        States::All => Ok(x),
        States::Last => operations.last_token(&x),
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

fn linear(name: String, [inputs, outputs]: [usize; 2], slot: AdapterSlot) -> Linear {
    Linear { name, inputs, outputs, has_bias: true, slot }
}

fn norm(config: &BertConfig, name: &str) -> Norm {
    let (width, epsilon) = (config.hidden_size, config.layer_norm_eps);
    Norm { name: name.to_owned(), width, kind: NormKind::Layer, epsilon }
}
