"""Where the program is."""
import os
import pathlib
import shutil
import sysconfig

from lockstep.errors import StartError

VARIABLE = "LOCKSTEP_PROGRAM"


def find_program() -> str:
    """$LOCKSTEP_PROGRAM, else the one that was installed with this package, else `lockstep` in PATH. Raises
    StartError."""
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise StartError(f"{VARIABLE}={named}: there is no such program")
        return found
    own = pathlib.Path(sysconfig.get_path("scripts")) / "lockstep"
    if own.is_file():
        return str(own)
    found = shutil.which("lockstep")
    if found is None:
        raise StartError(f"there is no program lockstep, neither {own} nor in PATH; install it, or set {VARIABLE} to "
                         "its place")
    return found
