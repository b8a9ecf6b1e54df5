"""The shape of a model as `lockstep plan --print-config` states it: one reader of YAML is enough."""

import dataclasses
import subprocess
import sys


@dataclasses.dataclass(frozen=True)
class Shape:
    family: str
    layers: int
    d_model: int
    heads: int
    d_ff: int
    rotary_dims: int
    vocab_rows: int
    context: int
    gelu: str
    parallel_residual: bool

    @property
    def d_head(self):
        return self.d_model // self.heads


def read_shape(lockstep, config):
    command = [lockstep, "plan", "--config", config, "--print-config"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{config}: {run.stderr.strip()}")
    text = run.stdout
    values = {}
    for line in text.splitlines():
        if not line.startswith("    "):
            continue
        key, _, value = line.strip().partition(": ")
        values[key] = value.split("  #")[0].strip()
    number = lambda key: int(values[key])
    return Shape(
        family=values["family"],
        layers=number("layers"),
        d_model=number("d_model"),
        heads=number("heads"),
        d_ff=4 * number("d_model") if values["d_ff"] == "null" else number("d_ff"),
        rotary_dims=number("rotary_dims"),
        vocab_rows=number("vocab_rows"),
        context=number("context"),
        gelu=values["gelu"] if values["gelu"] != "null" else "exact",
        parallel_residual=values["parallel_residual"] != "false",
    )
