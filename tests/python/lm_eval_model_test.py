"""The model "lockstep" of lm-evaluation-harness: the answers of the harness's own backend, and its other requests.

The expected answers are those of tests/clients/lm_eval_goldens.json.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests/clients")]
import lm_eval_compare  # noqa: E402
import lm_eval_tasks  # noqa: E402
import served  # noqa: E402

DATA = pathlib.Path(os.environ.get("LOCKSTEP_TEST_DATA", "")) / "eval"
EXPECTED = json.loads((ROOT / "tests/clients/lm_eval_goldens.json").read_text())


def requests(*arguments: tuple) -> list:
    return [types.SimpleNamespace(args=one) for one in arguments]


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import lockstep.lm_eval
        cls.model = lockstep.lm_eval.LockstepLM(served.demo_model(), program=served.program(), tp=2, threads=1,
                                                   dtype="fp32")
        cls.addClassCleanup(cls.model.llm.close)

    def test_scores_pairs_as_the_program_does(self):
        (one,) = self.model.llm.score("To be, or not", " to be")
        ((value, greedy),) = self.model.loglikelihood(requests(("To be, or not", " to be")), disable_tqdm=True)
        self.assertEqual((value, greedy), (one.sum_logprob, one.is_greedy))

    def test_a_text_without_context_follows_the_end_token(self):
        ((value, _),) = self.model.loglikelihood(requests(("", "ROMEO:")), disable_tqdm=True)
        (one,) = self.model.llm.score_tokens([[self.model.eot_token_id, *self.model.tok_encode("ROMEO:")]], [1])
        self.assertEqual(value, one.sum_logprob)

    def test_a_text_longer_than_the_context_is_scored_in_windows(self):
        text = "ROMEO:\nI will be brave without thy afters.\n\n" * 60
        tokens = self.model.tok_encode(text)
        size = self.model.max_length
        self.assertGreater(len(tokens), 2 * size)
        (value,) = self.model.loglikelihood_rolling(requests((text,)), disable_tqdm=True)
        self.assertTrue(-10 * len(tokens) < value < 0)
        short = tokens[:40]
        (value,) = self.model.loglikelihood_rolling(requests((self.model.llm.detokenize(short),)), disable_tqdm=True)
        (one,) = self.model.llm.score_tokens([[self.model.eot_token_id, *short]], [1])
        self.assertAlmostEqual(value, one.sum_logprob, places=5)

    def test_generates_until(self):
        asked = requests(("ROMEO:", {"until": ["\n\n"], "max_gen_toks": 60}),
                         ("JULIET:", {"until": "be", "max_gen_toks": 60, "do_sample": False, "temperature": 0.7}),
                         ("a b " * 400, {"max_gen_toks": 4}))
        first, second, third = self.model.generate_until(asked, disable_tqdm=True)
        whole = served.run("generate", "--model", served.demo_model(), "--prompt", "ROMEO:", "--temperature", "0",
                           "--max-new-tokens", "60", "--ignore-eos")
        self.assertTrue(whole.startswith(first))
        self.assertNotIn("\n\n", first)
        self.assertNotIn("be", second)
        self.assertTrue(third)


TASK = """
task: local_tiny
dataset_path: json
dataset_kwargs: {data_files: {test: "FOLDER/tiny.jsonl"}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{text}}"
doc_to_target: 0
doc_to_choice: "{{choices}}"
"""
DOCUMENTS = [{"text": "To be, or not to", "choices": [" be", " xylophone"]},
             {"text": "ROMEO", "choices": [":", " is"]}, {"text": "My lord, I", "choices": [" zzz", " am"]}]


class CommandLine(unittest.TestCase):
    def test_runs_a_task(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "tiny.jsonl").write_text("".join(json.dumps(one) + "\n" for one in DOCUMENTS))
            pathlib.Path(folder, "local_tiny.yaml").write_text(TASK.replace("FOLDER", folder))
            variables = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "HF_HOME": folder, "HF_HUB_OFFLINE": "1",
                         "HF_DATASETS_OFFLINE": "1", "LOCKSTEP_PROGRAM": served.program()}
            subprocess.run([sys.executable, "-m", "lockstep.lm_eval", "--model", "lockstep", "--model_args",
                            f"pretrained={served.demo_model()},threads=1", "--tasks", "local_tiny", "--include_path",
                            folder, "--output_path", folder + "/results"], check=True, env=variables, cwd=folder,
                           capture_output=True, text=True)
            (file,) = pathlib.Path(folder, "results").rglob("results_*.json")
            results = json.loads(file.read_text())["results"]["local_tiny"]
        self.assertAlmostEqual(results["acc,none"], 2 / 3, places=6)


class Harness(unittest.TestCase):
    def test_finds_the_same_on_two_ranks(self):
        if not DATA.is_dir():
            self.skipTest(f"there is no {DATA}")
        import lockstep.lm_eval  # noqa: F401
        ours = lm_eval_tasks.evaluate("lockstep", {"pretrained": served.demo_model(), "program": served.program(),
                                                   "tp": 2, "threads": 1, "dtype": "fp32"}, DATA, EXPECTED["limit"])
        theirs = EXPECTED["models"]["shakespeare-neox"]
        for task, (same, distance) in lm_eval_compare.difference(ours, theirs).items():
            self.assertTrue(same, f"{task}: {ours[task]['accuracy']} and {theirs[task]['accuracy']}")
            self.assertLess(distance, 1e-3, task)


if __name__ == "__main__":
    unittest.main()
