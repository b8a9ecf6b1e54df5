"""A pipeline over hosts of this machine, between which the links are slow, says the same."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import hosts  # noqa: E402
import served  # noqa: E402

COMMAND = ("generate", "--model", served.demo_model(), "--prompt", "ROMEO:", "--threads", "1", "--temperature",
           "0", "--dtype", "fp32")


class Pipeline(unittest.TestCase):
    def test_says_the_same_over_slow_links(self):
        expected = served.run(*COMMAND, "--max-new-tokens", "12")
        with hosts.Hosts(3) as three:
            for name in three.names:
                three.link(name).set(delay_ms=2)
            for places, stages in (("node1:1,node2:1", "2"), ("node1:2,node2:2", "2"),
                                   ("node1:1,node2:1,node3:1", "3")):
                with self.subTest(places=places, stages=stages):
                    words = three.mpirun(places, served.program(), *COMMAND, "--max-new-tokens", "12", "--pp", stages)
                    result = three.run("node1", *words)
                    self.assertEqual((result.returncode, result.stderr, result.stdout), (0, "", expected))


if __name__ == "__main__":
    why_not = hosts.obstacle("mpirun")
    if why_not:
        served.skip(why_not)
    unittest.main(verbosity=2)
