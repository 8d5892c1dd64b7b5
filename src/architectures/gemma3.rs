use super::gemma2::{GemmaShape, gemma, linear};
use super::{AdapterSlot, Attention, Embedding, Linear, Mask, Norm, NormKind, Operations, Rotary, States};
use crate::checkpoint::Gemma3Config;

/// Gemma-3 of text (Gemma team 2025): the layers of Gemma-2 with normalised heads in the place of capped scores, and
/// rotary positions of two bases, for the layers that slide and for those that see everything.
pub(super) fn gemma3<O: Operations>(
    operations: &mut O,
    config: &Gemma3Config,
    states: States,
) -> Result<O::Tensor, O::Error> {
    let file = &config.file;
    let shape = GemmaShape {
        width: file.hidden_size,
        inside: file.intermediate_size,
        activation: file.hidden_activation,
        epsilon: file.rms_norm_eps,
        output_bias: file.attention_bias,
    };
    let tokens = Embedding::table("embed_tokens.weight", file.vocab_size, file.hidden_size);
    let attentions = (0..file.num_hidden_layers).map(|index| attention(config, index)).collect();
    gemma(operations, &shape, (tokens, attentions), states)
}

fn attention(config: &Gemma3Config, index: usize) -> Attention {
    let file = &config.file;
    let (heads, key_value_heads, head_width) =
        (file.num_attention_heads, file.num_key_value_heads, file.head_dim);
    let at = |name: &str| format!("layers.{index}.self_attn.{name}");
    let part = |name: &str, heads: usize, slot| {
        let shape = [file.hidden_size, heads * head_width];
        Linear { has_bias: file.attention_bias, ..linear(at(name), shape, slot) }
    };
    let norm = |name: &str| {
        let (kind, epsilon) = (NormKind::RootOfOffset, file.rms_norm_eps);
        Norm { name: at(name), width: head_width, kind, epsilon }
    };
    let (mask, rotary) = if config.slides.get(index) == Some(&true) {
        (Mask::SlidingCausal { window: file.sliding_window }, config.local_rotary)
    } else {
        (Mask::Causal, config.global_rotary)
    };
    Attention {
        query: part("q_proj", heads, AdapterSlot::Query),
        key: part("k_proj", key_value_heads, AdapterSlot::Key),
        value: part("v_proj", key_value_heads, AdapterSlot::Value),
        heads,
        key_value_heads,
        head_width,
        scale: 1.0 / file.query_pre_attn_scalar.sqrt(),
        softcap: None,
        mask,
        rotary: Some(Rotary::new(rotary, head_width, file.max_position_embeddings)),
        head_norms: Some(Box::new([norm("q_norm"), norm("k_norm")])),
        relative_bias: None,
        disentangled: None,
    }
}
