"""Makes the tiny random checkpoints of tests/fixtures/checkpoints and prints checkpoints.json.

Written for torch 2.15.0, transformers 5.24.0, tokenizers 0.22, safetensors 0.8.0; run it in this folder:
    python checkpoints.py
The reference computes in f32 whatever the file stores. Every batch is ragged and is run twice, padded on the
right and on the left. A Gemma-2 gives the same numbers both times, since its positions are relative. A BERT does
not: transformers counts its positions from the padding and pools the first place, which is then padding. Its
left-padded numbers are the same arithmetic on other input, and are compared as such.
"""

import json
import pathlib
import shutil

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma2ForSequenceClassification,
    PreTrainedTokenizerFast,
)

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "checkpoints"
VOCABULARY = 48
LENGTHS = [20, 11, 5, 1]
VERDICTS = [10, 11, 12]

BERT = dict(
    vocab_size=VOCABULARY,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=32,
    attn_implementation="eager",
)
GEMMA = dict(
    vocab_size=VOCABULARY,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,  # ONNX Runtime's kernel wants multiples of 16
    max_position_embeddings=64,
    sliding_window=8,  # shorter than the longest text, longer than the others
    query_pre_attn_scalar=12,
    attn_logit_softcapping=2.0,  # small, so that leaving it out is seen
    final_logit_softcapping=3.0,
    rms_norm_eps=1e-6,
    pad_token_id=0,
    attn_implementation="eager",
)
THREE = {0: "model_a", 1: "model_b", 2: "tie"}
FOUR = {0: "tie", 1: "model_a", 2: "both_bad", 3: "model_b"}


def labels(names):
    return dict(id2label=names, label2id={name: index for index, name in names.items()})


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        draw = torch.randn(parameter.shape, generator=generator)
        layer_norm = "norm" in name.lower() and name.endswith("weight") and "bert" in type(model).__name__.lower()
        scale = 0.3 if parameter.dim() == 2 else 0.1
        parameter.data = draw * scale + (1.0 if layer_norm else 0.0)
    return model.eval()


def save(model, name, dtype=torch.float32, shard=None):
    folder = FIXTURES / name
    shutil.rmtree(folder, ignore_errors=True)
    stored = model.to(dtype)
    stored.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    words = {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3}
    words |= {f"w{index}": index for index in range(4, VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    )
    fast.save_pretrained(folder)
    # Loaded again in f32: what is compared is the arithmetic, not the rounding of the file. Converting the model
    # back would not do, because its rotary frequencies and the scale of its embedding were rounded with it.
    return type(model).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(4, VOCABULARY, (length,), generator=generator).tolist() for length in LENGTHS]
    types = [[int(2 * place >= len(row)) for place in range(len(row))] for row in rows]
    return rows, types


def padded(rows, side):
    longest = max(map(len, rows))
    pad = lambda row, value: [value] * (longest - len(row))
    fill = lambda row, value: row + pad(row, value) if side == "right" else pad(row, value) + row
    return torch.tensor([fill(row, 0) for row in rows]), torch.tensor([fill([1] * len(row), 0) for row in rows])


def mean_pooled(hidden, mask):
    kept = mask.unsqueeze(-1).float()
    return (hidden * kept).sum(1) / kept.sum(1)


def last_logits(logits, mask):
    last = [int(row.nonzero()[-1]) for row in mask]
    return torch.stack([logits[row, place][VERDICTS] for row, place in enumerate(last)])


def run(model, kind, rows, types, side):
    ids, mask = padded(rows, side)
    inputs = dict(input_ids=ids, attention_mask=mask)
    if "Bert" in type(model).__name__:
        inputs["token_type_ids"] = padded(types, side)[0]
    with torch.no_grad():
        outputs = model(**inputs)
    if kind == "classifier":
        return outputs.logits
    if kind == "mean":
        return mean_pooled(outputs.last_hidden_state, mask)
    return last_logits(outputs.logits, mask)


def case(name, kind, model, seed):
    rows, types = batch(seed)
    right, left = (run(model, kind, rows, types, side) for side in ("right", "left"))
    return dict(
        checkpoint=name, kind=kind, input_ids=rows, token_type_ids=types, right=right.tolist(), left=left.tolist()
    )


def main():
    bert = lambda names: BertForSequenceClassification(BertConfig(**BERT, **labels(names)))
    gemma = lambda names: Gemma2ForSequenceClassification(Gemma2Config(**GEMMA, **labels(names)))
    cases = []

    def add(name, kind, model, seed, **how):
        model = save(randomise(model, seed), name, **how)
        cases.append(case(name, kind, model, seed + 100))

    add("bert-classifier", "classifier", bert(THREE), 1)
    add("bert-four-f16", "classifier", bert(FOUR), 2, dtype=torch.float16)
    add("bert-base", "mean", BertModel(BertConfig(**BERT)), 3, shard="12KB")
    pooling = FIXTURES / "bert-base" / "1_Pooling"
    pooling.mkdir()
    (pooling / "config.json").write_text(json.dumps(dict(word_embedding_dimension=16, pooling_mode_mean_tokens=True)))
    add("gemma2-classifier", "classifier", gemma(THREE), 4, shard="20KB")
    add("gemma2-reward-bf16", "classifier", gemma({0: "LABEL_0"}), 5, dtype=torch.bfloat16)
    add("gemma2-causal-bf16", "causal", Gemma2ForCausalLM(Gemma2Config(**GEMMA)), 6, dtype=torch.bfloat16)
    for one in cases:
        worst = (torch.tensor(one["right"]) - torch.tensor(one["left"])).abs().max().item()
        spread = torch.tensor(one["right"]).std().item()
        print(f"{one['checkpoint']}: right against left {worst:.1e}, spread of the outputs {spread:.2f}")
    out = pathlib.Path(__file__).with_suffix(".json")
    out.write_text(json.dumps(dict(verdict_tokens=VERDICTS, cases=cases), indent=1) + "\n")


if __name__ == "__main__":
    main()
