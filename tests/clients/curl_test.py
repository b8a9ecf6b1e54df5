"""curl against `lockstep serve`, and the README's own commands."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import served


def setUpModule():
    global server
    server = served.Server("--model", served.demo_model(), "--threads", "1")
    server.__enter__()
    unittest.addModuleCleanup(server.__exit__, None, None, None)


def curl(*words: str) -> tuple[list[int], str]:
    """The status of each answer, and all that came."""
    done = subprocess.run(["curl", "-sS", "--max-time", "60", "-w", "\n%{stderr}%{http_code}\n", *words],
                          capture_output=True, text=True, check=True)
    return [int(code) for code in done.stderr.split()], done.stdout[:-1]


def ask(body: dict, *words: str) -> tuple[int, dict]:
    codes, text = curl(server.url + "/v1/completions", "-d", json.dumps(body), *words)
    return codes[0], json.loads(text)


ASKED = {"prompt": "ROMEO:", "max_tokens": 12, "temperature": 0}


class Curl(unittest.TestCase):
    def test_gets_the_same_text_in_every_way_of_asking(self):
        code, expected = ask(ASKED)
        self.assertEqual(code, 200)
        text = expected["choices"][0]["text"]
        self.assertGreater(len(text), 12)
        for words in (["-H", "Content-Type: application/json"], ["--http1.0"], ["--http2"],
                      ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"],
                      ["-H", "Authorization: Bearer unasked"], ["--compressed"], ["-H", "Host: a.b"]):
            code, reply = ask(ASKED, *words)
            self.assertEqual((code, reply["choices"][0]["text"]), (200, text), words)

    def test_sees_events_with_no_buffer(self):
        codes, text = curl("-N", server.url + "/v1/completions",
                           "-d", json.dumps({**ASKED, "stream": True}))
        events = text.split("\n\n")
        self.assertEqual(codes, [200])
        self.assertEqual(events[-2:], ["data: [DONE]", ""])
        pieces = [json.loads(event.removeprefix("data: "))["choices"][0]["text"]
                  for event in events[:-2]]
        self.assertEqual(len(pieces), 12)
        self.assertEqual("".join(pieces), ask(ASKED)[1]["choices"][0]["text"])

    def test_keeps_its_connection(self):
        done = subprocess.run(["curl", "-sS", "-w", "%{stderr}%{num_connects} ", server.url + "/health",
                               "--next", "-sS", "-w", "%{stderr}%{num_connects} ",
                               server.url + "/version"], capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr.split(), ["1", "0"])

    def test_is_told_at_once_to_send_a_long_body(self):
        # Without "100 Continue" it would wait a second before it sends one.
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "body")
            file.write_text(json.dumps({"prompt": ["word " * 200] * 1100, "max_tokens": 1,
                                        "model": "another"}))
            self.assertGreater(file.stat().st_size, 2**20)
            done = subprocess.run(["curl", "-sSv", "--expect100-timeout", "30", "-d", f"@{file}",
                                   server.url + "/v1/completions"], capture_output=True, text=True,
                                  timeout=25, check=True)
        self.assertIn("HTTP/1.1 100 Continue", done.stderr)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], 404)

    def test_may_ask_for_the_header_alone(self):
        codes, header = curl("-I", server.url + "/health")
        self.assertEqual(codes, [200])
        self.assertIn("Content-Length: 0", header)
        self.assertIn("text/plain", curl("-I", server.url + "/metrics")[1])

    def test_gets_errors_as_json(self):
        for body, path, code in (("{", "/v1/completions", 400), ("{}", "/v1/completions", 400),
                                 ("{}", "/v1/nothing", 404), ("{}", "/health", 405)):
            codes, text = curl(server.url + path, "-d", body)
            self.assertEqual(codes, [code], path)
            self.assertEqual(json.loads(text)["error"]["code"], code)


class Readme(unittest.TestCase):
    """Its two commands for serving."""

    def test_says_what_works(self):
        readme = (served.SOURCE / "README.md").read_text()
        block = re.search(r"\n\*\*Serve\*\*.*?```console\n\$ (.*?)\n\$ (.*?)\n```", readme, re.S)
        start, ask_it = block.groups()
        words = start.removesuffix(" &").split()
        self.assertEqual(words[:2], ["lockstep", "serve"])
        with served.Server(*words[2:], folder=served.SOURCE) as shown:
            command = ask_it.replace("http://127.0.0.1:8000", shown.url)
            self.assertIn(shown.url, command)
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60,
                                  check=True)
        self.assertRegex(json.loads(done.stdout)["choices"][0]["text"], r"\w")


if __name__ == "__main__":
    if not shutil.which("curl"):
        served.skip("there is no curl")
    unittest.main()
