"""Loads the adapter of a run with peft and compares it with the run's own graph: python adapters_check.py BASE RUN/models/FIT

FIT may be one fit, or the mean of the folds' weights (`final.fit = "average_weights"`).

Written for peft 0.21.2, transformers 5.24.0 and onnxruntime 1.31.1. Prints the largest difference of the outputs on random tokens: of peft's
model against model.onnx and head.safetensors.
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime
import torch
from peft import PeftModel
from safetensors.numpy import load_file
from transformers import AutoModel, AutoModelForSequenceClassification

ACTIVATIONS = {"linear": lambda x: x, "tanh": torch.tanh, "gelu": torch.nn.functional.gelu}


def head(card, weights, states):
    """Pooling and layers of one text's states."""
    form = card["head"]
    x = {"mean": states.mean(0), "first": states[0], "last": states[-1]}[form["pooling"]]
    for index, activation in enumerate(form["layers"]):
        weight, bias = (torch.tensor(weights[f"{index}.{part}"]) for part in ("weight", "bias"))
        x = ACTIVATIONS[activation](weight @ x + bias)
    return x


def main(base, fit):
    card = json.loads((fit / "model.json").read_text())
    config = json.loads((fit / "adapter_config.json").read_text())
    weights = load_file(fit / "head.safetensors")
    session = onnxruntime.InferenceSession(fit / "model.onnx")
    names = [entry.name for entry in session.get_inputs()]
    random = np.random.default_rng(3)
    is_classifier = config["task_type"] == "SEQ_CLS"
    if is_classifier:
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(card["outputs"]), dtype=torch.float32)
    else:
        model = AutoModel.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, fit).eval()
    worst = 0.0
    for length in (4, 9, 17):
        ids = random.integers(5, card["vocabulary_size"], (1, length))
        with torch.no_grad():
            outputs = model(input_ids=torch.tensor(ids))
        inputs = {"input_ids": ids.astype(np.int64 if "seqlens_k" in names else np.int32)}
        inputs |= {"attention_mask": np.ones((1, length), np.int32)} if "attention_mask" in names else {}
        inputs |= {"token_type_ids": np.zeros((1, length), np.int32)} if "token_type_ids" in names else {}
        if "seqlens_k" in names:
            inputs |= {"seqlens_k": np.array([length - 1], np.int32), "total_sequence_length": np.array(length, np.int32)}
        hidden = torch.tensor(session.run(["hidden"], inputs)[0][0]).reshape(-1, card["width"])
        expected = head(card, weights, hidden)
        found = outputs.logits[0] if is_classifier else head(card, weights, outputs.last_hidden_state[0])
        worst = max(worst, (found - expected).abs().max().item())
    print(f"{fit.name}: {config['task_type']}, {len(config['target_modules'])} maps, largest difference {worst:.1e}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
