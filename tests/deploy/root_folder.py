"""A Debian in a folder, and commands in it."""
import pathlib
import shlex
import shutil
import subprocess


def run(*words, **more) -> subprocess.CompletedProcess:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{words}: {done.returncode}\n{done.stdout[-4000:]}")
    return done


class RootFolder:
    """A root folder with a minimal Debian 12 ("bookworm") or 13 ("trixie"), and what commands in it are given."""

    def __init__(self, root: pathlib.Path, release: str = "bookworm"):
        self.root, self.folder, self.user = root, "/", "0:0"
        self.variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                          "HOME": "/root"}
        run("mmdebstrap", "--variant=minbase", "--include=ca-certificates", release, root)
        for name in ("resolv.conf", "hosts"):
            shutil.copy(f"/etc/{name}", root / "etc" / name)

    def command(self, *words: str) -> list[str]:
        """In namespaces of its own, which end with it."""
        inside = (f"mount -t proc proc {self.root}/proc && mount -t tmpfs -o mode=1777 tmp {self.root}/tmp && "
                  f"mkdir -p {self.root}/dev/shm && mount --rbind /dev {self.root}/dev && "
                  f'cd / && exec chroot --userspec={self.user} {self.root} '
                  f'/bin/sh -c \'cd "$0" && exec "$@"\' {shlex.quote(self.folder)} "$@"')
        variables = [f"{key}={value}" for key, value in self.variables.items()]
        return ["env", "-i", *variables, "unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child",
                "bash", "-c", inside, "bash", *words]

    def run(self, *words: str) -> str:
        return run(*self.command(*words)).stdout
