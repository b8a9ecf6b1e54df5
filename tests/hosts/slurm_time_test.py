"""configs/deploy/batch.sbatch whose time is nearly over: it is told so, goes back into the queue, and goes on."""
from slurm_jobs import JobsOfSlurm, lines, main
import slurm


class JobsWhoseTimeEnds(JobsOfSlurm):
    def slow_down(self, delay_ms: float) -> None:
        for name in self.hosts.names:
            self.hosts.link(name).set(delay_ms=delay_ms)

    def check(self, signal: str) -> None:
        text = lines(900, tokens=40)
        (self.folder / "in.jsonl").write_text(text)
        # Each sum takes thirty times as long as all the rest of a step: the job cannot be done before it is told,
        # which Slurm may do half a minute late.
        self.slow_down(15)
        try:
            job = self.submit("--input", "in.jsonl", "--output", "out.jsonl",
                              options=("--nodes=2", "--ntasks-per-node=1", "--time=1", f"--signal={signal}@50"))
            self.until_lines("out.jsonl", 1, job)
            said = f"exit code 130: job {job} goes back into the queue"
            slurm.until(lambda: said in self.log(job), lambda: f"the job is not told:\n{self.log(job)}", 120)
        finally:
            self.slow_down(0)
        self.until_completed(job)
        self.assertGreaterEqual(int(self.cluster.field(job, "Restarts")), 1)
        self.assertEqual((self.folder / "out.jsonl").read_text(), self.expected(text))

    def test_are_told_through_their_ranks(self):
        self.check("INT")

    def test_are_told_through_the_shell_of_their_script(self):
        self.check("B:TERM")


if __name__ == "__main__":
    main()
