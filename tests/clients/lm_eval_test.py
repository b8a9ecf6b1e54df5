"""lm-evaluation-harness's local-completions against `lockstep serve`: the answers of its own backend.

Those were written by lm_eval_compare.py --goldens, which can compare whole tasks, too.
"""
import json
import os
import pathlib
import unittest

import lm_eval_compare
import served

DATA = pathlib.Path(os.environ.get("LOCKSTEP_TEST_DATA", "")) / "eval"
EXPECTED = json.loads(pathlib.Path(__file__).with_name("lm_eval_goldens.json").read_text())


class Harness(unittest.TestCase):
    def check(self, model: str, *words: str) -> None:
        ours = lm_eval_compare.through_server(served.demo_model(model), DATA, EXPECTED["limit"], *words)
        theirs = EXPECTED["models"][f"shakespeare-{model}"]
        for task, (same, distance) in lm_eval_compare.difference(ours, theirs).items():
            self.assertTrue(same, f"{task}: {ours[task]['accuracy']} and {theirs[task]['accuracy']}")
            self.assertLess(distance, 1e-3, task)

    def test_finds_the_same_in_gptj(self):
        self.check("gptj", "--threads", "1")

    def test_finds_the_same_in_neox_on_two_ranks(self):
        self.check("neox", "--threads", "1", "--tp", "2")


if __name__ == "__main__":
    if not DATA.is_dir():
        served.skip(f"there is no {DATA}")
    unittest.main()
