"""The report of scripts/gpu_check: what every step came to, the figures in one table, then what
each has said."""
import datetime
import os
import pathlib
import re
import subprocess
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEPT = (6_000, 14_000)  # characters of a step's output, from its begin and its end
FIGURES = ("tokens/s", "% of read bandwidth", "% of bf16 matrix products")


@dataclass
class Result:
    title: str
    command: str
    state: str = "not run"
    seconds: float = 0.0
    output: str = ""


def commit():
    asked = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True,
                           text=True)
    return asked.stdout.strip() or "unknown"


def readable(text):
    """Without this machine's folders and without colours, and not longer than one reads."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).replace(str(ROOT), ".").replace("\r", "\n")
    first, last = KEPT
    if len(text) > first + last:
        text = f"{text[:first]}\n... {len(text) - first - last} characters left out ...\n{text[-last:]}"
    return text.replace("```", "'''").strip("\n")


def figures(result):
    """The cases of a benchmark's output: (what, {name: median})."""
    cases = []
    for line in result.output.splitlines():
        if re.match(r"(decode|batch|prefill), ", line):
            cases.append((line.strip(), {}))
        elif cases and (found := re.match(r"  (\S.*?)\s{2,}([\d.]+)  \(", line)):
            cases[-1][1][found.group(1)] = found.group(2)
    return cases


def figure_table(results):
    rows = [(result.title.split(":")[0], what, values)
            for result in results for what, values in figures(result) if values]
    if not rows:
        return []
    lines = ["## Figures", "", "| model | case | " + " | ".join(FIGURES) + " |",
             "|---|---|" + "---|" * len(FIGURES)]
    for model, what, values in rows:
        cells = " | ".join(values.get(name, "") for name in FIGURES)
        lines.append(f"| {model} | {what} | {cells} |")
    return [*lines, ""]


def write_report(path, results):
    """In place of the one before, at once: whoever reads it never finds a part."""
    lines = [f"# GPU check, {datetime.datetime.now(datetime.timezone.utc):%F}", "",
             f"commit {commit()}", "", "| step | result | seconds |", "|---|---|---|"]
    lines += [f"| {r.title} | {r.state} | {r.seconds:.1f} |" for r in results]
    lines += ["", *figure_table(results)]
    for result in results:
        lines += [f"## {result.title}", "", f"    {result.command.replace(str(ROOT), '.')}", ""]
        if result.output.strip():
            lines += ["```", readable(result.output), "```", ""]
        lines += [result.state, ""]
    beside = path.with_name(path.name + ".new")
    beside.write_text("\n".join(lines))
    os.replace(beside, path)
