"""Goldens of the trained models under models/: exact greedy text, and logprobs of a passage."""

import pathlib

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

# Tried in this order; those whose 64 greedy tokens are ambiguous in fp32 are left out.
PROMPTS = [
    "ROMEO:", "Caf\u00e9 \u2014 \u4f60\u597d \U0001f600 \t  end", "\u00c6ther \u03b1\u03b2\u03b3", "na\u00efve \u2603",
    "First Citizen:\n", "JULIET:\nO ", "KING RICHARD III:\nNow is", "To be, or not to be", "DUKE VINCENTIO:\n",
    "My lord, ", "GLOUCESTER:\nWhat", "QUEEN MARGARET:\nAnd", "Enter the ghost", "LEONTES:\nToo hot, too hot!",
    "PETRUCHIO:\nCome, Kate", "O",
]  # fmt: skip
PASSAGE = """BRUTUS:
There is a tide in the affairs of men,
Which, taken at the flood, leads on to fortune;
Omitted, all the voyage of their life
Is bound in shallows and in miseries.
On such a full sea are we now afloat;
And we must take the current when it serves,
Or lose our ventures.
"""
KEEP, NEW_TOKENS, MIN_MARGIN = 8, 64, 5e-4


@torch.no_grad()
def _logits(model, ids):
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()


def _greedy(model, ids, used):
    ids, smallest = list(ids), 1.0
    for _ in range(NEW_TOKENS):
        row = _logits(model, ids)[-1]
        if int(row.argmax()) >= used:
            raise SystemExit("a padding row won on a trained model; it was not trained long enough")
        top = torch.topk(row, 2)
        smallest = min(smallest, float(top.values[0] - top.values[1]) / float(row.abs().max()))
        ids.append(int(top.indices[0]))
    return ids[-NEW_TOKENS:], smallest


def _prompts(model, tokenizer):
    out = []
    for prompt in PROMPTS:
        ids = tokenizer.encode(prompt).ids
        tokens, margin = _greedy(model, ids, tokenizer.get_vocab_size())
        if margin > MIN_MARGIN and len(out) < KEEP:
            text = tokenizer.decode(tokens, skip_special_tokens=False)
            entry = {"prompt": prompt, "tokens": ids, "greedy": tokens, "text": text}
            out.append({**entry, "min_margin": round(margin, 6)})
        else:
            print(f"  left out {prompt!r}: margin {margin:.1e}")
    if len(out) < 4:
        raise SystemExit(f"only {len(out)} prompts are unambiguous; add more")
    return out


def _score(model, tokenizer):
    ids = tokenizer.encode(PASSAGE).ids
    logits = _logits(model, ids)
    logprobs = torch.log_softmax(logits.double(), -1)[:-1].gather(1, torch.tensor(ids[1:])[:, None]).flatten()
    # The most likely id at each position, seen from the position before: null for the first.
    top = [None] + logits.argmax(-1)[:-1].tolist()
    return {"text": PASSAGE, "tokens": ids, "logprobs": [None] + [round(x, 7) for x in logprobs.tolist()], "top": top}


def make_demo_goldens(here: pathlib.Path, dump):
    for name in ("shakespeare-gptj", "shakespeare-neox"):
        folder = here.parent.parent / "models" / name
        print(name, flush=True)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        golden = {"model": f"models/{name}", "dtype": "fp32", "prompts": _prompts(model, tokenizer)}
        golden["score"] = _score(model, tokenizer)
        (here / "demo").mkdir(exist_ok=True)
        dump(golden, here / "demo" / f"{name}.json")
