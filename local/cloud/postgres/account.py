"""The operating system's account that PostgreSQL runs under.

PostgreSQL refuses to run as root. Where everything else does (containers, CI),
it gets an account without rights, and sees only folders that this account can
reach.
"""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cloud.postgres.errors import PostgresError

CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """Who runs the servers, and whether that is somebody else than we are."""

    name: str
    uid: int
    gid: int
    foreign: bool

    @classmethod
    def choose(cls) -> "Account":
        """Return our own account, or an unprivileged one when we are root."""
        if os.geteuid() != 0:
            own = pwd.getpwuid(os.geteuid())
            return cls(own.pw_name, own.pw_uid, own.pw_gid, foreign=False)
        for name in CANDIDATES:
            try:
                found = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(name, found.pw_uid, found.pw_gid, foreign=True)
        raise PostgresError(
            "PostgreSQL does not run as root, and this machine has neither of the accounts"
            f" {' and '.join(CANDIDATES)}: add one, or work as another user."
        )

    @property
    def process(self) -> dict[str, Any]:
        """Return the arguments with which ``subprocess`` starts a process of the account."""
        if not self.foreign:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> Path:
        """Make the account the owner of one file or folder."""
        if self.foreign:
            os.chown(path, self.uid, self.gid)
        return path

    def lend(self, path: Path) -> Path:
        """Let the account read a private file that stays ours."""
        if self.foreign:
            os.chown(path, os.geteuid(), self.gid)
        path.chmod(0o640 if self.foreign else 0o600)
        return path

    def reaches(self, folder: Path) -> bool:
        """Tell whether the account can enter a folder, which takes all that lead to it."""
        tried = subprocess.run(
            ["test", "-x", str(folder)], check=False, env={"PATH": os.defpath}, **self.process
        )
        return tried.returncode == 0

    def private_folder(self, folder: Path) -> Path:
        """Return a folder of the account that nobody else enters; refuse a stranger's.

        For folders in shared places such as ``/tmp``, where a name can be taken.
        """
        try:
            folder.mkdir(mode=0o700)
            self.own(folder)
        except FileExistsError:
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != self.uid:
                raise PostgresError(
                    f"{folder} belongs to somebody else; remove it, or set TMPDIR to another folder"
                ) from None
            folder.chmod(0o700)
        return folder


def remove_tree(folder: Path) -> None:
    """Remove a folder that may not exist."""
    shutil.rmtree(folder, ignore_errors=True)
