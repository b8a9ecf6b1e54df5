"""The wheel with the program in it, installed into an environment of its own and used there."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/clients"))
import served  # noqa: E402

BUILD = pathlib.Path(served.program()).parent
USE = """
import lockstep, sys
assert lockstep.find_program() == sys.argv[1], lockstep.find_program()
with lockstep.LLM("shakespeare-neox", tp=2, threads=1, dtype="fp32") as llm:
    (one,) = llm.generate("ROMEO:", lockstep.SamplingParams(temperature=0, max_tokens=12))
    print(one.outputs[0].text)
"""


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.prefix = cls.folder / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--component", "program", "--strip", "--prefix", cls.prefix],
                       check=True, stdout=subprocess.DEVNULL)

    def build(self, name: str, **variables: str) -> pathlib.Path:
        """From a copy of the sources, so that nothing is left among them."""
        source, wheels = self.folder / name, self.folder / f"{name}-wheels"
        shutil.copytree(ROOT / "python", source, ignore=shutil.ignore_patterns("__pycache__"))
        environment = {key: value for key, value in os.environ.items()
                       if key not in ("LOCKSTEP_PREFIX", "SOURCE_DATE_EPOCH")}
        subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index",
                        "--no-build-isolation", "--no-deps", "-w", wheels, source], check=True,
                       env={**environment, **variables})
        (wheel,) = wheels.iterdir()
        return wheel

    def test_works_where_it_is_installed(self):
        wheel = self.build("with", LOCKSTEP_PREFIX=str(self.prefix))
        self.assertRegex(wheel.name, r"^lockstep-[\d.]+-py3-none-linux_.*\.whl$")
        place = self.folder / "environment"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
        python = place / "bin/python"
        subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index",
                        "--disable-pip-version-check", wheel], check=True)
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin"}  # mpirun, and no lockstep of ours
        expected = served.run("generate", "--model", served.demo_model(), "--prompt", "ROMEO:", "--temperature", "0",
                              "--max-new-tokens", "12")
        said = subprocess.run([python, "-c", USE, place / "bin/lockstep"], env=variables, cwd=self.folder,
                              capture_output=True, text=True)
        self.assertEqual(said.stdout, expected, said.stderr)
        said = subprocess.run([place / "bin/lockstep", "generate", "--model", "shakespeare-neox", "--prompt",
                               "ROMEO:", "--temperature", "0", "--max-new-tokens", "12", "--dtype", "fp32"],
                              env=variables, cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(said.stdout, expected, said.stderr)

    def test_is_pure_python_without_the_program(self):
        self.assertTrue(self.build("without").name.endswith("-py3-none-any.whl"))

    def test_is_the_same_when_it_is_built_again(self):
        one, other = (self.build(name, LOCKSTEP_PREFIX=str(self.prefix), SOURCE_DATE_EPOCH="1700000000")
                      for name in ("first", "second"))
        self.assertEqual(*(hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in (one, other)))

    def test_a_prefix_without_the_program_is_an_error(self):
        with self.assertRaises(subprocess.CalledProcessError):
            self.build("wrong", LOCKSTEP_PREFIX=str(self.folder / "nowhere"))


if __name__ == "__main__":
    unittest.main()
