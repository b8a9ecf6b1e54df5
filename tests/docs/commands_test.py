"""The commands of the documentation: the program has every flag that a page gives it, and the blocks
that a page marks are run, page by page, from the first to the last.

    <!-- run -->          in the line above a block: its commands have to succeed
    <!-- run: same -->    and their output has to be what the page shows; a line `...` stands for any lines,
                          and `...` in a line for any text

A page's commands are one shell in one empty folder, beside links to models/ and configs/, with the program
in the path. A server gets a port of its own."""
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import unittest

import pages

PROGRAM = pathlib.Path(os.environ["LOCKSTEP"]).resolve()
HELP_OF: dict[str, str] = {}


def help_of(command: str) -> str:
    if command not in HELP_OF:
        HELP_OF[command] = subprocess.run([PROGRAM, *command.split(), "--help"], text=True, check=True,
                                          stdout=subprocess.PIPE).stdout
    return HELP_OF[command]


def calls(text: str) -> list[list[str]]:
    """The words of each call of the program in a block."""
    text = re.sub(r"(?m)\s#\s.*$", "", text.replace("\\\n", " "))
    found = []
    for line in text.split("\n"):
        for part in re.split(r"[|;&()]+", line):
            try:
                words = shlex.split(part)
            except ValueError:
                continue
            at = next((i for i, word in enumerate(words) if re.fullmatch(r"(\S*/)?lockstep", word)), None)
            if at is not None and at + 1 < len(words):
                found.append(words[at + 1:])
    return found


class Commands(unittest.TestCase):
    def test_give_the_program_flags_that_it_has(self):
        checked = 0
        for page in pages.pages():
            for block in pages.blocks(page):
                if block.language not in ("sh", "console"):
                    continue
                text = block.text if block.language == "sh" else "\n".join(c for c, _ in block.commands())
                for words in calls(text):
                    command = words[0]
                    if not re.fullmatch(r"[a-z]+", command):
                        continue
                    if command == "bench" and len(words) > 1 and not words[1].startswith("-"):
                        # In a loop over benchmarks: the flags that one of them has.
                        command += " decode" if words[1].startswith("$") else " " + words[1]
                    for flag in (word.partition("=")[0] for word in words if word.startswith("-") and word != "-"):
                        with self.subTest(where=block.where, command=command, flag=flag):
                            known = help_of(command)
                            self.assertRegex(known, rf"(?m)(^|[\s,]){re.escape(flag)}([\s,=]|$)")
                            checked += 1
        self.assertGreater(checked, 100)


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def script(blocks: list[pages.Block], port: int, folder: pathlib.Path) -> str:
    """One shell for a page. Each command's output is a file of its own, named by its number."""
    lines, number = ["set -eo pipefail"], 0
    for block in blocks:
        for command, _ in block.commands():
            command = command.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
            command = re.sub(r"\blockstep serve\b", f"lockstep serve --port {port}", command)
            lines += [f"echo {number} > {folder}/last",
                      f"exec > {folder}/{number}.out 2> {folder}/{number}.err", command]
            number += 1
    return "\n".join(lines) + "\n"


def alike(shown: str, printed: str) -> bool:
    lines = [r"(?:.*\n)*?" if line.strip() == "..." else
             ".*".join(re.escape(part) for part in line.rstrip().split("...")) + r" *\n"
             for line in shown.split("\n")]
    return re.fullmatch("".join(lines), printed.rstrip("\n") + "\n") is not None


def check_outputs(test: unittest.TestCase, blocks: list[pages.Block], code: int, said: pathlib.Path) -> None:
    """Of a page's shell that has ended with `code`."""
    last = int((said / "last").read_text())
    commands = [(block, *command) for block in blocks for command in block.commands()]
    outputs = [((said / f"{i}.out").read_text(), (said / f"{i}.err").read_text()) for i in range(last + 1)]
    block, command, _ = commands[last]
    test.assertEqual(code, 0, f"{block.where}: {command}\n{''.join(outputs[last])}")
    for (block, command, shown), (out, err) in zip(commands, outputs, strict=True):
        if block.mark == "run: same" and shown and not alike(shown, out) and not alike(shown, err):
            test.fail(f"{block.where}: {command}\nshown:\n{shown}\nprinted:\n{out}\n{err}")


class MarkedBlocks(unittest.TestCase):
    maxDiff = None

    def run_page(self, blocks: list[pages.Block]):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for part in ("bin", "work", "said"):
                (folder / part).mkdir()
            (folder / "bin/lockstep").symlink_to(PROGRAM)
            for linked in ("models", "configs"):
                (folder / "work" / linked).symlink_to(pages.ROOT / linked)
            environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder),
                           "OMPI_MCA_rmaps_base_oversubscribe": "1"}
            shell = subprocess.Popen(["bash", "-c", script(blocks, free_port(), folder / "said")],
                                     cwd=folder / "work", env=environment, stdin=subprocess.DEVNULL,
                                     start_new_session=True)
            try:
                code = shell.wait(timeout=240)
            finally:
                try:
                    os.killpg(shell.pid, signal.SIGTERM)  # a server that the page has left running
                except ProcessLookupError:
                    pass
            check_outputs(self, blocks, code, folder / "said")

    def test_are_run(self):
        ran = 0
        for page in pages.pages():
            marked = [block for block in pages.blocks(page) if block.mark]
            for block in marked:
                self.assertIn(block.mark, ("run", "run: same"), block.where)
                self.assertIn(block.language, ("sh", "console"), block.where)
            if marked:
                with self.subTest(page=pages.name(page)):
                    self.run_page(marked)
                    ran += 1
        self.assertGreaterEqual(ran, 3)


if __name__ == "__main__":
    unittest.main()
