"""The Debian package on a minimal Debian, laid out by the steps of configs/deploy/lockstep.def: installed
with its dependencies, run on two ranks, removed.

Takes minutes: a Debian is laid out, and the dependencies are downloaded.
"""
import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "deploy"))
import deployed  # noqa: E402
import packages_test  # noqa: E402
import served  # noqa: E402
from root_folder import RootFolder  # noqa: E402

RELEASES = {"12": "bookworm", "13": "trixie"}


def built_for() -> str | None:
    """A package depends on libraries of the release that it was built on."""
    text = pathlib.Path("/etc/os-release").read_text()
    found = re.search(r'^VERSION_ID="?(\d+)"?$', text, re.M)
    return RELEASES.get(found.group(1)) if found and re.search(r"^ID=debian$", text, re.M) else None


def section(name: str) -> str:
    """Of the Apptainer definition."""
    text = (deployed.FOLDER / "lockstep.def").read_text()
    return re.search(rf"(?ms)^%{name}\n(.*?)(?=^%|\Z)", text).group(1)


def installed_system(folder: pathlib.Path) -> RootFolder:
    """A minimal Debian below `folder` with the package in it."""
    folder.chmod(0o755)
    system = RootFolder(folder / "root", built_for())
    package = packages_test.pack(folder / "packages", "DEB")["deb"]
    source, destination = section("files").split()
    assert source == "lockstep.deb", source
    shutil.copy(package, system.root / destination.lstrip("/"))
    system.run("sh", "-ec", section("post"))
    return system


def skip_unless_possible() -> None:
    deployed.need("mmdebstrap", "unshare", "cpack", "dpkg-shlibdeps")
    if os.geteuid() != 0:
        served.skip("a root folder needs root")
    if built_for() is None:
        served.skip("this is neither Debian 12 nor 13")


class OnAMinimalSystem(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = installed_system(pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory())))

    def test_is_what_the_apptainer_definition_promises(self):
        self.system.run("sh", "-ec", section("test"))
        said = self.system.run("sh", "-ec", section("environment") + section("runscript"), "lockstep",
                               "generate", "shakespeare-neox", "--tp", "2", "--prompt", "ROMEO:", "-n", "4")
        self.assertIn("Alas", said)

    def test_runs_on_two_ranks_for_root_and_for_others(self):
        generate = ("--prompt", "ROMEO:", "--max-new-tokens", "12", "--temperature", "0", "--dtype", "fp32")
        expected = served.run("generate", "--model", served.demo_model(), *generate)
        self.system.folder = "/tmp"
        self.addCleanup(setattr, self.system, "folder", "/")
        self.addCleanup(setattr, self.system, "user", "0:0")
        for user in ("0:0", "65534:65534"):
            self.system.user = user
            said = self.system.run("lockstep", "generate", "--model", "shakespeare-neox", "--tp", "2", *generate)
            self.assertIn(expected, said, user)

    def test_needs_nothing_else(self):
        self.assertIn("pythia-12b", self.system.run("lockstep", "plan", "--config", "pythia-12b", "--tp", "4"))
        self.assertNotIn("not found", self.system.run("ldd", "/usr/bin/lockstep"))

    def test_zz_leaves_nothing_when_it_is_removed(self):
        self.assertTrue((self.system.root / "usr/bin/lockstep").exists())
        self.system.run("dpkg", "--remove", "lockstep")
        for left in ("usr/bin/lockstep", "usr/share/lockstep", "usr/share/doc/lockstep"):
            self.assertFalse((self.system.root / left).exists(), left)


if __name__ == "__main__":
    skip_unless_possible()
    unittest.main()
