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

from local.errors import LocalError
from local.files import write_atomically

OVERRIDE = "ENGRAM_LOCAL"
ROOTS_DATA = Path("/var/lib")
ROOTS_CACHE = Path("/var/cache/engram")


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

    def claim(self) -> None:
        """Mark the folder as ours at first use, and decide where services lie.

        Raises ``LocalError`` where somebody else's files are in it: ``clean`` would
        remove them.
        """
        if self._services_at.exists():
            return
        moved = self.local != _own(self.project)
        # Looked for again at the end: what lies there may be what another command of ours, which
        # marked the folder meanwhile, has made since.
        if moved and self._holds_files() and not self._services_at.exists():
            raise LocalError(
                f"{OVERRIDE}: {self.local} holds files that are not ours, and `clean` would remove "
                f"them; let {OVERRIDE} name an empty folder or one that does not exist."
            )
        self.local.mkdir(parents=True, exist_ok=True)
        write_atomically(self._services_at, str(self._choose_services()))

    def _holds_files(self) -> bool:
        """Tell whether there is anything but a mark that is being written."""
        half_written = f".{self._services_at.name}."
        return self.local.exists() and any(
            not path.name.startswith(half_written) for path in self.local.iterdir()
        )

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
        lock that user out; then the data lies where a system keeps data, under a name
        that belongs to this folder alone. What ``claim`` chose holds for as long as
        the folder stays where it is, whatever becomes of anybody's modes.
        """
        try:
            chosen = Path(self._services_at.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return self._choose_services()
        return chosen if chosen in self._service_folders else self._choose_services()

    @property
    def cache(self) -> Path:
        """Built tools by version, shared by all clones of this user."""
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base) if base else Path.home() / ".cache") / "engram"

    @property
    def service_cache(self) -> Path:
        """The part of the cache that the services' unprivileged user must be able to enter."""
        return self.cache if _open_to_services(self.cache) else ROOTS_CACHE

    @property
    def _services_at(self) -> Path:
        return self.local / "services-at"

    @property
    def _service_folders(self) -> tuple[Path, Path]:
        """The usual place, and the one for a root whose folders are closed."""
        digest = hashlib.sha256(str(self.local).encode()).hexdigest()[:12]
        return self.local / "services", ROOTS_DATA / f"engram-{digest}"

    def _choose_services(self) -> Path:
        inside, outside = self._service_folders
        return inside if _open_to_services(self.local) else outside


def _own(project: Path) -> Path:
    return project / ".local"


def _open_to_services(folder: Path) -> bool:
    """Tell whether the services' user, another one than root, can enter all that is there."""
    return os.geteuid() != 0 or all(
        path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents) if path.exists()
    )
