"""configs/deploy/prometheus.yml, and /metrics, as Prometheus's own tool sees them."""
import json
import subprocess
import unittest
import urllib.request

import deployed
import served


def promtool(*words: str, given: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(["promtool", *words], input=given, capture_output=True, text=True)


class Prometheus(unittest.TestCase):
    def test_can_read_its_configuration(self):
        done = promtool("check", "config", str(deployed.FOLDER / "prometheus.yml"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_can_read_the_metrics(self):
        with served.Server("--model", served.demo_model(), "--threads", "1") as server:
            body = json.dumps({"prompt": "ROMEO:", "max_tokens": 4}).encode()
            urllib.request.urlopen(server.url + "/v1/completions", body, timeout=60).read()
            text = server.get("/metrics")
        done = promtool("check", "metrics", given=text)
        # It has opinions on names, too: ours are those of vLLM, with a colon, which it wants for rules, and
        # one histogram that ends as counters do.
        opinions = ("should not contain ':'", "lockstep:iteration_tokens_total non-counter")
        remarks = [line for line in (done.stdout + done.stderr).splitlines()
                   if line and not any(opinion in line for opinion in opinions)]
        self.assertEqual(remarks, [])


if __name__ == "__main__":
    deployed.need("promtool")
    unittest.main()
