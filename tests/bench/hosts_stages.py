#!/usr/bin/env python3
"""Where `--pp` beats `--tp`: `lockstep bench scaling` over two hosts of this machine (tests/hosts), whose switch
delays their link, beside what `lockstep plan` predicts for that link.

    hosts_stages.py [--delays 0.05,0.5,5] [--model pythia-160m] [--batch 1,8] [--rounds N]

A delay is the milliseconds of a round trip. The machine that is planned for is fitted first: what one rank
computes, to `bench scaling` on both hosts at once, and the link, to `bench comm` for each delay. Nothing of two
ranks with a model is fitted. Prints tokens per second of new tokens, and in brackets what was predicted. Needs root.
"""
import argparse
import json
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "hosts"), str(TESTS / "clients")]
import hosts  # noqa: E402
import served  # noqa: E402

PROMPT, NEW = "64", "33"
BOTH = "node1:1,node2:1"
LAYOUTS = ("--tp", "--pp")  # of two ranks


def two_cores() -> str:
    """A shipped description with two nodes of one core each."""
    text = (TESTS.parent / "configs/machines/avx512.yaml").read_text()
    for key, value in (("nodes", 2), ("  sockets", 1), ("  cores", 1)):
        text, found = re.subn(rf"(?m)^{key}: \d+$", f"{key}: {value}", text)
        if found != 1:
            sys.exit(f"configs/machines/avx512.yaml: {found} lines of {key.strip()}; expected 1")
    return text


class Bench:
    def __init__(self, world: hosts.Hosts, wanted: argparse.Namespace):
        self.world, self.wanted = world, wanted

    def file(self, name: str) -> str:
        return str(self.world.folder / name)

    def lockstep(self, *words: str) -> str:
        """On the first host; what it says."""
        return self.finished(self.world.run("node1", served.program(), *words, timeout=600))

    def finished(self, done) -> str:
        if done.returncode != 0:
            sys.exit(done.stderr)
        return done.stdout

    def model(self) -> list[str]:
        return ["--model", self.wanted.model, "--random-weights", "--dtype", "bf16", "--threads", "1"]

    def scaling(self) -> list[str]:
        return ["bench", "scaling", *self.model(), "--batch", self.wanted.batch, "--scaling", "strong",
                "--prompt-tokens", PROMPT, "--new-tokens", NEW, "--rounds", str(self.wanted.rounds)]

    def fit_one_rank(self) -> None:
        """While the other host has as much to do: they share this machine's memory."""
        running = [self.world.start(name, served.program(), *self.scaling(), "--ranks", "1", "--json",
                                    self.file(f"{name}.json")) for name in ("node1", "node2")]
        for process in running:
            said, complained = process.communicate(timeout=600)
            if process.returncode != 0:
                sys.exit(complained)
        pathlib.Path(self.file("two_cores.yaml")).write_text(two_cores())
        self.fit("two_cores.yaml", "hosts.yaml", "node1.json", "node2.json")

    def fit(self, start: str, result: str, *measured: str) -> None:
        files = [word for name in measured for word in ("--fit", self.file(name))]
        self.lockstep("plan", self.wanted.model, "--machine", self.file(start), *files,
                      "--fit-output", self.file(result))

    def fit_link(self) -> None:
        command = self.world.mpirun(BOTH, served.program(), "bench", "comm", "--bytes", "3072,24576,196608",
                                    "--rounds", str(self.wanted.rounds), "--json")
        pathlib.Path(self.file("comm.json")).write_text(self.finished(self.world.run("node1", *command)))
        self.fit("hosts.yaml", "linked.yaml", "comm.json")

    def measured(self, flag: str) -> dict[int, float]:
        """Tokens per second, by batch."""
        command = self.world.mpirun(BOTH, served.program(), *self.scaling(), flag, "2", "--json", "-")
        result = json.loads(self.finished(self.world.run("node1", *command, timeout=600)))
        return {point["sequences"]: point["decode"]["tokens_per_second"]["median"] for point in result["points"]}

    def predicted(self, flag: str, batch: int) -> float:
        plan = json.loads(self.lockstep(
            "plan", self.wanted.model, "--machine", self.file("linked.yaml"), "--dtype", "bf16", "--threads", "1",
            flag, "2", "--batch", str(batch), "--prompt-tokens", PROMPT, "--new-tokens", NEW, "--json"))
        return batch / plan["forecast"]["time"]["step"]["seconds"]


def rows(bench: Bench, delays: list[str], batches: list[int]):
    """Of each delay: what was measured and predicted for each batch and layout."""
    bench.fit_one_rank()
    for delay in delays:
        for name in bench.world.names:
            bench.world.link(name).set(delay_ms=float(delay) / 4)  # of each link and direction
        bench.fit_link()
        measured = {flag: bench.measured(flag) for flag in LAYOUTS}
        yield delay, {(batch, flag): (measured[flag][batch], bench.predicted(flag, batch))
                      for batch in batches for flag in LAYOUTS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delays", default="0.05,0.5,5")
    parser.add_argument("--model", default="pythia-160m")
    parser.add_argument("--batch", default="1,8")
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    if why := hosts.obstacle("mpirun"):
        sys.exit(why)
    batches = [int(word) for word in wanted.batch.split(",")]
    columns = [(batch, flag) for batch in batches for flag in LAYOUTS]
    print("| round trip | " + " | ".join(f"`{flag} 2`, {batch} text{'s' * (batch > 1)}" for batch, flag in columns) +
          " |\n|---|" + "---|" * len(columns), flush=True)
    faster = {}  # of which layout it is, by batch and by measured (0) or predicted (1)
    with hosts.Hosts(2) as world:
        for delay, cells in rows(Bench(world, wanted), wanted.delays.split(","), batches):
            print(f"| {delay} ms | " + " | ".join("%.0f (%.0f)" % cells[column] for column in columns) + " |",
                  flush=True)
            for batch in batches:
                for kind in (0, 1):
                    best = max(LAYOUTS, key=lambda flag: cells[batch, flag][kind])
                    faster.setdefault((batch, kind), []).append((delay, best))
    for (batch, kind), found in faster.items():
        words = ", ".join(f"{best} at {delay} ms" for delay, best in found)
        print(f"{batch} text{'s' * (batch > 1)}, {('measured', 'predicted')[kind]}: {words}")


if __name__ == "__main__":
    main()
