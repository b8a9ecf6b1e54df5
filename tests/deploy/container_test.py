"""configs/deploy/Containerfile, its steps carried out in root folders, and its program run there.

Takes minutes: a Debian is laid out twice and Lockstep compiled. LOCKSTEP_ROOTS=FOLDER keeps the root folders.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import deployed
import served
from root_folder import RootFolder, run

FILE = deployed.FOLDER / "Containerfile"


def steps() -> list[tuple[str, str]]:
    """[("FROM", "debian:12-slim AS build"), ...]"""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.M).replace("\\\n", "")
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if line.strip()]


class Stage(RootFolder):
    """What the steps so far have set for the next ones, too."""

    def __init__(self, root: pathlib.Path, image: str):
        assert image == "debian:12-slim", image
        super().__init__(root)
        self.settings: dict[str, str] = {}

    def copy(self, words: list[str], others: dict[str, "Stage"]) -> None:
        source = served.SOURCE
        if words[0].startswith("--from="):
            source = others[words.pop(0).removeprefix("--from=")].root
        origin, target = words
        place = self.root / target.lstrip("/")
        if origin != ".":
            place.parent.mkdir(parents=True, exist_ok=True)
            found = source / origin.lstrip("/")
            if found.is_dir():  # what is in it
                shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(found, place)
            return
        # What a build of a clone sends: .dockerignore leaves out what git does not know, too.
        place.mkdir(parents=True)
        files = run("git", "-C", source, "ls-files", "-z", "--cached", "--others",
                    "--exclude-standard").stdout
        packed = self.root / "context.tar"
        run("tar", "-C", source, "-cf", packed, "--null", "--files-from=-", input=files)
        run("tar", "-C", place, "-xf", packed)
        packed.unlink()


def build(folder: pathlib.Path) -> Stage:
    stages: dict[str, Stage] = {}
    stage = None
    for word, rest in steps():
        print(f"{word} {rest[:100]}", file=sys.stderr, flush=True)
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            stage = Stage(folder / (name or "last"), image)
            stages[name] = stage
        elif word == "RUN":
            stage.run("/bin/sh", "-c", rest)
        elif word == "COPY":
            stage.copy(rest.split(), stages)
        elif word == "ENV":
            key, value = rest.split("=", 1)
            stage.variables[key] = value
        elif word == "WORKDIR":
            stage.folder = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            stage.user = rest
        else:
            assert word in ("EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD"), word
            stage.settings[word] = rest
    return stage


class Container(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        kept = os.environ.get("LOCKSTEP_ROOTS")
        cls.folder = pathlib.Path(kept or cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.folder.chmod(0o755)
        cls.stage = build(cls.folder)
        cls.entry = eval(cls.stage.settings["ENTRYPOINT"])

    def test_explains_itself_when_it_is_given_nothing(self):
        said = self.stage.run(*self.entry, *eval(self.stage.settings["CMD"]))
        self.assertIn("serve", said)

    def test_serves_on_two_ranks_as_a_user_without_rights(self):
        self.assertNotEqual(self.stage.user.split(":")[0], "0")
        health = self.stage.settings["HEALTHCHECK"].split(" CMD ")[1]
        server = subprocess.Popen(
            self.stage.command(*self.entry, "serve", "--model", "shakespeare-neox", "--tp", "2",
                               "--threads", "1", "--port", "0"),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            said = ""
            while "ready: " not in said:
                line = server.stdout.readline()
                self.assertNotEqual(line, "", said)
                said += line
            port = re.search(r"ready: http://[^:]+:(\d+)", said).group(1)
            check = [word.replace("8000", port) for word in eval(health)]
            self.assertEqual(self.stage.run(*check), "")
            text = self.stage.run("curl", "-sS", f"http://127.0.0.1:{port}/v1/completions",
                                  "-d", '{"prompt": "ROMEO:", "max_tokens": 8, "temperature": 0}')
            self.assertIn('"finish_reason":"length"', text)
            self.assertIn("stopped", self.stop(server))
            self.assertEqual(server.returncode, 0)
        finally:
            for process in reversed(served.descendants(server.pid)):
                os.kill(process, signal.SIGKILL)
            server.wait(60)
            server.stdout.close()

    def stop(self, server: subprocess.Popen) -> str:
        """As a container's end begins: SIGTERM to its first process. What it says from then on."""
        first = served.descendants(server.pid)[0]
        os.kill(first, getattr(signal, self.stage.settings["STOPSIGNAL"]))
        said = server.stdout.read()
        server.wait(60)
        return said


if __name__ == "__main__":
    deployed.need("mmdebstrap", "unshare", "git")
    if os.geteuid() != 0:
        served.skip("a root folder needs root")
    unittest.main()
