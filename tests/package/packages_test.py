"""The packages that cpack makes of the build: what is in them, that the tarball works, and that they are the same bytes
when they are made again."""
import os
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
GENERATE = ("--prompt", "ROMEO:", "--max-new-tokens", "12", "--temperature", "0", "--dtype", "fp32")


def pack(folder: pathlib.Path, *kinds: str) -> dict[str, pathlib.Path]:
    """{"deb": file, "gz": file}"""
    variables = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    done = subprocess.run(["cpack", "--config", BUILD / "CPackConfig.cmake", "-G", ";".join(kinds), "-B", folder],
                          env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stdout)
    return {file.suffix[1:]: file for file in folder.iterdir() if file.is_file()}


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.made = pack(cls.folder / "first", "DEB", "TGZ")

    def test_are_the_same_bytes_when_made_again(self):
        again = pack(self.folder / "second" / "elsewhere", "DEB", "TGZ")
        for kind in ("deb", "gz"):
            self.assertEqual(self.made[kind].read_bytes(), again[kind].read_bytes(), kind)

    def test_have_files_of_the_time_that_was_asked_for(self):
        for words in (["tar", "-tvzf", self.made["gz"]], ["dpkg-deb", "--contents", self.made["deb"]]):
            listed = subprocess.run(words, check=True, capture_output=True, text=True,
                                    env={**os.environ, "TZ": "UTC"}).stdout.splitlines()
            self.assertEqual({" ".join(line.split()[3:5]) for line in listed}, {"2023-11-14 22:13"})

    def test_the_tarball_works_where_it_is_unpacked(self):
        place = self.folder / "some where"
        place.mkdir()
        subprocess.run(["tar", "-C", place, "-xzf", self.made["gz"]], check=True)
        (top,) = place.iterdir()
        self.assertTrue(self.made["gz"].name.startswith(top.name + "."))
        expected = served.run("generate", "--model", served.demo_model(), *GENERATE)
        said = subprocess.run([top / "bin/lockstep", "generate", "--model", "shakespeare-neox", "--tp", "2", *GENERATE],
                              env={}, cwd=place, capture_output=True, text=True)
        self.assertEqual(said.stdout, expected, said.stderr)

    def test_the_tarball_is_nobodys_and_in_order(self):
        listed = subprocess.run(["tar", "--numeric-owner", "-tvzf", self.made["gz"]], check=True, capture_output=True,
                                text=True).stdout.splitlines()
        self.assertEqual({line.split()[1] for line in listed}, {"0/0"})
        names = [line.split(maxsplit=5)[5].rstrip("/") for line in listed]
        self.assertEqual(names, sorted(names, key=lambda name: name.split("/")))

    def test_the_debian_package_has_its_files_and_dependencies(self):
        def ask(*words: str) -> str:
            return subprocess.run(["dpkg-deb", *words], check=True, capture_output=True, text=True).stdout

        file = str(self.made["deb"])
        depends = ask("--field", file, "Depends")
        for package in ("libc6", "libstdc++6", "libopenmpi3|libopenmpi40", "openmpi-bin"):
            self.assertRegex(depends, rf"(^|, )({package.replace('+', '[+]')})\b")
        self.assertEqual(ask("--field", file, "Version").strip(), served.run("--version").split()[1])
        names = re.findall(r" \./(\S+[^/\s])$", ask("--contents", file), re.M)
        for name in ("usr/bin/lockstep", "usr/share/doc/lockstep/copyright",
                     "usr/share/lockstep/models/shakespeare-neox/model.safetensors"):
            self.assertIn(name, names)
        self.assertFalse([name for name in names if not name.startswith(("usr/bin/", "usr/share/"))])


if __name__ == "__main__":
    deployed.need("cpack", "dpkg-deb", "dpkg-shlibdeps", "tar", "gzip")
    unittest.main()
