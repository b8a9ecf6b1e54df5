"""configs/deploy/*.sbatch as jobs of a Slurm cluster on hosts of this machine: what they put out is what an
undisturbed run here does."""
import json
import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import hosts  # noqa: E402
import served  # noqa: E402
import slurm  # noqa: E402
from slurm_jobs import BATCH, FOLDER, MODEL, JobsOfSlurm, lines, main  # noqa: E402

PROMPT = ("--model", MODEL, "--prompt", "ROMEO:", "--max-new-tokens", "12", "--temperature", "0", "--threads", "1",
          "--dtype", "fp32")
POST = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], sys.argv[2].encode(), timeout=60) as reply:
    print(reply.read().decode())
"""


class Jobs(JobsOfSlurm):
    def test_run_on_one_node_and_on_two(self):
        text = lines(20)
        (self.folder / "in.jsonl").write_text(text)
        expected = self.expected(text)
        for number, options in enumerate([(), ("--nodes=2",), ("--nodes=2", "--ntasks-per-node=1")]):
            job = self.submit("--input", "in.jsonl", "--output", f"{number}.jsonl", options=options)
            self.until_completed(job)
            self.assertEqual((self.folder / f"{number}.jsonl").read_text(), expected, options)
            self.assertNotIn("share", self.log(job))

    def test_have_a_copy_of_the_model_on_each_node(self):
        text = lines(20)
        (self.folder / "in.jsonl").write_text(text)
        job = self.submit("--dp", "2", "--input", "in.jsonl", "--output", "out.jsonl", options=("--nodes=2",))
        self.until_completed(job)
        self.assertEqual((self.folder / "out.jsonl").read_text(), self.expected(text))

    def test_of_an_array_have_files_of_their_own(self):
        for number in (1, 2):
            (self.folder / f"in-{number}.jsonl").write_text(lines(4 * number))
        job = self.submit("--input", "in-%a.jsonl", "--output", "out-%a.jsonl", options=("--array=1-2",))
        for number in (1, 2):
            self.until_completed(f"{job}_{number}")
            self.assertEqual((self.folder / f"out-{number}.jsonl").read_text(), self.expected(lines(4 * number)))

    @unittest.skipUnless("EMULATED_MODULE" in os.environ, "the emulated CUDA module is not built")
    def test_have_a_gpu_for_each_rank(self):
        (self.folder / "in.jsonl").write_text(lines(2, tokens=3))
        variables = f"ALL,LOCKSTEP_CUDA_MODULE={os.environ['EMULATED_MODULE']},LOCKSTEP_CUDA_DEVICES=2"
        job = self.cluster.submit(
            BATCH, "generate", "--model", MODEL, "--device", "cuda", "--dtype", "bf16", "--threads", "1", "--verbose",
            "--input", "in.jsonl", "--output", "out.jsonl",
            options=(f"--chdir={self.folder}", "--gpus-per-node=2", f"--export={variables}"))
        self.until_completed(job)
        self.assertEqual((self.folder / "out.jsonl").read_text().count("\n"), 2)
        self.assertIn("cuda device 1", self.log(job))

    def test_that_are_told_to_stop_go_back_into_the_queue(self):
        text = lines(600, tokens=40)
        (self.folder / "in.jsonl").write_text(text)
        job = self.submit("--input", "in.jsonl", "--output", "out.jsonl", options=("--nodes=2",))
        self.until_lines("out.jsonl", 20, job)
        self.cluster.run("scancel", "--signal=INT", job)  # as --signal has it before the time is over
        slurm.until(lambda: "goes back into the queue" in self.log(job), "the job does not stop", 60)
        self.until_completed(job)
        self.assertEqual((self.folder / "out.jsonl").read_text(), self.expected(text))
        self.assertIn(f"exit code 130: job {job} goes back into the queue", self.log(job))

    def test_that_others_preempt_go_on_later(self):
        text = lines(600, tokens=40)
        (self.folder / "in.jsonl").write_text(text)
        job = self.submit("--input", "in.jsonl", "--output", "out.jsonl", options=("--nodes=2", "--exclusive"))
        self.until_lines("out.jsonl", 20, job)
        urgent = self.cluster.submit("--wrap=sleep 1", options=("--partition=high", "--nodes=2", "--exclusive",
                                                                f"--chdir={self.folder}"))
        self.until_completed(urgent)
        self.until_completed(job)
        self.assertGreaterEqual(int(self.cluster.field(job, "Restarts")), 1)
        self.assertEqual((self.folder / "out.jsonl").read_text(), self.expected(text))

    def test_that_lose_a_rank_go_on_with_new_ones(self):
        text = lines(600, tokens=40)
        (self.folder / "in.jsonl").write_text(text)
        job = self.submit("--input", "in.jsonl", "--output", "out.jsonl", options=("--nodes=2",))
        self.until_lines("out.jsonl", 20, job)
        os.kill(self.hosts.rank(3), 9)
        self.until_completed(job)
        self.assertEqual(self.cluster.field(job, "Restarts"), "1")
        self.assertEqual((self.folder / "out.jsonl").read_text(), self.expected(text))

    def test_serve_on_two_nodes_until_they_are_told_to_stop(self):
        job = self.cluster.submit(
            FOLDER / "lockstep.sbatch", "--model", MODEL, "--threads", "1", "--dtype", "fp32",
            options=(f"--chdir={self.folder}", "--nodes=2", "--export=ALL,LOCKSTEP_PORT=0"))

        def ready():
            if self.cluster.state(job) in slurm.ENDED:
                raise RuntimeError(f"the job has ended:\n{self.log(job)}")
            return re.search(r"ready: http://[^:]+:(\d+)", self.log(job))
        port = slurm.until(ready, lambda: f"the job is not ready:\n{self.log(job)}", 120).group(1)
        first = re.search(r"job \d+: 4 ranks on .*; http://(node\d)", self.log(job)).group(1)
        asked = {"prompt": "ROMEO:", "max_tokens": 12, "temperature": 0}
        said = self.hosts.run(first, sys.executable, "-c", POST, f"http://127.0.0.1:{port}/v1/completions",
                              json.dumps(asked)).stdout
        self.assertEqual(json.loads(said)["choices"][0]["text"] + "\n", served.run("generate", *PROMPT))
        self.cluster.run("scancel", "--batch", "--signal=TERM", job)
        self.until_completed(job)
        self.assertIn("stopped", self.log(job))


class Srun(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(slurm.Cluster(cls.enterClassContext(hosts.Hosts(2))))

    def srun(self, *words: str):
        return self.cluster.run("srun", *words, served.program(), "generate", *PROMPT)

    def test_says_in_one_line_that_ranks_cannot_meet(self):
        for words, found in ((), "no way to find each other"), (("--mpi=pmi2",), "PMI-2"):
            done = self.srun(*words, "-N2", "--ntasks-per-node=2")
            said = [line for line in done.stderr.splitlines() if not line.startswith("srun: ")]
            self.assertEqual(len(said), 1, done.stderr)
            self.assertRegex(said[0], rf"^lockstep.*srun has started 4 tasks but .*{found}.*; use srun --mpi=pmix")
            self.assertEqual((done.returncode, done.stdout), (3, ""))

    def test_has_the_text_of_one_rank_and_tells_what_is_uneven(self):
        expected = served.run("generate", *PROMPT)
        even = self.srun("--mpi=pmix", "-N2", "--ntasks-per-node=2")
        self.assertEqual((even.stdout, even.stderr, even.returncode), (expected, "", 0))
        uneven = self.srun("--mpi=pmix", "-N2", "-n4")  # srun fills the first node
        self.assertEqual((uneven.stdout, uneven.returncode), (expected, 0))
        # What ended just now may still have the nodes, and srun says that it waits for them.
        said = "".join(line for line in uneven.stderr.splitlines(True) if not line.startswith("srun: job "))
        self.assertRegex(said, r"^lockstep.rank 0.: warning: sums go through MPI: the hosts have 3 and 1 of the "
                         r"ranks; .*--ntasks-per-node=N.*\n$")
        cyclic = self.srun("--mpi=pmix", "-N2", "--ntasks-per-node=2", "--distribution=cyclic")
        self.assertEqual((cyclic.stdout, cyclic.returncode), (expected, 0))
        self.assertIn("not numbered host by host", cyclic.stderr)


if __name__ == "__main__":
    main()
