"""curl and the `openai` package against `lockstep serve` with TLS."""
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import unittest

import openai

import served


def make_certificate(folder: pathlib.Path) -> tuple[str, str]:
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def setUpModule():
    global server, certificate
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    certificate, key = make_certificate(pathlib.Path(folder.name))
    server = served.Server("--model", served.demo_model(), "--served-model-name", "bard", "--threads", "1",
                           "--tls-cert", certificate, "--tls-key", key)
    server.__enter__()
    unittest.addModuleCleanup(server.__exit__, None, None, None)


def curl(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(["curl", "-sS", "--max-time", "60", *words], capture_output=True, text=True)


class Tls(unittest.TestCase):
    def test_is_spoken_by_curl(self):
        self.assertTrue(server.url.startswith("https://127.0.0.1:"))
        done = curl("--cacert", certificate, "-w", "%{http_code}", server.url + "/health",
                    "--next", "-sS", "--cacert", certificate, "-w", "%{num_connects}",
                    server.url + "/health")
        self.assertEqual((done.returncode, done.stdout), (0, "2000"), done.stderr)
        self.assertNotEqual(curl(server.url + "/health").returncode, 0)  # who has signed it?

    def test_is_as_new_as_it_should_be(self):
        for version, code in (("1.1", 35), ("1.2", 0), ("1.3", 0)):
            done = curl("--cacert", certificate, "--tls-max", version, "--tlsv1.0",
                        "--ciphers", "DEFAULT@SECLEVEL=0", server.url + "/health")
            self.assertEqual(done.returncode, code, (version, done.stderr))

    def test_streams_to_the_openai_package(self):
        trusted = ssl.create_default_context(cafile=certificate)
        with openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0,
                           http_client=openai.DefaultHttpxClient(verify=trusted)) as client:
            asked = {"model": "bard", "prompt": "ROMEO:", "max_tokens": 24, "temperature": 0}
            whole = client.completions.create(**asked).choices[0].text
            chunks = client.completions.create(**asked, stream=True)
            self.assertEqual("".join(chunk.choices[0].text for chunk in chunks), whole)
        self.assertGreater(len(whole), 24)

    def test_is_spoken_by_the_line_editor_with_those_whom_it_trusts(self):
        for trusted, code in ((["--tls-ca", certificate], 0), ([], 3)):
            done = subprocess.run([served.program(), "complete", "--url", server.url, *trusted],
                                  input="", text=True, capture_output=True)
            self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn("its certificate is not trusted", done.stderr)


if __name__ == "__main__":
    for tool in ("openssl", "curl"):
        if not shutil.which(tool):
            served.skip(f"there is no {tool}")
    unittest.main()
