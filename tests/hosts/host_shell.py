"""Starts commands on other hosts, as ssh does, without keys and users.

    host_shell.py serve HOST     the first process of a host (see hosts.py)
    host_shell.py HOST COMMAND…  has that host's shell run the command: for mpirun (plm_rsh_agent)
"""
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading

PORT = 22
CONNECT_SECONDS = 5
BIND, PRIVATE = 1 << 12, 1 << 14 | 1 << 18  # MS_BIND, MS_REC | MS_PRIVATE
libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    if libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def obey(connection: socket.socket) -> None:
    """Runs one command and tells what it says and how it ends."""
    def tell(**words) -> None:
        try:
            connection.sendall(json.dumps(words).encode() + b"\n")
        except OSError:  # nobody listens any more
            pass

    with connection:
        order = connection.makefile().readline()
        if not order:
            return
        command = json.loads(order)["command"]
        process = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True, text=True, errors="replace")
        reader = threading.Thread(target=lambda: [tell(said=line) for line in process.stdout], daemon=True)
        reader.start()
        code = process.wait()
        reader.join(0.5)  # what it leaves behind may keep its output for ever
        tell(code=code)


def serve(name: str) -> None:
    socket.sethostname(name)
    mount("none", "/", "", PRIVATE)
    mount("shm", "/dev/shm", "tmpfs", 0, "size=" + os.environ["LOCKSTEP_HOSTS_SHM"])
    mount(os.environ["LOCKSTEP_HOSTS_NAMES"], "/etc/hosts", "", BIND)
    if os.fork() != 0:  # the first process of a host buries those whose parents have gone
        while True:
            try:
                os.wait()
            except ChildProcessError:
                os._exit(0)
    with socket.create_server(("", PORT), backlog=64) as server:
        print("ready", flush=True)
        while True:
            threading.Thread(target=obey, args=(server.accept()[0],), daemon=True).start()


def run_there(host: str, words: list[str]) -> int:
    with socket.create_connection((host, PORT), timeout=CONNECT_SECONDS) as connection:
        connection.settimeout(None)
        connection.sendall(json.dumps({"command": " ".join(words)}).encode() + b"\n")
        for line in connection.makefile():
            answer = json.loads(line)
            if "code" in answer:
                return answer["code"] if answer["code"] >= 0 else 128 - answer["code"]
            print(answer["said"], end="", flush=True)
    return 255  # as ssh, where the connection ends first


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(run_there(sys.argv[1], sys.argv[2:]))
