"""A Slurm cluster on the hosts of hosts.py: slurmctld on node1, slurmd on each, everything of it in one folder.

    with Hosts(2) as hosts, Cluster(hosts) as cluster:
        job = cluster.submit("configs/deploy/batch.sbatch", "--model", ...)
        cluster.until_ended(job)                              # "COMPLETED"
        cluster.run("srun", "--mpi=pmix", "-n", "4", ...)     # as typed on node1

Two partitions: `main`, whose jobs are requeued where `high` wants their nodes.
"""
import os
import re
import shutil
import subprocess

import hosts as hosts_module
import served

DAEMONS = ("munged", "slurmctld", "slurmd")
TOOLS = ("sbatch", "srun", "mpirun", *DAEMONS)
GPUS = ("/dev/null", "/dev/zero")  # what passes for them: Slurm wants devices
CORES = 4  # of each node, as Slurm sees it
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY")

CONFIGURATION = """
ClusterName=lockstep
SlurmctldHost=node1(ADDRESS)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=FOLDER/munge.socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,sched_min_interval=100000,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldPidFile=FOLDER/slurmctld.pid
SlurmdPidFile=FOLDER/slurmd.%n.pid
SlurmdSpoolDir=FOLDER/spool-%n
StateSaveLocation=FOLDER/state
SlurmctldLogFile=FOLDER/slurmctld.log
SlurmdLogFile=FOLDER/slurmd.%n.log
SlurmdParameters=config_overrides
SlurmdTimeout=15
ReturnToService=2
KillWait=10
GresTypes=gpu
NodeName=NODES CPUs=CORES Boards=1 SocketsPerBoard=1 CoresPerSocket=CORES ThreadsPerCore=1 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=10
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def until(found, what, seconds: float = 90):
    return hosts_module.until(found, what, seconds, pause=0.1)  # each look is a call of Slurm's


def system_program(name: str) -> str:
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


class Cluster:
    def __init__(self, hosts: hosts_module.Hosts):
        self.hosts = hosts
        self.folder, self.daemons = hosts.folder / "slurm", []

    def environment(self, name: str) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / name / "slurm.conf"), "LOCKSTEP": served.program()}

    def __enter__(self) -> "Cluster":
        # munged wants folders that nobody else can write to, and slurmd an owner for its.
        self.hosts.folder.chmod(0o755)
        self.folder.mkdir(mode=0o755)
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        text = CONFIGURATION.replace("FOLDER", str(self.folder)).replace("CORES", str(CORES))
        text = text.replace("ADDRESS", self.hosts.address("node1")).replace("NODES", ",".join(self.hosts.names))
        for name in self.hosts.names:
            (self.folder / name).mkdir()
            (self.folder / f"spool-{name}").mkdir()
            for file, content in {
                    "slurm.conf": text,
                    "gres.conf": "".join(f"Name=gpu File={device}\n" for device in GPUS),
                    "cgroup.conf": "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n",
                    # All hosts see one /tmp, in which their files would be in each other's way.
                    "mpi.conf": f"PMIxCliTmpDirBase={self.hosts.own_folder(name)}\n"}.items():
                (self.folder / name / file).write_text(content)
        self.start("node1", "munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket",
                   f"--key-file={key}", f"--pid-file={self.folder}/munged.pid",
                   f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munged.seed")
        until((self.folder / "munge.socket").exists, "munged has not started")
        self.start("node1", "slurmctld", "-D")
        for name in self.hosts.names:
            self.start(name, "slurmd", "-D", "-N", name)
        wanted = ["idle"] * len(self.hosts.names)
        until(lambda: self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%T").stdout.split() == wanted,
              "the nodes are not idle")
        return self

    def start(self, host: str, program: str, *words: str) -> None:
        with open(self.folder / f"{program}.{host}.out", "w") as output:
            self.daemons.append(self.hosts.start(host, system_program(program), *words, stdout=output, stderr=output,
                                                 environment=self.environment(host)))

    def __exit__(self, *_) -> None:
        for daemon in reversed(self.daemons):
            self.hosts.end(daemon)

    def run(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess:
        return self.hosts.run("node1", *words, environment=self.environment("node1"), cwd=self.hosts.folder,
                              timeout=timeout)

    def submit(self, script: str, *words: str, options: tuple[str, ...] = ()) -> str:
        done = self.run("sbatch", "--parsable", *options, str(script), *words)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def field(self, job: str, name: str) -> str:
        return re.search(rf"\b{name}=(\S+)", self.run("scontrol", "show", "job", job).stdout).group(1)

    def state(self, job: str) -> str:
        return self.field(job, "JobState")

    def until_ended(self, job: str, seconds: float = 240) -> str:
        until(lambda: self.state(job) in ENDED, f"job {job} has not ended", seconds)
        return self.state(job)
