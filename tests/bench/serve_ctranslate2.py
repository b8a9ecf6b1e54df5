"""CTranslate2 with random weights of a shape; the same lines as serve_torch.py."""

import json
import pathlib
import sys
import time

import ctranslate2
import numpy as np
from ctranslate2.specs import attention_spec, common_spec, transformer_spec

RANDOM = np.random.default_rng(0)


def normal(*shape):
    # One block of random rows, repeated: the values do not matter, the time to make them does.
    count = int(np.prod(shape))
    block = RANDOM.standard_normal(min(count, 1 << 20), dtype=np.float32) * np.float32(0.02)
    return np.resize(block, shape)


def fill_norm(norm, width):
    norm.gamma = np.ones(width, np.float32)
    norm.beta = np.zeros(width, np.float32)


def fill_linear(linear, outputs, inputs, bias=True):
    linear.weight = normal(outputs, inputs)
    if bias:
        linear.bias = np.zeros(outputs, np.float32)


def make_spec(shape):
    gptj = shape["family"] == "gptj"
    width, d_ff = shape["d_model"], shape["d_ff"]
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        num_layers=shape["layers"],
        num_heads=shape["heads"],
        pre_norm=True,
        activation=common_spec.Activation.GELUTanh if gptj else common_spec.Activation.GELU,
        rotary_dim=shape["rotary_dims"],
        rotary_interleave=gptj,
        parallel_residual=gptj or shape["parallel_residual"],
        shared_layer_norm=gptj,
    )
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = normal(shape["vocab_rows"], width)
    fill_norm(decoder.layer_norm, width)
    fill_linear(decoder.projection, shape["vocab_rows"], width, bias=gptj)
    for layer in decoder.layer:
        if hasattr(layer, "shared_layer_norm"):
            fill_norm(layer.shared_layer_norm, width)
        else:
            fill_norm(layer.input_layer_norm, width)
            fill_norm(layer.post_attention_layer_norm, width)
        fill_linear(layer.self_attention.linear[0], 3 * width, width, bias=not gptj)
        fill_linear(layer.self_attention.linear[1], width, width, bias=not gptj)
        fill_linear(layer.ffn.linear_0, d_ff, width)
        fill_linear(layer.ffn.linear_1, width, d_ff)
    spec.register_vocabulary([str(i) for i in range(shape["vocab_rows"])])
    spec.config.unk_token = "0"
    spec.config.bos_token = "1"
    spec.config.eos_token = "2"
    return spec


def save_model(shape, compute_type, folder):
    if (folder / "model.bin").exists():
        return
    spec = make_spec(shape)
    spec.validate()
    spec.optimize(quantization=compute_type)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


def random_prompt(tokens, vocab_rows):
    return [str(i) for i in RANDOM.integers(3, vocab_rows, tokens)]


def generate(generator, prompts, new_tokens):
    start = time.perf_counter()
    generator.generate_batch(
        prompts,
        max_batch_size=len(prompts),
        max_length=new_tokens,
        min_length=new_tokens,
        sampling_topk=1,
        include_prompt_in_result=False,
    )
    return time.perf_counter() - start


def measure(generator, case, vocab_rows):
    sequences, prompt_tokens, new_tokens = (
        case[key] for key in ("sequences", "prompt_tokens", "new_tokens")
    )
    prompts = [random_prompt(prompt_tokens, vocab_rows) for _ in range(sequences)]
    first = generate(generator, prompts, 1)
    if new_tokens == 0:
        return {"tokens": sequences * prompt_tokens, "seconds": first}
    # There is no timing inside a call: the prompt's share is another call's.
    both = generate(generator, prompts, new_tokens + 1)
    return {"tokens": sequences * new_tokens, "seconds": both - first}


def run_job(generator, job, vocab_rows):
    """Requests of (prompt tokens, new tokens), those that end at about the same time together."""
    requests = sorted(job["requests"], key=lambda request: request[1])
    seconds = 0
    for begin in range(0, len(requests), job["group"]):
        group = requests[begin : begin + job["group"]]
        prompts = [random_prompt(prompt, vocab_rows) for prompt, _ in group]
        seconds += generate(generator, prompts, group[-1][1])
    return {"tokens": sum(new for _, new in requests), "seconds": seconds}


def main():
    setup = json.loads(sys.stdin.readline())
    folder = pathlib.Path(setup["folder"])
    save_model(setup["shape"], setup["dtype"], folder)
    generator = ctranslate2.Generator(
        str(folder), device="cpu", compute_type=setup["dtype"], intra_threads=setup["threads"]
    )
    print(json.dumps({"ready": f"CTranslate2 {ctranslate2.__version__}"}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        work = run_job if "requests" in question else measure
        rows = setup["shape"]["vocab_rows"]
        print(json.dumps(work(generator, question, rows)), flush=True)


if __name__ == "__main__":
    main()
