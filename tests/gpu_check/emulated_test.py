#!/usr/bin/env python3
"""Steps of scripts/gpu_check with what has been built, on the emulated module.

    emulated_test.py BUILD
"""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import stand_ins  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        report = folder / "report.md"
        done = subprocess.run(
            [sys.executable, str(ROOT / "scripts/gpu_check"), "--build", sys.argv[1], "--minutes", "4",
             "--only", "devices,text of the processor,perplexity", str(report)],
            env={**os.environ, "PATH": f"{stand_ins.machine(folder)}:{os.environ['PATH']}"},
            capture_output=True, text=True)
        text = report.read_text()
        passed = done.returncode == 0 and "all passed" in done.stdout
        if not passed or text.count("the same text") != 2 or "[  PASSED  ] 4 tests" not in text:
            sys.exit(f"exit code {done.returncode}\n{done.stdout}{done.stderr}\n{text}")


if __name__ == "__main__":
    main()
