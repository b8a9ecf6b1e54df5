#!/usr/bin/env python3
"""Makes demo/<model>-embeddings.json: hidden states of the trained models, by transformers.

    python3 tests/golden/make_embedding_goldens.py
"""

import json
import pathlib

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
MODELS = HERE.parent.parent / "models"
TEXTS = ["ROMEO:", "To be, or not to be: that is the question.", "Caf\u00e9 \u2014 \u4f60\u597d"]


@torch.no_grad()
def vectors(model, ids):
    states = model(input_ids=torch.tensor([ids]), use_cache=False, output_hidden_states=True).hidden_states
    layers = [0, len(states) // 2, len(states) - 1]
    return [
        {"layer": layer, "pooling": pooling, "vector": [float(f"{v:.6g}") for v in vector.tolist()]}
        for layer in layers
        for pooling, vector in (("mean", states[layer][0].mean(0)), ("last", states[layer][0, -1]))
    ]


def main():
    for name in ("shakespeare-gptj", "shakespeare-neox"):
        model = AutoModelForCausalLM.from_pretrained(MODELS / name, dtype=torch.float32).eval()
        tokenizer = Tokenizer.from_file(str(MODELS / name / "tokenizer.json"))
        texts = []
        for text in TEXTS:
            ids = tokenizer.encode(text).ids
            texts.append({"text": text, "tokens": ids, "vectors": vectors(model, ids)})
        path = HERE / "demo" / f"{name}-embeddings.json"
        path.write_text(json.dumps({"texts": texts}, ensure_ascii=True) + "\n")
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
