"""One job on many layouts of ranks over hosts of this machine:

    layouts.py [--model NAME]… [--dtype NAME]… [--layout NAME]…

prints the table of docs/dev/numerics.md: for each layout the hash of what it has put out, by model and format.
A table whose columns have one hash each is what is promised.
"""
import argparse
import dataclasses
import hashlib
import json
import pathlib
import sys
import tempfile

import hosts
import served


@dataclasses.dataclass(frozen=True)
class Layout:
    places: str  # of ranks, as for mpirun; "": one process alone
    tensor: int = 1
    pipeline: int = 1
    copies: int = 1

    @property
    def name(self) -> str:
        shape = f"tp {self.tensor}, pp {self.pipeline}, dp {self.copies}"
        return f"{shape} on {'+'.join(place.partition(':')[2] for place in self.places.split(',')) or '1'}"

    def words(self) -> list[str]:
        return ["--tp", str(self.tensor), "--pp", str(self.pipeline), "--dp", str(self.copies)]


ONE, TWO, FOUR = "node1:1,node2:1", "node1:2,node2:2", "node1:1,node2:1,node3:1,node4:1"
LAYOUTS = (Layout(""),
           Layout("node1:2", tensor=2),
           Layout("node1:4", tensor=4),
           Layout(ONE, tensor=2),
           Layout(TWO, tensor=4),
           Layout("node1:3,node2:1", tensor=4),
           Layout(FOUR, tensor=4),
           Layout(TWO, tensor=2, copies=2),
           Layout(ONE, copies=2),
           Layout(FOUR, pipeline=4),
           Layout(TWO, tensor=2, pipeline=2),
           Layout("node1:4,node2:4", tensor=2, pipeline=2, copies=2))
MANY = (Layout("node1:64", tensor=4, pipeline=4, copies=4),
        Layout("node1:16,node2:16,node3:16,node4:16", tensor=4, pipeline=4, copies=4))
FEW = (LAYOUTS[0], LAYOUTS[4], LAYOUTS[10], LAYOUTS[11])
MODELS = ("neox", "gptj")
DTYPES = ("fp32", "bf16", "int8", "int4")
LINES = 24


def job() -> str:
    """Lines of many lengths, greedy and drawn, with log-probabilities, which have all bits of the logits."""
    return "".join(json.dumps({"prompt": ("ROMEO:", "My lord, what news of")[line % 2] + " a" * (1 + 7 * line % 50),
                               "max_new_tokens": 3 + line % 9, "temperature": (0, 1, 0.7)[line % 3],
                               "logprobs": 3}) + "\n" for line in range(LINES))


def made(world: hosts.Hosts, layout: Layout, model: str, dtype: str) -> str:
    """The hash of the output."""
    with tempfile.TemporaryDirectory(dir=world.folder) as name:
        folder = pathlib.Path(name)
        (folder / "in.jsonl").write_text(job())
        words = [served.program(), "generate", "--model", served.demo_model(model), "--dtype", dtype,
                 "--threads", "1", "--set", "engine.max_sequences=7", "--quiet",
                 "--input", str(folder / "in.jsonl"), "--output", str(folder / "out.jsonl"), *layout.words()]
        done = world.run("node1", *(world.mpirun(layout.places, *words) if layout.places else words), timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"{layout.name}, {model} in {dtype}: exit code {done.returncode}\n{done.stderr}")
        text = (folder / "out.jsonl").read_bytes()
        if text.count(b"\n") != LINES or b'"error"' in text:
            raise RuntimeError(f"{layout.name}, {model} in {dtype}: not all lines have an answer")
        return hashlib.sha256(text).hexdigest()[:8]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--model", choices=MODELS, action="append")
    options.add_argument("--dtype", choices=DTYPES, action="append")
    options.add_argument("--layout", choices=[one.name for one in LAYOUTS], action="append")
    asked = options.parse_args()
    why_not = hosts.obstacle("mpirun")
    if why_not:
        sys.exit(why_not)
    columns = [(model, dtype) for model in asked.model or MODELS for dtype in asked.dtype or DTYPES]
    print("| layout | " + " | ".join(f"{model} {dtype}" for model, dtype in columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    seen = {column: set() for column in columns}
    with hosts.Hosts(4) as world:
        for layout in LAYOUTS:
            if asked.layout and layout.name not in asked.layout:
                continue
            row = [made(world, layout, *column) for column in columns]
            for column, one in zip(columns, row):
                seen[column].add(one)
            print(f"| {layout.name} | " + " | ".join(row) + " |", flush=True)
    different = [f"{model} {dtype}" for (model, dtype), found in seen.items() if len(found) > 1]
    if different:
        sys.exit("more than one hash: " + ", ".join(different))


if __name__ == "__main__":
    main()
