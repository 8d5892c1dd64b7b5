"""A LoRA step of Gemma-2 with random weights on a GPU, in transformers and torch; prints one JSON line.

Run: python finetune_gpu_torch.py make tiny|2b|9b FOLDER   writes the checkpoint that both programs train
     python finetune_gpu_torch.py FOLDER ROWS LENGTH       trains it: bf16, rank 16 beside every map, layers computed twice

Attention is `eager`, because the scores are capped. Adapters are in f32 and see the hidden states in f32, as PEFT has it:
y + alpha/r (x A') B'.
"""
import json
import pathlib
import sys
import time

import torch
from transformers import AutoModelForSequenceClassification, Gemma2Config, Gemma2ForSequenceClassification

STEPS, RANK, CLASSES = 5, 16, 3
SHAPES = {
    "tiny": dict(hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=16, vocab_size=2000),
    "2b": dict(hidden_size=2304, intermediate_size=9216, num_hidden_layers=26, num_attention_heads=8, num_key_value_heads=4, head_dim=256, vocab_size=256000),
    "9b": dict(hidden_size=3584, intermediate_size=14336, num_hidden_layers=42, num_attention_heads=16, num_key_value_heads=8, head_dim=256, vocab_size=256000),
}


class Adapted(torch.nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        device = linear.weight.device
        self.down = torch.nn.Parameter(torch.randn(RANK, linear.in_features, device=device) * 0.05)
        self.up = torch.nn.Parameter(torch.zeros(linear.out_features, RANK, device=device))

    def forward(self, x):
        thin = torch.nn.functional.linear(torch.nn.functional.linear(x.float(), self.down), self.up)
        return self.linear(x) + (2.0 * thin).to(x.dtype)


def make(shape, folder):
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    config = Gemma2Config(**SHAPES[shape], num_labels=CLASSES, max_position_embeddings=8192, pad_token_id=0)
    Gemma2ForSequenceClassification(config).save_pretrained(folder)
    # No text is read: a vocabulary of one word stands for the real one.
    vocabulary = {"version": "1.0", "added_tokens": [], "model": {"type": "WordLevel", "vocab": {"w": 0}, "unk_token": "w"}}
    (pathlib.Path(folder) / "tokenizer.json").write_text(json.dumps(vocabulary))


def train(folder, rows, length):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="eager").to(device)
    model.requires_grad_(False)
    for name, module in list(model.model.layers.named_modules()):
        if isinstance(module, torch.nn.Linear):
            parent, _, child = name.rpartition(".")
            setattr(model.model.layers.get_submodule(parent), child, Adapted(module))
    model.score.float().requires_grad_(True)
    model.score.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
    model.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    seconds = []
    for step in range(STEPS):
        ids = torch.tensor([[1 + (step * rows + row + place * 7919) % (model.config.vocab_size - 1) for place in range(length)] for row in range(rows)], device=device)
        labels = torch.tensor([(step * rows + row) % CLASSES for row in range(rows)], device=device)
        wait()
        started = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wait()
        seconds.append(time.perf_counter() - started)
    median = sorted(seconds[1:])[len(seconds[1:]) // 2]
    peak = torch.cuda.max_memory_reserved() if device == "cuda" else 0
    print(json.dumps({"bench": "finetune_gpu", "device": device, "seconds": median, "tokens_per_second": rows * length / median, "peak_bytes": peak}))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3])
    else:
        train(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
