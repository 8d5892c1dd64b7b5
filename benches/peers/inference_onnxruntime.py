"""The same in Python with ONNX Runtime, pairs sorted by characters, 32 at a time; prints one JSON line.

Run: python inference_onnxruntime.py FOLDER [GRAPH] [THREADS]; the graph is `exported.onnx` unless another is named.
"""
import json
import pathlib
import sys
import time

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

BATCH = 32
TYPES = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}


def main():
    folder = pathlib.Path(sys.argv[1])
    graph = sys.argv[2] if len(sys.argv) > 2 else "exported.onnx"
    pairs = json.loads((folder / "pairs.json").read_text())
    head = np.array(json.loads((folder / "head.json").read_text()), np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    session = onnxruntime.InferenceSession(str(folder / graph), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(512)
    tokenizer.enable_padding()

    def logits(batch):
        encoded = tokenizer.encode_batch([tuple(pair) for pair in batch])
        columns = {"input_ids": [e.ids for e in encoded], "attention_mask": [e.attention_mask for e in encoded],
                   "token_type_ids": [e.type_ids for e in encoded]}
        inputs = {end.name: np.array(columns[end.name], TYPES[end.type]) for end in session.get_inputs()}
        hidden = session.run(None, inputs)[0]
        mask = np.array(columns["attention_mask"], np.float32)[:, :, None]
        return ((hidden * mask).sum(1) / mask.sum(1)) @ head.T, int(mask.sum()), mask.size

    logits(pairs[:8])
    started = time.perf_counter()
    places = sorted(range(len(pairs)), key=lambda place: -sum(map(len, pairs[place])))
    result, tokens, padded = np.zeros((len(pairs), len(head)), np.float32), 0, 0
    for start in range(0, len(places), BATCH):
        chosen = places[start:start + BATCH]
        values, real, all_tokens = logits([pairs[place] for place in chosen])
        result[chosen] = values
        tokens, padded = tokens + real, padded + all_tokens
    seconds = time.perf_counter() - started
    np.save(folder / "onnxruntime.npy", result)
    print(json.dumps({"bench": "inference", "program": f"onnxruntime {graph}", "rows": len(pairs), "tokens": tokens,
                      "padded_tokens": padded, "seconds": seconds}))


if __name__ == "__main__":
    main()
