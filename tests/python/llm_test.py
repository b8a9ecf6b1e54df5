"""lockstep.LLM, by the standard library alone: the texts, scores and vectors of the program itself."""
import copy
import json
import os
import pathlib
import pickle
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests/clients")]
import served  # noqa: E402

import lockstep  # noqa: E402
from lockstep import SamplingParams  # noqa: E402

GREEDY = SamplingParams(temperature=0, max_tokens=20, ignore_eos=True)
PROMPTS = ["ROMEO:", "To be, or not to be", "JULIET:\nO Romeo"]


def golden(name: str) -> dict:
    return json.loads((ROOT / f"tests/golden/demo/{name}.json").read_text())


def records(command: str, lines: list[dict], *words: str) -> list[dict]:
    """What the program answers to these lines."""
    done = subprocess.run([served.program(), *served.fixed(command, *words), "--model", served.demo_model(),
                           "--threads", "1", "--input", "-"],
                          input="".join(json.dumps(line) + "\n" for line in lines), check=True, capture_output=True,
                          text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def start(**arguments) -> lockstep.LLM:
    return lockstep.LLM(served.demo_model(), program=served.program(), threads=1,
                        **{"dtype": "fp32", **arguments})


def float32(value: float) -> float:
    """The server writes floats as doubles, the program in their shortest form."""
    return struct.unpack("f", struct.pack("f", value))[0]


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in pathlib.Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def await_end(processes: list[int]) -> None:
    until = time.monotonic() + 60
    while any(alive(process) for process in processes):
        if time.monotonic() > until:
            raise TimeoutError(f"{processes} have not ended")
        time.sleep(0.02)


class OnTwoRanks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.llm = cls.enterClassContext(start(tp=2))

    def test_generates_as_transformers_does(self):
        expected = golden("shakespeare-neox")["prompts"]
        made = self.llm.generate([one["prompt"] for one in expected],
                                 [SamplingParams(temperature=0, max_tokens=len(one["greedy"]), ignore_eos=True)
                                  for one in expected])
        for one, want in zip(made, expected, strict=True):
            self.assertEqual(one.prompt, want["prompt"])
            self.assertEqual(one.prompt_token_ids, want["tokens"])
            self.assertEqual(one.outputs[0].token_ids, want["greedy"])
            self.assertEqual(one.outputs[0].text, want["text"])
            self.assertEqual(one.outputs[0].finish_reason, "length")

    def test_draws_what_the_program_draws(self):
        lines = [{"prompt": prompt, "temperature": 0.9, "top_p": 0.8, "seed": 5, "max_new_tokens": 20,
                  "repetition_penalty": 1.1, "logprobs": 2, "prompt_logprobs": 1} for prompt in PROMPTS]
        params = SamplingParams(temperature=0.9, top_p=0.8, seed=5, max_tokens=20, repetition_penalty=1.1,
                                logprobs=2, prompt_logprobs=1)
        for one, want in zip(self.llm.generate(PROMPTS, params), records("generate", lines), strict=True):
            text = one.outputs[0]
            self.assertEqual((text.text, text.token_ids), (want["text"], want["tokens"]))
            self.assertEqual([place[token].logprob for token, place in zip(text.token_ids, text.logprobs)],
                             [float32(value) for value in want["logprobs"]])
            for place, top in zip(text.logprobs, want["top_logprobs"], strict=True):
                self.assertEqual([token for token, _ in place.items()][:2], [token for token, _ in top])
            self.assertAlmostEqual(text.cumulative_logprob, sum(want["logprobs"]), places=4)
            self.assertIsNone(one.prompt_logprobs[0])
            for token, place, value in list(zip(one.prompt_token_ids, one.prompt_logprobs,
                                                want["prompt_logprobs"], strict=True))[1:]:
                self.assertEqual(place[token].logprob, float32(value))

    def test_takes_all_forms_of_prompts(self):
        (text,) = self.llm.generate("ROMEO:", GREEDY)
        self.assertEqual(text.prompt, "ROMEO:")
        for form in ([815, 27], [[815, 27]], {"prompt": "ROMEO:"}, [{"prompt_token_ids": [815, 27]}], ["ROMEO:"]):
            (one,) = self.llm.generate(form, GREEDY)
            self.assertEqual(one.outputs, text.outputs, form)
            self.assertEqual(one.prompt_token_ids, [815, 27])
        self.assertEqual(self.llm.generate([], GREEDY), [])
        self.assertEqual(self.llm.tokenize("ROMEO:"), [815, 27])
        self.assertEqual(self.llm.detokenize([815, 27]), "ROMEO:")

    def test_answers_many_prompts_in_their_order(self):
        prompts = [[5 + number % 200, 6] for number in range(150)]
        params = [SamplingParams(temperature=0, max_tokens=1 + number // 60) for number in range(150)]
        made = self.llm.generate(prompts, params)
        self.assertEqual([one.prompt_token_ids for one in made], prompts)
        self.assertEqual(len({one.request_id for one in made}), 150)
        (alone,) = self.llm.generate([prompts[77]], params[77])
        self.assertEqual(made[77].outputs, alone.outputs)

    def test_gives_n_texts_of_each_prompt(self):
        made = self.llm.generate(PROMPTS, SamplingParams(n=3, temperature=1, seed=4, max_tokens=12))
        for one in made:
            self.assertEqual([text.index for text in one.outputs], [0, 1, 2])
            self.assertGreater(len({text.text for text in one.outputs}), 1)

    def test_fills_the_context_where_max_tokens_is_none(self):
        (one,) = self.llm.generate("ROMEO:", SamplingParams(temperature=0, max_tokens=None, ignore_eos=True))
        self.assertEqual(len(one.outputs[0].token_ids), self.llm.max_model_len - 2)

    def test_without_parameters_the_models_own_count(self):
        for text in self.llm.generate(PROMPTS):
            self.assertLessEqual(len(text.outputs[0].token_ids), 16)

    def test_streams_the_same_text(self):
        (whole,) = self.llm.generate("ROMEO:", GREEDY)
        pieces = list(self.llm.stream("ROMEO:", GREEDY))
        self.assertEqual("".join(piece.text for piece in pieces), whole.outputs[0].text)
        self.assertEqual([token for piece in pieces for token in piece.token_ids], whole.outputs[0].token_ids)
        self.assertEqual([piece.finish_reason for piece in pieces], [None] * 19 + ["length"])

    def test_says_what_a_text_was_stopped_by(self):
        (whole,) = self.llm.generate("ROMEO:", GREEDY)
        stop, token = whole.outputs[0].text[8:12], whole.outputs[0].token_ids[3]
        before = whole.outputs[0].text[:whole.outputs[0].text.index(stop)]
        for params, reason in ((SamplingParams(temperature=0, max_tokens=20, stop=["\0", stop]), stop),
                               (SamplingParams(temperature=0, max_tokens=20, stop_token_ids=[token]), token),
                               (GREEDY, None)):
            (one,) = self.llm.generate("ROMEO:", params)
            self.assertEqual(one.outputs[0].stop_reason, reason)
            self.assertEqual(list(self.llm.stream("ROMEO:", params))[-1].stop_reason, reason)
        for include, text in ((False, before), (True, before + stop)):
            (one,) = self.llm.generate("ROMEO:", SamplingParams(temperature=0, max_tokens=20, stop=stop,
                                                                include_stop_str_in_output=include))
            self.assertEqual(one.outputs[0].text, text)

    def test_a_stream_that_is_left_ends_its_work(self):
        long = SamplingParams(temperature=0, max_tokens=250, ignore_eos=True)
        stream = self.llm.stream("ROMEO:", long)
        next(stream)
        stream.close()
        self.assertEqual(len(self.llm.generate("ROMEO:", GREEDY)), 1)

    def test_scores_as_the_program_does(self):
        lines = [{"text": text} for text in PROMPTS]
        for one, want in zip(self.llm.score(PROMPTS), records("score", lines), strict=True):
            self.assertEqual(one.token_ids, want["tokens"])
            self.assertEqual(one.top_token_ids, want["top"])
            self.assertEqual(one.logprobs[1:], [float32(value) for value in want["logprobs"][1:]])
            self.assertIsNone(one.logprobs[0])
        contexts, behind = ["To be, or not ", "ROMEO:"], ["to be", "\n"]
        lines = [{"context": context, "continuation": one} for context, one in zip(contexts, behind)]
        greedy = []
        for one, want in zip(self.llm.score(contexts, behind), records("score", lines), strict=True):
            self.assertEqual(one.token_ids, want["tokens"])
            self.assertAlmostEqual(one.sum_logprob, want["sum_logprob"], places=5)
            self.assertEqual(one.is_greedy, want["is_greedy"])
            greedy.append(one.is_greedy)
        self.assertEqual(set(greedy), {True, False})

    def test_refusals_are_exceptions(self):
        with self.assertRaisesRegex(lockstep.RequestError, "maximum context length is 256"):
            self.llm.generate("a b " * 2000, GREEDY)
        with self.assertRaisesRegex(ValueError, "temperature"):
            self.llm.generate("ROMEO:", SamplingParams(temperature=-1))
        with self.assertRaisesRegex(ValueError, "3 prompts and 2 sampling_params"):
            self.llm.generate(PROMPTS, [GREEDY, GREEDY])
        with self.assertRaisesRegex(lockstep.RequestError, "empty or white space"):
            self.llm.score(" ", "to be")
        with self.assertRaises(TypeError):
            SamplingParams(temprature=1)
        with self.assertRaises(lockstep.RequestError) as caught:
            list(self.llm.stream("ROMEO:", SamplingParams(n=0)))
        self.assertEqual(caught.exception.status, 400)
        self.assertEqual(len(self.llm.generate(PROMPTS, GREEDY)), 3)

    def test_only_this_process_has_the_key(self):
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(self.llm.url + "/v1/models", timeout=60)
        self.assertEqual(caught.exception.code, 401)
        caught.exception.close()


class Vectors(unittest.TestCase):
    def test_are_those_of_transformers(self):
        for case in range(2):
            want = [one["vectors"][case] for one in golden("shakespeare-neox-embeddings")["texts"]]
            texts = [one["text"] for one in golden("shakespeare-neox-embeddings")["texts"]]
            with start(settings={"embed.layer": want[0]["layer"], "embed.pooling": want[0]["pooling"]}) as llm:
                for one, vector in zip(llm.embed(texts), want, strict=True):
                    self.assertEqual(len(one.outputs.embedding), len(vector["vector"]))
                    for value, expected in zip(one.outputs.embedding, vector["vector"]):
                        self.assertAlmostEqual(value, expected, delta=1e-4)


class WrongArguments(unittest.TestCase):
    def test_are_named(self):
        with start() as llm:
            for prompts, params, words in ((5, GREEDY, "the prompts are 5; expected a text"),
                                           (None, None, "the prompts are None; expected a text"),
                                           ([{"prompt": 3}], GREEDY, "a prompt is 3; expected a text or a list"),
                                           (b"abc", GREEDY, "a prompt is b'abc'; expected a text .* decode the bytes"),
                                           ([b"abc"], GREEDY, "a prompt is b'abc'; expected a text"),
                                           ([[1, 2.5]], GREEDY, r"a prompt is \[1, 2.5\]; expected a text or a list"),
                                           ("a", {"max_tokens": 4}, "sampling_params has {'max_tokens': 4}; expected"),
                                           ("a", 5, "sampling_params has 5; expected")):
                with self.assertRaisesRegex(TypeError, words):
                    llm.generate(prompts, params)
            with self.assertRaisesRegex(TypeError, "stream: sampling_params has 5; expected"):
                next(llm.stream("a", 5))


class Life(unittest.TestCase):
    def test_ends_with_the_block(self):
        with start(tp=2) as llm:
            processes = served.descendants(os.getpid())
            self.assertGreaterEqual(len(processes), 4, "a guard, the server and two ranks")
        await_end(processes)
        with self.assertRaisesRegex(lockstep.ServerError, "the model is closed, by close"):
            llm.generate("ROMEO:", GREEDY)
        llm.close()  # again: nothing to do

    def test_keywords_of_vllm_that_are_not_here_say_what_is(self):
        for arguments, words in (({"max_num_seqs": 8}, "there is no 'max_num_seqs' here; give settings="),
                                 ({"quantization": "awq"}, 'dtype="int8"'),
                                 ({"nonsense": 1}, r"there is no 'nonsense' here; help\(lockstep.LLM\) lists all")):
            with self.assertRaisesRegex(TypeError, words):
                lockstep.LLM("m", **arguments)
        with self.assertRaisesRegex(TypeError, "there is no 'detokenize' here; every output has"):
            SamplingParams(detokenize=False)
        params = SamplingParams(1, temperature=0.5)
        self.assertEqual(copy.copy(params), params)
        self.assertEqual(pickle.loads(pickle.dumps(params)), params)

    def test_a_start_that_fails_says_why(self):
        for arguments, code, words in (({"model": "nowhere"}, 2, "neither a folder"),
                                       ({"model": served.demo_model(), "tp": 99}, 2, "at most 6"),
                                       ({"model": served.demo_model(), "pp": 5}, 2, "at most --pp 4"),
                                       ({"model": served.demo_model(), "settings": {"engine.sequences": 3}}, 2,
                                        "unknown key \"engine.sequences\"")):
            with self.assertRaisesRegex(lockstep.StartError, words) as caught:
                lockstep.LLM(program=served.program(), **arguments)
            self.assertEqual(caught.exception.exit_code, code)
        with self.assertRaisesRegex(lockstep.StartError, "cannot be started: No such file") as caught:
            lockstep.LLM(served.demo_model(), program="/nowhere/lockstep")
        self.assertEqual(caught.exception.exit_code, 3)
        with self.assertRaisesRegex(lockstep.StartError, "there is no such program"):
            os.environ["LOCKSTEP_PROGRAM"] = "/nowhere/lockstep"
            self.addCleanup(os.environ.pop, "LOCKSTEP_PROGRAM")
            lockstep.LLM("nowhere")

    def test_a_server_that_dies_is_an_exception(self):
        with start() as llm:
            guard, *server = served.descendants(os.getpid())
            for process in reversed(server):
                os.kill(process, signal.SIGKILL)
            await_end([guard, *server])
            with self.assertRaises(lockstep.ServerError):
                llm.generate("ROMEO:", GREEDY)

    def child(self, text: str) -> subprocess.Popen:
        """Another Python with an LLM, which goes on with `text` when its input ends."""
        begin = f"""
import sys
sys.path.insert(0, {str(ROOT / "python")!r})
import lockstep
llm = lockstep.LLM({served.demo_model()!r}, program={served.program()!r}, tp=2, threads=1)
print("ready", flush=True)
sys.stdin.read()
"""
        process = subprocess.Popen([sys.executable, "-c", begin + text], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(process.stderr.read())
        return process

    def test_ends_with_its_process_however_that_ends(self):
        for end in ("leaves", "raises", "is killed"):
            with self.subTest(end):
                process = self.child({"leaves": "", "raises": "raise KeyError('x')", "is killed": ""}[end])
                processes = served.descendants(process.pid)
                self.assertGreaterEqual(len(processes), 4)
                if end == "is killed":
                    process.kill()
                process.stdin.close()
                process.wait(120)
                await_end(processes)

    def test_an_interrupt_ends_the_work(self):
        process = self.child("""
many = [lockstep.SamplingParams(temperature=0, max_tokens=200, ignore_eos=True)] * 4000
try:
    print("begun", flush=True)
    llm.generate(["ROMEO:"] * len(many), many)
    print("to the end")
except KeyboardInterrupt:
    print(len(llm.generate("ROMEO:", lockstep.SamplingParams(max_tokens=2))[0].outputs[0].token_ids))
""")
        processes = served.descendants(process.pid)
        process.stdin.close()
        process.stdin = None
        self.assertEqual(process.stdout.readline(), "begun\n")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=120)
        self.assertEqual(said, "2\n", errors)
        await_end(processes)


class Guide(unittest.TestCase):
    def test_its_examples_run(self):
        page = (ROOT / "docs/guide/python.md").read_text()
        blocks = re.findall(r"(?s)```python\n(.*?)```", page)
        self.assertGreaterEqual(len(blocks), 3)
        variables = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "LOCKSTEP_PROGRAM": served.program()}
        said = subprocess.run([sys.executable, "-c", "\n".join(blocks)], env=variables, capture_output=True, text=True)
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertTrue(said.stdout.startswith("ROMEO: "), said.stdout)
        self.assertIn("JULIET: ", said.stdout)


class Program(unittest.TestCase):
    def test_has_the_version_of_the_package(self):
        self.assertEqual(served.run("--version").split()[1], lockstep.__version__)

    def test_is_found_by_its_variable_or_in_the_path(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "lockstep")
            program.symlink_to(served.program())
            ask = f"import sys; sys.path.insert(0, {str(ROOT / 'python')!r}); import lockstep; " \
                  "print(lockstep.find_program())"
            for name, value in (("LOCKSTEP_PROGRAM", str(program)), ("PATH", folder)):
                said = subprocess.run([sys.executable, "-c", ask], env={name: value}, capture_output=True, text=True)
                self.assertEqual(said.stdout.strip(), str(program), said.stderr)


if __name__ == "__main__":
    unittest.main()
