"""A rank fails on each of several hosts: that one is named, all end, and nothing is left on any host."""
import os
import unittest

import faults
import hosts
import served

DEADLINE_SECONDS = 6
FEW = (("2x2", "killed", "mpirun"), ("2x2", "stopped", "mpirun"), ("4x1", "stopped", "mpirun"),
       ("2x1", "link cut", "mpirun"), ("3+1", "host gone", "mpirun"), ("2x1", "out of memory", "mpirun"),
       ("2x1", "slow disk", "mpirun"), ("2x2", "killed", "lockstep"), ("2x2", "stopped", "lockstep"),
       ("4x1", "killed", "lockstep"), ("2x1", "host gone", "lockstep"), ("2x1", "killed", "srun"), ("2x2", "killed", "srun"))
ALL = [(layout, fault, launcher) for launcher in faults.LAUNCHERS for fault in faults.FAULTS
       for layout in faults.LAYOUTS]
RANK_FAILURE = 4
KILLED = 128 + 9


class Faults(unittest.TestCase):
    def check(self, layout: str, fault: str, launcher: str) -> None:
        one = faults.try_out(layout, fault, DEADLINE_SECONDS, launcher)
        places = faults.LAYOUTS[layout].split(",")
        sizes = [int(place.partition(":")[2]) for place in places]
        last = sum(sizes) - 1
        self.assertIsNotNone(one.code, f"hangs: {one.said}")
        self.assertIsNotNone(one.gone, f"left behind: {one.left}")
        if fault == "slow disk":  # slow is not dead
            self.assertEqual((one.named, one.code), (None, 0), one.said)
            return
        unreachable = fault in ("link cut", "host gone")
        self.assertIn(one.named, range(last + 1 - sizes[-1], last + 1) if unreachable else (last,), one.said)
        if launcher == "lockstep" and fault == "killed":
            self.assertRegex(one.said, rf"rank {last} on node\d was killed by signal 9 \(Killed\) while \w+")
        is_killed = fault in ("killed", "out of memory")
        if launcher != "lockstep" and is_killed:
            self.assertRegex(one.said, rf"error: rank {last} on node\d has ended without a word while \w+")
            self.assertEqual(one.said.count("has ended without a word"), 1, one.said)
        # Launchers of others end as what they have had to kill, or as what they have seen first.
        codes = (RANK_FAILURE,) if launcher == "lockstep" else (RANK_FAILURE, KILLED)
        if launcher == "mpirun" and not unreachable:
            codes = (KILLED if is_killed else RANK_FAILURE,)
        self.assertIn(one.code, codes, one.said)


def add(layout: str, fault: str, launcher: str) -> None:
    def test(self):
        why_not = faults.obstacle(fault, launcher)
        if why_not:
            self.skipTest(why_not)
        self.check(layout, fault, launcher)
    name = f"test_{launcher}_{layout}_{fault}".replace(" ", "_").replace("+", "_and_")
    setattr(Faults, name, test)


for words in ALL if os.environ.get("LOCKSTEP_ALL_FAULTS") else FEW:
    add(*words)

if __name__ == "__main__":
    why_not = hosts.obstacle("mpirun")
    if why_not:
        served.skip(why_not)
    unittest.main(verbosity=2)
