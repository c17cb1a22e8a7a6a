"""What every tool looks like from here: files for a release, and a command that brings it about."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.measure import Announce
from bench.peers.wanted import Release
from local.paths import Paths

PROJECTS = Path(__file__).resolve().parents[1] / "projects"
FILES: Mapping[Release, tuple[str, ...]] = {
    Release.TABLE: ("v1",),
    Release.INDEX: ("v1", "v2"),
    Release.MORE_LINKS: ("v1", "v2", "v3_more_links"),
    Release.MORE_DIMENSIONS: ("v1", "v2", "v3_more_dimensions"),
    Release.GROWN: ("v1", "v2", "v3_grown", "v4_grown"),
}
"""Names of the migrations that a release consists of, in order."""
OUTSIDE_OF_TRANSACTIONS = "CONCURRENTLY"
OF_THE_MACHINE = ("PATH", "HOME", "LANG", "JAVA_HOME", "XDG_CACHE_HOME")
"""What a tool gets to see of our environment."""


class ToolMissing(BenchError):  # noqa: N818 - a tool that is not here is no failure of the study
    """The tool cannot be had on this machine; the text says why, and stands in its column."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """A database over verified TLS, and who connects to it."""

    host: str
    address: str
    port: int
    database: str
    user: str
    password: str
    ca_file: str

    @property
    def environment(self) -> dict[str, str]:
        """The same for libpq."""
        return {
            "PGHOST": self.host,
            "PGHOSTADDR": self.address,
            "PGPORT": str(self.port),
            "PGDATABASE": self.database,
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": self.ca_file,
        }


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line, with the folder and the environment that belong to it."""

    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]


class Tool(ABC):
    """One column of the tables."""

    name: str
    settles = False
    """Whether it looks after the database as a whole, of which a copy has lost something."""

    @abstractmethod
    def make_ready(self, paths: Paths, announce: Announce) -> str:
        """Have the tool, and return its version; raises ``ToolMissing``."""

    @abstractmethod
    def upgrade(self, release: Release, address: Address) -> Command:
        """Return the command that brings a database to a release."""

    def look(self, address: Address) -> Command | None:
        """Return the command that compares the database with the project, if there is one."""
        del address
        return None


def environment(*more: Mapping[str, str]) -> dict[str, str]:
    """Return what a child sees: a little of the machine's, and what it is told."""
    told = {name: os.environ[name] for name in OF_THE_MACHINE if name in os.environ}
    for values in more:
        told.update(values)
    return told


def sql_of(migration: str) -> str:
    """Return a migration as SQL, the same for every tool that reads SQL."""
    return (PROJECTS / "sql" / f"{migration}.sql").read_text(encoding="utf-8")


def write_private(file: Path, text: str) -> None:
    """Write a file that holds a password."""
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
