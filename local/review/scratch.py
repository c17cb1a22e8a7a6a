"""A local cloud for one comparison, apart from the clone's own, and gone afterwards."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError
from local.paths import OVERRIDE
from local.review import sources

LOCK = "requirements-dev.txt"
"""Must be the same for the base to borrow the clone's environment."""
ADVISORY = {"all": "advisory"}
LAST_LINES = 25
"""Of what a command that failed has said."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """The files of the base, ready to run."""

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.folder / ".local" / "venv" / "bin" / "python"

    def has(self, stack: str) -> bool:
        """Whether the stack was there before."""
        return (self.folder / f"Pulumi.{stack}.yaml").exists()


@contextmanager
def unpacked(project: Path, commit: str) -> Iterator[Base]:
    """Yield the base in a folder of its own.

    Raises ``LocalError`` where git does not have it, or its environment cannot be made.
    """
    with temporary_folder("engram-base-") as folder:
        sources.unpack(project, commit, folder)
        _lend_environment(project, folder)
        _mute_policies(folder)
        yield Base(folder=folder)


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Yield a folder that the unprivileged user of servers may enter, too."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def cloud(project: Path) -> Iterator[Path]:
    """Yield the folder of an empty local cloud; whatever runs in it is stopped at the end."""
    with temporary_folder("engram-review-") as folder:
        try:
            yield folder
        finally:
            run(Path(sys.executable), project, folder, "clean")


def run(
    python: Path, program: Path, folder: Path, *words: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command of ``local`` for a program, in the cloud of a folder."""
    return subprocess.run(
        [str(python), "-m", "local", *words],
        cwd=program,
        env={**os.environ, OVERRIDE: str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def said(answer: "subprocess.CompletedProcess[str]") -> str:
    """Return the last words of a command that failed."""
    lines = (answer.stderr + answer.stdout).strip().splitlines()
    return "\n".join(lines[-LAST_LINES:])


def _lend_environment(project: Path, folder: Path) -> None:
    """Let the base use the clone's Python environment where it asks for the same packages."""
    ours, theirs = project / LOCK, folder / LOCK
    same = theirs.exists() and ours.read_bytes() == theirs.read_bytes()
    (folder / ".local").mkdir()
    if same:
        (folder / ".local" / "venv").symlink_to(project / ".local" / "venv")
    else:
        bootstrap = [sys.executable, "local/toolchain/bootstrap.py"]
        answer = subprocess.run(bootstrap, cwd=folder, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise LocalError(f"the environment of the base cannot be made:\n{said(answer)}")


def _mute_policies(folder: Path) -> None:
    """Let no policy stop the base: it was judged when it was merged.

    Otherwise an exception that has expired since would stop the very change that renews it.
    """
    for file in (folder / "assurance" / "policies" / "enforcement").glob("*.json"):
        file.write_text(json.dumps(ADVISORY), encoding="utf-8")
