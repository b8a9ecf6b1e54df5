#!/usr/bin/env python3
"""What one GPU does at best by torch, and what others make of GPT-J 6B on it, beside lockstep's own
measurements. Weights are made up.

    scripts/gpu/ceilings.py ceilings       # copies, cuBLAS in bf16 and FP8, attention
    scripts/gpu/ceilings.py transformers   # generate() with a static cache, compiled
    scripts/gpu/ceilings.py ctranslate2
"""
import sys
import tempfile
import time

import torch

GPT_J = dict(vocab_size=50400, n_positions=2048, n_embd=4096, n_layer=28, n_head=16, rotary_dim=64)
PROMPT, NEW = 128, 32


def seconds(work, repeats=10):
    """The quickest of some runs, after some that warm up."""
    for _ in range(3):
        work()
    best = float("inf")
    for _ in range(repeats):
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        work()
        last.record()
        torch.cuda.synchronize()
        best = min(best, first.elapsed_time(last) / 1e3)
    return best


def say(what, value, unit):
    print(f"{what:<52}{value:>12.1f} {unit}", flush=True)


def copies():
    source = torch.empty(1 << 30, dtype=torch.float32, device="cuda")
    target = torch.empty_like(source)
    say("copy of 4 GiB, bytes read and written", 8 * (1 << 30) / seconds(lambda: target.copy_(source)) / 1e9,
        "GB/s")


def products():
    """GPT-J's shapes, and a square one."""
    for rows in (1, 8, 64, 512, 2048):
        for outputs, inputs in ((16384, 4096), (4096, 16384)):
            x = torch.randn(rows, inputs, dtype=torch.bfloat16, device="cuda")
            w = torch.randn(outputs, inputs, dtype=torch.bfloat16, device="cuda")
            took = seconds(lambda: torch.nn.functional.linear(x, w))
            say(f"bf16 {rows} x {inputs} by {outputs}: operations", 2 * rows * inputs * outputs / took / 1e12,
                "TFLOP/s")
            say(f"bf16 {rows} x {inputs} by {outputs}: weights", 2 * inputs * outputs / took / 1e9, "GB/s")
    n = 8192
    a, b = (torch.randn(n, n, dtype=torch.bfloat16, device="cuda") for _ in range(2))
    say("bf16 8192 cubed", 2 * n**3 / seconds(lambda: a @ b) / 1e12, "TFLOP/s")
    if torch.cuda.get_device_capability() < (8, 9):
        return
    one = torch.ones((), device="cuda")
    for rows in (64, 2048, 8192):
        x = torch.randn(rows, 4096, device="cuda").to(torch.float8_e4m3fn)
        w = torch.randn(16384, 4096, device="cuda").to(torch.float8_e4m3fn).t()
        took = seconds(lambda: torch._scaled_mm(x, w, one, one, out_dtype=torch.bfloat16))
        say(f"FP8 {rows} x 4096 by 16384", 2 * rows * 4096 * 16384 / took / 1e12, "TFLOP/s")


def attention():
    for heads, width in ((16, 256), (16, 128)):
        for tokens in (512, 2048):
            q, k, v = (torch.randn(1, heads, tokens, width, dtype=torch.bfloat16, device="cuda")
                       for _ in range(3))
            took = seconds(lambda: torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=True))
            say(f"SDPA, causal, {tokens} tokens, {heads} heads of {width}",
                2 * heads * width * tokens**2 / took / 1e12, "TFLOP/s")


def model_of_transformers():
    from transformers import GPTJConfig, GPTJForCausalLM
    with torch.device("cuda"):
        torch.set_default_dtype(torch.bfloat16)
        model = GPTJForCausalLM(GPTJConfig(**GPT_J))
    return model.eval()


def wall(work):
    work()
    torch.cuda.synchronize()
    began = time.monotonic()
    work()
    torch.cuda.synchronize()
    return time.monotonic() - began


@torch.inference_mode()
def transformers():
    model = model_of_transformers()
    for batch in (1, 8, 64):
        ids = torch.randint(0, 50000, (batch, PROMPT), device="cuda")
        for name, more in (("eager", {}), ("static cache, compiled", {"cache_implementation": "static"})):
            def run(count):
                model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=count,
                               min_new_tokens=count, do_sample=False, pad_token_id=0, **more)
            run(4)
            took = wall(lambda: run(NEW)) - wall(lambda: run(1))
            say(f"transformers, {name}, batch {batch}: decoding", batch * (NEW - 1) / took, "tokens/s")


def ctranslate2():
    import ctranslate2 as ct2
    from ctranslate2.converters import TransformersConverter
    from transformers import GPTJConfig, GPTJForCausalLM
    with tempfile.TemporaryDirectory() as folder:
        GPTJForCausalLM(GPTJConfig(**{**GPT_J, "n_layer": 4})).to(torch.bfloat16).save_pretrained(folder)
        TransformersConverter(folder, load_as_float16=True).convert(folder + "/ct2", quantization="bfloat16")
        generator = ct2.Generator(folder + "/ct2", device="cuda", compute_type="bfloat16")
        for batch in (1, 8, 64):
            prompts = [[str(i)] * PROMPT for i in range(batch)]
            took = wall(lambda: generator.generate_batch(prompts, max_length=NEW, min_length=NEW,
                                                         include_prompt_in_result=False))
            say(f"CTranslate2, 4 of 28 layers, batch {batch}", batch * NEW / took, "tokens/s")


def main():
    kinds = {"ceilings": lambda: (copies(), products(), attention()), "transformers": transformers,
             "ctranslate2": ctranslate2}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}")
    kinds[sys.argv[1]]()


if __name__ == "__main__":
    main()
