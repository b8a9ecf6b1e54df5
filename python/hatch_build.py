"""Puts an installed program into the wheel: LOCKSTEP_PREFIX names where `cmake --install` has put it.

pip then installs it as any other program: bin/lockstep of the environment, and its configurations and demo models
below share/lockstep. Without the variable the wheel is pure Python, and uses the program in PATH.
"""
import os
import pathlib
import sysconfig

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProgramHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        named = os.environ.get("LOCKSTEP_PREFIX")
        if not named:
            return
        prefix = pathlib.Path(named).resolve()
        program = prefix / "bin" / "lockstep"
        if not program.is_file():
            raise FileNotFoundError(f"LOCKSTEP_PREFIX={named}: there is no {program}; install there with cmake --install")
        build_data["shared_scripts"][str(program)] = "lockstep"
        build_data["shared_data"][str(prefix / "share" / "lockstep")] = "share/lockstep"
        module = prefix / "lib" / "liblockstep_cuda.so"
        if module.is_file():
            build_data["shared_data"][str(module)] = "lib/liblockstep_cuda.so"
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
