"""What a world over several hosts says when one of its ranks fails, and when all of it has ended:

    faults.py [--launcher mpirun|lockstep|srun] [--fault NAME]… [--layout NAME]… [--deadline SECONDS]

prints the table of docs/guide/clusters.md, a line for each layout and fault.
"""
import argparse
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import hosts
import served
import slurm

LAYOUTS = {"2x1": "node1:1,node2:1", "2x2": "node1:2,node2:2", "3+1": "node1:3,node2:1",
           "4x1": "node1:1,node2:1,node3:1,node4:1"}
FAULTS = ("killed", "stopped", "link cut", "host gone", "out of memory", "slow disk")
LAUNCHERS = ("mpirun", "lockstep", "srun")
PROGRAMS = ("mpirun", "orted", "srun", "lockstep", "lockstep-words")
CGROUPS = pathlib.Path("/sys/fs/cgroup")
GOING_SECONDS = 60  # for a world to start and to be in the middle of its work
END_SECONDS = 90    # after which a world that has not ended is taken for one that hangs
NAMED = re.compile(r"(?:rank|process rank) (\d+)(?: with PID \d+)? on (?:node )?[^ ,]+[^\n]*?"
                   r"(?:did not arrive|has ended|was killed|exited on signal|ended unexpectedly)"
                   r"|srun: error: .*task (\d+): Killed")


@dataclasses.dataclass
class Outcome:
    layout: str
    fault: str
    code: int | None = None         # None: it hung
    named: int | None = None        # the rank that the first message blames
    told: float | None = None       # seconds from the fault to that message
    ended: float | None = None      # to the end of the launcher
    gone: float | None = None       # to the end of all processes, on all hosts
    said: str = ""
    left: list[str] = dataclasses.field(default_factory=list)


class Cgroup:
    """A control group of ours that holds back what is put into it; of version 1 or 2."""

    def __init__(self, kind: str):
        self.kind = kind
        parent = CGROUPS / {"memory": "memory", "io": "blkio"}[kind]
        self.is_first_version = parent.is_dir()
        if not self.is_first_version:
            parent = CGROUPS
        self.folder = parent / f"lockstep-faults-{os.getpid()}"

    @staticmethod
    def obstacle(kind: str) -> str | None:
        try:
            with Cgroup(kind):
                return None
        except OSError as error:
            return f"no control group for {kind}: {error}"

    def __enter__(self) -> "Cgroup":
        self.folder.mkdir()
        try:
            files = {"memory": ("memory.limit_in_bytes", "memory.max"),
                     "io": ("blkio.throttle.read_bps_device", "io.max")}[self.kind]
            self.limit_file = self.folder / files[0 if self.is_first_version else 1]
            if not os.access(self.limit_file, os.W_OK):
                raise OSError(f"there is no {self.limit_file}")
        except OSError:
            self.folder.rmdir()
            raise
        return self

    def __exit__(self, *_) -> None:
        for process in (self.folder / "cgroup.procs").read_text().split():
            hosts.kill(int(process), signal.SIGKILL)
        hosts.until(lambda: not (self.folder / "cgroup.procs").read_text(), "the end of the group's processes")
        self.folder.rmdir()

    def limit(self, value: int, device: int = 0) -> None:
        """Bytes, or bytes a second from this device."""
        text = str(value)
        if self.kind == "io":
            where = f"{os.major(device)}:{os.minor(device)}"
            text = f"{where} {value}" if self.is_first_version else f"{where} rbps={value}"
        self.limit_file.write_text(text)

    def add(self, process: int) -> None:
        (self.folder / "cgroup.procs").write_text(str(process))


def remains(fixture: hosts.Hosts) -> list[int]:
    """What is there of a world: its processes, and shells that mpirun has reached other hosts by."""
    return [one for one in fixture.processes() if hosts.name_of(one) in PROGRAMS or hosts.is_shell(one)]


def obstacle(fault: str, launcher: str) -> str | None:
    """Why this fault cannot be made here."""
    for tool in slurm.TOOLS if launcher == "srun" else ():
        if not slurm.system_program(tool):
            return f"there is no {tool}"
    kind = {"out of memory": "memory", "slow disk": "io"}.get(fault)
    return Cgroup.obstacle(kind) if kind else None


class Trial:
    """One world, one fault: of its last rank, or of that rank's host."""

    def __init__(self, fixture: hosts.Hosts, layout: str, fault: str, deadline: float, launcher: str):
        self.hosts, self.deadline, self.launcher = fixture, deadline, launcher
        self.outcome = Outcome(layout, fault)
        places = LAYOUTS[layout].split(",")
        self.ranks = sum(int(place.partition(":")[2]) for place in places)
        self.last_host = places[-1].partition(":")[0]
        self.folder = fixture.folder / "work"
        self.group = self.cluster = None

    def run(self) -> Outcome:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        shutil.copytree(served.demo_model(), self.folder / "model")
        slow = self.outcome.fault == "slow disk"
        if self.launcher == "srun":
            self.cluster = slurm.Cluster(self.hosts).__enter__()
        try:
            if slow:
                self.slow_down()
            self.write_input(40 if slow else 100_000)
            with self.start() as process:
                reader = threading.Thread(target=self.read, args=(process,))
                self.begin, self.lines = time.monotonic(), []
                reader.start()
                try:
                    if not slow:
                        self.await_work(process)
                        self.begin = time.monotonic()
                        self.strike()
                    self.await_end(process)
                finally:
                    self.sweep(process)
                    reader.join()
            self.conclude()
        finally:
            if self.group:
                self.group.__exit__()
        return self.outcome

    def write_input(self, lines: int) -> None:
        line = '{"prompt": "ROMEO:", "max_new_tokens": 64, "temperature": 0, "ignore_eos": true}\n'
        (self.folder / "in.jsonl").write_text(line * lines)

    def start(self) -> subprocess.Popen:
        command = [served.program(), "generate", "--model", str(self.folder / "model"), "--threads", "1",
                   "--input", str(self.folder / "in.jsonl"), "--output", str(self.folder / "out.jsonl"),
                   "--set", f"comm.deadline_seconds={self.deadline}"]
        environment = {}
        if self.launcher == "mpirun":
            command = self.hosts.mpirun(LAYOUTS[self.outcome.layout], *command)
        elif self.launcher == "srun":
            names = [place.split(":") for place in LAYOUTS[self.outcome.layout].split(",")]
            file = self.folder / "hostfile"
            file.write_text("".join(f"{name}\n" * int(count) for name, count in names))
            environment = self.cluster.environment("node1") | {"SLURM_HOSTFILE": str(file)}
            command = ["srun", "--mpi=pmix", "-m", "arbitrary", "-n", str(self.ranks), *command]
        else:
            file = self.folder / "hostfile"
            file.write_text("".join(f"{place.replace(':', ' slots=')}\n"
                                    for place in LAYOUTS[self.outcome.layout].split(",")))
            environment = {"OMPI_MCA_orte_default_hostfile": str(file)}
            command += ["--tp", str(self.ranks)]
        return self.hosts.start("node1", *command, environment=environment, stderr=subprocess.STDOUT)

    def read(self, process: subprocess.Popen) -> None:
        for line in process.stdout:
            self.lines.append((time.monotonic(), line))

    def await_work(self, process: subprocess.Popen) -> None:
        def works() -> bool:
            if process.poll() is not None:
                raise RuntimeError("the world has ended by itself:\n" + self.text())
            return any(hosts.size_of(file) > 0 for file in self.folder.glob("out.jsonl*"))
        hosts.until(works, "work has not begun", GOING_SECONDS)

    def text(self) -> str:
        return "".join(line for _, line in self.lines)

    def strike(self) -> None:
        victim = self.hosts.rank(self.ranks - 1)
        fault = self.outcome.fault
        if fault in ("killed", "stopped"):
            os.kill(victim, signal.SIGKILL if fault == "killed" else signal.SIGSTOP)
        elif fault == "link cut":
            self.hosts.link(self.last_host).cut()
        elif fault == "host gone":
            self.hosts.vanish(self.last_host)
        elif fault == "out of memory":
            # What it has does not count, the next page is too much.
            self.group = Cgroup("memory").__enter__()
            self.group.limit(65536)
            self.group.add(victim)

    def slow_down(self) -> None:
        """That host reads a copy of the model from its own disk, so slowly that it takes two deadlines."""
        model, copy = self.folder / "model", self.folder / "slow"
        shutil.copytree(model, copy)
        hosts.forget(copy)
        self.hosts.run(self.last_host, "mount", "--bind", str(copy), str(model))
        self.group = Cgroup("io").__enter__()
        device = os.stat(copy).st_dev
        self.group.limit(sum(file.stat().st_size for file in copy.iterdir()) // int(2 * self.deadline), device)
        for process in self.hosts.processes(self.last_host):
            self.group.add(process)

    def await_end(self, process: subprocess.Popen) -> None:
        try:
            process.wait(timeout=END_SECONDS + self.deadline)
            code = process.returncode
            self.outcome.code = code if code >= 0 else 128 - code  # as a shell says it
            self.outcome.ended = time.monotonic() - self.begin
        except subprocess.TimeoutExpired:
            return
        try:
            hosts.until(lambda: not self.remains(), "an end", END_SECONDS)
            self.outcome.gone = time.monotonic() - self.begin
        except TimeoutError:
            self.outcome.left = [hosts.name_of(one) for one in self.remains()]

    def remains(self) -> list[int]:
        return remains(self.hosts)

    def sweep(self, process: subprocess.Popen) -> None:
        for one in self.remains():
            hosts.kill(one, signal.SIGKILL)
        for one in [*served.descendants(process.pid), process.pid]:
            hosts.kill(one, signal.SIGKILL)

    def conclude(self) -> None:
        self.outcome.said = self.text()
        for moment, line in self.lines:
            found = NAMED.search(line)
            if found:
                self.outcome.named = int(found.group(1) or found.group(2))
                self.outcome.told = moment - self.begin
                return


def try_out(layout: str, fault: str, deadline: float, launcher: str = "mpirun") -> Outcome:
    with hosts.Hosts(len(LAYOUTS[layout].split(","))) as fixture:
        return Trial(fixture, layout, fault, deadline, launcher).run()


def cell(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f}"


def table(outcomes, deadline: float) -> None:
    print(f"| layout | fault | named | exit code | told after s | ended | all gone |  deadline {deadline:g} s")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for one in outcomes:
        named = "nobody" if one.named is None else f"rank {one.named}"
        told = "" if one.named is None else cell(one.told)
        left = f" ({', '.join(one.left)} left)" if one.left else ""
        print(f"| {one.layout} | {one.fault} | {named} | {'hangs' if one.code is None else one.code} | {told} "
              f"| {cell(one.ended)} | {cell(one.gone)}{left} |", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--launcher", choices=LAUNCHERS, default="mpirun")
    options.add_argument("--fault", choices=FAULTS, action="append")
    options.add_argument("--layout", choices=LAYOUTS, action="append")
    options.add_argument("--deadline", type=float, default=8)
    options.add_argument("--verbose", action="store_true", help="what each world has said")
    asked = options.parse_args()
    why_not = hosts.obstacle("mpirun")
    if why_not:
        sys.exit(why_not)

    def outcomes():
        for fault in asked.fault or FAULTS:
            why_not = obstacle(fault, asked.launcher)
            if why_not:
                print(f"{fault}: {why_not}", file=sys.stderr)
                continue
            for layout in asked.layout or LAYOUTS:
                one = try_out(layout, fault, asked.deadline, asked.launcher)
                if asked.verbose:
                    print(one.said, file=sys.stderr)
                yield one
    table(outcomes(), asked.deadline)


if __name__ == "__main__":
    main()
