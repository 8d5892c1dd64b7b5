use super::{
    AdapterSlot, Attention, Embedding, Linear, Mask, Norm, NormKind, Operations, Parameter, Rotary, States,
};
use crate::checkpoint::{Activation, Gemma2Config};

/// Gemma-2 (Gemma team 2024): rotary positions, soft-capped scores, grouped heads, layers that see a sliding window
/// only, normalisation in front of and behind each half of a layer.
pub(super) fn gemma2<O: Operations>(
    operations: &mut O,
    config: &Gemma2Config,
    states: States,
) -> Result<O::Tensor, O::Error> {
    let shape = GemmaShape {
        width: config.hidden_size,
        inside: config.intermediate_size,
        activation: config.hidden_activation,
        epsilon: config.rms_norm_eps,
        output_bias: false,
    };
    let tokens = Embedding::table("embed_tokens.weight", config.vocab_size, config.hidden_size);
    let attentions = (0..config.num_hidden_layers).map(|index| attention(config, index)).collect();
    gemma(operations, &shape, (tokens, attentions), states)
}

/// What the layers of every Gemma have in common.
pub(super) struct GemmaShape {
    pub(super) width: usize,
    pub(super) inside: usize,
    pub(super) activation: Activation,
    pub(super) epsilon: f32,
    pub(super) output_bias: bool,
}

/// The layers of a Gemma, one for each attention.
pub(super) fn gemma<O: Operations>(
    operations: &mut O,
    shape: &GemmaShape,
    (tokens, attentions): (Parameter, Vec<Attention>),
    states: States,
) -> Result<O::Tensor, O::Error> {
    let scale = (shape.width as f32).sqrt();
    let mut residual = operations.embed(&Embedding { tokens, positions: None, segments: None, scale })?;
    let mut x = operations.norm(&norm(shape, "layers.0.input_layernorm"), &residual)?;
    for (index, attention) in attentions.iter().enumerate() {
        operations.layer_begins(&mut [&mut residual, &mut x])?;
        let [inner, sum] = layer(operations, shape, (index, attention), [&residual, &x])?;
        if index + 1 == attentions.len() {
            residual = operations.add(&inner, &sum)?;
        } else {
            let next = norm(shape, &format!("layers.{}.input_layernorm", index + 1));
            (residual, x) = operations.add_norm(&inner, &sum, &next)?;
        }
    }
    // Gathered before the last normalisation, which then has one token a row to do.
    if states == States::Last {
        residual = operations.last_token(&residual)?;
    }
    operations.norm(&norm(shape, "norm"), &residual)
}

/// One layer; gives what its second half adds, and the sum that it is added to.
fn layer<O: Operations>(
    operations: &mut O,
    shape: &GemmaShape,
    (index, attention): (usize, &Attention),
    [residual, x]: [&O::Tensor; 2],
) -> Result<[O::Tensor; 2], O::Error> {
    let at = |part: &str| format!("layers.{index}.{part}");
    let [width, inside] = [shape.width, shape.inside];

    let gathered = operations.attention(attention, x)?;
    let asking = attention.heads * attention.head_width;
    let mut output = linear(at("self_attn.o_proj"), [asking, width], AdapterSlot::AttentionOutput);
    output.has_bias = shape.output_bias;
    let output = operations.linear(&output, &gathered)?;
    let output = operations.norm(&norm(shape, &at("post_attention_layernorm")), &output)?;
    let before_inside = norm(shape, &at("pre_feedforward_layernorm"));
    let (sum, middle) = operations.add_norm(&output, residual, &before_inside)?;

    let gate = linear(at("mlp.gate_proj"), [width, inside], AdapterSlot::Gate);
    let up = linear(at("mlp.up_proj"), [width, inside], AdapterSlot::Up);
    let inner = operations.gated([&gate, &up], shape.activation, &middle)?;
    let down = linear(at("mlp.down_proj"), [inside, width], AdapterSlot::Down);
    let down = operations.linear(&down, &inner)?;
    let down = operations.norm(&norm(shape, &at("post_feedforward_layernorm")), &down)?;
    Ok([down, sum])
}

fn attention(config: &Gemma2Config, index: usize) -> Attention {
    let (heads, key_value_heads) = (config.num_attention_heads, config.num_key_value_heads);
    let head_width = config.head_dim;
    let part = |name: &str, heads: usize, slot| {
        let name = format!("layers.{index}.self_attn.{name}");
        linear(name, [config.hidden_size, heads * head_width], slot)
    };
    Attention {
        query: part("q_proj", heads, AdapterSlot::Query),
        key: part("k_proj", key_value_heads, AdapterSlot::Key),
        value: part("v_proj", key_value_heads, AdapterSlot::Value),
        heads,
        key_value_heads,
        head_width,
        scale: 1.0 / config.query_pre_attn_scalar.sqrt(),
        softcap: config.attn_logit_softcapping,
        mask: config.window(index).map_or(Mask::Causal, |window| Mask::SlidingCausal { window }),
        rotary: Some(Rotary::new(config.rotary, head_width, config.max_position_embeddings)),
        head_norms: None,
        relative_bias: None,
        disentangled: None,
    }
}

pub(super) fn linear(name: String, [inputs, outputs]: [usize; 2], slot: AdapterSlot) -> Linear {
    Linear { name, inputs, outputs, has_bias: false, slot }
}

fn norm(shape: &GemmaShape, name: &str) -> Norm {
    Norm { name: name.to_owned(), width: shape.width, kind: NormKind::RootOfOffset, epsilon: shape.epsilon }
}
