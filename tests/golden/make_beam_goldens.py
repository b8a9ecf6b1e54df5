#!/usr/bin/env python3
"""Beam search by transformers, on the bundled models.

Writes beams/<model>.json: for each case the prompt's tokens, the settings, and the sequences found with
their scores, the best first. Running it again gives the same file.
"""

import json
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = pathlib.Path(__file__).parent
MODELS = HERE.parents[1] / "models"
PROMPTS = ["ROMEO:\n", "To be, or not to be", "The king"]
SETTINGS = [
    {"num_beams": 2, "length_penalty": 1.0, "early_stopping": False, "max_new_tokens": 20},
    {"num_beams": 4, "length_penalty": 1.0, "early_stopping": False, "max_new_tokens": 24},
    {"num_beams": 4, "length_penalty": 0.0, "early_stopping": "never", "max_new_tokens": 24},
    {"num_beams": 5, "length_penalty": 2.0, "early_stopping": True, "max_new_tokens": 16},
    {"num_beams": 3, "length_penalty": -1.0, "early_stopping": "never", "max_new_tokens": 30},
]
# An end token that is frequent in the text, so that beams end.
END = "\n"


def search(model, tokens, settings, end):
    ids = torch.tensor([tokens])
    found = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        num_return_sequences=settings["num_beams"],
        return_dict_in_generate=True,
        output_scores=True,
        eos_token_id=end,
        pad_token_id=0,
        **settings,
    )
    sequences = []
    for row, beams, score in zip(found.sequences, found.beam_indices, found.sequences_scores):
        count = int((beams >= 0).sum())
        sequences.append(
            {"tokens": row[len(tokens) : len(tokens) + count].tolist(), "score": round(float(score), 6)}
        )
    return sequences


def main():
    for name in ("shakespeare-gptj", "shakespeare-neox"):
        folder = MODELS / name
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        end = tokenizer(END)["input_ids"][-1]
        cases = []
        for prompt in PROMPTS:
            tokens = tokenizer(prompt)["input_ids"]
            for settings in SETTINGS:
                cases.append(
                    {"prompt": tokens, "end": end, **settings}
                    | {"sequences": search(model, tokens, settings, end)}
                )
        text = json.dumps({"model": name, "cases": cases}, separators=(",", ":"))
        (HERE / "beams" / f"{name}.json").write_text(text.replace('{"prompt"', '\n{"prompt"') + "\n")


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    main()
