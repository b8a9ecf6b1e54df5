"""The same sources give the same bytes wherever they lie: a library built in two clones without ccache, and the one of
this build.

Takes minutes: it is compiled twice.
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "deploy"))
import deployed  # noqa: E402
import served  # noqa: E402

BUILD = pathlib.Path(served.program()).parent
LIBRARY = "core/liblockstep_core.a"


def build(clone: pathlib.Path) -> bytes:
    """The library, built in a copy of what git knows, in a build folder as deep as this one."""
    files = subprocess.run(["git", "-C", served.SOURCE, "ls-files", "-z", "--cached", "--others",
                            "--exclude-standard"], check=True, capture_output=True).stdout
    clone.mkdir(parents=True)
    packed = subprocess.run(["tar", "-C", served.SOURCE, "-cf", "-", "--null", "--files-from=-"], input=files,
                            check=True, capture_output=True).stdout
    subprocess.run(["tar", "-C", clone, "-xf", "-"], input=packed, check=True)
    folder = clone / BUILD.relative_to(served.SOURCE)
    for words in (["-S", clone, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DLOCKSTEP_BUILD_TESTS=OFF",
                   "-DLOCKSTEP_CUDA=OFF", "-DCCACHE=OFF"], ["--build", folder, "--target", "lockstep_core"]):
        done = subprocess.run(["cmake", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stdout)
    return (folder / LIBRARY).read_bytes()


class Library(unittest.TestCase):
    def test_is_the_same_in_every_clone(self):
        with tempfile.TemporaryDirectory() as folder:
            first = build(pathlib.Path(folder, "one"))
            second = build(pathlib.Path(folder, "another/place/of/it"))
            self.assertEqual(first, second)
            self.assertNotIn(folder.encode(), first)
        self.assertEqual(first, (BUILD / LIBRARY).read_bytes(), "this build, which may have ccache")


if __name__ == "__main__":
    deployed.need("git", "ninja")
    cache = (BUILD / "CMakeCache.txt").read_text()
    if not BUILD.is_relative_to(served.SOURCE) or not re.search(r"^CMAKE_BUILD_TYPE:\w+=Release$", cache, re.M):
        served.skip("this is no release build within the clone")
    unittest.main()
