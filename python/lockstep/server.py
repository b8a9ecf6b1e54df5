"""`lockstep serve` as a process of this one: started, watched, and ended with it."""
import atexit
import collections
import os
import pathlib
import re
import secrets
import subprocess
import sys
import threading
import weakref

from lockstep.errors import StartError

_READY = re.compile(r"ready: (http://[^\s\"]+)")
_STAMP = re.compile(r"^\S+Z (?=lockstep: )")
_KEPT_LINES = 50
_running: "weakref.WeakSet[Server]" = weakref.WeakSet()


class Server:
    """A server at a free port of 127.0.0.1, with a key that only this process knows.

    `words` follow `lockstep serve`. The constructor returns when it is ready. Raises StartError.
    """

    def __init__(self, program: str, words: list[str], env: dict[str, str] | None = None):
        self.key = secrets.token_hex(32)
        self.url = ""
        self._lines: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        self._begun = threading.Event()
        guard = pathlib.Path(__file__).with_name("guard.py")
        environment = {**os.environ, **(env or {}), "LOCKSTEP_API_KEY": self.key}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(guard), program, "serve", *words, "--host", "127.0.0.1",
                 "--port", "0"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment,
                start_new_session=True)
        except OSError as error:
            raise StartError(f"{sys.executable}: cannot be started: {error}") from error
        _running.add(self)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._begun.wait()
            if not self.url:
                code = self._process.wait()
                self._reader.join()
                raise StartError(self.complaint() or f"{program} serve ended with exit code {code}", code)
        except BaseException:
            self.stop()
            raise

    def _read(self) -> None:
        """What it says must find a reader, or it would wait for one."""
        with self._process.stderr as stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip("\n")
                self._lines.append(_STAMP.sub("", line))
                ready = _READY.search(line)
                if ready and not self.url:
                    self.url = ready.group(1)
                    self._begun.set()
        self._begun.set()

    def complaint(self) -> str:
        """What it has said of errors, else its last lines."""
        lines = list(self._lines)
        errors = [line.partition("lockstep: error: ")[2] for line in lines if "lockstep: error: " in line]
        return "\n".join(errors or lines[-5:])

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Ends it and waits for its end. Requests that it has are answered first."""
        if not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()
        self._reader.join()
        _running.discard(self)


@atexit.register
def _stop_all() -> None:
    for server in list(_running):
        server.stop()
