"""Losses of the first ten steps of training in transformers and torch, for finetune.rs. Run: python finetune.py > finetune.json

Tiny checkpoints of ../fixtures/checkpoints are trained on random tokens: adapters of our own beside every linear map of the
layers (x W' + b + alpha/r (x A') B'), everything, the head alone; AdamW in two groups, clipping, warm-up and cosine,
soft targets with weights and label smoothing, dropout off. A reward of one output is trained on pairs of texts by the loss of
Rao and Kupper (1967). Where a checkpoint stores several maps as one, each of them gets an adapter of its own; the normalisation in front
of ModernBERT's classifier is made part of it, and the layer before gets a bias of 0, which is the head that is trained here.

`narrow` has adapters on a frozen base in fewer bits: what is kept in bf16 is rounded to it and back, and the matrices of linear
maps in blocks of 32 whole numbers are what those stand for, by the formula of low_bits.py. Everything else stays f32. The last
digits of all losses depend on the processor: `narrow` was added to a file whose other numbers stayed as they were.
"""
import json
import pathlib

import numpy as np
import torch
import transformers
from transformers import AutoModelForSequenceClassification

from low_bits import meant, rounded

CHECKPOINTS = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "checkpoints"
STEPS, ROWS, RANK, ALPHA, SMOOTHING = 10, 6, 4, 8.0, 0.1
RATE, HEAD_RATE, DECAY, CLIP, WARMUP = 2e-3, 5e-3, 0.05, 0.5, 2
# The ends of the names of what adapters stand beside.
MAPS = ["query", "key", "value", "dense", "query_proj", "key_proj", "value_proj", "pos_key_proj", "pos_query_proj",
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "Wqkv", "Wi", "Wo"]
# The maps that are stored as one.
PARTS = {"Wqkv": ["query", "key", "value"], "Wi": ["gate", "up"]}
CLASSIFIERS = ["bert-classifier", "gemma2-classifier", "roberta-classifier", "deberta-v3-classifier", "llama-classifier",
               "mistral-classifier", "qwen2-classifier", "gemma3-classifier", "modernbert-classifier", "qwen3-reward"]
# Those that stand for the others where everything or the head alone is trained.
ALL_METHODS = CLASSIFIERS[:2] + ["deberta-v3-classifier", "modernbert-classifier"]
HEADS = ("classifier", "score", "pooler", "head")
# Those that are trained on bases in fewer bits: tables of positions and segments, a decoder, a table of distances, maps stored as one.
NARROW = ["bert-classifier", "gemma2-classifier", "deberta-v3-classifier", "modernbert-classifier"]
BLOCK = 32
# Half of the logarithm of theta, for rewards.
ETA = 0.4


def start(rows, columns, number):
    """The first A of an adapter, the same in finetune.rs."""
    values = [((n + 3) * (number + 11) * 7919) % 1013 / 506.0 - 1.0 for n in range(rows * columns)]
    return torch.tensor(values, dtype=torch.float64).mul(0.2).float().reshape(rows, columns)


class Adapted(torch.nn.Module):
    """A linear map with an adapter beside each of the equal parts of its rows."""

    def __init__(self, linear, number, parts):
        super().__init__()
        self.linear = linear
        rows = linear.out_features // parts
        downs = [torch.nn.Parameter(start(RANK, linear.in_features, number + part)) for part in range(parts)]
        self.down = torch.nn.ParameterList(downs)
        self.up = torch.nn.ParameterList([torch.nn.Parameter(torch.zeros(rows, RANK)) for _ in range(parts)])

    def forward(self, x):
        thin = [(x @ down.T) @ up.T for down, up in zip(self.down, self.up)]
        return self.linear(x) + ALPHA / RANK * torch.cat(thin, dim=-1)


def absorb_norm(model):
    """ModernBERT: classifier(norm(x)) with the weight of the norm in the classifier, and a bias in the layer before."""
    with torch.no_grad():
        model.classifier.weight.mul_(model.head.norm.weight)
        model.head.norm.weight.fill_(1.0)
    model.head.dense.bias = torch.nn.Parameter(torch.zeros(model.head.dense.out_features))


def narrow(model, base):
    """Rounds matrices and tables of the bare model to what they stand for in a base of these numbers."""
    for name, module in model.named_modules():
        if any(part in HEADS for part in name.split(".")) or not isinstance(module, (torch.nn.Linear, torch.nn.Embedding)):
            continue
        weight = module.weight.data
        if base == "bf16" or isinstance(module, torch.nn.Embedding):
            weight.copy_(weight.to(torch.bfloat16).float())
        else:
            rows = weight.numpy()
            numbers, scales, zeros = rounded(rows, int(base.removeprefix("int")), BLOCK, np.float32)
            weight.copy_(torch.from_numpy(meant(numbers, scales, zeros, rows.shape[1]).copy()))


def data(vocabulary, classes):
    random = np.random.default_rng(5)
    steps = []
    for _ in range(STEPS):
        texts = 2 * ROWS if classes == 1 else ROWS
        lengths = [int(length) for length in random.integers(3, 20, texts)]
        ids = [[int(token) for token in random.integers(5, vocabulary, length)] for length in lengths]
        targets = [[round(float(p), 6) for p in random.dirichlet(np.ones(3 if classes == 1 else classes))[:-1]] for _ in range(ROWS)]
        targets = [[*target, 1.0 - sum(target)] for target in targets]
        weights = [round(float(weight), 3) for weight in random.uniform(0.2, 2.0, ROWS)]
        steps.append({"input_ids": ids, "targets": targets, "weights": weights})
    return steps


def prepare(model, method):
    model.requires_grad_(method == "full")
    if method == "adapters":
        found = [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)
                 and name.split(".")[-1] in MAPS and not any(part in HEADS for part in name.split("."))]
        names = []
        for name, module in found:
            parent, _, child = name.rpartition(".")
            parts = PARTS.get(child, [""])
            setattr(model.get_submodule(parent), child, Adapted(module, len(names), len(parts)))
            names += [f"{name}.{part}" if part else name for part in parts]
    else:
        names = []
    groups = {}
    for name, parameter in model.named_parameters():
        is_head = any(part in HEADS for part in name.split("."))
        if is_head:
            # The weight of a norm that was made part of the classifier stays 1.
            parameter.requires_grad_(not name.endswith("head.norm.weight"))
        if not parameter.requires_grad:
            continue
        decays = parameter.dim() == 2
        groups.setdefault((HEAD_RATE if is_head else RATE, DECAY if decays else 0.0), []).append(parameter)
    groups = [{"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()]
    return names, torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)


def loss_of(logits, step):
    targets, weights = torch.tensor(step["targets"], dtype=torch.float32), torch.tensor(step["weights"])
    if logits.shape[1] == 1:
        difference = logits[0::2, 0] - logits[1::2, 0]
        # theta = e^(2 eta), on rewards that are scaled so that the sides win with the logistic of d - eta and -d - eta.
        a, b = torch.sigmoid(difference - ETA), torch.sigmoid(-difference - ETA)
        each = -(targets * torch.stack([a.log(), b.log(), (1.0 - a - b).log()], dim=1)).sum(dim=1)
    else:
        each = torch.nn.functional.cross_entropy(logits, targets, reduction="none", label_smoothing=SMOOTHING)
    return (each * weights).sum() / weights.sum()


def run(checkpoint, method, base="f32"):
    model = AutoModelForSequenceClassification.from_pretrained(CHECKPOINTS / checkpoint, attn_implementation="eager", dtype=torch.float32)
    model.eval()
    if model.config.model_type == "modernbert":
        absorb_norm(model)
    if base != "f32":
        narrow(model, base)
    steps = data(model.config.vocab_size, model.config.num_labels)
    names, optimizer = prepare(model, method)
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, WARMUP, STEPS)
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    losses, norms = [], []
    for step in steps:
        longest = max(map(len, step["input_ids"]))
        pad = model.config.pad_token_id
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row in step["input_ids"]])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in step["input_ids"]])
        logits = model(input_ids=ids, attention_mask=mask).logits
        loss = loss_of(logits, step)
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in trained)
        norms.append(float(torch.nn.utils.clip_grad_norm_(trained, CLIP)))
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return {"checkpoint": checkpoint, "method": method, "adapted": names, "steps": steps, "losses": losses, "norms": norms}


def main():
    settings = {"rank": RANK, "alpha": ALPHA, "label_smoothing": SMOOTHING, "learning_rate": RATE, "head_learning_rate": HEAD_RATE,
                "weight_decay": DECAY, "clip_norm": CLIP, "warmup_steps": WARMUP, "total_steps": STEPS, "eta": ETA}
    cases = [run(checkpoint, method) for checkpoint in CLASSIFIERS for method in ("adapters", "full", "head")
             if method == "adapters" or checkpoint in ALL_METHODS]
    data_of = {case["checkpoint"]: case.pop("steps") for case in cases}
    narrow_cases = [{"base": base, **run(checkpoint, "adapters", base)} for checkpoint in NARROW for base in ("bf16", "int8", "int4")]
    assert all(case.pop("steps") == data_of[case["checkpoint"]] for case in narrow_cases)
    print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__, "settings": settings, "steps": data_of,
                      "cases": cases, "narrow": narrow_cases}))


if __name__ == "__main__":
    main()
