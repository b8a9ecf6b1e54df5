"""What tests of Slurm jobs have in common: a cluster on two hosts, and a folder for each test."""
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import hosts  # noqa: E402
import served  # noqa: E402
import slurm  # noqa: E402

FOLDER = served.SOURCE / "configs/deploy"
BATCH = FOLDER / "batch.sbatch"
MODEL = served.demo_model()


def lines(count: int, tokens: int = 12) -> str:
    return "".join(json.dumps({"prompt": f"Act {number}, scene {number % 7}.", "max_new_tokens": tokens,
                               "temperature": 0}) + "\n" for number in range(count))


class JobsOfSlurm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hosts = cls.enterClassContext(hosts.Hosts(2))
        cls.cluster = cls.enterClassContext(slurm.Cluster(cls.hosts))

    def setUp(self):
        # The hosts see this folder, as they see the whole file system.
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=self.hosts.folder)))

    def job(self, *words: str) -> tuple[str, ...]:
        return ("generate", "--model", MODEL, "--threads", "1", "--dtype", "fp32", "--quiet", *words)

    def expected(self, text: str) -> str:
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        given, made = folder / "in.jsonl", folder / "out.jsonl"
        given.write_text(text)
        served.run(*self.job("--input", str(given), "--output", str(made)))
        return made.read_text()

    def submit(self, *words: str, options: tuple[str, ...] = ()) -> str:
        return self.cluster.submit(BATCH, *self.job(*words), options=(f"--chdir={self.folder}", *options))

    def log(self, job: str) -> str:
        file = self.folder / f"lockstep-{job}.log"
        return file.read_text() if file.exists() else ""

    def until_completed(self, job: str) -> None:
        self.assertEqual(self.cluster.until_ended(job), "COMPLETED", self.log(job))

    def until_lines(self, file: str, count: int, job: str) -> None:
        def are_there():
            journal = [*self.folder.glob(file + "*")]
            return any(one.read_bytes().count(b"\n") >= count for one in journal)
        slurm.until(are_there, lambda: f"{file} has no {count} lines:\n{self.log(job)}", 120)


def main() -> None:
    missing = next((tool for tool in slurm.TOOLS if not slurm.system_program(tool)), None)
    why = hosts.obstacle() or (f"there is no {missing}" if missing else None)
    if why:
        served.skip(why)
    unittest.main(verbosity=2)
