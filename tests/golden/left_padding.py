"""States of encoders on texts that are padded on the left, for left_padding.rs. Run: python left_padding.py > left_padding.json

The classes for sequences pool a place of padding then; what is compared is the mean of the states of the tokens. RoBERTa counts
positions from the first token, the others from the first place.
"""
import json
import pathlib

import numpy as np
import torch
import transformers
from transformers import AutoModel

CHECKPOINTS = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "checkpoints"
NAMES = ["bert-classifier", "roberta-classifier", "xlm-roberta-four", "deberta-v2-reward", "deberta-v3-classifier", "modernbert-classifier"]
LENGTHS = [3, 11, 7]


def run(name):
    model = AutoModel.from_pretrained(CHECKPOINTS / name, attn_implementation="eager", dtype=torch.float32).eval()
    random = np.random.default_rng(9)
    rows = [[int(token) for token in random.integers(5, model.config.vocab_size, length)] for length in LENGTHS]
    longest, pad = max(LENGTHS), model.config.pad_token_id
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    with torch.no_grad():
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    means = [states[index, longest - len(row):].double().mean(0).float().tolist() for index, row in enumerate(rows)]
    return {"checkpoint": name, "input_ids": rows, "means": means}


if __name__ == "__main__":
    print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__, "cases": [run(name) for name in NAMES]}))
