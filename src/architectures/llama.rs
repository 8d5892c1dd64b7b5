use super::{AdapterSlot, Attention, Embedding, Linear, Mask, Norm, NormKind, Operations, Rotary, States};
use crate::checkpoint::LlamaConfig;

/// Llama (Touvron et al. 2023), and Mistral, Qwen2 and Qwen3, which vary its windows, biases and normalisations:
/// rotary positions, grouped heads, normalisation in front of each half of a layer.
pub(super) fn llama<O: Operations>(
    operations: &mut O,
    config: &LlamaConfig,
    states: States,
) -> Result<O::Tensor, O::Error> {
    let tokens = Embedding::table("embed_tokens.weight", config.vocab_size, config.hidden_size);
    let embedding = Embedding { tokens, positions: None, segments: None, scale: 1.0 };
    let mut residual = operations.embed(&embedding)?;
    let mut x = operations.norm(&norm(config, "layers.0.input_layernorm"), &residual)?;
    for index in 0..config.num_hidden_layers {
        operations.layer_begins(&mut [&mut residual, &mut x])?;
        let [inner, sum] = layer(operations, config, index, [&residual, &x])?;
        if index + 1 == config.num_hidden_layers {
            residual = operations.add(&inner, &sum)?;
        } else {
            let next = norm(config, &format!("layers.{}.input_layernorm", index + 1));
            (residual, x) = operations.add_norm(&inner, &sum, &next)?;
        }
    }
    // Gathered before the last normalisation, which then has one token a row to do.
    if states == States::Last {
        residual = operations.last_token(&residual)?;
    }
    operations.norm(&norm(config, "norm"), &residual)
}

/// One layer; gives what its second half adds, and the sum that it is added to.
fn layer<O: Operations>(
    operations: &mut O,
    config: &LlamaConfig,
    index: usize,
    [residual, x]: [&O::Tensor; 2],
) -> Result<[O::Tensor; 2], O::Error> {
    let at = |part: &str| format!("layers.{index}.{part}");
    let [width, inside] = [config.hidden_size, config.intermediate_size];
    let attention = attention(config, index);
    let gathered = operations.attention(&attention, x)?;
    let output = Linear {
        name: at("self_attn.o_proj"),
        inputs: attention.heads * attention.head_width,
        outputs: width,
        has_bias: config.output_bias,
        slot: AdapterSlot::AttentionOutput,
    };
    let output = operations.linear(&output, &gathered)?;
    let before_inside = norm(config, &at("post_attention_layernorm"));
    let (sum, middle) = operations.add_norm(&output, residual, &before_inside)?;

    let part = |name: &str, [inputs, outputs]: [usize; 2], slot| Linear {
        name: at(name),
        inputs,
        outputs,
        has_bias: config.inside_bias,
        slot,
    };
    let gate = part("mlp.gate_proj", [width, inside], AdapterSlot::Gate);
    let up = part("mlp.up_proj", [width, inside], AdapterSlot::Up);
    let inner = operations.gated([&gate, &up], config.hidden_act, &middle)?;
    let down = part("mlp.down_proj", [inside, width], AdapterSlot::Down);
    Ok([operations.linear(&down, &inner)?, sum])
}

fn attention(config: &LlamaConfig, index: usize) -> Attention {
    let (heads, key_value_heads) = (config.num_attention_heads, config.num_key_value_heads);
    let head_width = config.head_dim;
    let at = |name: &str| format!("layers.{index}.self_attn.{name}");
    let part = |name: &str, heads: usize, slot| {
        let (inputs, outputs) = (config.hidden_size, heads * head_width);
        Linear { name: at(name), inputs, outputs, has_bias: config.projection_bias, slot }
    };
    let head_norm = |name: &str| {
        let (kind, epsilon) = (NormKind::Root, config.rms_norm_eps);
        Norm { name: at(name), width: head_width, kind, epsilon }
    };
    let window = config.windows.get(index).copied().flatten();
    Attention {
        query: part("q_proj", heads, AdapterSlot::Query),
        key: part("k_proj", key_value_heads, AdapterSlot::Key),
        value: part("v_proj", key_value_heads, AdapterSlot::Value),
        heads,
        key_value_heads,
        head_width,
        scale: 1.0 / (head_width as f32).sqrt(),
        softcap: None,
        mask: window.map_or(Mask::Causal, |window| Mask::SlidingCausal { window }),
        rotary: Some(Rotary::new(config.rotary, head_width, config.max_position_embeddings)),
        head_norms: config.head_norms.then(|| Box::new([head_norm("q_norm"), head_norm("k_norm")])),
        relative_bias: None,
        disentangled: None,
    }
}

fn norm(config: &LlamaConfig, name: &str) -> Norm {
    let (width, epsilon) = (config.hidden_size, config.rms_norm_eps);
    Norm { name: name.to_owned(), width, kind: NormKind::Root, epsilon }
}
