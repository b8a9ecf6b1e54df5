"""The process between this one and the server: it ends the server when standard input ends.

    python guard.py COMMAND [ARG ...]

So the server does not outlive a program that was killed. Its exit code is the server's.
"""
import os
import signal
import subprocess
import sys
import threading

PATIENCE = 60  # seconds that the server has for what it has accepted


def _end_with_input(server: subprocess.Popen) -> None:
    while os.read(0, 4096):
        pass
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()


def main() -> int:
    try:
        server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    except OSError as error:
        print(f"lockstep: error: {sys.argv[1]}: cannot be started: {error.strerror}", file=sys.stderr)
        return 3
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    code = server.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
