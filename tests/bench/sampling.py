#!/usr/bin/env python3
"""What each sampling control costs beside greedy decoding: processor time of one step of a batch.

  tests/bench/sampling.py --lockstep build/release/lockstep --model configs/pythia-160m.yaml \
      --tokenizer tokenizer.json --rounds 5

A configuration's weights are made up, so its logits are flat, the worst case for top-p; give a
checkpoint's folder for others. The controls take turns in each round. A step's time is that of a long job
less that of a short one, over the difference in steps: start, loading and the prompts cancel out.
Prints a Markdown table: greedy's median over the control's, and the least and the most of a round.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

CONTROLS = {
    "greedy": {},
    "temperature": {"temperature": 1.0},
    "top_p": {"temperature": 1.0, "top_p": 0.9},
    "min_p": {"temperature": 1.0, "min_p": 0.05},
    "top_k": {"temperature": 1.0, "top_k": 50},
    "repetition_penalty": {"repetition_penalty": 1.1},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "logit_bias": {"logit_bias": {"5": 1.0, "77": -2.0, "900": 3.0}},
    "min_tokens": {"stop_token_ids": [17]},  # as many as there are new ones
    "all together": {"temperature": 0.8, "top_p": 0.9, "top_k": 50, "repetition_penalty": 1.1,
                     "frequency_penalty": 0.2},
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lockstep", required=True)
    parser.add_argument("--model", required=True, help="a configuration, or a checkpoint's folder")
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--dtype", default="bf16")
    parser.add_argument("--sequences", type=int, default=32)
    parser.add_argument("--steps", type=int, nargs=2, default=[8, 72], metavar=("SHORT", "LONG"))
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def write_input(path, name, steps, sequences):
    more = dict(CONTROLS[name])
    if name == "min_tokens":
        more["min_tokens"] = steps
    lines = [{"tokens": [(i * 37 + j * 11 + 5) % 5000 for j in range(16)],
              "max_new_tokens": steps, "ignore_eos": True, **more} for i in range(sequences)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def seconds_of(arguments, folder, name, steps):
    """User time of one job."""
    source = folder / "in.jsonl"
    write_input(source, name, steps, arguments.sequences)
    command = [arguments.lockstep, "generate", "--model", arguments.model, "--input", str(source),
               "--output", str(folder / "out.jsonl"), "--restart", "--dtype", arguments.dtype,
               "--tokenizer", arguments.tokenizer, "--threads", "1", "--quiet",
               "--set", f"engine.max_sequences={arguments.sequences}",
               "--set", f"engine.cache_tokens={arguments.sequences * (32 + steps)}"]
    if arguments.model.endswith((".yaml", ".yml")):
        command.append("--random-weights")
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{name}: {' '.join(command)} has failed")
    return usage.ru_utime


def main():
    arguments = parse_arguments()
    short, long = arguments.steps
    times = {name: [] for name in CONTROLS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.rounds):
            for name, found in times.items():
                difference = (seconds_of(arguments, pathlib.Path(folder), name, long)
                              - seconds_of(arguments, pathlib.Path(folder), name, short))
                found.append(1e3 * difference / (long - short))
    greedy = times["greedy"]
    print("| control | ms a step | of greedy's rate | rounds |\n| --- | --- | --- | --- |")
    for name, found in times.items():
        ratios = [one / other for one, other in zip(greedy, found)]
        print(f"| {name} | {statistics.median(found):.1f} "
              f"| {statistics.median(greedy) / statistics.median(found):.2f} "
              f"| {min(ratios):.2f} to {max(ratios):.2f} |")


if __name__ == "__main__":
    main()
