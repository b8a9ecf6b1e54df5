"""The README and the guide as a new user follows them: the Debian package on a minimal Debian, and there every block that
a page marks as run, with nothing of the repository beside it.

Takes minutes: a Debian is laid out, and the dependencies are downloaded.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "docs")]
import debian_test  # noqa: E402
import served  # noqa: E402

os.environ.setdefault("LOCKSTEP", served.program())  # commands_test asks for it
import commands_test  # noqa: E402
import pages  # noqa: E402


class Guide(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.system = debian_test.installed_system(
            pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory())))
        # What the pages use beside the program.
        cls.system.run("sh", "-ec", "apt-get update -qq && apt-get install -y -qq --no-install-recommends curl")
        cls.system.variables["OMPI_MCA_rmaps_base_oversubscribe"] = "1"

    def run_page(self, page: pathlib.Path, blocks: list[pages.Block]) -> None:
        place = pathlib.Path("/", page.stem)
        outside = self.system.root / place.relative_to("/")
        for part in ("work", "said"):
            (outside / part).mkdir(parents=True)
        for shipped in ("models", "configs"):
            (outside / "work" / shipped).symlink_to(f"/usr/share/lockstep/{shipped}")
        self.system.folder = str(place / "work")
        port = commands_test.free_port()
        done = subprocess.run(self.system.command("bash", "-c", commands_test.script(blocks, port, place / "said")),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=900)
        commands_test.check_outputs(self, blocks, done.returncode, outside / "said")

    def test_is_run_from_the_package_alone(self):
        ran = set()
        for page in pages.pages():
            marked = [block for block in pages.blocks(page) if block.mark]
            if not marked or not (page.name == "README.md" or page.parent.name == "guide"):
                continue
            with self.subTest(page=pages.name(page)):
                self.run_page(page, marked)
                ran.add(page.stem)
        self.assertLessEqual({"README", "generate", "tutorial"}, ran)


if __name__ == "__main__":
    debian_test.skip_unless_possible()
    unittest.main()
