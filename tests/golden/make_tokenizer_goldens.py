#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/: small tokenizers, and what the reference makes of seeded texts.

    python3 tests/golden/make_tokenizer_goldens.py

tiny-gpt2 and tiny-neox are made here; for each folder of models/ with a tokenizer.json only the
vectors are written. A line of NAME.jsonl: {"text"?, "tokens", "decoded", "without_special"}.
"""

import json
import pathlib

from compare_tokenizers import Texts
from tokenizers import Tokenizer, pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "golden" / "tokenizer"
WORDS = ["hello", "world", " the", " world", "ing", " a", "'s", "12", "  ", "\n\n", "é", " ü", "中", "😀"]


def spell(text):
    """The byte-level spelling of a text without white space before a letter being split off."""
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return whole.pre_tokenize_str(text)[0][0]


def added(content, **flags):
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": False}
    return {"id": 0, "content": content, **usual, **flags}


def tiny(normalizer, added_tokens, **byte_level):
    tokens = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = []
    for word in map(spell, WORDS):
        for end in range(1, len(word)):
            pair = [word[:end], word[end]]
            if pair not in merges:
                merges.append(pair)
            if word[: end + 1] not in tokens:
                tokens.append(word[: end + 1])
    options = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
               "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{**token, "id": len(tokens) + i} for i, token in enumerate(added_tokens)],
        "normalizer": normalizer,
        "pre_tokenizer": {**options, **byte_level},
        "post_processor": options, "decoder": options,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges},
    }


def write_tiny():
    gpt2 = tiny(None, [added("<|endoftext|>", special=True, normalized=True)])
    gpt2["model"]["merges"] = [" ".join(pair) for pair in gpt2["model"]["merges"]]
    neox = tiny({"type": "Sequence", "normalizers": [{"type": "NFC"}]}, [
        added("<|endoftext|>", special=True), added("<|padding|>", special=True),
        added("      ", normalized=True), added("   ", normalized=True),
        added("word", single_word=True), added("<left>", lstrip=True),
        added("<right>", rstrip=True, normalized=True), added("e\u0301e\u0301", normalized=True),
        added("\u212b", special=True),
    ], add_prefix_space=True)
    for name, content in (("tiny-gpt2", gpt2), ("tiny-neox", neox)):
        path = OUT / f"{name}.tokenizer.json"
        path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
        yield name, path


def write_vectors(name, path, count=160):
    reference = Tokenizer.from_file(str(path))
    texts = Texts(7, [t.content for t in reference.get_added_tokens_decoder().values()])
    samples = ["", *(s for s in (texts.text() for _ in range(4 * count)) if len(s) < 120)][:count]
    with open(OUT / f"{name}.jsonl", "w", encoding="utf-8") as lines:
        for sample in samples + [None] * 40:
            line = {} if sample is None else {"text": sample}
            ids = (texts.ids(reference.get_vocab_size()) if sample is None
                   else reference.encode(sample, add_special_tokens=False).ids)
            line["tokens"] = ids
            line["decoded"] = reference.decode(ids, skip_special_tokens=False)
            line["without_special"] = reference.decode(ids, skip_special_tokens=True)
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")


def main():
    OUT.mkdir(exist_ok=True)
    for name, path in write_tiny():
        write_vectors(name, path)
    for path in sorted((ROOT / "models").glob("*/tokenizer.json")):
        write_vectors(path.parent.name, path)


if __name__ == "__main__":
    main()
