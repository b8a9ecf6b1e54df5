"""configs/deploy/lockstep.service and its configuration."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import deployed
import served

UNIT = (deployed.FOLDER / "lockstep.service").read_text()


def value(key: str) -> str:
    return re.search(rf"^{key}=(.*)$", UNIT, re.M).group(1)


class Unit(unittest.TestCase):
    def analyze(self, *words: str, unit: str = UNIT) -> subprocess.CompletedProcess:
        """Of the unit with this program, which stands elsewhere than where it would be installed."""
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "lockstep")
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
            file = pathlib.Path(folder, "lockstep.service")
            file.write_text(unit.replace("ExecStart=lockstep ", f"ExecStart={program} "))
            return subprocess.run(["systemd-analyze", *words, str(file)], text=True,
                                  env={**os.environ, "SYSTEMD_LOG_LEVEL": "info"},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def of_this_unit(self, text: str) -> list[str]:
        """Other units of the system have warnings of their own."""
        return [line for line in text.splitlines() if "lockstep.service:" in line]

    def test_is_right(self):
        found = self.analyze("verify", "--man=no")
        self.assertEqual(self.of_this_unit(found.stdout), [])
        self.assertEqual(found.returncode, 0, found.stdout)
        wrong = self.analyze("verify", "--man=no", unit=UNIT.replace("OOMPolicy=continue",
                                                                     "OOMPolicy=carry-on"))
        self.assertNotEqual(self.of_this_unit(wrong.stdout), [])

    def test_lets_the_server_do_little(self):
        found = self.analyze("security", "--offline=true", "--threshold=30", "--no-pager")
        self.assertEqual(found.returncode, 0, found.stdout)

    def test_serves_with_the_configuration_beside_it(self):
        words = value("ExecStart").split()
        self.assertEqual(words[1:3], ["serve", "--config"])
        self.assertEqual(words[3], "/etc/lockstep/serve.yaml")
        found = deployed.settings(["--config", str(deployed.FOLDER / "serve.yaml"), *words[4:]])
        self.assertEqual(found["parallel.tp"], "2")
        self.assertLess(float(found["server.drain_seconds"]), float(value("TimeoutStopSec")))


if __name__ == "__main__":
    deployed.need("systemd-analyze")
    unittest.main()
