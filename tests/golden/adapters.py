"""Makes small PEFT adapters in tests/fixtures/adapters on checkpoints of tests/fixtures/checkpoints, and prints
adapters.json.

Written for torch 2.15.0, transformers 5.24.0, peft 0.21.2; run it in this folder, after families.py:
    python adapters.py
The adapters are not trained: their matrices are random, B too, which training would begin at 0.
"""

import json
import pathlib
import shutil

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification

from checkpoints import FIXTURES, VERDICTS, batch
from families import run

ADAPTERS = FIXTURES.parent / "adapters"


def adapted(base, name, seed, **config):
    model = AutoModelForSequenceClassification.from_pretrained(FIXTURES / base, dtype=torch.float32)
    model.set_attn_implementation("eager")
    model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", **config))
    generator = torch.Generator().manual_seed(seed)
    for key, parameter in model.named_parameters():
        if "lora_" in key or "modules_to_save" in key:
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    folder = ADAPTERS / name
    shutil.rmtree(folder, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    return model.eval()


def main():
    cases = []

    def add(base, name, seed, **config):
        model = adapted(base, name, seed, **config)
        rows, _ = batch(seed + 100)
        types = [[0] * len(row) for row in rows]
        right = run(model, "classifier", rows, "right")
        with model.disable_adapter():
            change = (run(model, "classifier", rows, "right") - right).abs().max().item()
        case = dict(checkpoint=base, adapter=name, kind="classifier", input_ids=rows, token_type_ids=types)
        cases.append(case | dict(right=right.tolist()))
        print(f"{name}: the adapter changes the logits by up to {change:.2f}")

    add(
        "qwen2-classifier",
        "qwen2-patterns",
        31,
        r=4,
        lora_alpha=8,
        target_modules=["q_proj", "v_proj", "down_proj"],
        rank_pattern={"layers.1.self_attn.q_proj": 2},
        alpha_pattern={"down_proj": 3},
        modules_to_save=["score"],
    )
    # `dense` is also the name of the pooler, which belongs to the head.
    everywhere = ["query", "value", "dense"]
    add("bert-classifier", "bert-rslora", 32, r=4, lora_alpha=4, use_rslora=True, target_modules=everywhere)
    # One matrix that is computed as three, one that is computed as two, and a head that was trained whole.
    joint = dict(target_modules=["Wqkv", "Wi"], modules_to_save=["head", "classifier"])
    add("modernbert-classifier", "modernbert-joint", 33, r=2, lora_alpha=4, **joint)
    out = pathlib.Path(__file__).with_suffix(".json")
    out.write_text(json.dumps(dict(verdict_tokens=VERDICTS, cases=cases), indent=1) + "\n")


if __name__ == "__main__":
    main()
