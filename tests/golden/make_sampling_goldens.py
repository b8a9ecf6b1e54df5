#!/usr/bin/env python3
"""What sampling controls leave of a row of logits, by other people's code.

Repetition penalty, temperature, top-k, top-p and min-p are transformers' own classes; logit bias,
masks and the penalties of OpenAI's interface are written out here in numpy, from their definitions.
Writes sampling/cases.json: logits, parameters, and the tokens that may be chosen with their
probabilities. Seeded: running it again gives the same file.
"""

import json
import pathlib

import numpy as np
import torch
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

VOCABULARY = 48
EOS = 3


def row(rng, kind):
    if kind == "peaked":
        return rng.normal(0.0, 4.0, VOCABULARY)
    if kind == "flat":
        return rng.normal(0.0, 0.3, VOCABULARY)
    if kind == "ties":
        return rng.integers(-2, 3, VOCABULARY).astype(np.float64)
    return rng.normal(0.0, 1.5, VOCABULARY)


def processed(logits, params, prompt, generated):
    scores = np.array(logits, dtype=np.float32)
    allowed = params.get("allowed_token_ids")
    if allowed:
        kept = np.full_like(scores, -np.inf)
        kept[allowed] = scores[allowed]
        scores = kept
    scores[params.get("banned_token_ids", [])] = -np.inf
    if len(generated) < params.get("min_tokens", 0):
        scores[[EOS, *params.get("stop_token_ids", [])]] = -np.inf
    for token, bias in params.get("logit_bias", {}).items():
        scores[int(token)] += np.float32(bias)
    tensor = torch.from_numpy(scores)[None]
    ids = torch.tensor([prompt + generated])
    if "repetition_penalty" in params:
        tensor = RepetitionPenaltyLogitsProcessor(params["repetition_penalty"])(ids, tensor)
    scores = tensor[0].numpy().copy()
    counts = np.bincount(generated, minlength=VOCABULARY).astype(np.float32)
    scores -= np.float32(params.get("frequency_penalty", 0.0)) * counts
    scores -= np.float32(params.get("presence_penalty", 0.0)) * (counts > 0)
    return torch.from_numpy(scores)[None].double(), ids


def choices(logits, params, prompt, generated):
    scores, ids = processed(logits, params, prompt, generated)
    if params["temperature"] == 0.0:
        return [[int(scores[0].argmax()), 1.0]]
    scores = TemperatureLogitsWarper(params["temperature"])(ids, scores)
    if params.get("top_k"):
        scores = TopKLogitsWarper(params["top_k"])(ids, scores)
    if params.get("top_p", 1.0) < 1.0:
        scores = TopPLogitsWarper(params["top_p"])(ids, scores)
    if params.get("min_p"):
        scores = MinPLogitsWarper(params["min_p"])(ids, scores)
    probabilities = scores.softmax(-1)[0]
    kept = [[i, float(p)] for i, p in enumerate(probabilities) if scores[0, i] > -np.inf]
    return sorted(kept, key=lambda one: (-one[1], one[0]))


def parameters(rng):
    """One control alone half of the time, else several together."""
    every = {
        "top_k": int(rng.integers(1, VOCABULARY + 4)),
        "top_p": round(float(rng.uniform(0.05, 0.99)), 3),
        "min_p": round(float(rng.uniform(0.01, 0.6)), 3),
        "repetition_penalty": round(float(rng.uniform(0.7, 1.8)), 3),
        "presence_penalty": round(float(rng.uniform(-2, 2)), 3),
        "frequency_penalty": round(float(rng.uniform(-2, 2)), 3),
        "logit_bias": {str(int(t)): round(float(rng.uniform(-8, 8)), 2)
                       for t in rng.choice(VOCABULARY, 4, replace=False)},
        "allowed_token_ids": sorted(int(t) for t in rng.choice(VOCABULARY, 12, replace=False)),
        "banned_token_ids": sorted(int(t) for t in rng.choice(VOCABULARY, 5, replace=False)),
        "min_tokens": int(rng.integers(1, 12)),
        "stop_token_ids": sorted(int(t) for t in rng.choice(VOCABULARY, 2, replace=False)),
    }
    count = 1 if rng.random() < 0.5 else int(rng.integers(2, len(every) + 1))
    names = rng.choice(sorted(every), count, replace=False)
    params = {str(name): every[str(name)] for name in names}
    params["temperature"] = float(rng.choice([0.0, 0.3, 0.8, 1.0, 1.7], p=[0.1, 0.2, 0.3, 0.2, 0.2]))
    return params


def main():
    rng = np.random.default_rng(20240607)
    cases = []
    while len(cases) < 240:
        kind = str(rng.choice(["peaked", "flat", "plain", "ties"]))
        logits = [round(float(x), 4) for x in row(rng, kind)]
        params = parameters(rng)
        if kind == "ties" and ("top_p" in params or params["temperature"] == 0.0):
            continue  # which of equals stay is not defined there
        prompt = [int(t) for t in rng.integers(0, VOCABULARY, 6)]
        generated = [int(t) for t in rng.integers(0, 12, int(rng.integers(0, 10)))]
        expected = choices(logits, params, prompt, generated)
        if any(p == 0.0 for _, p in expected):
            continue  # underflow: possible, but not in double precision
        cases.append({"logits": logits, "params": params, "prompt": prompt, "generated": generated,
                      "expected": [[t, round(p, 12)] for t, p in expected]})
    path = pathlib.Path(__file__).parent / "sampling" / "cases.json"
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    path.write_text(f'{{"eos": {EOS}, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
