"""Which folder holds what.

Everything generated lives in ``.local`` of the clone, and ``ENGRAM_LOCAL`` moves
it as a whole: a test then has a cloud, a state and a configuration of its own,
while toolchain and caches stay shared.  Only what PostgreSQL's unprivileged user
must reach may have to lie elsewhere.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

OVERRIDE = "ENGRAM_LOCAL"


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The folders of one clone, or of one test."""

    project: Path
    """The clone: the folder of Pulumi.yaml."""
    local: Path
    """State, cloud and configuration; ``.local`` of the clone unless moved."""

    @classmethod
    def current(cls) -> Self:
        """Return the folders of this process, honouring ``ENGRAM_LOCAL``."""
        project = Path(__file__).resolve().parents[1]
        override = os.environ.get(OVERRIDE)
        return cls(project=project, local=Path(override).absolute() if override else _own(project))

    @property
    def venv(self) -> Path:
        """The Python environment, shared by everything in the clone."""
        return _own(self.project) / "venv"

    @property
    def bin(self) -> Path:
        """The built tools of this clone; hard links into the cache."""
        return _own(self.project) / "bin"

    @property
    def pulumi_home(self) -> Path:
        """``PULUMI_HOME``: plugins, and the selected stack; never the user's own."""
        return self.local / "pulumi"

    @property
    def plugins(self) -> Path:
        """Where the engine looks for resource plugins."""
        return self.pulumi_home / "plugins"

    @property
    def state(self) -> Path:
        """The engine's ``file://`` backend."""
        return self.local / "state"

    @property
    def passphrase(self) -> Path:
        """The file whose content encrypts the secrets of the local state."""
        return self.local / "passphrase"

    @property
    def config(self) -> Path:
        """Copies of the stack files, so that the engine never writes to the tracked ones."""
        return self.local / "config"

    @property
    def cloud(self) -> Path:
        """The local cloud: its database, its certificates, its logs."""
        return self.local / "cloud"

    @property
    def locks(self) -> Path:
        """Advisory locks of running commands."""
        return self.local / "locks"

    @property
    def services(self) -> Path:
        """Data of servers that run as an unprivileged user when we are root.

        A parent of the clone that only root may enter (a home of mode 0700) would
        lock that user out; then the data lies in ``/var/tmp``, under a name that
        belongs to this folder alone.
        """
        if os.geteuid() != 0 or _open_to_others(self.local):
            return self.local / "services"
        digest = hashlib.sha256(str(self.local).encode()).hexdigest()[:12]
        return Path("/var/tmp") / f"engram-{digest}"  # noqa: S108 - must outlive a reboot

    @property
    def cache(self) -> Path:
        """Built tools by version, shared by all clones of this user."""
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base) if base else Path.home() / ".cache") / "engram"


def _own(project: Path) -> Path:
    return project / ".local"


def _open_to_others(folder: Path) -> bool:
    """Tell whether another user can enter every existing folder on the way."""
    return all(
        path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents) if path.exists()
    )
