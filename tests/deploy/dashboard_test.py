"""configs/deploy/grafana-dashboard.json asks for metrics and labels that a server has."""
import json
import re
import unittest
import urllib.request

import deployed
import served

DASHBOARD = json.loads((deployed.FOLDER / "grafana-dashboard.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def metrics_of_a_server() -> str:
    """After a text that ended because it was long enough."""
    with served.Server("--model", served.demo_model(), "--threads", "1") as server:
        body = json.dumps({"prompt": "ROMEO:", "max_tokens": 4, "ignore_eos": True}).encode()
        urllib.request.urlopen(server.url + "/v1/completions", body, timeout=60).read()
        return server.get("/metrics")


class Dashboard(unittest.TestCase):
    def test_knows_only_metrics_that_there_are(self):
        text = metrics_of_a_server()
        samples = set(re.findall(r"^(lockstep:[a-z0-9_]+)[{ ]", text, re.M))
        labels = set(re.findall(r'[{,]([a-z_]+)="', text)) | {"job", "instance"}
        asked, asked_labels = set(), set()
        for one in EXPRESSIONS:
            asked |= set(re.findall(r"lockstep:[a-z0-9_]+", one))
            for group in re.findall(r"by \(([a-z_, ]+)\)", one):
                asked_labels |= set(group.split(", "))
        self.assertGreaterEqual(len(asked), 10)
        self.assertEqual(asked - samples, set())
        self.assertEqual(asked_labels - labels, set())

    def test_has_no_panel_over_another(self):
        taken = set()
        for panel in DASHBOARD["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                     for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24)
            taken |= cells
        ids = [panel["id"] for panel in DASHBOARD["panels"]]
        self.assertEqual(len(ids), len(set(ids)))


if __name__ == "__main__":
    unittest.main()
