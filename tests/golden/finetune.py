"""Losses of the first ten steps of training in transformers and torch, for finetune.rs. Run: python finetune.py > finetune.json

Tiny checkpoints of ../fixtures/checkpoints are trained on random tokens: adapters of our own beside every linear map of the
layers (x W' + b + alpha/r (x A') B'), everything, the head alone; AdamW in two groups, clipping, warm-up and cosine,
soft targets with weights and label smoothing, dropout off.
"""
import json
import pathlib

import numpy as np
import torch
import transformers
from transformers import AutoModelForSequenceClassification

CHECKPOINTS = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "checkpoints"
STEPS, ROWS, RANK, ALPHA, SMOOTHING = 10, 6, 4, 8.0, 0.1
RATE, HEAD_RATE, DECAY, CLIP, WARMUP = 2e-3, 5e-3, 0.05, 0.5, 2
# The ends of the names of what adapters stand beside.
MAPS = ["query", "key", "value", "dense", "query_proj", "key_proj", "value_proj", "pos_key_proj", "pos_query_proj",
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CLASSIFIERS = ["bert-classifier", "gemma2-classifier", "roberta-classifier", "deberta-v3-classifier", "llama-classifier",
               "mistral-classifier", "qwen2-classifier", "gemma3-classifier"]
# Those that stand for the others where everything or the head alone is trained.
ALL_METHODS = CLASSIFIERS[:2] + ["deberta-v3-classifier"]
HEADS = ("classifier", "score", "pooler")


def start(rows, columns, number):
    """The first A of an adapter, the same in finetune.rs."""
    values = [((n + 3) * (number + 11) * 7919) % 1013 / 506.0 - 1.0 for n in range(rows * columns)]
    return torch.tensor(values, dtype=torch.float64).mul(0.2).float().reshape(rows, columns)


class Adapted(torch.nn.Module):
    def __init__(self, linear, number):
        super().__init__()
        self.linear = linear
        self.down = torch.nn.Parameter(start(RANK, linear.in_features, number))
        self.up = torch.nn.Parameter(torch.zeros(linear.out_features, RANK))

    def forward(self, x):
        return self.linear(x) + ALPHA / RANK * ((x @ self.down.T) @ self.up.T)


def data(vocabulary, classes):
    random = np.random.default_rng(5)
    steps = []
    for _ in range(STEPS):
        lengths = [int(length) for length in random.integers(3, 20, ROWS)]
        ids = [[int(token) for token in random.integers(5, vocabulary, length)] for length in lengths]
        targets = [[round(float(p), 6) for p in random.dirichlet(np.ones(classes))[:-1]] for _ in range(ROWS)]
        targets = [[*target, 1.0 - sum(target)] for target in targets]
        weights = [round(float(weight), 3) for weight in random.uniform(0.2, 2.0, ROWS)]
        steps.append({"input_ids": ids, "targets": targets, "weights": weights})
    return steps


def prepare(model, method):
    model.requires_grad_(method == "full")
    if method == "adapters":
        found = [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)
                 and name.split(".")[-1] in MAPS and not any(part in HEADS for part in name.split("."))]
        for number, (name, module) in enumerate(found):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, Adapted(module, number))
        names = [name for name, _ in found]
    else:
        names = []
    groups = {}
    for name, parameter in model.named_parameters():
        is_head = any(part in HEADS for part in name.split("."))
        if is_head:
            parameter.requires_grad_(True)
        if not parameter.requires_grad:
            continue
        decays = parameter.dim() == 2
        groups.setdefault((HEAD_RATE if is_head else RATE, DECAY if decays else 0.0), []).append(parameter)
    groups = [{"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()]
    return names, torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)


def run(checkpoint, method):
    model = AutoModelForSequenceClassification.from_pretrained(CHECKPOINTS / checkpoint, attn_implementation="eager", dtype=torch.float32)
    model.eval()
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
        targets = torch.tensor(step["targets"], dtype=torch.float32)
        weights = torch.tensor(step["weights"])
        each = torch.nn.functional.cross_entropy(logits, targets, reduction="none", label_smoothing=SMOOTHING)
        loss = (each * weights).sum() / weights.sum()
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
                "weight_decay": DECAY, "clip_norm": CLIP, "warmup_steps": WARMUP, "total_steps": STEPS}
    cases = [run(checkpoint, method) for checkpoint in CLASSIFIERS for method in ("adapters", "full", "head")
             if method == "adapters" or checkpoint in ALL_METHODS]
    data_of = {case["checkpoint"]: case.pop("steps") for case in cases}
    print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__, "settings": settings, "steps": data_of, "cases": cases}))


if __name__ == "__main__":
    main()
