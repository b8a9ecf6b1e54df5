#!/usr/bin/env python3
"""Scores of lm-evaluation-harness: its Hugging Face backend beside `lockstep serve`.

    lm_eval_compare.py --data FOLDER [--limit N] [--model FOLDER ...]   both, and how they differ
    lm_eval_compare.py --data FOLDER --limit N --goldens FILE           writes what the test expects

Needs a Python with lm_eval[api,hf]. The harness asks the server for the tokenizer by itself.
"""
import argparse
import json
import pathlib
import sys

import lm_eval_tasks
import served

CONTEXT = 256  # of the demo models
# The harness keeps one token of the server's context for the generation, and the server reads the last
# token of each text, too, where its own backend stops one before.
SERVED_LENGTH, HF_LENGTH = CONTEXT, CONTEXT - 2


def hugging_face(model: str, data: pathlib.Path, limit: int | None) -> dict:
    return lm_eval_tasks.evaluate("hf", {"pretrained": model, "dtype": "float32", "device": "cpu",
                                         "batch_size": 32, "max_length": HF_LENGTH}, data, limit)


def through_server(model: str, data: pathlib.Path, limit: int | None, *words: str,
                   tokenizer: str = "auto") -> dict:
    with served.Server("--model", model, "--served-model-name", model, *words) as server:
        return lm_eval_tasks.evaluate(
            "local-completions",
            {"model": model, "base_url": server.url + "/v1/completions", "num_concurrent": 4,
             "batch_size": 16, "max_length": SERVED_LENGTH, "tokenizer_backend": tokenizer},
            data, limit)


def difference(ours: dict, theirs: dict) -> dict:
    """{task: (whether accuracies and answers are equal, the largest difference of a log-likelihood)}"""
    found = {}
    for task in lm_eval_tasks.TASKS:
        pairs = list(zip(ours[task]["answers"], theirs[task]["answers"], strict=True))
        same = ours[task]["accuracy"] == theirs[task]["accuracy"] and all(
            one[1] == other[1] for one, other in pairs)
        found[task] = same, max(abs(one[0] - other[0]) for one, other in pairs)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--goldens", type=pathlib.Path)
    parser.add_argument("--tokenizer", default="auto", choices=["auto", "remote", "huggingface"])
    parser.add_argument("--model", nargs="*",
                        default=[served.demo_model("gptj"), served.demo_model("neox")])
    wanted = parser.parse_args()
    goldens, equal = {}, True
    for model in wanted.model:
        theirs = hugging_face(model, wanted.data, wanted.limit)
        goldens[pathlib.Path(model).name] = theirs
        if wanted.goldens:
            continue
        ours = through_server(model, wanted.data, wanted.limit, tokenizer=wanted.tokenizer)
        for task, (same, distance) in difference(ours, theirs).items():
            accuracy = ", ".join(f"{key.split(',')[0]} {value:.4f}"
                                 for key, value in ours[task]["accuracy"].items())
            print(f"{pathlib.Path(model).name:18} {task:18} {len(ours[task]['answers']):6} answers, "
                  f"{accuracy}: {'equal' if same else 'DIFFERENT'}, log-likelihoods within "
                  f"{distance:.2g}", flush=True)
            equal = equal and same and distance < 1e-3
    if wanted.goldens:
        wanted.goldens.write_text(json.dumps({"limit": wanted.limit, "models": goldens},
                                              separators=(",", ":")) + "\n")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
