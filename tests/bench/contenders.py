"""Whoever can run a model of a shape, each behind run(case) -> tokens per second."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    sequences: int
    prompt_tokens: int
    new_tokens: int  # 0: the prompts are what is timed


def environment(cores):
    """Pins OpenMP's threads: unpinned ones now and then end on one core."""
    places = ",".join("{%d}" % core for core in cores)
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(len(cores)),
        "OMP_PROC_BIND": "true",
        "OMP_PLACES": places,
    }


def close_when_killed():
    """SIGTERM unwinds, so that servers that are stopped do not stay behind with their memory."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))


def pin(cores):
    return lambda: os.sched_setaffinity(0, cores)


def output_of(command, cores):
    run = subprocess.run(
        [str(word) for word in command],
        env=environment(cores),
        preexec_fn=pin(cores),
        capture_output=True,
        text=True,
    )
    if run.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {run.returncode}: {run.stderr[-500:]}")
    return run.stdout


class Lockstep:
    ceiling = False

    def __init__(self, program, config, dtype, cores, ranks):
        self.name = f"Lockstep {dtype}, {ranks}x{len(cores) // ranks}"
        self.ours, self.bits = True, dtype
        self.cores = cores
        self.command = [program, "bench", None, "--model", config, "--random-weights", "--json"]
        self.command += ["--dtype", dtype, "--tp", ranks, "--threads", len(cores) // ranks]
        self.shares = {}  # by case: what it says of the ceilings, last round

    def run(self, case):
        kind = "prefill" if case.new_tokens == 0 else "batch"
        command = self.command[:2] + [kind] + self.command[3:] + ["--rounds", 1]
        command += ["--batch", case.sequences, "--prompt-tokens", case.prompt_tokens]
        if case.new_tokens:
            command += ["--new-tokens", case.new_tokens]
        one = json.loads(output_of(command, self.cores))["cases"][0]
        for share in one["of_ceilings"]:
            key = (case.name, share["ceiling"])
            self.shares.setdefault(key, []).append(share["median"])
        return one["tokens_per_second"]["median"]

    def close(self):
        pass


class Server:
    """A program that loads a model once and answers cases, stopped while others have their turn."""

    def __init__(self, name, bits, command, setup, cores, ceiling=False):
        self.name, self.ours, self.bits, self.ceiling = name, False, bits, ceiling
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env=environment(cores),
            preexec_fn=pin(cores),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # with processes of its own, perhaps
        )
        self.version = self._ask(setup)["ready"]
        self._signal(signal.SIGSTOP)

    def _signal(self, number):
        os.killpg(self.process.pid, number)

    def _ask(self, question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} has ended")
        return json.loads(answer)

    def run(self, case):
        question = dataclasses.asdict(case)
        # As for Lockstep: one run to warm up, the next one counts.
        self.turn(question)
        answer = self.turn(question)
        return answer["tokens"] / answer["seconds"]

    def turn(self, question):
        self._signal(signal.SIGCONT)
        answer = self._ask(question)
        self._signal(signal.SIGSTOP)
        return answer

    def close(self):
        self._signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()


def torch_server(python, shape, dtype, cores):
    setup = {"shape": dataclasses.asdict(shape), "dtype": dtype, "threads": len(cores)}
    name, bits = {"bfloat16": ("PyTorch bf16", "bf16"), "float32": ("PyTorch fp32", "fp32")}[dtype]
    return Server(name, bits, [python, HERE / "serve_torch.py"], setup, cores)


def ctranslate2_server(python, shape, dtype, cores, folder):
    setup = {"shape": dataclasses.asdict(shape), "dtype": dtype, "threads": len(cores)}
    setup["folder"] = str(folder)
    name, bits = {"int8": ("CTranslate2 int8", "int8"), "float32": ("CTranslate2 fp32", "fp32")}[
        dtype
    ]
    return Server(name, bits, [python, HERE / "serve_ctranslate2.py"], setup, cores)


def onednn_server(python, shape, dtype, cores):
    setup = {"shape": dataclasses.asdict(shape), "dtype": dtype, "threads": len(cores)}
    command = [python, HERE / "serve_onednn.py"]
    return Server(f"oneDNN's products {dtype}", dtype, command, setup, cores, ceiling=True)


PIPELINES = ("paged", "stateful")


def openvino_servers(python, shape, dtype, cores, folder, pipelines=PIPELINES, cache_gb=1):
    """With quantised weights also the hint by which activations are quantised."""
    model = make_openvino(python, shape, dtype, folder)
    hints = ("bf16",) if dtype == "bf16" else ("bf16", "f32")
    for pipeline in pipelines:
        for hint in hints:
            setup = {"folder": str(model), "threads": len(cores), "rows": shape.vocab_rows}
            setup |= {"pipeline": pipeline, "hint": hint, "cache_gb": cache_gb}
            name = f"OpenVINO {dtype}, {pipeline}" + (f", {hint}" if len(hints) > 1 else "")
            yield Server(name, dtype, [python, HERE / "serve_openvino.py"], setup, cores)


def vllm_servers(python, shape, dtype, cores, folder, cache_gb=2):
    """One process, and one for each core."""
    for workers in sorted({1, len(cores)}):
        setup = {"shape": dataclasses.asdict(shape), "cores": cores, "workers": workers}
        setup |= {"folder": str(folder / f"vllm-{dtype}"), "quantised": dtype == "int8"}
        setup["cache_gb"] = cache_gb
        name = {"bf16": "vLLM bf16", "int8": "vLLM W8A8"}[dtype] + (
            f", {workers} processes" if workers > 1 else ""
        )
        yield Server(name, dtype, [python, HERE / "serve_vllm.py"], setup, cores)


class LlamaBench:
    """llama-bench of llama.cpp or ik_llama.cpp; for batches the llama-batched-bench beside it."""

    ceiling = False
    BITS = {"bf16": "bf16", "q8_0": "int8", "q4_0": "int4"}

    def __init__(self, name, program, model, dtype, cores, extra=()):
        self.name, self.ours, self.bits = f"{name} {dtype}", False, self.BITS[dtype]
        self.program, self.model, self.cores = pathlib.Path(program), model, cores
        self.extra = list(extra)
        self.batched = self.program.parent / "llama-batched-bench"

    def run(self, case):
        if case.sequences > 1:
            return self._batch(case)
        command = [self.program, "-m", self.model, "-t", len(self.cores), "-o", "json", "-r", 1]
        command += ["-p", case.prompt_tokens if case.new_tokens == 0 else 0, "-n", case.new_tokens]
        text = output_of(command + self.extra, self.cores)
        return json.loads(text[text.index("[") :])[0]["avg_ts"]

    def _batch(self, case):
        return self.batch_speeds(case)[1] if self.batched.exists() else None

    def batch_speeds(self, case):
        """Tokens per second of the prompts, and of what is generated after them."""
        context = case.sequences * (case.prompt_tokens + case.new_tokens) + 64
        command = [self.batched, "-m", self.model, "-t", len(self.cores), "-c", context]
        command += ["-npp", case.prompt_tokens, "-ntg", case.new_tokens, "-npl", case.sequences]
        for line in output_of(command + self.extra, self.cores).splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if len(cells) >= 8 and cells[0] == str(case.prompt_tokens):
                return float(cells[5]), float(cells[7])  # S_PP, S_TG
        raise RuntimeError(f"{self.batched} printed no line for {case}")

    def close(self):
        pass


def make_once(python, script, shape, dtype, folder, name):
    """What a script makes of {"shape", "dtype"}, unless it is there already."""
    model = folder / name
    if not model.exists():
        folder.mkdir(parents=True, exist_ok=True)
        setup = folder / f"{name}.json"
        setup.write_text(json.dumps({"shape": dataclasses.asdict(shape), "dtype": dtype}))
        partial = folder / f"{name}.partial"
        subprocess.run([python, HERE / script, setup, partial], check=True)
        partial.rename(model)
    return model


def make_gguf(python, shape, dtype, folder):
    """The model for LlamaBench."""
    return make_once(python, "make_gguf.py", shape, dtype, folder, f"{dtype}.gguf")


def make_openvino(python, shape, dtype, folder):
    return make_once(python, "make_openvino.py", shape, dtype, folder, f"openvino-{dtype}")
