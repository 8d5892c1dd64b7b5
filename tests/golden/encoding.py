"""Prints encoding.json: token ids of transformers==5.24.0 and tokenizers==0.23.3 on the tiny tokenizers.

    python tests/golden/encoding.py > tests/golden/encoding.json

Nothing of tiebreak is used: the texts are written here, tokenized whole, and cut by transformers.
"""

import json
import logging
from pathlib import Path

from transformers import PreTrainedTokenizerFast

logging.disable(logging.WARNING)
FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "tokenizers"

BATTLES = [
    [["Which planet is the largest?", "Jupiter.", "The largest planet is Saturn, I think."]],
    [["  How do I sort a list?\n", " Use sorted(numbers)\n\n", "\n\nnumbers.sort()  "]],
    [["", "", None]],
    [["Übersetze: 你好 🙂🏳️‍🌈!", "<|im_end|> [SEP] <bos> hello", "naïve\u00a0café\ttab\u2028line"]],
    [
        ["Write a poem.", "The sea is wide.", "Waves"],
        ["Shorter!", "Sea.", None],
        ["In German?", "Das Meer.", "Die Wellen schlafen nie. " * 8],
    ],
]


# What templates of today do, in our own words: reversed lists, namespaces, macros, Python's methods, thoughts.
THINKING = """{%- macro turn(role, text) -%}
    {{- '<|im_start|>' ~ role ~ '\\n' ~ text ~ '<|im_end|>\\n' -}}
{%- endmacro -%}
{%- if not note is defined %}
    {%- set note = none %}
{%- endif %}
{%- set found = namespace(last=messages|length - 1, open=true) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if found.open and message.role == "user" and message.content is string and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
        {%- set found.open = false %}
        {%- set found.last = index %}
    {%- endif %}
{%- endfor %}
{%- if note %}
    {{- turn('system', note | tojson) }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set thought = '' %}
        {%- if message.reasoning is defined and message.reasoning is not none %}
            {%- set thought = message.reasoning %}
        {%- elif '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > found.last and (loop.last or thought) %}
            {{- turn('assistant', '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n')) }}
        {%- else %}
            {{- turn(message['role'], content) }}
        {%- endif %}
    {%- else %}
        {{- turn(message['role'], message['content']) }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if thinking is defined and thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""
NOTE = {"date": "26 Jul 2024", "tags": ["é", 1, True, None, 0.5], "empty": {}}


def load(name):
    folder = FOLDER / name
    config = json.loads((folder / "tokenizer_config.json").read_text())
    for key in ["tokenizer_class", "model_max_length"]:
        config.pop(key)
    jinja = folder / "chat_template.jinja"
    if jinja.exists():
        config["chat_template"] = jinja.read_text()
    return PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **config)


def concatenated(turns):
    prompt, first, second = ("\n\n".join(parts) for parts in zip(*turns))
    return f"<prompt>: {prompt}\n\n<response_a>: {first}\n\n<response_b>: {second}"


def interleaved(turns):
    return "\n\n".join(f"<prompt>: {p}\n\n<response_a>: {a}\n\n<response_b>: {b}" for p, a, b in turns)


def single(turns):
    return "\n\n".join(f"<prompt>: {p}\n\n<response>: {a}" for p, a, _ in turns)


def plain(tokenizer, *texts, **options):
    # What tokenizer.json hides is switched off here as a careful user of Python must.
    options = {"truncation": False, "padding": False} | options
    # Called with lists: with texts, transformers drops an empty second one and makes another sequence of it.
    found = tokenizer(*([text] for text in texts), return_token_type_ids=True, **options)
    return {"ids": found["input_ids"][0], "type_ids": found["token_type_ids"][0]}


def chat(tokenizer, messages, **options):
    text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
    ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False, **options)
    return {"text": text, "ids": ids, "type_ids": [0] * len(ids)}


def of_battle(name, tokenizer, turns):
    turns = [["null" if text is None else text for text in turn] for turn in turns]
    yield "concatenated", plain(tokenizer, concatenated(turns))
    yield "interleaved", plain(tokenizer, interleaved(turns))
    yield "single", plain(tokenizer, single(turns))
    for side in ["left", "right"]:
        tokenizer.truncation_side = side
        cut = plain(tokenizer, concatenated(turns), truncation=True, max_length=24)
        yield f"whole_{side}", cut
    if name == "wordpiece":
        prompt, first, second = ("\n\n".join(parts) for parts in zip(*turns))
        both = f"<response_a>: {first}\n\n<response_b>: {second}"
        yield "pair", plain(tokenizer, prompt, both)
        if len(turns) == 1:
            yield "single_pair", plain(tokenizer, prompt, first)
    if tokenizer.chat_template:
        content = f"Judge.\n\n{interleaved(turns)}\n\nWhich is better?"
        user = [{"role": "user", "content": content}]
        yield "chat", chat(tokenizer, user, add_generation_prompt=True)
        talk = []
        for prompt, first, _ in turns:
            talk += [{"role": "user", "content": prompt}, {"role": "assistant", "content": first}]
        yield "single_chat", chat(tokenizer, talk)


def thinking(turns):
    tokenizer = load("byte_level")
    tokenizer.chat_template = THINKING
    turns = [["null" if text is None else text for text in turn] for turn in turns]
    content = f"Judge.\n\n{interleaved(turns)}\n\nWhich is better?"
    options = {"note": NOTE, "thinking": False}
    user = [{"role": "user", "content": content}]
    yield "chat", chat(tokenizer, user, add_generation_prompt=True, **options)
    for name, before in [("single_chat", ""), ("thoughtful", "<think>\nhm\n</think>\n\n")]:
        talk = []
        for prompt, first, _ in turns:
            talk += [{"role": "user", "content": prompt}, {"role": "assistant", "content": before + first}]
        yield name, chat(tokenizer, talk, **options)


cases = []
for name in ["wordpiece", "hidden", "byte_level", "gemma"]:
    tokenizer = load(name)
    for number, turns in enumerate(BATTLES):
        for template, found in of_battle(name, tokenizer, turns):
            cases.append({"tokenizer": name, "battle": number, "template": template} | found)
for number, turns in enumerate(BATTLES):
    for template, found in thinking(turns):
        cases.append({"tokenizer": "thinking", "battle": number, "template": template} | found)
golden = {"battles": BATTLES, "thinking": THINKING, "note": NOTE, "cases": cases}
print(json.dumps(golden, ensure_ascii=True, separators=(",", ":")))
