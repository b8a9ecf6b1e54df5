#!/usr/bin/env python3
"""A job of many requests of different lengths: `lockstep generate --input` beside the batched modes
of others, and beside what `lockstep bench` says that the same tokens should take.

  tests/bench/throughput.py --lockstep build/release/lockstep --dtypes bf16,int8 \
      --openvino-python VENV/bin/python --vllm-python VENV/bin/python \
      --ctranslate2-python VENV/bin/python --gguf-python VENV/bin/python \
      --llama-bench llama.cpp/build/bin/llama-bench

OpenVINO GenAI and vLLM batch continuously, as Lockstep does: they get the whole job at once, with room for
the keys and values of 64 sequences. The others are flattered, for they cannot do the job itself. CTranslate2 gets requests sorted by
length in batches of --group. llama.cpp's llama-batched-bench has --group sequences of the mean
lengths, none of which ends early, and that time is taken for the whole job. What is compared is
the time of the job: the sum of all new tokens over it. Prints a Markdown table.
"""

import argparse
import dataclasses
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile

import contenders
import shapes

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE_GB = 4  # of a rival: 64 sequences of 410M have 2.6 GB when all of them are at their end


@dataclasses.dataclass(frozen=True)
class Job:
    requests: tuple  # of (prompt tokens, new tokens)
    group: int  # sequences that a rival takes at a time

    @property
    def prompt_tokens(self):
        return sum(prompt for prompt, _ in self.requests)

    @property
    def new_tokens(self):
        return sum(new for _, new in self.requests)

    def mean(self, index):
        return round(sum(request[index] for request in self.requests) / len(self.requests))


class LockstepJob:
    def __init__(self, program, config, dtype, cores, folder):
        self.name, self.bits, self.ours = f"Lockstep {dtype}", dtype, True
        self.program, self.cores, self.folder = program, cores, folder
        # One rank with all threads: what `generate` takes on one host unless told otherwise.
        self.model = ["--config", config, "--random-weights", "--dtype", dtype]
        self.model += ["--tp", 1, "--threads", len(cores)]
        # Any will do: requests are tokens, and the texts of the results are not looked at.
        self.tokenizer = ["--set", f"model.tokenizer={ROOT / 'models/shakespeare-neox'}"]

    def run(self, job, vocab_rows):
        chance = random.Random(1)
        source, result = self.folder / "requests.jsonl", self.folder / "results.jsonl"
        with source.open("w", encoding="utf-8") as file:
            for prompt, new in job.requests:
                tokens = [chance.randrange(3, vocab_rows) for _ in range(prompt)]
                line = {"tokens": tokens, "max_new_tokens": new, "ignore_eos": True}
                file.write(json.dumps(line) + "\n")
        command = [self.program, "generate", *self.model, *self.tokenizer, "--input", source, "--output", result]
        run = subprocess.run(
            [str(word) for word in command + ["--restart", "--verbose"]],
            env=contenders.environment(self.cores),
            preexec_fn=contenders.pin(self.cores),
            capture_output=True,
            text=True,
        )
        said = re.findall(r"lines.*: .* s, ([0-9]+) tokens/s", run.stderr)
        if run.returncode != 0 or not said:
            raise RuntimeError(f"generate ended with {run.returncode}: {run.stderr[-500:]}")
        made = sum(len(json.loads(line)["tokens"]) for line in result.open(encoding="utf-8"))
        if made != job.new_tokens:
            raise RuntimeError(f"{made} tokens instead of {job.new_tokens}")
        return float(said[-1])

    def expected(self, job):
        """What `bench` makes of as many tokens, at the group's size and the mean lengths."""
        prompt, half = job.mean(0), job.mean(1) // 2
        read = self._bench("prefill", job.group, prompt, 0)
        write = self._bench("batch", job.group, prompt + half, 16)
        return job.new_tokens / (job.prompt_tokens / read + job.new_tokens / write)

    def _bench(self, kind, sequences, prompt, new):
        command = [self.program, "bench", kind, *self.model, "--json", "--rounds", 1]
        command += ["--batch", sequences, "--prompt-tokens", prompt]
        command += ["--new-tokens", new] if new else []
        one = json.loads(contenders.output_of(command, self.cores))["cases"][0]
        return one["tokens_per_second"]["median"]

    def close(self):
        pass


class ServerJob:
    def __init__(self, server):
        self.server = server
        self.name, self.bits, self.ours = server.name, server.bits, False

    def run(self, job, _):
        answer = self.server.turn({"requests": job.requests, "group": job.group})
        return answer["tokens"] / answer["seconds"]

    def close(self):
        self.server.close()


class LlamaJob:
    def __init__(self, program, model, dtype, cores):
        self.bench = contenders.LlamaBench("llama.cpp", program, model, dtype, cores)
        self.name, self.bits, self.ours = self.bench.name, self.bench.bits, False

    def run(self, job, _):
        case = contenders.Case("job", job.group, job.mean(0), job.mean(1))
        read, write = self.bench.batch_speeds(case)
        return job.new_tokens / (job.prompt_tokens / read + job.new_tokens / write)

    def close(self):
        self.bench.close()


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--lockstep", default=ROOT / "build/release/lockstep", type=pathlib.Path)
    add("--model", default="pythia-410m", help="a name in configs/")
    add("--dtypes", default="bf16,int8", help="with commas")
    add("--cores", default="0,1")
    add("--rounds", default=1, type=int)
    add("--requests", default=256, type=int)
    add("--prompts", default="32,512", help="fewest and most tokens of a prompt")
    add("--outputs", default="16,256", help="fewest and most new tokens")
    add("--group", default=32, type=int, help="sequences that rivals take at a time")
    add("--openvino-python", help="a Python with openvino-genai, and what make_openvino.py needs")
    add("--vllm-python", help="a Python with vllm for CPUs")
    add("--ctranslate2-python", help="a Python with ctranslate2 and numpy")
    add("--gguf-python", help="a Python with gguf and numpy, to write models for llama.cpp")
    add("--llama-bench", help="llama.cpp's program; llama-batched-bench lies beside it")
    add("--folder", type=pathlib.Path, help="keeps the rivals' models; else they are made anew")
    return parser.parse_args()


def make_job(arguments):
    chance = random.Random(0)
    lengths = [[int(end) for end in ends.split(",")] for ends in (arguments.prompts, arguments.outputs)]
    requests = (tuple(chance.randint(*ends) for ends in lengths) for _ in range(arguments.requests))
    return Job(tuple(requests), arguments.group)


def all_contenders(arguments, config, shape, dtype, folder):
    cores = [int(core) for core in arguments.cores.split(",")]
    found = [LockstepJob(arguments.lockstep, config, dtype, cores, folder)]
    if dtype == "int8" and arguments.ctranslate2_python:
        python = arguments.ctranslate2_python
        place = folder / f"ctranslate2-{dtype}"
        found.append(ServerJob(contenders.ctranslate2_server(python, shape, dtype, cores, place)))
    found += [ServerJob(server) for server in continuous(arguments, shape, dtype, cores, folder)]
    kind = {"bf16": "bf16", "int8": "q8_0", "int4": "q4_0"}.get(dtype)
    if kind and arguments.llama_bench:
        model = contenders.make_gguf(arguments.gguf_python or sys.executable, shape, kind, folder)
        found.append(LlamaJob(arguments.llama_bench, model, kind, cores))
    return found


def continuous(arguments, shape, dtype, cores, folder):
    if arguments.openvino_python and dtype in ("bf16", "int8", "int4"):
        python = arguments.openvino_python
        yield from contenders.openvino_servers(
            python, shape, dtype, cores, folder, pipelines=("paged",), cache_gb=CACHE_GB
        )
    if arguments.vllm_python and dtype in ("bf16", "int8"):
        python = arguments.vllm_python
        yield from contenders.vllm_servers(python, shape, dtype, cores, folder, cache_gb=CACHE_GB)


def measure(everybody, job, shape, rounds):
    """{contender's name: [new tokens/s of each round]}, and what bench expects of ours."""
    speeds, expected = {}, []
    for number in range(rounds):
        turn = number % len(everybody)
        for one in everybody[turn:] + everybody[:turn]:
            speeds.setdefault(one.name, []).append(one.run(job, shape.vocab_rows))
            print(f"round {number + 1}: {one.name}: {speeds[one.name][-1]:.1f}", file=sys.stderr)
            if one.ours:
                expected.append(one.expected(job))
                print(f"round {number + 1}: bench: {expected[-1]:.1f}", file=sys.stderr)
    return speeds, expected


def spread(values, digits=2):
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def rows(everybody, speeds, expected):
    ours = speeds[everybody[0].name]
    for one in everybody:
        theirs = speeds[one.name]
        ratio = "" if one.ours else spread([a / b for a, b in zip(ours, theirs)])
        yield f"| {one.name} | {spread(theirs, 1)} | {ratio} |"
    ratio = spread([a / b for a, b in zip(ours, expected)])
    yield f"| `bench`, the same tokens | {spread(expected, 1)} | {ratio} |"


def main():
    arguments = parse_arguments()
    contenders.close_when_killed()
    job = make_job(arguments)
    config = ROOT / "configs" / f"{arguments.model}.yaml"
    shape = shapes.read_shape(arguments.lockstep, config)
    print(f"{len(job.requests)} requests, {job.prompt_tokens} + {job.new_tokens} tokens\n")
    print("| | new tokens/s | Lockstep / this |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or pathlib.Path(temporary)
        for dtype in arguments.dtypes.split(","):
            everybody = all_contenders(arguments, config, shape, dtype, folder)
            try:
                speeds, expected = measure(everybody, job, shape, arguments.rounds)
            finally:
                for one in everybody:
                    one.close()
            print("\n".join(rows(everybody, speeds, expected)), flush=True)


if __name__ == "__main__":
    main()
