"""OpenVINO GenAI on what make_openvino.py has made; the same lines as serve_torch.py.

The first line is {"folder", "threads", "rows", "pipeline", "hint", "cache_gb"}. Pipeline "paged" is the one with
continuous batching, "stateful" runs the model itself with keys and values in its state, as
LLMPipeline does for one sequence. Hint is INFERENCE_PRECISION_HINT: bf16, or f32, with which
quantised weights are multiplied by activations that are quantised in groups as they come. cache_gb: for keys
and values, of "paged". A line {"requests"} is a job for it, as serve_ctranslate2.py has it, without a group.
"""

import json
import sys
import time

import numpy as np
import openvino
import openvino_genai

RANDOM = np.random.default_rng(0)


def properties(setup):
    return {
        "INFERENCE_NUM_THREADS": setup["threads"],
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # the process is pinned already
        "INFERENCE_PRECISION_HINT": setup["hint"],
    }


def random_ids(sequences, tokens, rows):
    return RANDOM.integers(3, rows, (sequences, tokens))


class Paged:
    def __init__(self, setup):
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_batched_tokens = 2048
        scheduler.max_num_seqs = 64
        scheduler.cache_size = setup["cache_gb"]
        scheduler.enable_prefix_caching = False
        folder = setup["folder"]
        tokenizer = openvino_genai.Tokenizer(folder)
        self.pipe = openvino_genai.ContinuousBatchingPipeline(
            folder, tokenizer, scheduler, "CPU", **properties(setup)
        )
        self.rows = setup["rows"]
        self.requests = 0

    def add(self, prompt_tokens, new_tokens):
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = new_tokens
        config.ignore_eos = True
        config.do_sample = False
        config.apply_chat_template = False
        self.requests += 1
        ids = openvino.Tensor(random_ids(1, prompt_tokens, self.rows))
        return self.pipe.add_request(self.requests, ids, config)

    def measure(self, case):
        """Until every sequence has its first token; then what comes after it."""
        if "requests" in case:
            return self.do_job(case["requests"])
        new_tokens = case["new_tokens"]
        handles = [
            self.add(case["prompt_tokens"], new_tokens + 1) for _ in range(case["sequences"])
        ]
        made = [0] * len(handles)
        first = first_count = None
        start = time.perf_counter()
        while self.pipe.has_non_finished_requests():
            self.pipe.step()
            for index, handle in enumerate(handles):
                if handle.can_read():
                    made[index] += sum(len(one.generated_ids) for one in handle.read().values())
            if first is None and min(made) > 0:
                first, first_count = time.perf_counter(), sum(made)
        if new_tokens == 0:
            return {"tokens": len(handles) * case["prompt_tokens"], "seconds": first - start}
        return {"tokens": sum(made) - first_count, "seconds": time.perf_counter() - first}

    def do_job(self, requests):
        start = time.perf_counter()
        # A request ends with its handle.
        handles = [self.add(prompt_tokens, new_tokens) for prompt_tokens, new_tokens in requests]
        tokens = 0
        while self.pipe.has_non_finished_requests():
            self.pipe.step()
            for handle in handles:
                if handle.can_read():
                    tokens += sum(len(one.generated_ids) for one in handle.read().values())
        seconds = time.perf_counter() - start
        wanted = sum(new_tokens for _, new_tokens in requests)
        if tokens != wanted:
            raise RuntimeError(f"{tokens} tokens instead of {wanted}")
        return {"tokens": tokens, "seconds": seconds}


class Stateful:
    def __init__(self, setup):
        path = setup["folder"] + "/openvino_model.xml"
        self.model = openvino.Core().compile_model(path, "CPU", properties(setup))
        self.request = self.model.create_infer_request()
        self.names = {name for one in self.model.inputs for name in one.get_names()}
        self.rows = setup["rows"]

    def step(self, ids, past):
        """The likeliest next token of every sequence."""
        sequences, tokens = ids.shape
        positions = np.arange(past, past + tokens, dtype=np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones((sequences, past + tokens), np.int64),
            "beam_idx": np.arange(sequences, dtype=np.int32),
            "position_ids": np.broadcast_to(positions, ids.shape).copy(),
        }
        self.request.infer(
            {name: value for name, value in feed.items() if name in self.names}, share_inputs=True
        )
        return self.request.get_tensor("logits").data[:, -1].argmax(-1)[:, None].astype(np.int64)

    def measure(self, case):
        self.request.reset_state()
        prompts = random_ids(case["sequences"], case["prompt_tokens"], self.rows)
        start = time.perf_counter()
        next_ids = self.step(prompts, 0)
        first = time.perf_counter()
        if case["new_tokens"] == 0:
            return {"tokens": prompts.size, "seconds": first - start}
        for number in range(case["new_tokens"]):
            next_ids = self.step(next_ids, case["prompt_tokens"] + number)
        tokens = case["sequences"] * case["new_tokens"]
        return {"tokens": tokens, "seconds": time.perf_counter() - first}


def main():
    setup = json.loads(sys.stdin.readline())
    pipeline = {"paged": Paged, "stateful": Stateful}[setup["pipeline"]](setup)
    version = f"OpenVINO {openvino.__version__}, GenAI {openvino_genai.__version__}"
    print(json.dumps({"ready": version}), flush=True)
    for line in sys.stdin:
        print(json.dumps(pipeline.measure(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
