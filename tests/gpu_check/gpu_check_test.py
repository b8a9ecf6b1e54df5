#!/usr/bin/env python3
"""scripts/gpu_check itself: that it goes through all its steps, whatever they do, and that its report
is there whenever it is ended."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import stand_ins  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "scripts/gpu_check")


class GpuCheck(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        self.report = self.folder / "report.md"
        self.pid_file = self.folder / "pid"

    def tearDown(self):
        self.temporary.cleanup()

    def start(self, *more, with_gpu=True, **instead):
        path = os.environ["PATH"]
        if with_gpu:
            path = f"{stand_ins.machine(self.folder)}:{path}"
        build = stand_ins.build(self.folder, **instead)
        return subprocess.Popen(
            [sys.executable, SCRIPT, "--build", str(build), *more, str(self.report)],
            env={**os.environ, "PATH": path, "HANGS_PID_FILE": str(self.pid_file)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def check(self, *more, **instead):
        process = self.start(*more, **instead)
        self.said, _ = process.communicate(timeout=200)
        return process.returncode

    def state(self, title):
        for line in self.report.read_text().splitlines():
            if line.startswith(f"| {title} | "):
                return line.split(" | ")[1]
        return None

    def wait_for_child(self):
        ends = time.monotonic() + 100
        while not (self.pid_file.exists() and self.pid_file.read_text().strip()):
            self.assertLess(time.monotonic(), ends, "the step has not begun")
            time.sleep(0.05)
        return int(self.pid_file.read_text())

    def assert_gone(self, pid):
        ends = time.monotonic() + 30
        while pathlib.Path(f"/proc/{pid}").exists():
            if pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return
            self.assertLess(time.monotonic(), ends, "what a step has started still runs")
            time.sleep(0.05)

    def test_needs_a_gpu(self):
        self.assertEqual(self.check(with_gpu=False), 3)
        self.assertIn("no NVIDIA GPU here", self.said)
        stand_ins.program(self.folder / "bin/nvidia-smi", 'echo "No devices were found"\n')
        os.environ["PATH"], before = f"{self.folder}/bin:{os.environ['PATH']}", os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", before)
        self.assertEqual(self.check(with_gpu=False), 3)

    def test_wrong_flags(self):
        self.assertEqual(self.check("--minutes", "-1"), 2)
        self.assertEqual(self.check("--step-seconds", "0"), 2)

    def test_runs_every_step_and_puts_the_figures_into_one_table(self):
        self.assertEqual(self.check("--only", "devices,kernels against,aphra-6b: batches,replayed"), 0)
        text = self.report.read_text()
        self.assertEqual(self.state("Devices"), "passed")
        self.assertIn("[  PASSED  ] 62 tests.", text)
        self.assertIn("| aphra-6b | batch, 8 sequences, prompt 128, 16 new tokens | 4538.09 | 53.0 "
                      "| 1.5 |", text)
        self.assertIn("| aphra-6b | batch, 32 sequences, prompt 128, 16 new tokens | 14798.76 |  |  |",
                      text)
        self.assertIn("all passed", self.said)
        self.assertNotIn(str(ROOT), text)

    def test_prints_what_one_order_of_sums_costs(self):
        bench = """case "$* " in
          *batch_invariant=on*) rate=90 ;;
          *batch_invariant=off*) rate=100 ;;
        esac
        echo "$2, some case"
        echo "  tokens/s      $rate.00  (80.00 to 120.00)"
        """
        self.assertEqual(self.check("--only", "batch_invariant", lockstep=bench), 0)
        text = self.report.read_text()
        for case in ("batch, some case", "prefill, some case"):
            self.assertRegex(text, rf"{case} +100.00 +90.00 +0.900")
        self.assertEqual(self.check("--only", "batch_invariant", lockstep="echo no GPU; exit 3\n"), 1)
        self.assertIn("no GPU", self.report.read_text())

    def test_the_list_names_what_the_issue_wants(self):
        process = self.start("--list")
        said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        for word in ("transformers", "NCCL, two ranks on one GPU", "MPS, two halves", "batch_invariant", "int8", "int4", "fp8", "fp16",
                     "fp8 cache", "pythia-12b", "greedy", "sampled", "the cache's size", "ncu, batch 64",
                     "Ceilings by torch", "CTranslate2", "racecheck"):
            self.assertIn(word, said)

    def test_packs_what_was_built_for_a_machine_without_a_compiler(self):
        build, packed = stand_ins.build(self.folder), self.folder / "packed"
        pack = [sys.executable, SCRIPT, "--build", str(build), "--pack", str(packed)]
        done = subprocess.run(pack, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("lacks liblockstep_cuda.so", done.stdout)
        stand_ins.program(build / "liblockstep_cuda.so", "")
        done = subprocess.run(pack, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        shutil.rmtree(build)
        self.assertEqual(self.check("--build", str(packed), "--only", "kernels against,steps that"), 0)
        self.assertEqual(self.state("Kernels against the reference"), "passed")
        self.assertIn(f"{packed.name}/tests/gpu/gpu_kernels", self.report.read_text())

    def test_goes_on_after_a_step_that_fails_or_hangs(self):
        code = self.check("--step-seconds", "2", "--only", "whole models,the program,kernels against",
                          multi_rank_cuda=stand_ins.HANGS, gpu_kernels="echo broken; exit 7\n")
        self.assertEqual(code, 1)
        self.assertEqual(self.state("Kernels against the reference"), "FAILED (exit code 7)")
        self.assertEqual(self.state("Whole models against transformers"), "cut off after 2 s")
        self.assertEqual(self.state("The program"), "passed")
        self.assertIn("it begins", self.report.read_text())
        self.assert_gone(self.wait_for_child())

    def test_a_program_that_is_not_there_is_a_failure(self):
        code = self.check("--build", "/nowhere", "--only", "kernels against")
        self.assertEqual(code, 1)
        self.assertIn("FAILED (No such file or directory", self.report.read_text())

    def test_ends_in_its_minutes_and_says_what_it_has_not_run(self):
        began = time.monotonic()
        code = self.check("--minutes", "0.2", "--only", "whole models,the program",
                          multi_rank_cuda=stand_ins.HANGS)
        self.assertEqual(code, 1)
        self.assertEqual(self.state("Whole models against transformers"), "cut off after 12 s")
        self.assertEqual(self.state("The program"), "not run: no time left")
        self.assertLess(time.monotonic() - began, 100)

    def test_the_report_is_there_when_the_machine_is_taken_away(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            with self.subTest(number=number):
                self.pid_file.unlink(missing_ok=True)
                process = self.start("--only", "devices,whole models,the program",
                                     multi_rank_cuda=stand_ins.HANGS)
                child = self.wait_for_child()
                process.send_signal(number)
                process.communicate(timeout=60)
                self.assertEqual(self.state("Devices"), "passed")
                if number == signal.SIGKILL:
                    self.assertEqual(self.state("Whole models against transformers"), "running")
                    os.killpg(os.getpgid(child), signal.SIGKILL)
                else:
                    self.assertEqual(self.state("Whole models against transformers"),
                                     "cut off: gpu_check was ended")
                    self.assertIn("it begins", self.report.read_text())
                self.assert_gone(child)

    @unittest.skipIf(shutil.which("ncu"), "ncu is here")
    def test_what_is_missing_is_no_failure(self):
        self.assertEqual(self.check("--only", "ncu, batch 1,devices"), 0)
        self.assertEqual(self.state("ncu, batch 1"), "not run: no ncu here")


if __name__ == "__main__":
    unittest.main(verbosity=1)
