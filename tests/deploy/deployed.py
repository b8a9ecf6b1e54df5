"""What the tests of configs/deploy/ share."""
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import served  # noqa: E402

FOLDER = served.SOURCE / "configs/deploy"


def need(*tools: str) -> None:
    """Ends the test as skipped where one is missing."""
    for tool in tools:
        if not shutil.which(tool):
            served.skip(f"there is no {tool}")


def settings(words: list[str]) -> dict[str, str]:
    """What `lockstep serve` makes of a command line, {"server.port": "8000", ...}. It must take it."""
    found, path = {}, []
    for line in served.run("serve", *words, "--print-config").splitlines():
        key, _, value = line.partition(":")
        depth = (len(key) - len(key.lstrip())) // 2
        path[depth:] = [key.strip()]
        value = value.split("  #")[0].strip()
        found[".".join(path)] = value.strip('"')
    return found
