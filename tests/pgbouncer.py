"""A real PgBouncer for tests: the one on PATH, or Debian's, unpacked into the user's cache.

Import the fixture in the ``conftest.py`` that wants it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from bench.peers import pgbouncer as real
from components.pooler import Files
from local.cloud.postgres import ports
from local.paths import Paths


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer."""

    port: int
    log: Path

    def dsn(self, database: str, user: str, password: str) -> str:
        """Return a client's connection string: plain, as Zep's."""
        return make_conninfo(
            host=ports.LOOPBACK,
            port=self.port,
            dbname=database,
            user=user,
            password=password,
            sslmode="disable",
            gssencmode="disable",
            connect_timeout=20,
        )

    def said(self, words: str) -> bool:
        """Tell whether the log holds these words."""
        return words in self.log.read_text(encoding="utf-8")


@dataclass(frozen=True)
class PgBouncer:
    """The program."""

    found: real.PgBouncer

    @contextmanager
    def running(self, render: Callable[[Files], str], users: str, roots: str) -> Iterator[Pooler]:
        """Run it with the configuration that ``render`` makes for the files of this run."""

        def configuration(folder: Path, port: int) -> str:
            return render(
                Files(users=str(folder / "users"), roots=str(folder / "ca.crt"), port=port)
            )

        with self.found.running({"users": users, "ca.crt": roots}, configuration) as pooler:
            yield Pooler(pooler.port, pooler.log)


@pytest.fixture(scope="session")
def pgbouncer() -> PgBouncer:
    """PgBouncer of this machine, or Debian's."""
    return PgBouncer(real.find(Paths.current().service_cache))
