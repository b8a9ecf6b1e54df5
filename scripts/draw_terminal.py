#!/usr/bin/env python3
"""Draws docs/guide/terminal.svg: what a terminal shows while the program works, each line at its time.

    scripts/draw_terminal.py [build/release/lockstep]"""
import html
import os
import pathlib
import pty
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMMANDS = (
    'lockstep generate --model models/shakespeare-neox --tp 2 \\\n    --prompt "ROMEO:" --temperature 0.8 --max-new-tokens 60',
    "lockstep plan configs/aphra-6b.yaml --tp 4 --dtype bf16 | tail -7",
    "lockstep plan configs/aphra-6b.yaml --machine h100 \\\n    --dtype bf16 --batch 32 | tail -10",
)
COLUMNS, LINE, CHARACTER, MARGIN = 92, 19, 8.43, 16
TYPED, PAUSE, HOLD = 0.02, 0.8, 6.0  # seconds: a character, before a command, at the end


def played(command: str, program: pathlib.Path) -> list[tuple[float, str]]:
    """The lines that the command shows, and when, in seconds after its start."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    ours, its = pty.openpty()
    process = subprocess.Popen(["bash", "-c", command], cwd=ROOT, env=environment, stdout=its, stderr=its,
                               stdin=subprocess.DEVNULL)
    os.close(its)
    start, text, lines = time.monotonic(), "", []
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:  # the terminal's other side is closed
            break
        text += data.decode(errors="replace")
        *whole, text = text.split("\n")
        for line in whole:
            lines.append((time.monotonic() - start, shown(line)))
    if shown(text):
        lines.append((time.monotonic() - start, shown(text)))
    if process.wait() != 0:
        raise SystemExit(f"{command}: exit code {process.returncode}: {lines}")
    return lines


def shown(line: str) -> str:
    """What is left of a line that was written over and cleared."""
    line = line.rstrip("\r").rsplit("\r", 1)[-1].rsplit("\x1b[K", 1)[-1]
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip()


def script(program: pathlib.Path) -> list[tuple[float, str, str]]:
    """(second, class, line) of all that is shown."""
    now, lines = 0.0, []
    for command in COMMANDS:
        now += PAUSE
        for line in command.split("\n"):
            lines.append((now, "typed", ("$ " if line == command.split("\n")[0] else "") + line))
            now += TYPED * len(line)
        for at, line in played(command, program):
            lines.append((now + at, "said", line))
        now = lines[-1][0] + PAUSE
        lines.append((now, "said", ""))
    return lines[:-1]


def drawing(lines: list[tuple[float, str, str]]) -> str:
    whole = lines[-1][0] + HOLD
    width, height = COLUMNS * CHARACTER + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    drawn = []
    for number, (at, kind, line) in enumerate(lines):
        begin = 100 * at / whole
        drawn.append(
            f"<style>@keyframes l{number}{{0%,{begin:.2f}%{{opacity:0}}{begin + 0.01:.2f}%,100%{{opacity:1}}}}</style>"
            f'<text class="{kind}" x="{MARGIN}" y="{MARGIN + (number + 0.75) * LINE:.1f}" '
            f'style="animation:l{number} {whole:.1f}s infinite">{html.escape(line)}</text>')
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"
 role="img" aria-label="A terminal in which lockstep generates a text on two ranks and plans for GPT-J">
<style>text{{font:14px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;white-space:pre;fill:#c9d1d9}}
.typed{{fill:#7ee787}}@media (prefers-reduced-motion:reduce){{text{{animation:none!important}}}}</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
""" + "\n".join(drawn) + "\n</svg>\n"


if __name__ == "__main__":
    built = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release/lockstep").resolve()
    (ROOT / "docs/guide/terminal.svg").write_text(drawing(script(built)))
