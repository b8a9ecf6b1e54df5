"""`lockstep serve` and the other commands, as tests of its clients use them."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
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


def run(*words: str) -> str:
    """What the command prints."""
    return subprocess.run([program(), *words], check=True, capture_output=True, text=True).stdout


class Server:
    """A server at a free port, from `with` on until its end."""

    def __init__(self, *words: str, folder: pathlib.Path | None = None):
        self.words, self.folder = words, folder
        self.log = tempfile.TemporaryFile("w+")

    def __enter__(self) -> "Server":
        self.process = subprocess.Popen([program(), "serve", "--port", "0", *self.words],
                                        cwd=self.folder, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"ready: (http://\S+)", line)
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

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=60) as reply:
            return reply.read().decode()

    def metric(self, name: str) -> float:
        """Of a metric with one sample."""
        found = re.search(rf"^lockstep:{re.escape(name)}(?:{{.*}})? (\S+)$", self.get("/metrics"), re.M)
        if not found:
            raise KeyError(name)
        return float(found.group(1))
