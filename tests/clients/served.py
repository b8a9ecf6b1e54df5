"""`lockstep serve` and the other commands, as tests of its clients use them."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77  # SKIP_RETURN_CODE in CMakeLists.txt


def program() -> str:
    return os.environ.get("LOCKSTEP", str(SOURCE / "build/release/lockstep"))


def demo_model(family: str = "neox") -> str:
    return str(SOURCE / f"models/shakespeare-{family}")


def skip(reason: str) -> None:
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def fixed(*words: str) -> list[str]:
    """With `--dtype fp32` where a model is run: on every processor the results are the same then."""
    runs_model = words[0] in ("generate", "score", "embed", "eval", "serve", "complete")
    stated = any("dtype" in word or word == "--config" for word in words)
    return [*words, "--dtype", "fp32"] if runs_model and not stated else list(words)


def run(*words: str) -> str:
    """What the command prints."""
    return subprocess.run([program(), *fixed(*words)], check=True, capture_output=True, text=True).stdout


def descendants(process: int) -> list[int]:
    try:
        children = [int(word) for task in pathlib.Path(f"/proc/{process}/task").iterdir()
                    for word in (task / "children").read_text().split()]
    except OSError:  # it has just ended
        return []
    return children + [one for child in children for one in descendants(child)]


def environment(process: int) -> set[str]:
    try:
        return set(pathlib.Path(f"/proc/{process}/environ").read_text().split("\0"))
    except OSError:
        return set()


class Server:
    """A server at a free port, from `with` on until its end."""

    def __init__(self, *words: str, folder: pathlib.Path | None = None):
        self.words, self.folder = words, folder
        self.log = tempfile.TemporaryFile("w+")

    def __enter__(self) -> "Server":
        self.process = subprocess.Popen([program(), *fixed("serve", "--port", "0", *self.words)],
                                        cwd=self.folder, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"ready: (https?://[^\s\"]+)", line)
            if found:
                self.url = found.group(1)
                # What it says later must find a reader, or it would wait for one.
                self.drain = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=self.log)
                return self
            self.log.write(line)
        raise RuntimeError(f"the server has ended:\n{self.said()}")

    def __exit__(self, *_) -> None:
        self.stop()
        self.log.close()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.drain.wait(60)
        self.process.stderr.close()
        return code

    def said(self) -> str:
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def rank(self, number: int) -> int | None:
        """The process of one of its ranks, of those that mpirun has started."""
        for process in descendants(self.process.pid):
            if f"OMPI_COMM_WORLD_RANK={number}" in environment(process):
                return process
        return None

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=60) as reply:
            return reply.read().decode()

    def metric(self, name: str) -> float:
        """Of a metric with one sample."""
        found = re.search(rf"^lockstep:{re.escape(name)}(?:{{.*}})? (\S+)$", self.get("/metrics"), re.M)
        if not found:
            raise KeyError(name)
        return float(found.group(1))

    def await_metric(self, name: str, value: float, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while self.metric(name) != value:
            if time.monotonic() > until:
                raise TimeoutError(f"{name} is {self.metric(name)}, not {value}:\n{self.said()}")
            time.sleep(0.01)
