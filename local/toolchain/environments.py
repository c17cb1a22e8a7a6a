"""Python environments apart from the clone's own: ``.local/<name>``, each in step with its lock.

Outside judges pin packages that the program cannot live with, a hundred and older ones.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local import lock
from local.errors import LocalError
from local.files import write_atomically
from local.toolchain.bootstrap import PROJECT, VENV, BootstrapError, run

LOCAL = PROJECT / ".local"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment, and the lock with hashes that says what is in it."""

    name: str
    lock: Path
    home: Path = LOCAL
    """Where its folder is."""

    @property
    def folder(self) -> Path:
        """The environment."""
        return self.home / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.tool("python")

    @property
    def ready(self) -> Path:
        """A file with the digest of the lock that was installed last; make compares its age."""
        return self.folder / ".ready"

    def tool(self, name: str) -> Path:
        """Return the path of a command in it."""
        return self.folder / "bin" / name

    @property
    def in_step(self) -> bool:
        """Whether it holds what its lock says, and an interpreter that still exists."""
        return (
            self.python.exists()
            and self.ready.exists()
            and self.ready.read_text(encoding="utf-8") == self._digest
        )

    def ensure(self) -> None:
        """Install what the lock says, unless it is so already.

        Raises ``LocalError`` where a package cannot be installed.
        """
        if self.in_step:
            return
        with lock.held(self.home / "locks" / f"environment-{self.name}.lock", wait=True):
            if self.in_step:
                return
            try:
                self._install(str(VENV / "bin" / "uv"))
            except BootstrapError as error:
                raise LocalError(str(error)) from error
            write_atomically(self.ready, self._digest)

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self.lock.read_bytes()).hexdigest()

    def _install(self, uv: str) -> None:
        create = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(self.folder)]
        run(create, f"creating the environment of {self.name}")
        sync = [uv, "pip", "sync", "--quiet", "--python", str(self.python), "--require-hashes"]
        run([*sync, str(self.lock)], f"installing {self.name}")


ENVIRONMENTS = {
    name: Environment(name=name, lock=PROJECT / "assurance" / folder / "requirements.txt")
    for name, folder in {
        "checkov": "checkov",
        "trestle": "compliance/trestle",
    }.items()
}
"""By name: the outside judges of manifests and of OSCAL."""


def main(names: Sequence[str]) -> int:
    """Bring these environments in step; return the exit code."""
    try:
        for name in names:
            ENVIRONMENTS[name].ensure()
            ENVIRONMENTS[name].ready.touch()  # so that make sees it newer than the lock
    except LocalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
