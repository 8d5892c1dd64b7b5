"""Makes tiny random checkpoints of the other families in tests/fixtures/checkpoints and prints families.json.

Written for torch 2.15.0, transformers 5.24.0, tokenizers 0.22, safetensors 0.8.0; run it in this folder:
    python families.py
As checkpoints.py, whose helpers it uses. Decoders are run padded on the right and on the left, encoders on the right
only: what transformers pools of an encoder that is padded on the left is a place of padding.
"""

import json
import pathlib

import torch
from transformers import (
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    Gemma3TextForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    MistralConfig,
    MistralForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForSequenceClassification,
    Qwen3Config,
    Qwen3ForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from checkpoints import FOUR, THREE, VERDICTS, VOCABULARY, batch, labels, last_logits, padded, save

ONE = {0: "LABEL_0"}
EAGER = dict(attn_implementation="eager", vocab_size=VOCABULARY, hidden_size=32)
DECODER = dict(
    intermediate_size=24,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    max_position_embeddings=64,
    rms_norm_eps=1e-6,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    **EAGER,
)
WINDOW = 8  # shorter than the longest text, longer than the others
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=1e4,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)
ENCODER = dict(num_attention_heads=2, intermediate_size=24, **EAGER)
ROBERTA = dict(num_hidden_layers=2, max_position_embeddings=34, type_vocab_size=1, pad_token_id=1, **ENCODER)
DEBERTA = dict(num_hidden_layers=2, max_position_embeddings=32, relative_attention=True, **ENCODER)
MODERN = dict(
    num_hidden_layers=4,
    max_position_embeddings=32,
    local_attention=WINDOW,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    cls_token_id=1,
    sep_token_id=2,
    **ENCODER,
)
GEMMA = dict(
    num_hidden_layers=3,
    layer_types=["sliding_attention", "sliding_attention", "full_attention"],
    sliding_window=WINDOW,
    query_pre_attn_scalar=12,
    final_logit_softcapping=3.0,
    **DECODER,
)


def randomise(model, seed):
    """Normal weights; those of normalisations near the value that leaves their input as it is."""
    generator = torch.Generator().manual_seed(seed)
    offset = "Gemma" in type(model).__name__
    for name, parameter in model.named_parameters():
        draw = torch.randn(parameter.shape, generator=generator)
        scale = 0.3 if parameter.dim() == 2 else 0.1
        is_norm = "norm" in name.lower() and name.endswith("weight") and not offset
        parameter.data = draw * scale + (1.0 if is_norm else 0.0)
    return model.eval()


def run(model, kind, rows, side):
    ids, mask = padded(rows, side)
    ids = ids.masked_fill(mask == 0, model.config.pad_token_id)
    with torch.no_grad():
        outputs = model(input_ids=ids, attention_mask=mask)
    return last_logits(outputs.logits, mask) if kind == "causal" else outputs.logits


def main():
    cases = []

    def add(name, seed, model, dtype=torch.float32):
        kind = "causal" if "Causal" in type(model).__name__ else "classifier"
        model = save(randomise(model, seed), name, dtype=dtype)
        rows, _ = batch(seed + 100)
        types = [[0] * len(row) for row in rows]
        right = run(model, kind, rows, "right")
        case = dict(checkpoint=name, kind=kind, input_ids=rows, token_type_ids=types, right=right.tolist())
        note = f"spread of the outputs {right.std().item():.2f}"
        if "bert" not in type(model).__name__.lower():
            left = run(model, kind, rows, "left")
            case["left"] = left.tolist()
            note += f", right against left {(right - left).abs().max().item():.1e}"
        cases.append(case)
        print(f"{name}: {note}")

    def classifier(make, config, names, seed, name, **more):
        add(name, seed, make(config(**more, **labels(names))))

    two = dict(num_hidden_layers=2, **DECODER)
    classifier(LlamaForSequenceClassification, LlamaConfig, THREE, 11, "llama-classifier", rope_parameters=LLAMA3, **two)
    linear = dict(rope_type="linear", rope_theta=1e3, factor=2.0)
    biased = LlamaConfig(attention_bias=True, mlp_bias=True, rope_parameters=linear, **two)
    add("llama-causal-bf16", 12, LlamaForCausalLM(biased), torch.bfloat16)
    sliding = dict(sliding_window=WINDOW, **two)
    classifier(MistralForSequenceClassification, MistralConfig, FOUR, 13, "mistral-classifier", **sliding)
    partly = dict(use_sliding_window=True, max_window_layers=1, **sliding)
    classifier(Qwen2ForSequenceClassification, Qwen2Config, THREE, 14, "qwen2-classifier", **partly)
    tied = Qwen2Config(tie_word_embeddings=True, **two)
    add("qwen2-causal-bf16", 15, Qwen2ForCausalLM(tied), torch.bfloat16)
    classifier(Qwen3ForSequenceClassification, Qwen3Config, ONE, 16, "qwen3-reward", attention_bias=True, **partly)
    classifier(RobertaForSequenceClassification, RobertaConfig, THREE, 17, "roberta-classifier", **ROBERTA)
    classifier(XLMRobertaForSequenceClassification, XLMRobertaConfig, FOUR, 18, "xlm-roberta-four", **ROBERTA)
    three = dict(
        share_att_key=True,
        pos_att_type="p2c|c2p",
        position_buckets=8,
        max_relative_positions=-1,
        norm_rel_ebd="layer_norm",
        position_biased_input=False,
        type_vocab_size=0,
    )
    classifier(
        DebertaV2ForSequenceClassification, DebertaV2Config, THREE, 19, "deberta-v3-classifier", **three, **DEBERTA
    )
    plain = dict(pos_att_type=["p2c"], max_relative_positions=6, position_biased_input=True, type_vocab_size=2)
    classifier(DebertaV2ForSequenceClassification, DebertaV2Config, ONE, 20, "deberta-v2-reward", **plain, **DEBERTA)
    classifier(ModernBertForSequenceClassification, ModernBertConfig, THREE, 21, "modernbert-classifier", **MODERN)
    biased = dict(norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True, classifier_pooling="mean")
    biased = {**MODERN, **biased, "num_hidden_layers": 2}
    classifier(ModernBertForSequenceClassification, ModernBertConfig, FOUR, 22, "modernbert-mean", **biased)
    classifier(Gemma3TextForSequenceClassification, Gemma3TextConfig, THREE, 23, "gemma3-classifier", **GEMMA)
    add("gemma3-causal-bf16", 24, Gemma3ForCausalLM(Gemma3TextConfig(**GEMMA)), torch.bfloat16)
    out = pathlib.Path(__file__).with_suffix(".json")
    out.write_text(json.dumps(dict(verdict_tokens=VERDICTS, cases=cases), indent=1) + "\n")


if __name__ == "__main__":
    main()
