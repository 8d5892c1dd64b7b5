use super::{AdapterSlot, Attention, Embedding, Linear, Mask, Norm, NormKind, Operations, Rotary, States};
use crate::checkpoint::ModernBertConfig;

/// `ModernBERT` (Warner et al. 2024): rotary positions, layers that see their surroundings only, gated feed-forward
/// parts, normalisation in front of each half of a layer; the first layer takes the normalised embedding as it is.
pub(super) fn modernbert<O: Operations>(
    operations: &mut O,
    config: &ModernBertConfig,
    states: States,
) -> Result<O::Tensor, O::Error> {
    let file = &config.file;
    let [width, inside, layers] = [file.hidden_size, file.intermediate_size, file.num_hidden_layers];
    let tokens = Embedding::table("embeddings.tok_embeddings.weight", file.vocab_size, width);
    let embedding = Embedding { tokens, positions: None, segments: None, scale: 1.0 };
    let mut residual = operations.embed_norm(&embedding, &norm(config, "embeddings.norm"))?;
    let mut x = residual.clone();
    for index in 0..layers {
        operations.layer_begins(&mut [&mut residual, &mut x])?;
        let at = |part: &str| format!("layers.{index}.{part}");
        let gathered = operations.attention(&attention(config, index), &x)?;
        let slot = AdapterSlot::AttentionOutput;
        let output = linear(at("attn.Wo"), [width, width], (file.attention_bias, slot));
        let output = operations.linear(&output, &gathered)?;
        let (sum, middle) = operations.add_norm(&output, &residual, &norm(config, &at("mlp_norm")))?;

        let part = |name: &str, shape, slot| linear(at(name), shape, (file.mlp_bias, slot));
        let gate = part("mlp.Wi.gate", [width, inside], AdapterSlot::Gate);
        let up = part("mlp.Wi.up", [width, inside], AdapterSlot::Up);
        let inner = operations.gated([&gate, &up], file.hidden_activation, &middle)?;
        let down = part("mlp.Wo", [inside, width], AdapterSlot::Down);
        let down = operations.linear(&down, &inner)?;
        let next = if index + 1 == layers {
            norm(config, "final_norm")
        } else {
            norm(config, &format!("layers.{}.attn_norm", index + 1))
        };
        (residual, x) = operations.add_norm(&down, &sum, &next)?;
    }
    match states {
        States::All => Ok(x),
        States::Last => operations.last_token(&x),
    }
}

fn attention(config: &ModernBertConfig, index: usize) -> Attention {
    let file = &config.file;
    let (width, heads) = (file.hidden_size, file.num_attention_heads);
    let head_width = width / heads;
    let part = |name: &str, slot| {
        let name = format!("layers.{index}.attn.Wqkv.{name}");
        linear(name, [width, width], (file.attention_bias, slot))
    };
    let (mask, rotary) = if config.local.get(index) == Some(&true) {
        (Mask::Surroundings { reach: file.local_attention / 2 }, config.local_rotary)
    } else {
        (Mask::Padding, config.global_rotary)
    };
    Attention {
        query: part("query", AdapterSlot::Query),
        key: part("key", AdapterSlot::Key),
        value: part("value", AdapterSlot::Value),
        heads,
        key_value_heads: heads,
        head_width,
        scale: 1.0 / (head_width as f32).sqrt(),
        softcap: None,
        mask,
        rotary: Some(Rotary::new(rotary, head_width, file.max_position_embeddings)),
        head_norms: None,
        relative_bias: None,
        disentangled: None,
    }
}

fn linear(name: String, [inputs, outputs]: [usize; 2], (has_bias, slot): (bool, AdapterSlot)) -> Linear {
    Linear { name, inputs, outputs, has_bias, slot }
}

fn norm(config: &ModernBertConfig, name: &str) -> Norm {
    let kind = if config.file.norm_bias { NormKind::Layer } else { NormKind::LayerWithoutBias };
    Norm { name: name.to_owned(), width: config.file.hidden_size, kind, epsilon: config.file.norm_eps }
}
