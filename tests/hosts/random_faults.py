"""A batch job on two hosts, two ranks each, that random faults hit one after the other. It is resumed after each:

    random_faults.py [--seed N] [--faults N] [--lines N]

prints a line for each fault: how many lines were done, how the world ended and how soon, and in the end whether
the output is to the byte that of one process which nothing has hit. A world that hangs ends it with an error.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

import faults
import hosts
import served
import slurm

PLACES = "node1:2,node2:2"
NAMES = ("node1", "node2")
RANKS = 4
DEADLINE_SECONDS = 8
SHORT_SECONDS = 5  # of a link that comes back
HANG_SECONDS = 150  # after which a world that neither ends nor goes on is taken for one that hangs
KINDS = {"killed": "mpirun", "stopped": "mpirun", "link down for 5 s": "mpirun", "link down for good": "mpirun",
         "host gone": "mpirun", "killed under Slurm": "slurm", "scancel": "slurm", "preempted": "slurm"}
BATCH = served.SOURCE / "configs/deploy/batch.sbatch"


@dataclasses.dataclass
class Fault:
    kind: str
    rank: int
    host: str
    lines: int  # of the job that are done when it strikes, at least


def draw(seed: int, count: int, lines: int) -> list[Fault]:
    """Each kind as often as any other, in a random order, at random moments of the job."""
    chance = random.Random(seed)
    kinds = [list(KINDS)[at % len(KINDS)] for at in range(count)]
    chance.shuffle(kinds)
    share = 0.9 * lines / count
    return [Fault(kind, chance.randrange(RANKS), chance.choice(NAMES), int((at + chance.random()) * share))
            for at, kind in enumerate(kinds)]


class Job:
    """The files of the job, and its words."""

    def __init__(self, folder: pathlib.Path, lines: int):
        self.folder, self.lines = folder, lines
        self.output = folder / "out.jsonl"
        text = "".join(json.dumps({"prompt": f"Act {line}, scene {line % 7}.", "max_new_tokens": 16 + line % 25,
                                   "temperature": line % 2}) + "\n" for line in range(lines))
        (folder / "in.jsonl").write_text(text)

    def words(self, output: pathlib.Path | None = None) -> tuple[str, ...]:
        return ("generate", "--model", served.demo_model(), "--threads", "1", "--dtype", "fp32", "--quiet",
                "--set", f"comm.deadline_seconds={DEADLINE_SECONDS}", "--set", "engine.max_sequences=12",
                "--input", str(self.folder / "in.jsonl"), "--output", str(output or self.output))

    def expected(self) -> bytes:
        file = self.folder / "expected.jsonl"
        served.run(*self.words(file))
        return file.read_bytes()

    def done(self) -> int:
        for file in (self.output, self.folder / "out.jsonl.partial"):
            if file.exists():
                return file.read_bytes().count(b"\n")
        return 0

    def is_complete(self) -> bool:
        return self.output.exists()


class UnderMpirun:
    """A world that mpirun has started on the first host."""

    def __init__(self, fixture: hosts.Hosts, job: Job):
        self.hosts = fixture
        self.log = open(job.folder / "mpirun.log", "w+")
        words = fixture.mpirun(PLACES, served.program(), *job.words())
        self.process = fixture.start("node1", *words, stdout=self.log, stderr=self.log)

    def how_it_ended(self) -> str | None:
        """Nothing as long as anything of it is left."""
        code = self.process.poll()
        if code is None or faults.remains(self.hosts):
            return None
        return f"exit code {code if code >= 0 else 128 - code}"

    def stop(self) -> None:
        for process in self.hosts.processes("node1"):
            if hosts.name_of(process) == "mpirun":
                hosts.kill(process, signal.SIGINT)

    def said(self) -> str:
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()

    def close(self) -> None:
        self.hosts.end(self.process)
        self.log.close()


class UnderSlurm:
    """The same as a job of Slurm's, which goes back into the queue by itself."""

    def __init__(self, cluster: slurm.Cluster, job: Job):
        self.cluster, self.job = cluster, job
        self.number = cluster.submit(str(BATCH), *job.words(), options=(
            "--nodes=2", "--exclusive", f"--chdir={job.folder}", f"--output={job.folder}/slurm.log"))

    def how_it_ended(self) -> str | None:
        state = self.cluster.state(self.number)
        return state if state in slurm.ENDED and not faults.remains(self.cluster.hosts) else None

    def restarts(self) -> int:
        return int(self.cluster.field(self.number, "Restarts"))

    def stop(self) -> None:
        self.cluster.run("scancel", self.number)

    def preempt(self) -> None:
        urgent = self.cluster.submit("--wrap=sleep 1", options=("--partition=high", "--nodes=2", "--exclusive",
                                                                f"--chdir={self.job.folder}"))
        state = self.cluster.until_ended(urgent)
        if state != "COMPLETED":
            raise RuntimeError(f"the urgent job has ended as {state}")

    def said(self) -> str:
        log = self.job.folder / "slurm.log"
        return log.read_text() if log.exists() else ""

    def close(self) -> None:
        self.stop()


class Run:
    """The job from its first world to its last one."""

    def __init__(self, job: Job, drawn: list[Fault]):
        self.job, self.faults = job, drawn
        self.hosts = self.cluster = self.world = None

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_) -> None:
        self.leave_hosts()

    def leave_world(self) -> None:
        if self.world:
            self.world.close()
        self.world = None

    def leave_cluster(self) -> None:
        self.leave_world()
        if self.cluster:
            self.cluster.__exit__()
            shutil.rmtree(self.cluster.folder)
        self.cluster = None

    def leave_hosts(self) -> None:
        self.leave_cluster()
        if self.hosts:
            self.hosts.__exit__()
        self.hosts = None

    def until(self, found, what: str):
        return hosts.until(found, lambda: f"{what}:\n{self.world.said() if self.world else ''}", HANG_SECONDS, 0.05)

    def use(self, launcher: str) -> None:
        """A world of this launcher's works; one of the other's is told to stop before."""
        if self.world and isinstance(self.world, UnderSlurm) != (launcher == "slurm"):
            self.world.stop()
            self.until(self.world.how_it_ended, "a world that was told to stop hangs")
            self.leave_world()
        if launcher == "mpirun" and self.cluster:
            self.leave_cluster()
        if not self.hosts:
            self.hosts = hosts.Hosts(len(NAMES)).__enter__()
        if launcher == "slurm" and not self.cluster:
            self.cluster = slurm.Cluster(self.hosts)
            self.cluster.__enter__()
        if not self.world:
            self.world = (UnderSlurm(self.cluster, self.job) if launcher == "slurm"
                          else UnderMpirun(self.hosts, self.job))

    def await_lines(self, count: int) -> None:
        """The world works on, and so many lines are done."""
        wanted = max(count, self.job.done() + 1)

        def are_done() -> bool:
            if self.job.is_complete():
                raise RuntimeError(f"the job was complete before {count} of its lines were seen; expected more lines")
            ended = self.world.how_it_ended()
            if ended:
                raise RuntimeError(f"the world has ended by itself ({ended}):\n{self.world.said()}")
            return self.job.done() >= wanted
        self.until(are_done, "no lines are done")

    def strike(self, fault: Fault) -> None:
        if fault.kind in ("killed", "stopped", "killed under Slurm"):
            victim = self.until(lambda: self.hosts.rank(fault.rank), "the rank is not there")
            os.kill(victim, signal.SIGSTOP if fault.kind == "stopped" else signal.SIGKILL)
        elif fault.kind.startswith("link down"):
            self.hosts.link(fault.host).cut()
            if fault.kind == "link down for 5 s":
                time.sleep(SHORT_SECONDS)
                self.hosts.link(fault.host).mend()
        elif fault.kind == "host gone":
            self.hosts.vanish(fault.host)
        elif fault.kind == "scancel":
            self.world.stop()
        elif fault.kind == "preempted":
            self.world.preempt()

    def outcome(self, done: int, restarts: int) -> str | None:
        """Of the world after the fault; a job of Slurm's may have gone back into the queue."""
        ended = self.world.how_it_ended()
        if ended:
            return ended
        if self.cluster:
            return "requeued" if self.world.restarts() > restarts else None
        return "went on" if self.job.done() > done else None

    def hit(self, fault: Fault) -> tuple[str, float]:
        """How the world ended, and after how many seconds."""
        restarts = self.world.restarts() if self.cluster else 0
        begin = time.monotonic()
        self.strike(fault)
        # What the ranks have made until they stop says nothing.
        survives = fault.kind == "link down for 5 s"
        done = self.job.done() if survives else self.job.lines
        how = self.until(lambda: self.outcome(done, restarts), f"the world hangs after: {fault}")
        seconds = time.monotonic() - begin
        if how not in ("went on", "requeued"):
            self.leave_world()
        if fault.kind == "link down for good":
            self.hosts.link(fault.host).mend()
        if fault.kind == "host gone":
            self.leave_hosts()
        return how, seconds

    def finish(self) -> None:
        self.use("slurm" if self.cluster else "mpirun")
        self.until(self.job.is_complete, "the job is not completed")
        self.until(self.world.how_it_ended, "the last world hangs")


def hit_at_random(seed: int, count: int, lines: int) -> bool:
    """Prints the table. Whether the output is that of a job which nothing has hit."""
    print(f"| fault (seed {seed}) | of | lines done | the world | after s |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory(prefix="random-faults-") as name:
        job = Job(pathlib.Path(name), lines)
        expected = job.expected()
        with Run(job, draw(seed, count, lines)) as run:
            for fault in run.faults:
                run.use(KINDS[fault.kind])
                run.await_lines(fault.lines)
                of = f"rank {fault.rank}" if "killed" in fault.kind or fault.kind == "stopped" else fault.host
                done = job.done()
                how, seconds = run.hit(fault)
                of = "" if fault.kind in ("scancel", "preempted") else of
                print(f"| {fault.kind} | {of} | {done} | {how} | {seconds:.1f} |", flush=True)
            run.finish()
        return job.output.read_bytes() == expected


def obstacle() -> str | None:
    missing = next((tool for tool in slurm.TOOLS if not slurm.system_program(tool)), None)
    return hosts.obstacle() or (f"there is no {missing}" if missing else None)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--faults", type=int, default=30)
    options.add_argument("--lines", type=int, default=2000)
    asked = options.parse_args()
    why_not = obstacle()
    if why_not:
        sys.exit(why_not)
    if not hit_at_random(asked.seed, asked.faults, asked.lines):
        sys.exit("the output is another one than that of an undisturbed run")
    print("the output is that of an undisturbed run, to the byte")


if __name__ == "__main__":
    main()
