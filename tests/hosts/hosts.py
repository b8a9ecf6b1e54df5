"""Hosts in namespaces of this machine: each has a network, processes, a name, System V messages and a
/dev/shm of its own; the file system is common to all, as a cluster's is. Their links meet in link_switch,
which delays, paces and cuts them.

    with Hosts(2) as hosts:
        hosts.run("node1", "hostname").stdout                           # "node1\n"
        hosts.mpirun("node1:2,node2:2", "lockstep", "generate", ...)    # of Open MPI, started on node1
        hosts.link("node2").set(delay_ms=5, mbit=1000)
        hosts.link("node2").cut()
        hosts.vanish("node2")

Nothing of it has a name outside, so several can be up at a time, and nothing is left when the process that
has made it ends, however that ends. Needs root, and what `obstacle()` names.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))
import served  # noqa: E402

SHELL = f"{sys.executable} {HERE / 'host_shell.py'}"
MARK = "LOCKSTEP_HOSTS"  # a variable of every process of the hosts
NAMESPACES = ("--net", "--mount", "--uts", "--ipc", "--pid")
RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID")
SUBNET = "10.77.0"
MTU = 9000


def die_with_parent() -> None:
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def switch_program() -> str:
    return os.environ.get("LINK_SWITCH", str(HERE.parents[1] / "build/release/tests/hosts/link_switch"))


def obstacle(*tools: str) -> str | None:
    """Why there can be no hosts here, in words; None where there can."""
    if os.geteuid() != 0:
        return "hosts need root"
    for tool in ("unshare", "nsenter", "ip", *tools):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return f"there is no {tool}"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "hosts need /dev/net/tun"
    tried = subprocess.run(["unshare", *NAMESPACES, "--fork", "--mount-proc", "true"], capture_output=True,
                           text=True)
    return None if tried.returncode == 0 else f"no namespaces: {tried.stderr.strip()}"


def environment(process: int) -> dict[str, str]:
    try:
        words = pathlib.Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is the kernel's
        return {}
    return dict(word.decode(errors="replace").partition("=")[::2] for word in words if b"=" in word)


def has_ended(process: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


class Link:
    """A host's link to the switch. What it is told holds when the call returns."""

    def __init__(self, switch: subprocess.Popen, number: int):
        self.switch, self.number = switch, number
        self.state = {"delay_ms": 0.0, "loss_percent": 0.0, "mbit": 0.0, "is_cut": False}

    def set(self, **state) -> None:
        """delay_ms: for each frame and direction; loss_percent; mbit: megabits a second, 0: any number."""
        self.state.update(state)
        delay, loss, mbit, is_cut = self.state.values()
        self.switch.stdin.write(f"{self.number} {delay * 1000} {loss} {mbit} {int(is_cut)}\n")
        self.switch.stdin.flush()
        if self.switch.stdout.readline() != "done\n":
            raise RuntimeError("the switch has ended")

    def cut(self) -> None:
        self.set(is_cut=True)

    def mend(self) -> None:
        self.set(is_cut=False)


class Hosts:
    def __init__(self, count: int, shm: str = "1g", variables: dict[str, dict[str, str]] = {},
                 shares_cores: bool = True):
        """variables: of the environment of single hosts, by their names. shares_cores: each host takes all of this
        machine's cores for its own; else they are dealt out, and hosts beyond their number begin again."""
        self.names = [f"node{number}" for number in range(1, count + 1)]
        self.variables, self.shares_cores = variables, shares_cores
        self.mark, self.shm = uuid.uuid4().hex, shm
        self.first = {}  # each host's first process, as this machine numbers it
        self.keepers, self.switch = {}, None

    def __enter__(self) -> "Hosts":
        self.temporary = tempfile.TemporaryDirectory(prefix="hosts-")
        self.folder = pathlib.Path(self.temporary.name)  # all hosts see it
        lines = [f"{self.address(name)} {name}\n" for name in self.names]
        (self.folder / "names").write_text("127.0.0.1 localhost\n" + "".join(lines))
        try:
            self.start_switch()
            for name in self.names:
                self.start_host(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for keeper in self.keepers.values():
            keeper.kill()
        for process in self.processes():
            kill(process, signal.SIGKILL)
        for one in [*self.keepers.values(), self.switch]:
            if one is not None:
                one.kill()
                one.communicate()
        self.temporary.cleanup()

    def address(self, name: str) -> str:
        return f"{SUBNET}.{self.names.index(name) + 1}"

    def own_folder(self, name: str) -> pathlib.Path:
        """For what a host keeps to itself: its TMPDIR."""
        folder = self.folder / f"tmp-{name}"
        folder.mkdir(exist_ok=True)
        return folder

    def environment(self, name: str) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items()
                     if not key.startswith(("OMPI_", "PMIX_", "SLURM", "LOCKSTEP_RANK"))}
        return inherited | self.variables.get(name, {}) | {MARK: self.mark, "TMPDIR": str(self.own_folder(name)),
                            "LOCKSTEP_HOSTS_NAMES": str(self.folder / "names"),
                            "LOCKSTEP_HOSTS_SHM": self.shm,
                            "OMPI_MCA_mpi_yield_when_idle": "1",  # hosts share cores
                            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                            "OMPI_MCA_plm_rsh_agent": SHELL, "PRTE_MCA_plm_ssh_agent": SHELL}

    def begin(self, name: str):
        """What a process of this host does first."""
        cores = sorted(os.sched_getaffinity(0))
        if not self.shares_cores:
            mine = self.names.index(name)
            cores = cores[mine::len(self.names)] or [cores[mine % len(cores)]]

        def prepare() -> None:
            die_with_parent()
            os.sched_setaffinity(0, cores)
        return prepare

    def start_switch(self) -> None:
        self.switch = subprocess.Popen(
            ["unshare", "--net", switch_program(), str(len(self.names))], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        if self.switch.stdout.readline() != "ready\n":
            raise RuntimeError("link_switch does not start")
        self.links = {name: Link(self.switch, at + 1) for at, name in enumerate(self.names)}

    def start_host(self, name: str) -> None:
        keeper = subprocess.Popen(
            ["unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc", *SHELL.split(), "serve", name],
            env=self.environment(name), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            preexec_fn=self.begin(name))
        self.keepers[name] = keeper
        if keeper.stdout.readline() != "ready\n":
            raise RuntimeError(f"{name} does not start")
        children = pathlib.Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text()
        self.first[name] = int(children.split()[0])
        device = f"link{self.names.index(name) + 1}"
        ip_in(self.switch.pid, "link", "set", device, "netns", str(self.first[name]))
        for words in ("link set lo up", f"link set {device} name eth0 mtu {MTU}",
                      f"addr add {self.address(name)}/24 dev eth0", "link set eth0 up"):
            ip_in(self.first[name], *words.split())

    def link(self, name: str) -> Link:
        return self.links[name]

    def start(self, name: str, *words: str, environment: dict[str, str] = {}, **more) -> subprocess.Popen:
        """A process on this host; the rest is Popen's."""
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                "text": True} | more
        return subprocess.Popen(["nsenter", "-t", str(self.first[name]), "--all", "--wd=.", *words],
                                env=self.environment(name) | environment, preexec_fn=self.begin(name), **more)

    def run(self, name: str, *words: str, timeout: float = 120, **more) -> subprocess.CompletedProcess:
        with self.start(name, *words, **more) as process:
            try:
                said, complained = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                self.end(process)
                raise
        return subprocess.CompletedProcess(words, process.returncode, said, complained)

    def end(self, process: subprocess.Popen) -> None:
        """Kills what `start` has started, with its children, which hold its output."""
        for one in [*served.descendants(process.pid), process.pid]:
            kill(one, signal.SIGKILL)
        process.communicate()

    def mpirun(self, places: str, *words: str) -> list[str]:
        """Words that start the command on these hosts when they are run on the first: "node1:2,node2:2"."""
        ranks = sum(int(place.partition(":")[2] or 1) for place in places.split(","))
        return ["mpirun", "--host", places, "-n", str(ranks), "--map-by", "slot", "--bind-to", "none", *words]

    def processes(self, name: str | None = None) -> list[int]:
        """All processes of the hosts, or of one, as this machine numbers them."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or has_ended(int(entry.name)):
                continue
            if environment(int(entry.name)).get(MARK) != self.mark:
                continue
            if name is None or self.host_of(int(entry.name)) == name:
                found.append(int(entry.name))
        return found

    def host_of(self, process: int) -> str | None:
        try:
            spaces = {os.readlink(f"/proc/{first}/ns/pid"): name for name, first in self.first.items()
                      if not has_ended(first)}
            return spaces.get(os.readlink(f"/proc/{process}/ns/pid"))
        except OSError:
            return None

    def rank(self, number: int, program: str = "lockstep") -> int | None:
        """The process of a rank of mpirun's or srun's world, as this machine numbers it."""
        for process in self.processes():
            variables = environment(process)
            rank = next((variables[one] for one in RANK_VARIABLES if one in variables), None)
            if rank == str(number) and name_of(process) == program[:15]:
                return process
        return None

    def vanish(self, name: str) -> None:
        """As if its power had failed: nobody hears of it again, nor of its end."""
        self.link(name).cut()
        self.keepers[name].kill()
        self.keepers[name].wait()


def name_of(process: int) -> str:
    try:
        return pathlib.Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def size_of(file: pathlib.Path) -> int:
    """0 where it is not there, or has just gone."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def forget(folder: pathlib.Path) -> None:
    """Whoever reads its files next reads them from the disk."""
    for file in folder.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def bytes_read(process: int) -> int:
    """From disks, until now."""
    words = pathlib.Path(f"/proc/{process}/io").read_text().split()
    return int(words[words.index("read_bytes:") + 1])


def is_shell(process: int) -> bool:
    """Whether it is this end of a command on another host."""
    try:
        words = pathlib.Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return str(HERE / "host_shell.py").encode() in words and b"serve" not in words


def kill(process: int, how: int) -> None:
    try:
        os.kill(process, how)
    except ProcessLookupError:
        pass


def ip_in(process: int, *words: str) -> None:
    subprocess.run(["nsenter", "-t", str(process), "--net", "ip", *words], check=True)


def without_race(errors: str) -> str:
    """Without what mpirun says of its own race: it gives a remote shell a process group, as the shell itself does."""
    return re.sub(r"(?m)^\[\S+\] plm:rsh: Warning: setpgid\(\d+,\d+\) failed in parent.*\n", "", errors)


def until(found, what, seconds: float = 60, pause: float = 0.02):
    """What `found` gives, as soon as it is something. what: the words of the error, or what gives them."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = found()
        if result:
            return result
        time.sleep(pause)
    raise TimeoutError(what() if callable(what) else what)
