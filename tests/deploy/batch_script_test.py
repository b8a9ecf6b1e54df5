"""configs/deploy/lockstep.sbatch without Slurm: the command that it becomes."""
import re
import subprocess
import unittest

import deployed

SCRIPT = deployed.FOLDER / "lockstep.sbatch"


def command(**variables: str) -> list[str]:
    job = {"SLURM_JOB_ID": "41234", "SLURM_JOB_NUM_NODES": "2", "SLURM_NTASKS_PER_NODE": "3",
           "SLURM_JOB_NODELIST": "node[1-2]", "LOCKSTEP": "/bin/echo", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", str(SCRIPT), "--model", "a folder"], env={**job, **variables},
                          capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split(" ")


class BatchScript(unittest.TestCase):
    def test_has_a_rank_for_each_task(self):
        self.assertEqual(command(), ["serve", "--tp", "6", "--host", "0.0.0.0", "--port", "21234",
                                     "--model", "a", "folder"])

    def test_may_be_given_a_port(self):
        self.assertEqual(command(LOCKSTEP_PORT="9000")[6], "9000")

    def test_becomes_a_command_that_serve_takes(self):
        found = deployed.settings([*command()[1:7], "--model", "M"])
        self.assertEqual(found["parallel.tp"], "6")
        until_killed = int(re.search(r"^#SBATCH --signal=B:TERM@(\d+)$", SCRIPT.read_text(),
                                     re.M).group(1))
        self.assertLess(float(found["server.drain_seconds"]), until_killed)


if __name__ == "__main__":
    unittest.main()
