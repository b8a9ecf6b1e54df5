#!/usr/bin/env python3
"""The virtual environments of the tests that need Python packages.

    tests/clients/environment.py --make [NAME ...]      makes them (all), unless they are there
    tests/clients/environment.py NAME SCRIPT [ARG ...]  runs a script in one; exit code 77 (skipped)
                                                        where there is none

Each is one of requirements/NAME.txt. They lie outside the clone, below $XDG_CACHE_HOME (~/.cache), under
names that their packages give: all clones on a machine share them. Nothing but --make downloads.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

SKIPPED = 77  # SKIP_RETURN_CODE in CMakeLists.txt
REQUIREMENTS = pathlib.Path(__file__).with_name("requirements")


def place(name: str) -> pathlib.Path:
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    packages = (REQUIREMENTS / f"{name}.txt").read_bytes() + sys.version.encode()
    return cache / "lockstep" / f"{name}-{hashlib.sha256(packages).hexdigest()[:12]}"


def interpreter(name: str) -> pathlib.Path:
    return place(name) / "bin" / "python"


def make(name: str) -> bool:
    """Under another name first: what is there under its own name is whole."""
    if interpreter(name).exists():
        print(f"{name}: {place(name)} is there")
        return True
    begun = place(name).with_name(f"{place(name).name}.{os.getpid()}")
    try:
        subprocess.run([sys.executable, "-m", "venv", begun], check=True)
        subprocess.run([begun / "bin" / "python", "-m", "pip", "install", "--quiet",
                        "--disable-pip-version-check", "-r", REQUIREMENTS / f"{name}.txt"], check=True)
        begun.rename(place(name))
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"{name}: no virtual environment: {error}; the tests that need it are skipped",
              file=sys.stderr)
        return False
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    print(f"{name}: made {place(name)}")
    return True


def main() -> int:
    known = sorted(file.stem for file in REQUIREMENTS.glob("*.txt"))
    words = sys.argv[1:]
    if words[:1] == ["--make"] and set(words[1:]) <= set(known):
        return 0 if all([make(name) for name in words[1:] or known]) else 3
    if len(words) < 2 or words[0] not in known:
        print(__doc__, file=sys.stderr)
        return 2
    python = interpreter(words[0])
    if not python.exists():
        print(f"skipped: there is no {python}; tests/clients/environment.py --make makes it")
        return SKIPPED
    os.execv(python, [str(python), *words[1:]])


if __name__ == "__main__":
    sys.exit(main())
