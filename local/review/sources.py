"""What git knows of a pull request: which files differ, and how they were."""

import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from local.errors import LocalError

UNREAD = ("docs/", "tests/", "bench/", ".github/", ".ci/")
"""Folders of which the program and its judges read nothing."""
UNREAD_FILES = {"LICENSE", ".gitignore", ".gitattributes"}


def common_base(project: Path, ref: str) -> str:
    """Return the commit from which the working tree departed from a ref."""
    return _git(project, "merge-base", ref, "HEAD").strip()


def changed_files(project: Path, commit: str) -> list[str]:
    """Return what differs from a commit, new files included; in order, as paths of the clone."""
    # What is moved is gone where it was: a rule that becomes a page of docs is no judge any more.
    differing = _git(project, "diff", "--name-only", "--no-renames", "-z", commit)
    new = _git(project, "ls-files", "--others", "--exclude-standard", "-z")
    return sorted({name for name in (differing + new).split("\0") if name})


def engine_needed(files: Iterable[str]) -> bool:
    """Tell whether any of these files could change what a deployment does."""
    return any(
        not (name.startswith(UNREAD) or name in UNREAD_FILES or name.endswith(".md"))
        for name in files
    )


def unpack(project: Path, commit: str, folder: Path) -> None:
    """Write the files of a commit into a folder; the clone itself is not touched."""
    archive = folder / ".base.tar"
    _git(project, "archive", "--format=tar", "-o", str(archive), commit)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()


def _git(project: Path, *words: str) -> str:
    command = ["git", "-C", str(project), *words]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LocalError(
            f"git {words[0]}: {answer.stderr.strip()}\nBASE is a branch, tag or commit that this "
            "clone has; a shallow clone has no common history (`git fetch --unshallow`)."
        )
    return answer.stdout
