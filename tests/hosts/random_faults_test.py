"""A job that 30 random faults hit puts out what an undisturbed one does, and none of its worlds hangs."""
import os
import unittest

import random_faults
import served

SEED = int(os.environ.get("LOCKSTEP_FAULT_SEED", "1"))


class RandomFaults(unittest.TestCase):
    def test_change_nothing_in_the_output(self):
        self.assertTrue(random_faults.hit_at_random(SEED, count=30, lines=2000), "the output is another one")


if __name__ == "__main__":
    why_not = random_faults.obstacle()
    if why_not:
        served.skip(why_not)
    unittest.main(verbosity=2)
