//! Weights that checkpoints carry and no prediction needs. Anything else that is not used is an error.

use super::Family;

/// Ends of names, for every family.
const BUFFERS: [&str; 4] = [
    // 0, 1, 2, .. which older versions of transformers saved.
    "embeddings.position_ids",
    // Rotary frequencies, which follow from config.json.
    "rotary_emb.inv_freq",
    // Masks of fixed size, which follow from the length of the text.
    "attn.masked_bias",
    "attn.bias_mask",
];

/// Beginnings of names of heads that were trained for another task than classification, and of poolers.
fn foreign_heads(family: Family) -> &'static [&'static str] {
    match family {
        Family::Bert => &["pooler.dense.", "cls.predictions.", "cls.seq_relationship."],
        Family::Roberta => &["pooler.dense.", "lm_head."],
        // Where positions are not added to the embedding, files may carry their table all the same.
        Family::DebertaV2 => &[
            "pooler.dense.",
            "cls.predictions.",
            "lm_predictions.",
            "mask_predictions.",
            "embeddings.position_embeddings.",
        ],
        Family::ModernBert => &["head.", "decoder."],
        _ => &["lm_head.weight"],
    }
}

/// Whether a weight may stay unused: a buffer, a head of pre-training, a pooler that the head does not pool with,
/// or the output table of a language model.
pub(super) fn is_ignorable(name: &str, family: Family) -> bool {
    let bare = name.strip_prefix(family.prefix()).unwrap_or(name);
    BUFFERS.iter().any(|end| name.ends_with(end))
        || foreign_heads(family).iter().any(|start| bare.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_and_foreign_heads_may_stay_and_layers_may_not() {
        assert!(is_ignorable("bert.embeddings.position_ids", Family::Bert));
        assert!(is_ignorable("pooler.dense.weight", Family::Bert));
        assert!(is_ignorable("cls.predictions.bias", Family::Bert));
        assert!(is_ignorable("lm_head.weight", Family::Gemma2));
        assert!(is_ignorable("decoder.bias", Family::ModernBert));
        assert!(is_ignorable("lm_head.dense.weight", Family::Roberta));
        assert!(!is_ignorable("classifier.weight", Family::Bert));
        assert!(!is_ignorable("classifier.dense.weight", Family::Roberta));
        assert!(!is_ignorable("model.layers.4.mlp.up_proj.weight", Family::Gemma2));
        assert!(!is_ignorable("base_model.model.layers.0.q_proj.lora_A.weight", Family::Gemma2));
    }
}
