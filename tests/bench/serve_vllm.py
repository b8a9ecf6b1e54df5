"""vLLM's CPU backend with made-up weights of a shape; the same lines as serve_torch.py.

The first line is {"shape", "folder", "cores", "quantised", "workers", "cache_gb"}: workers processes, each
with its share of the cores; quantised: 8-bit weights of channels by 8-bit activations of tokens (W8A8);
cache_gb: for keys and values. A line {"requests"} is a job, as serve_ctranslate2.py has it, without a group:
the engine decides what runs beside what.
"""

import json
import os
import pathlib
import random
import sys
import time

# The engine prints on standard output: keep that for the answers.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
RANDOM = random.Random(0)

W8A8 = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "ignore": ["lm_head", "embed_out"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"},
            "input_activations": {
                "num_bits": 8,
                "type": "int",
                "symmetric": True,
                "strategy": "token",
                "dynamic": True,
            },
        }
    },
}


def write_config(setup):
    """A folder with the config.json of the shape: all that load_format dummy reads."""
    from hf_config import config_of

    config = config_of(setup["shape"])
    if setup["quantised"]:
        config.quantization_config = W8A8
    folder = pathlib.Path(setup["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)


def set_environment(setup):
    """What vLLM reads when it is imported. It pins its threads itself."""
    for name in ("OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES"):
        os.environ.pop(name, None)
    cores, workers = setup["cores"], setup["workers"]
    share = len(cores) // workers
    shares = [cores[worker * share : (worker + 1) * share] for worker in range(workers)]
    os.environ |= {
        "VLLM_CPU_OMP_THREADS_BIND": "|".join(",".join(map(str, one)) for one in shares),
        "VLLM_CPU_KVCACHE_SPACE": str(setup["cache_gb"]),
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "HF_HUB_OFFLINE": "1",
    }


def make_engine(setup):
    from vllm import LLM

    return LLM(
        model=setup["folder"],
        load_format="dummy",
        dtype="bfloat16",
        skip_tokenizer_init=True,
        tensor_parallel_size=setup["workers"],
        max_model_len=min(2048, setup["shape"]["context"]),
        max_num_seqs=64,
        max_num_batched_tokens=2048,
        enforce_eager=True,
        enable_prefix_caching=False,
    )


def generate(engine, requests, rows):
    """Seconds for requests of (prompt tokens, new tokens)."""
    from vllm import SamplingParams

    prompts = [
        {"prompt_token_ids": [RANDOM.randrange(3, rows) for _ in range(prompt)]}
        for prompt, _ in requests
    ]
    params = [
        SamplingParams(
            temperature=0, max_tokens=new, min_tokens=new, ignore_eos=True, detokenize=False
        )
        for _, new in requests
    ]
    start = time.perf_counter()
    engine.generate(prompts, params, use_tqdm=False)
    return time.perf_counter() - start


def measure(engine, case, rows):
    if "requests" in case:
        tokens = sum(new for _, new in case["requests"])
        return {"tokens": tokens, "seconds": generate(engine, case["requests"], rows)}
    requests = [(case["prompt_tokens"], 1)] * case["sequences"]
    first = generate(engine, requests, rows)
    if case["new_tokens"] == 0:
        return {"tokens": case["sequences"] * case["prompt_tokens"], "seconds": first}
    # There is no timing inside a call: the prompt's share is another call's.
    longer = [(prompt, case["new_tokens"] + 1) for prompt, _ in requests]
    both = generate(engine, longer, rows)
    return {"tokens": case["sequences"] * case["new_tokens"], "seconds": both - first}


def main():
    setup = json.loads(sys.stdin.readline())
    set_environment(setup)
    write_config(setup)
    import vllm

    engine = make_engine(setup)
    print(json.dumps({"ready": f"vLLM {vllm.__version__}"}), file=ANSWERS, flush=True)
    for line in sys.stdin:
        answer = measure(engine, json.loads(line), setup["shape"]["vocab_rows"])
        print(json.dumps(answer), file=ANSWERS, flush=True)


if __name__ == "__main__":
    main()
