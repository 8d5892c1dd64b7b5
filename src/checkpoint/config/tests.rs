use super::*;

fn read(text: &str) -> Result<FamilyConfig, CheckpointError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    fs::write(&path, text).unwrap();
    FamilyConfig::read(&path).map(|(config, _)| config)
}

const BERT: &str = r#""model_type":"bert","vocab_size":48,"hidden_size":16,"num_hidden_layers":2,
    "num_attention_heads":2,"intermediate_size":32,"max_position_embeddings":32,"hidden_act":"gelu""#;

#[test]
fn an_unknown_family_is_refused_and_the_known_ones_are_named() {
    let message = read(r#"{"model_type":"mamba"}"#).unwrap_err().to_string();
    assert!(message.contains("`mamba`") && message.contains("bert, roberta"), "{message}");
}

#[test]
fn switches_that_would_change_the_graph_are_refused() {
    assert!(read(&format!("{{{BERT}}}")).is_ok());
    assert!(read(&format!(r#"{{{BERT},"position_embedding_type":"absolute"}}"#)).is_ok());
    let relative = format!(r#"{{{BERT},"position_embedding_type":"relative_key"}}"#);
    assert!(read(&relative).unwrap_err().to_string().contains("position_embedding_type"));
    assert!(read(&format!(r#"{{{BERT},"is_decoder":true}}"#)).is_err());
}

#[test]
fn missing_numbers_unknown_functions_and_odd_head_counts_are_errors() {
    assert!(read(r#"{"model_type":"bert","vocab_size":3}"#).is_err());
    let relu = format!("{{{}}}", BERT.replace("\"gelu\"", "\"relu6\""));
    assert!(read(&relu).unwrap_err().to_string().contains("relu6"));
    let heads = format!("{{{}}}", BERT.replace("heads\":2", "heads\":3"));
    assert!(read(&heads).unwrap_err().to_string().contains("num_attention_heads"));
}

/// Of every family, as files that came before `rope_parameters` wrote it.
fn small(model_type: &str, more: &str) -> Result<FamilyConfig, String> {
    let text = format!(
        r#"{{"model_type":"{model_type}","vocab_size":48,"hidden_size":32,"num_hidden_layers":4,
        "num_attention_heads":2,"num_key_value_heads":1,"head_dim":16,"intermediate_size":24,"pad_token_id":1,
        "max_position_embeddings":34,"hidden_act":"gelu","hidden_activation":"gelu","rms_norm_eps":1e-6,
        "query_pre_attn_scalar":16,"relative_attention":true,"pos_att_type":"c2p|p2c"{more}}}"#
    );
    read(&text).map_err(|error| error.to_string())
}

const WINDOWS: &str = r#","sliding_window":8,"attn_logit_softcapping":null,"final_logit_softcapping":null"#;

#[test]
fn what_no_graph_expresses_is_named_whatever_the_family() {
    let refused = [
        ("roberta", r#","position_embedding_type":"relative_key""#, "position_embedding_type"),
        ("xlm-roberta", r#","is_decoder":true"#, "is_decoder"),
        ("deberta-v2", r#","relative_attention":false"#, "relative_attention"),
        ("deberta-v2", r#","conv_kernel_size":3"#, "conv_kernel_size"),
        ("deberta-v2", r#","embedding_size":16"#, "embedding_size"),
        ("deberta-v2", r#","attention_head_size":8"#, "attention_head_size"),
        ("deberta-v2", r#","pos_att_type":["p2p"]"#, "pos_att_type"),
        ("deberta-v2", r#","pos_att_type":["c2p", 3]"#, "pos_att_type"),
        ("deberta-v2", r#","pos_att_type":{"c2p":true}"#, "pos_att_type"),
        ("roberta", r#","pad_token_id":18446744073709551615"#, "pad_token_id"),
        ("roberta", r#","pad_token_id":40"#, "max_position_embeddings"),
        ("llama", r#","rope_theta":"many""#, "rope_theta"),
        ("gemma3_text", r#","sliding_window":8,"rope_parameters":{"rope_theta":1e6}"#, "rope_parameters"),
        ("modernbert", r#","local_rope_theta":false"#, "local_rope_theta"),
        ("deberta-v2", r#","norm_rel_ebd":"batch_norm""#, "norm_rel_ebd"),
        ("deberta-v2", r#","pooler_hidden_act":"tanh""#, "pooler_hidden_act"),
        ("modernbert", r#","classifier_pooling":"max""#, "classifier_pooling"),
        ("modernbert", r#","classifier_activation":"silu""#, "classifier_activation"),
        ("modernbert", r#","layer_types":["full_attention"]"#, "layer_types"),
        ("modernbert", r#","num_attention_heads":32"#, "num_attention_heads"),
        ("llama", r#","hidden_act":"relu""#, "relu"),
        ("llama", r#","partial_rotary_factor":0.5"#, "partial_rotary_factor"),
        ("llama", r#","rope_scaling":{"type":"dynamic","factor":2.0}"#, "rope_type"),
        ("llama", r#","num_key_value_heads":3"#, "num_key_value_heads"),
        ("mistral", r#","attention_bias":true"#, "attention_bias"),
        ("mistral", r#","layer_types":["full_attention"]"#, "layer_types"),
        ("qwen2", r#","mlp_bias":true"#, "mlp_bias"),
        ("qwen2", r#","dual_chunk_attention_config":{}"#, "dual_chunk_attention_config"),
        ("qwen3", r#","layer_types":["full_attention"]"#, "layer_types"),
        ("gemma2", r#","sliding_window":8,"attention_bias":true"#, "attention_bias"),
        ("gemma3_text", r#","sliding_window":8,"attn_logit_softcapping":50.0"#, "attn_logit_softcapping"),
        ("gemma3_text", r#","sliding_window":8,"use_bidirectional_attention":true"#, "use_bidirectional"),
        ("gemma3_text", r#","sliding_window":8,"rope_scaling":{"rope_type":"yarn"}"#, "rope_type"),
    ];
    for (family, more, key) in refused {
        // Of a key that is stated twice the last one counts.
        let message = small(family, more).unwrap_err();
        assert!(message.contains(key), "{family} {more}: {message}");
    }
}

#[test]
fn every_family_reads_the_plain_form() {
    for family in Family::ALL {
        assert_eq!(small(family.name(), WINDOWS).unwrap().family(), family);
    }
    let FamilyConfig::Roberta(roberta) = small("xlm-roberta", "").unwrap() else { panic!() };
    assert_eq!((roberta.skipped_positions, roberta.bert.max_position_embeddings), (2, 32));
}

#[test]
fn windows_are_where_each_family_has_them() {
    let windows = |family: &str, more: &str| match small(family, more).unwrap() {
        FamilyConfig::Llama(config) => config.windows,
        _ => panic!(),
    };
    assert_eq!(windows("llama", WINDOWS), [None; 4]);
    assert_eq!(windows("mistral", WINDOWS), [Some(8); 4]);
    assert_eq!(windows("mistral", r#","sliding_window":null"#), [None; 4]);
    assert_eq!(windows("qwen2", WINDOWS), [None; 4]);
    let from = r#","sliding_window":8,"use_sliding_window":true,"max_window_layers":3"#;
    assert_eq!(windows("qwen2", from), [None, None, None, Some(8)]);
    let FamilyConfig::Gemma3(gemma) = small("gemma3_text", WINDOWS).unwrap() else { panic!() };
    assert_eq!((gemma.slides, gemma.global_rotary.base, gemma.local_rotary.base), (vec![true; 4], 1e6, 1e4));
    let FamilyConfig::ModernBert(modern) = small("modernbert", "").unwrap() else { panic!() };
    assert_eq!(modern.local, [false, true, true, false]);
    assert_eq!((modern.global_rotary.base, modern.local_rotary.base), (160_000.0, 1e4));
}
