#!/usr/bin/env python3
"""Makes the goldens under cases/ with Hugging Face transformers. See README.md for the formats.

    python3 tests/golden/make_goldens.py                    # all cases
    python3 tests/golden/make_goldens.py --only neox_d_head_80
    python3 tests/golden/make_goldens.py --demo             # the trained models under models/

A case is refused, and the next seed tried, unless its greedy tokens are unambiguous: along the
whole path the best logit leads the second best by more than 1e-3 of the largest logit.
"""

import argparse
import json
import math
import pathlib
import shutil
import tempfile

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

import checkpoints
from cases import CASES
from demo import make_demo_goldens

HERE = pathlib.Path(__file__).parent
MIN_MARGIN = 1e-3  # of the largest logit of the row
MAX_FILES_BYTES = 400_000


class Ambiguous(Exception):
    pass


def load(folder, case, dtype):
    _, model_class = checkpoints.CLASSES[case.family]
    model, info = model_class.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager", output_loading_info=True
    )
    wrong = {k: v for k, v in info.items() if v and k != "unexpected_keys"}
    unexpected = [k for k in info["unexpected_keys"] if not case.old_buffers]
    if wrong or unexpected:
        raise SystemExit(f"{case.name}: transformers could not load it cleanly: {wrong} {unexpected}")
    return model.eval()


@torch.no_grad()
def logits_of(model, ids):
    """[tokens, vocab] float32, the whole prompt at once, without a cache."""
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()


def greedy(model, ids, new_tokens, used):
    """Returns (tokens, smallest margin, how often a padding row had the largest logit)."""
    ids, smallest, padding_won = list(ids), math.inf, 0
    for _ in range(new_tokens):
        row = logits_of(model, ids)[-1]
        top = torch.topk(row[:used], 2)
        margin = float(top.values[0] - top.values[1]) / float(row.abs().max())
        if margin <= MIN_MARGIN:
            raise Ambiguous(f"margin {margin:.1e}")
        smallest, padding_won = min(smallest, margin), padding_won + int(row.argmax() >= used)
        ids.append(int(top.indices[0]))
    return ids[len(ids) - new_tokens :], smallest, padding_won


def prompt_plan(context):
    """(prompt tokens, new tokens): one token, a few, half, up to the last position, the whole context."""
    return [(1, 12), (7, 10), (context // 2, 16), (context - 8, 8), (context, 0)]


def rows_to_keep(length):
    return sorted({0, length // 3, length - 2, length - 1} & set(range(length)))[-(4 if length > 7 else 2) :]


def measure_prompt(models, ids, new_tokens, used):
    """One prompt's entry for golden.json and its arrays."""
    model, half = models
    tokens, margin, padding_won = greedy(model, ids, new_tokens, used)
    logits, rows = logits_of(model, ids), rows_to_keep(len(ids))
    error = (logits_of(half, ids) - logits)[rows].abs()
    meta = {
        "tokens": ids, "rows": rows, "greedy": tokens,
        "greedy_min_margin": None if not tokens else round(margin, 6),
        "padding_won": padding_won,
        "max_abs_logit": float(logits[rows].abs().max()),
        "hf_bf16": {"max_abs_error": float(error.max()), "mean_abs_error": float(error.mean())},
    }  # fmt: skip
    following = torch.tensor(ids[1:], dtype=torch.int64)[:, None]

    def logprobs(part):
        return torch.log_softmax(part.double(), -1)[:-1].gather(1, following).float().flatten().numpy()

    arrays = {"logits": logits[rows].contiguous().numpy(), "argmax": logits.argmax(-1).int().numpy()}
    if len(ids) > 1:
        arrays["logprobs"] = logprobs(logits)
    if used < logits.shape[1]:
        arrays["argmax_used"] = logits[:, :used].argmax(-1).int().numpy()
        if len(ids) > 1:
            arrays["logprobs_used"] = logprobs(logits[:, :used])
    return meta, arrays


def measure(case, folder, seed):
    """All prompts of a case: (list for golden.json, arrays for expected.safetensors)."""
    models = load(folder, case, torch.float32), load(folder, case, torch.bfloat16)
    context = case.config.get("n_positions") or case.config["max_position_embeddings"]
    used = case.vocab_used or case.config["vocab_size"]
    rng = np.random.default_rng(seed)
    prompts, arrays = [], {}
    for k, (length, new_tokens) in enumerate(prompt_plan(context)):
        ids = rng.integers(0, used, length).tolist()
        meta, own = measure_prompt(models, ids, new_tokens, used)
        prompts.append(meta)
        arrays.update({f"prompt{k}.{name}": np.ascontiguousarray(a) for name, a in own.items()})
    if case.vocab_used and not any(p["padding_won"] for p in prompts):
        raise Ambiguous("no padding row ever won, so masking them would go untested")
    check_lively(case, models[0], ids)
    return prompts, arrays


@torch.no_grad()
def check_lively(case, model, ids):
    """A flat network would hide mistakes: attention must be peaked and logits spread."""
    out = model(input_ids=torch.tensor([ids]), use_cache=False, output_attentions=True)
    peak = float(torch.stack([a[..., 20:, :].max(-1).values.mean() for a in out.attentions]).mean())
    spread = float(out.logits.std())
    print(f"  mean attention peak {peak:.2f}, logit deviation {spread:.2f}", flush=True)
    if peak < 0.15 or not 1 < spread < 10:
        raise SystemExit(f"{case.name}: too flat or too wild: attention peak {peak}, logit deviation {spread}")


def check_values(seed, tensors, state):
    """A few stored values for the C++ generator's own test: first, middle and last elements."""
    out = []
    for t in (tensors[0], tensors[1], tensors[len(tensors) // 2], tensors[-1]):
        flat = state[t["name"]].flatten()
        for i in (0, len(flat) // 2, len(flat) - 1):
            out.append({"name": t["name"], "index": i, "value": float(flat[i])})
    return out


def bit_sum(tensor):
    """The stored elements' bit patterns added up: a checksum over every element."""
    signed, unsigned = (torch.int32, np.uint32) if tensor.dtype == torch.float32 else (torch.int16, np.uint16)
    return int(tensor.view(signed).numpy().view(unsigned).sum(dtype=np.uint64))


def golden_json(case, seed, tensors, state, prompts):
    config = case.config
    out = {
        "name": case.name, "notes": case.notes, "family": case.family, "weights": case.weights,
        "format": case.format, "dtype": case.dtype, "seed": seed,
        "vocab_size": config["vocab_size"], "vocab_used": case.vocab_used or config["vocab_size"],
        "context": config.get("n_positions") or config["max_position_embeddings"],
        "heads": config.get("n_head") or config["num_attention_heads"],
        "made_with": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]},
        "prompts": prompts,
    }  # fmt: skip
    if case.weights == "seeded":
        tensors = [{**t, "bit_sum": bit_sum(state[t["name"]])} for t in tensors]
        out.update(tensors=tensors, check=check_values(seed, tensors, state))
    return out


def dump(value, path):
    """Indented JSON with lists of numbers, and small objects, on one line."""

    def text(v, indent):
        pad = " " * (indent + 1)
        flat, end = json.dumps(v, ensure_ascii=False), "\n" + " " * indent
        numbers = isinstance(v, list) and all(x is None or isinstance(x, (int, float)) for x in v)
        if not isinstance(v, (dict, list)) or len(flat) < 110 or numbers:
            return flat
        if isinstance(v, list):
            return "[\n" + ",\n".join(pad + text(x, indent + 1) for x in v) + end + "]"
        return "{\n" + ",\n".join(f"{pad}{json.dumps(k)}: {text(x, indent + 1)}" for k, x in v.items()) + end + "}"

    path.write_text(text(value, 0) + "\n")


def make(case, seed):
    tensors = checkpoints.tensor_list(case)
    state = checkpoints.make_tensors(case, seed, tensors)
    target = HERE / "cases" / case.name
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / case.name
        checkpoints.write_checkpoint(case, folder, tensors, state)
        prompts, arrays = measure(case, folder, seed)
        shutil.rmtree(target, ignore_errors=True)
        if case.weights == "files":
            shutil.copytree(folder, target)
        else:
            target.mkdir(parents=True)
            shutil.copy(folder / "config.json", target)
    dump(golden_json(case, seed, tensors, state, prompts), target / "golden.json")
    save_file(arrays, target / "expected.safetensors")
    size = sum(f.stat().st_size for f in target.iterdir())
    if size > MAX_FILES_BYTES:
        raise SystemExit(f"{case.name}: {size} bytes to commit, more than {MAX_FILES_BYTES}; make the model smaller")
    margins = [p["greedy_min_margin"] for p in prompts if p["greedy"]]
    errors = [p["hf_bf16"]["max_abs_error"] / p["max_abs_logit"] for p in prompts]
    print(f"  seed {seed}, {size:,} bytes, smallest margin {min(margins):.4f}, largest bf16 error {max(errors):.1%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="make just the case of this name")
    parser.add_argument("--demo", action="store_true", help="make the goldens of the trained demo models instead")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.logging.disable_progress_bar()
    if args.demo:
        return make_demo_goldens(HERE, dump)
    for case in CASES:
        if args.only and case.name != args.only:
            continue
        print(case.name, flush=True)
        for seed in range(case.seed, case.seed + 50):
            try:
                make(case, seed)
                break
            except Ambiguous as reason:
                print(f"  seed {seed}: {reason}", flush=True)
        else:
            raise SystemExit(f"{case.name}: no unambiguous seed; choose other scales")


if __name__ == "__main__":
    main()
