"""Asks the causal fixtures of tests/fixtures/checkpoints for verdicts and prints judge.json.

Written for torch 2.15.0, transformers 5.24.0; run it in this folder after checkpoints.py and families.py:
    python judge.py
One forward pass for each order; the logits of the verdict tokens at the last position, in f32 whatever the file
stores; softmax over them, the second order turned back, the mean of both. The prompt is written here a second time,
by Python's own formatting and not by the template of the test.
"""

import json
import pathlib
import random

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "checkpoints"
CHECKPOINTS = ["llama-causal-bf16", "qwen2-causal-bf16", "gemma2-causal-bf16", "gemma3-causal-bf16"]
VERDICTS = [" w10", " w11", " w12"]  # A, B, tie; the vocabulary of the fixtures splits at blanks
BATTLES = 6


def words(draw, most):
    return " ".join(f"w{draw.randrange(9, 48)}" for _ in range(draw.randint(1, most)))


def battles():
    draw = random.Random(7)
    rows = [[words(draw, 6), words(draw, 9), words(draw, 9)] for _ in range(BATTLES - 1)]
    prompt, response = words(draw, 6), words(draw, 9)
    return rows + [[prompt, response, response]]


def prompt_text(prompt, first, second):
    return f"w4 {prompt} w5 {first} w6 {second} w7"


def answer(tokenizer, text, verdict):
    """The one token that the verdict is behind the prompt."""
    before, after = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in (text, text + verdict))
    assert after[: len(before)] == before and len(after) == len(before) + 1
    return after[-1]


def main():
    cases = []
    for name in CHECKPOINTS:
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(FIXTURES / name / "tokenizer.json"))
        model = AutoModelForCausalLM.from_pretrained(
            FIXTURES / name, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        rows = []
        for prompt, a, b in battles():
            orders = []
            for text in (prompt_text(prompt, a, b), prompt_text(prompt, b, a)):
                tokens = [answer(tokenizer, text, verdict) for verdict in VERDICTS]
                ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
                with torch.no_grad():
                    orders.append(model(input_ids=ids).logits[0, -1, tokens])
            straight, turned = (order.double().softmax(0).tolist() for order in orders)
            mean = [(straight[0] + turned[1]) / 2, (straight[1] + turned[0]) / 2, (straight[2] + turned[2]) / 2]
            rows.append(dict(logits=[order.tolist() for order in orders], probabilities=mean))
        cases.append(dict(checkpoint=name, tokens=tokens, rows=rows))
        print(name, tokens, rows[0])
    out = pathlib.Path(__file__).with_suffix(".json")
    out.write_text(json.dumps(dict(verdicts=VERDICTS, battles=battles(), cases=cases), indent=1) + "\n")


main()
