"""configs/deploy/lockstep.sbatch as a job of a Slurm cluster of this test's own, on this machine."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

import deployed
import served

CONFIGURATION = """
ClusterName=lockstep
SlurmctldHost=localhost
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=FOLDER/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmctldPort=CONTROL
SlurmdPort=DAEMON
SlurmctldPidFile=FOLDER/slurmctld.pid
SlurmdPidFile=FOLDER/slurmd.pid
SlurmdSpoolDir=FOLDER/spool
StateSaveLocation=FOLDER/state
SlurmctldLogFile=FOLDER/slurmctld.log
SlurmdLogFile=FOLDER/slurmd.log
SlurmdParameters=config_overrides
KillWait=10
NodeName=localhost NodeAddr=127.0.0.1 CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(found, what: str, seconds: float = 60):
    """What `found` gives, as soon as it is something."""
    for _ in range(int(seconds * 10)):
        result = found()
        if result:
            return result
        time.sleep(0.1)
    raise TimeoutError(what)


class Cluster:
    """munged, slurmctld and slurmd with all their files in one folder."""

    def __init__(self, folder: pathlib.Path):
        self.folder, self.daemons = folder, []

    def __enter__(self) -> "Cluster":
        # munged wants folders that nobody else can write to, and slurmd an owner for its.
        self.folder.chmod(0o755)
        for name in ("spool", "state"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        text = CONFIGURATION.replace("FOLDER", str(self.folder))
        text = text.replace("CONTROL", str(free_port())).replace("DAEMON", str(free_port()))
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        self.environment = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf"),
                            "LOCKSTEP": served.program()}
        try:
            self.start("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket",
                       f"--key-file={key}", f"--pid-file={self.folder}/munged.pid",
                       f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munged.seed")
            until((self.folder / "munge.socket").exists, "munged has not started")
            self.start("slurmctld", "-D")
            self.start("slurmd", "-D", "-N", "localhost")
            until(lambda: "idle" in self.run("sinfo", "-h", "-o", "%T", check=False), "no idle node")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def start(self, program: str, *words: str) -> None:
        with open(self.folder / f"{program}.out", "w") as output:
            self.daemons.append(subprocess.Popen(
                [shutil.which(program, path="/usr/sbin:" + os.environ["PATH"]), *words],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output))

    def __exit__(self, *_) -> None:
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(60)

    def run(self, *words: str, check: bool = True) -> str:
        return subprocess.run(words, env=self.environment, cwd=self.folder, check=check,
                              capture_output=True, text=True).stdout.strip()

    def state(self, job: str) -> str:
        return re.search(r"JobState=(\S+)", self.run("scontrol", "show", "job", job)).group(1)


class Job(unittest.TestCase):
    def log(self) -> str:
        file = self.cluster.folder / f"lockstep-{self.job}.log"
        return file.read_text() if file.exists() else ""

    def ready(self):
        if self.cluster.state(self.job) not in ("PENDING", "CONFIGURING", "RUNNING"):
            raise RuntimeError(f"the job has ended:\n{self.log()}")
        return re.search(r"ready: http://[^:]+:(\d+)", self.log())

    def test_serves_until_it_is_told_to_stop(self):
        with tempfile.TemporaryDirectory() as folder, Cluster(pathlib.Path(folder)) as self.cluster:
            self.job = self.cluster.run(
                "sbatch", "--parsable", "--export=ALL,LOCKSTEP_PORT=0", str(deployed.FOLDER / "lockstep.sbatch"),
                "--model", served.demo_model(), "--threads", "1")
            port = until(self.ready, "the job is not ready", 120).group(1)
            asked = {"prompt": "ROMEO:", "max_tokens": 12, "temperature": 0}
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/completions",
                                        json.dumps(asked).encode(), timeout=60) as reply:
                text = json.load(reply)["choices"][0]["text"]
            self.assertEqual(text + "\n",
                             served.run("generate", "--model", served.demo_model(), "--prompt", "ROMEO:",
                                        "--max-new-tokens", "12", "--temperature", "0"))
            self.assertRegex(self.log(), r"job \d+: 2 ranks on localhost")
            self.cluster.run("scancel", "--batch", "--signal=TERM", self.job)
            until(lambda: self.cluster.state(self.job) == "COMPLETED",
                  f"the job has not ended well:\n{self.log()}")
            self.assertIn("stopped", self.log())


if __name__ == "__main__":
    deployed.need("sbatch", "mpirun")
    for daemon in ("munged", "slurmctld", "slurmd"):
        if not shutil.which(daemon, path="/usr/sbin:" + os.environ["PATH"]):
            served.skip(f"there is no {daemon}")
    if os.geteuid() != 0:
        served.skip("slurmd needs root")
    unittest.main()
