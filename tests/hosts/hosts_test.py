"""Hosts of this machine (hosts.py), and that a world over several is the one that it is on one."""
import os
import pathlib
import shutil
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import hosts  # noqa: E402
import served  # noqa: E402

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 22), timeout=1).close()
    print("reached")
except OSError:
    print("not reached")
"""
COMMAND = ("generate", "--model", served.demo_model(), "--prompt", "ROMEO:", "--max-new-tokens", "12",
           "--temperature", "0", "--threads", "1", "--dtype", "fp32")


class Fixture(unittest.TestCase):
    def test_each_host_has_a_name_processes_and_memory_of_its_own(self):
        with hosts.Hosts(2) as two:
            file = "/dev/shm/lockstep-hosts-test"
            self.assertEqual(two.run("node1", "sh", "-c", f"touch {file}; hostname").stdout, "node1\n")
            seen = two.run("node2", "sh", "-c", f"ls {file} || hostname; ls -d /proc/[0-9]* | wc -l").stdout
            self.assertEqual(seen.split()[0], "node2")
            self.assertLess(int(seen.split()[1]), 10)
            self.assertFalse(os.path.exists(file))
            first = [*two.first.values()]
            self.assertEqual(len(two.processes("node1")), len(two.processes("node2")))
        self.assertTrue(all(hosts.has_ended(process) for process in first))
        self.assertEqual(two.processes(), [])
        self.assertFalse(two.folder.exists())

    def test_links_are_cut_mended_and_delayed(self):
        with hosts.Hosts(3) as three:
            def reaches(here: str, there: str) -> str:
                return three.run(here, sys.executable, "-c", CONNECT, there).stdout.strip()
            self.assertEqual(reaches("node1", "node2"), "reached")
            three.link("node2").cut()
            self.assertEqual(reaches("node1", "node2"), "not reached")
            self.assertEqual(reaches("node2", "node3"), "not reached")
            self.assertEqual(reaches("node1", "node3"), "reached")
            three.link("node2").mend()
            self.assertEqual(reaches("node1", "node2"), "reached")
            three.link("node2").set(delay_ms=100)
            begin = time.monotonic()
            self.assertEqual(reaches("node1", "node2"), "reached")
            self.assertGreaterEqual(time.monotonic() - begin, 0.2)  # there and back

    def test_a_command_elsewhere_has_its_output_and_exit_code(self):
        with hosts.Hosts(2) as two:
            there = two.run("node1", *hosts.SHELL.split(), "node2", "hostname; exit 3")
            self.assertEqual((there.stdout, there.returncode), ("node2\n", 3))

    def test_nobody_hears_of_a_host_that_has_vanished(self):
        with hosts.Hosts(2) as two:
            waiting = two.start("node1", *hosts.SHELL.split(), "node2", "echo here; sleep 60")
            self.assertEqual(waiting.stdout.readline(), "here\n")
            two.vanish("node2")
            time.sleep(1)
            self.assertIsNone(waiting.poll())
            self.assertEqual(two.processes("node2"), [])
            two.end(waiting)


class World(unittest.TestCase):
    def says_the_same(self, world: hosts.Hosts, places: str, *more: str, warning: str = "") -> None:
        """The text of one rank on this machine, and nothing else but the warning."""
        with self.subTest(places, more=more):
            result = world.run("node1", *world.mpirun(places, served.program(), *COMMAND, *more))
            self.assertEqual((result.returncode, result.stdout), (0, served.run(*COMMAND)), result.stderr)
            self.assertRegex(hosts.without_race(result.stderr), f"^{warning}$")

    def test_says_the_same_on_any_hosts(self):
        with hosts.Hosts(4) as four:
            for places in ("node1:1,node2:1", "node1:2,node2:2", "node1:1,node2:1,node3:1,node4:1"):
                self.says_the_same(four, places)
            self.says_the_same(four, "node1:3,node2:1", warning="lockstep.rank 0.: warning: sums go through MPI: "
                               "the hosts have 3 and 1 of the ranks; .*\n")

    def test_waits_for_sums_over_a_long_way(self):
        """Those of halves would go the way twice."""
        with hosts.Hosts(2) as two:
            for name in two.names:
                two.link(name).set(delay_ms=5)  # of each link and direction
            result = two.run("node1", *two.mpirun("node1:1,node2:1", served.program(), *COMMAND, "--verbose"))
            self.assertEqual((result.returncode, result.stdout), (0, served.run(*COMMAND)), result.stderr)
            self.assertRegex(result.stderr, r"a small sum over the hosts takes [0-9.]+ ms: those of prompts are awaited\n")
            alone = two.run("node1", *two.mpirun("node1:2", served.program(), *COMMAND, "--verbose"))
            self.assertNotIn("a small sum over the hosts", alone.stderr)

    def test_finds_what_hosts_with_other_processors_have_finished(self):
        """`--dtype auto` is for all hosts what the slowest can: the host that starts them may be a faster one."""
        with hosts.Hosts(2, variables={"node2": {"LOCKSTEP_ISA": "portable"}}) as two:
            (two.folder / "hostfile").write_text("node1 slots=1\nnode2 slots=1\n")
            (two.folder / "in.jsonl").write_text('{"prompt": "ROMEO:", "max_new_tokens": 3}\n')
            words = (served.program(), "generate", "--model", served.demo_model(), "--tp", "2", "--threads", "1",
                     "--input", str(two.folder / "in.jsonl"), "--output", str(two.folder / "out.jsonl"))
            places = {"OMPI_MCA_orte_default_hostfile": str(two.folder / "hostfile")}
            first = two.run("node1", *words, environment=places)
            self.assertEqual(first.returncode, 0, first.stderr)
            again = two.run("node1", *words, environment=places)
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertIn("complete, nothing to do", again.stderr)

    def test_reads_a_checkpoint_once_on_each_host(self):
        """Ranks of a host read disjoint parts of it, and what they share comes from the host's memory."""
        with hosts.Hosts(2) as two:
            model = two.folder / "model"
            model.mkdir()
            for name in two.names:  # this machine has one page cache, so each host has a copy of its own
                copy = two.folder / f"model-{name}"
                shutil.copytree(served.demo_model(), copy)
                hosts.forget(copy)
                two.run(name, "mount", "--bind", str(copy), str(model))
            (two.folder / "in.jsonl").write_text('{"prompt": "a", "max_new_tokens": 40}\n' * 20_000)
            words = two.mpirun("node1:2,node2:2", served.program(), "generate", "--model", str(model), "--threads", "1",
                               "--input", str(two.folder / "in.jsonl"), "--output", str(two.folder / "out.jsonl"))
            with two.start("node1", *words) as process:
                hosts.until(lambda: process.poll() is not None or hosts.size_of(two.folder / "out.jsonl.partial"),
                            "no line is done")
                read = [hosts.bytes_read(two.rank(rank)) for rank in range(4)]
                two.end(process)
            if sum(read) == 0:
                self.skipTest("this file system does not say what is read of it")
            size = (model.parent / "model-node1/model.safetensors").stat().st_size
            for of_host in (read[:2], read[2:]):
                self.assertLess(sum(of_host), 1.2 * size, read)
                self.assertGreater(sum(of_host), 0.3 * size, "or it came from memory")

    def test_says_the_same_in_stages_over_slow_links(self):
        with hosts.Hosts(3) as three:
            for name in three.names:
                three.link(name).set(delay_ms=2)
            for places, stages in (("node1:1,node2:1", "2"), ("node1:2,node2:2", "2"),
                                   ("node1:1,node2:1,node3:1", "3")):
                self.says_the_same(three, places, "--pp", stages)


if __name__ == "__main__":
    why_not = hosts.obstacle("mpirun")
    if why_not:
        served.skip(why_not)
    unittest.main(verbosity=2)
