#!/usr/bin/env python3
"""What Lockstep keeps of its speed when another program takes a core.

  tests/bench/crowded.py --lockstep build/release/lockstep --models pythia-160m,pythia-410m

The other program is a busy loop pinned to the last of the cores, which the scheduler gives half of
that core. Every round measures each placement (one rank of all threads, a rank for each core)
alone and crowded, one after the other; the loop is stopped in between. Prints a Markdown table:
medians (least to most), what is kept, and the crowded placements beside the best of them. With
--lockstep given twice two builds take turns.
"""

import argparse
import contextlib
import os
import pathlib
import signal
import statistics
import subprocess
import sys

import compare
import contenders

ROOT = compare.ROOT
BUSY_LOOP = "while True: pass"


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--lockstep", action="append", type=pathlib.Path, help="may be given again")
    add("--models", default="pythia-160m", help="names in configs/, with commas")
    add("--dtypes", default="bf16", help="with commas")
    add("--cases", default="decode,prefill")
    add("--cores", default="0,1", help="the loop takes the last one")
    add("--rounds", default=3, type=int)
    add("--prompt-tokens", default=512, type=int, help="of prefill")
    add("--new-tokens", default=64, type=int, help="of decode; batches take half as many")
    add("--output", type=pathlib.Path, help="where the table goes, too")
    arguments = parser.parse_args()
    arguments.lockstep = arguments.lockstep or [ROOT / "build/release/lockstep"]
    return arguments


class BusyLoop:
    """Another program, which runs only inside of running()."""

    def __init__(self, core):
        self.process = subprocess.Popen(
            [sys.executable, "-c", BUSY_LOOP], preexec_fn=lambda: os.sched_setaffinity(0, {core})
        )
        self.process.send_signal(signal.SIGSTOP)

    @contextlib.contextmanager
    def running(self):
        self.process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGSTOP)

    def close(self):
        self.process.kill()
        self.process.wait()


def placements(arguments, model, dtype, cores):
    config = ROOT / "configs" / f"{model}.yaml"
    several = len(arguments.lockstep) > 1
    for ranks in sorted({1, len(cores)}):
        for program in arguments.lockstep:
            one = contenders.Lockstep(program, config, dtype, cores, ranks)
            one.name += f" ({program})" if several else ""
            yield one


def measure(everybody, case, loop, rounds):
    """{name: ([alone], [crowded])}, tokens/s of each round."""
    speeds = {one.name: ([], []) for one in everybody}
    for number in range(rounds):
        turn = number % len(everybody)
        for one in everybody[turn:] + everybody[:turn]:
            alone, crowded = speeds[one.name]
            alone.append(one.run(case))
            with loop.running():
                crowded.append(one.run(case))
            said = f"{alone[-1]:.2f} alone, {crowded[-1]:.2f} crowded"
            print(f"round {number + 1}: {case.name}: {one.name}: {said}", file=sys.stderr)
    return speeds


def table(title, cases, results):
    lines = [f"### {title}", ""]
    lines.append("| | alone, tokens/s | crowded, tokens/s | kept | of the best crowded one |")
    lines.append("|---|---|---|---|---|")
    for case in cases:
        speeds = results[case.name]
        best = max(speeds, key=lambda name: statistics.median(speeds[name][1]))
        for name, (alone, crowded) in speeds.items():
            kept = [b / a for a, b in zip(alone, crowded)]
            beside = [b / a for a, b in zip(speeds[best][1], crowded)]
            cells = [compare.spread(values) for values in (alone, crowded, kept, beside)]
            lines.append(f"| {case.name}: {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    arguments = parse_arguments()
    cores = [int(core) for core in arguments.cores.split(",")]
    cases = compare.cases_of(arguments)
    loop = BusyLoop(cores[-1])
    try:
        for model in arguments.models.split(","):
            results = {case.name: {} for case in cases}
            for dtype in arguments.dtypes.split(","):
                everybody = list(placements(arguments, model, dtype, cores))
                for case in cases:
                    results[case.name] |= measure(everybody, case, loop, arguments.rounds)
            text = table(f"{model}, core {cores[-1]} of {arguments.cores} taken", cases, results)
            print(text, flush=True)
            if arguments.output:
                with arguments.output.open("a", encoding="utf-8") as file:
                    file.write(text + "\n")
    finally:
        loop.close()


if __name__ == "__main__":
    main()
