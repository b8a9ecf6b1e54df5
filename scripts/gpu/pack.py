"""Programs for scripts/gpu_check on a machine that cannot build them: what they link, and mpirun."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

PROGRAMS = ["lockstep", "liblockstep_cuda.so", "tests/gpu/gpu_kernels",
            "tests/multi_rank/cuda/multi_rank_cuda", "tests/multi_rank/cuda/multi_rank_cuda_graphs",
            "tests/multi_rank/cuda/multi_rank_cuda_same_bits",
            "tests/multi_rank/cuda/multi_rank_cuda_pipeline",
            "tests/multi_rank/cuda/cuda_program"]
# Every system has those, or its driver brings them; another's would not fit its kernel or loader.
LEFT_OUT = re.compile(r"^(linux-vdso|ld-linux|libc\.|libm\.|libdl\.|libpthread\.|librt\.|libstdc\+\+|"
                      r"libgcc_s|libcuda\.|libresolv|libutil)")
# Hundreds of megabytes that a machine with GPUs has: in its toolkit, or in torch's wheels.
TOOLKIT = re.compile(r"^lib(cublas|cublasLt|nccl|nvrtc|cudart)\.")
# Of Open MPI: networks that one host does not need, whose libraries are large.
PLUGINS_LEFT_OUT = re.compile(r"ofi|ucx|verbs|psm|usnic|portals|monitoring|openib|mtl_|java|slurm")
MARK = "packed"


def environment_of(build):
    """What programs of a packed folder need of the environment; nothing for an ordinary one."""
    path = os.environ.get("PATH", os.defpath)
    if not (build / MARK).exists():
        return {"PATH": path}
    mpi = build / "openmpi"
    libraries = [str(build / "lib"), *filter(None, [os.environ.get("LD_LIBRARY_PATH")]), *toolkit()]
    return {"PATH": f"{mpi / 'bin'}:{path}", "LD_LIBRARY_PATH": ":".join(libraries),
            "OPAL_PREFIX": str(mpi), "OPAL_BINDIR": str(mpi / "bin"),
            "OPAL_LIBDIR": str(build / "lib"), "OPAL_PKGLIBDIR": str(mpi / "plugins"),
            "OPAL_PKGDATADIR": str(mpi / "share"), "OPAL_SYSCONFDIR": str(mpi / "etc")}


def toolkit():
    """Folders of this machine that have the CUDA libraries."""
    places = [pathlib.Path(entry) / "nvidia" for entry in sys.path]
    found = {str(file.parent) for place in places if place.is_dir()
             for file in place.glob("**/lib/lib*.so*") if TOOLKIT.match(file.name)}
    return [*sorted(found), "/usr/local/cuda/lib64"]


def linked(file):
    """The libraries that a program or library is linked with, as the loader finds them here."""
    said = subprocess.run(["ldd", str(file)], capture_output=True, text=True).stdout
    found = re.findall(r"^\s*(\S+) => (/\S+)", said, re.M)
    return {name: path for name, path in found
            if not LEFT_OUT.match(name) and not TOOLKIT.match(name)}


def copy_stripped(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    target.chmod(0o755)
    subprocess.run(["strip", "--strip-unneeded", str(target)], capture_output=True)


def mpi_paths():
    """Where this machine's Open MPI has what: {"Pkglibdir": path, ...}; {} without it."""
    if shutil.which("ompi_info") is None:
        return {}
    said = subprocess.run(["ompi_info", "--path", "all"], capture_output=True, text=True).stdout
    return dict(re.findall(r"^\s*(\w+): (\S+)$", said, re.M))


def pack_mpi(folder):
    paths = mpi_paths()
    if not paths:
        print("scripts/gpu_check --pack: no Open MPI here: steps of several ranks will not run there")
        return []
    copied = []
    for name in ("mpirun", "orted"):
        copied.append(folder / "openmpi/bin" / name)
        copy_stripped(pathlib.Path(paths["Bindir"], name).resolve(), copied[-1])
    for plugin in pathlib.Path(paths["Pkglibdir"]).glob("*.so"):
        if not PLUGINS_LEFT_OUT.search(plugin.name):
            copied.append(folder / "openmpi/plugins" / plugin.name)
            copy_stripped(plugin, copied[-1])
    shutil.copytree(paths["Pkgdatadir"], folder / "openmpi/share", dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("amca-param-sets"))
    (folder / "openmpi/etc").mkdir(exist_ok=True)
    return copied


def pack(build, folder):
    missing = [name for name in PROGRAMS if not (build / name).exists()]
    if missing:
        print(f"scripts/gpu_check --pack: {build} lacks {', '.join(missing)}; build these targets "
              "there (cmake -DLOCKSTEP_CUDA=ON)")
        return 1
    for name in PROGRAMS:
        copy_stripped(build / name, folder / name)
    libraries = {}
    for file in [*(build / name for name in PROGRAMS), *pack_mpi(folder)]:
        libraries.update(linked(file))
    for name, path in libraries.items():
        copy_stripped(pathlib.Path(path).resolve(), folder / "lib" / name)
    (folder / MARK).write_text("by scripts/gpu_check --pack\n")
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"scripts/gpu_check: {folder} has {len(PROGRAMS)} programs and {len(libraries)} libraries, "
          f"{size / 1048576:.1f} MiB; there: scripts/gpu_check --build {folder.name} --minutes 10")
    return 0
