"""What `cmake --install` lays out: it works where it is put, and wherever it is moved to."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import served  # noqa: E402

BUILD = pathlib.Path(served.program()).parent
GENERATE = ("--prompt", "ROMEO:", "--max-new-tokens", "12", "--temperature", "0", "--dtype", "fp32")


def install(prefix: pathlib.Path, *words: str) -> None:
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix, "--component", "program", *words],
                   check=True, stdout=subprocess.DEVNULL)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        install(cls.folder / "first")
        cls.prefix = cls.folder / "moved away"
        (cls.folder / "first").rename(cls.prefix)
        cls.elsewhere = cls.folder / "elsewhere"
        cls.elsewhere.mkdir()

    def lockstep(self, *words: str) -> subprocess.CompletedProcess:
        """From another folder, and with an environment that says nothing."""
        return subprocess.run([self.prefix / "bin/lockstep", *words], cwd=self.elsewhere, env={}, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)

    def output(self, *words: str) -> str:
        done = self.lockstep(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_has_what_a_user_needs_and_nothing_else(self):
        found = {str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*") if path.is_file()}
        source = {str(pathlib.Path("share/lockstep") / path.relative_to(served.SOURCE))
                  for folder in ("configs", "models") for path in (served.SOURCE / folder).rglob("*")
                  if path.is_file()}
        self.assertEqual(source - found, set())
        for file in ("bin/lockstep", "share/lockstep/configs/deploy/lockstep.service",
                     "share/doc/lockstep/copyright"):
            self.assertIn(file, found)
        for path in found:
            self.assertIn(path.split("/")[0], ("bin", "lib", "share"))
            self.assertFalse(path.endswith((".a", ".h", ".cmake")), path)

    def test_has_the_programs_own_pages_and_completion(self):
        pages = {path.name: path.read_text() for path in (self.prefix / "share/man/man1").iterdir()}
        names = self.output("manual", "--list").split()
        self.assertIn("lockstep-bench-serve", names)
        self.assertEqual(set(pages), {f"{name}.1" for name in names})
        self.assertEqual(pages["lockstep-generate.1"], self.output("manual", "generate"))
        for shell, file in (("bash", "share/bash-completion/completions/lockstep"),
                            ("zsh", "share/zsh/site-functions/_lockstep"),
                            ("fish", "share/fish/vendor_completions.d/lockstep.fish")):
            self.assertEqual((self.prefix / file).read_text(), self.output("completion", shell))

    def test_finds_its_models_by_name(self):
        expected = served.run("generate", "--model", served.demo_model(), *GENERATE)
        self.assertGreater(len(expected), 20)
        for ranks in ("1", "2"):
            self.assertEqual(self.output("generate", "shakespeare-neox", "--tp", ranks, *GENERATE), expected)
        self.assertEqual(self.output("generate", "--model", "shakespeare-neox", *GENERATE), expected)

    def test_finds_its_configurations_by_name(self):
        expected = served.run("generate", "--model", served.demo_model("gptj"), *GENERATE)
        for name in ("demo-gptj", "demo-gptj.yaml"):
            self.assertEqual(self.output("generate", "--config", name, *GENERATE), expected)
        self.assertIn("24 layers", self.output("plan", "--config", "pythia-1.4b"))

    def test_takes_what_is_there_under_the_same_name_first(self):
        (self.elsewhere / "shakespeare-neox").mkdir()
        self.addCleanup((self.elsewhere / "shakespeare-neox").rmdir)
        done = self.lockstep("generate", "--model", "shakespeare-neox", *GENERATE)
        self.assertEqual(done.returncode, 2)
        self.assertIn("shakespeare-neox/config.json", done.stderr)
        configuration = self.elsewhere / "demo-neox"
        configuration.write_text("sampling: {top_p: 2}\n")
        self.addCleanup(configuration.unlink)
        done = self.lockstep("generate", "--config", "demo-neox", *GENERATE)
        self.assertEqual(done.returncode, 2)
        self.assertIn("demo-neox:1:", done.stderr)

    def test_names_what_it_has_where_a_name_is_wrong(self):
        done = self.lockstep("generate", "--model", "shakespeare", *GENERATE)
        self.assertEqual(done.returncode, 2)
        self.assertIn("one that comes with lockstep: shakespeare-gptj, shakespeare-neox", done.stderr)
        done = self.lockstep("plan", "--config", "pythia-1.4")
        self.assertEqual(done.returncode, 2)
        self.assertIn("pythia-1.4: no such file", done.stderr)
        self.assertIn("nearest that does is pythia-1.4b", done.stderr)

    def test_knows_nothing_of_where_it_was_built(self):
        program = (self.prefix / "bin/lockstep").read_bytes()
        self.assertNotIn(str(served.SOURCE).encode(), program)
        self.assertNotIn(str(BUILD).encode(), program)


class InTheBuildFolder(unittest.TestCase):
    def test_the_same_names_are_known(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([served.program(), "generate", "--model", "shakespeare-neox", *GENERATE],
                                  cwd=folder, text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, served.run("generate", "--config", "demo-neox", *GENERATE))


if __name__ == "__main__":
    unittest.main()
