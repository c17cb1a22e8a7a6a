"""A database with the memory's tables, and logins to work on it, for tests of operations."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from memory.schema.connection import Session
from memory.schema.model import DesiredSchema, Purpose
from memory.schema.runner import apply
from tests.memory.conftest import Live
from tests.memory.passwords import PASSWORDS

DIMENSIONS = 3
PLACE = "memory.zep_memory_vectors"


def prepared(live: Live, **choices: Any) -> DesiredSchema:
    """Bring the database to the memory's schema; small vectors are quick to index."""
    desired = live.schema(dimensions=DIMENSIONS, **choices)
    apply(live.endpoint, desired, passwords=PASSWORDS)
    return desired


def as_login(live: Live, purpose: Purpose = "app") -> dict[str, str]:
    """libpq's environment of one of the schema's logins."""
    return {
        **live.server.environment(live.endpoint.database),
        "PGUSER": f"{live.endpoint.database}_{purpose}",
        "PGPASSWORD": PASSWORDS[purpose],
    }


def standing_as(live: Live, patch: pytest.MonkeyPatch, purpose: Purpose = "app") -> None:
    """Let the environment lead to this database, and nothing of ours be set beside it."""
    for name in [name for name in os.environ if name.startswith("ENGRAM_")]:
        patch.delenv(name)
    for name, value in as_login(live, purpose).items():
        patch.setenv(name, value)


@contextmanager
def session_of(live: Live, purpose: Purpose = "app") -> Iterator[Session]:
    """A session of one of the logins, as an operation opens it."""
    given = as_login(live, purpose)
    with psycopg.connect(
        host=given["PGHOST"],
        hostaddr=given["PGHOSTADDR"],
        port=given["PGPORT"],
        dbname=given["PGDATABASE"],
        user=given["PGUSER"],
        password=given["PGPASSWORD"],
        sslmode="verify-full",
        sslrootcert=given["PGSSLROOTCERT"],
        autocommit=True,
    ) as session:
        yield session


def fill(live: Live, rows: Sequence[dict[str, Any]], table: str = PLACE) -> None:
    """Insert rows as their owner; what a row does not say has its default."""
    for row in rows:
        given = {"session_id": "s", "content": "c", **row}
        names = ", ".join(given)
        values = [Jsonb(v) if isinstance(v, dict | list) else v for v in given.values()]
        with psycopg.connect(live.server.dsn(live.endpoint.database), autocommit=True) as session:
            session.execute(f"SET ROLE {live.endpoint.database}_migrator")
            session.execute("SELECT set_config('engram.tenant', '*', false)")
            marks = ", ".join("%s" for _ in values)
            statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - a test's own
            session.execute(statement.encode(), values)


def many(live: Live, rows: int, *, age_days: int) -> None:
    """So many memories of one age."""
    with psycopg.connect(live.server.dsn(live.endpoint.database), autocommit=True) as session:
        session.execute(f"SET ROLE {live.endpoint.database}_migrator")
        session.execute(
            "INSERT INTO memory.zep_memory_vectors (session_id, content, created_at)"
            " SELECT concat('s', mod(n, 7)), concat('of ', %s::int, ' days ', n),"
            " now() - make_interval(days => %s) FROM generate_series(1, %s) n",
            (age_days, age_days, rows),
        )
