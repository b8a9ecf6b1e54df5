"""Hugging Face transformers on PyTorch, with random weights of a shape: one answer per line.

The first line of standard input is {"shape", "dtype", "threads"} and may name a "device" (cpu, cuda).
Every other one is {"sequences", "prompt_tokens", "new_tokens"}; the answer is {"tokens", "seconds"}
of what was timed: the prompts when new_tokens is 0, else the new tokens.
"""

import json
import sys
import time

import torch
import transformers
from hf_config import config_of


def make_model(shape, dtype):
    config = config_of(shape)
    torch.set_default_dtype(dtype)
    return getattr(transformers, config.architectures[0])(config).eval()


def now():
    if torch.get_default_device().type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


@torch.inference_mode()
def measure(model, case, vocab_rows):
    ids = torch.randint(0, vocab_rows, (case["sequences"], case["prompt_tokens"]))
    start = now()
    out = model(input_ids=ids, use_cache=True, logits_to_keep=1)
    next_ids = out.logits[:, -1:].argmax(-1)
    if case["new_tokens"] == 0:
        return {"tokens": ids.numel(), "seconds": now() - start}
    start = now()
    for _ in range(case["new_tokens"]):
        out = model(input_ids=next_ids, past_key_values=out.past_key_values, use_cache=True)
        next_ids = out.logits[:, -1:].argmax(-1)
    seconds = now() - start
    return {"tokens": case["sequences"] * case["new_tokens"], "seconds": seconds}


def main():
    setup = json.loads(sys.stdin.readline())
    torch.set_num_threads(setup["threads"])
    torch.set_default_device(setup.get("device", "cpu"))
    model = make_model(setup["shape"], getattr(torch, setup["dtype"]))
    print(json.dumps({"ready": f"PyTorch {torch.__version__}"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(model, json.loads(line), setup["shape"]["vocab_rows"])), flush=True)


if __name__ == "__main__":
    main()
