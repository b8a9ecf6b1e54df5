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


def make_model(shape, dtype):
    common = dict(
        vocab_size=shape["vocab_rows"],
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    if shape["family"] == "gptj":
        config = transformers.GPTJConfig(
            n_positions=shape["context"],
            n_embd=shape["d_model"],
            n_layer=shape["layers"],
            n_head=shape["heads"],
            n_inner=shape["d_ff"],
            rotary_dim=shape["rotary_dims"],
            **common,
        )
        kind = transformers.GPTJForCausalLM
    else:
        config = transformers.GPTNeoXConfig(
            max_position_embeddings=shape["context"],
            hidden_size=shape["d_model"],
            num_hidden_layers=shape["layers"],
            num_attention_heads=shape["heads"],
            intermediate_size=shape["d_ff"],
            rotary_pct=shape["rotary_dims"] * shape["heads"] / shape["d_model"],
            use_parallel_residual=shape["parallel_residual"],
            **common,
        )
        kind = transformers.GPTNeoXForCausalLM
    torch.set_default_dtype(dtype)
    return kind(config).eval()


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
