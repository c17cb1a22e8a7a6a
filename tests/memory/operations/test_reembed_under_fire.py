"""A re-embedding under writers and readers, killed at any moment, or its database under it.

It goes to and fro between two models.  Whatever is killed, in the end every row says what its
writer knows, and has the vector of that content.

How often is told by ``ENGRAM_KILLS``: 8 where nobody says, so that it takes a minute; with 50 each
job is killed at fifty seeded moments, and its database at ten.
"""

import random
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from memory.schema.connection import Session
from tests.memory.conftest import Live, fleet, live, postgres_server
from tests.memory.operations.crashes import DATABASE_KILLS, JOB_KILLS, crash, database
from tests.memory.operations.killed_jobs import Killer
from tests.memory.operations.prepared import session_of
from tests.memory.operations.reembedding import (
    NEW,
    OLD,
    by_hand,
    numbers,
    prepared,
    vector,
    wrong_rows,
)
from tests.memory.operations.traffic import Program, Writer, traffic, truth

__all__ = ["database", "fleet", "live", "postgres_server"]

ROWS, WRITERS = 60, 2
ADD = """
INSERT INTO memory.zep_memory_vectors (id, session_id, content, embedding) VALUES (%s, 's', %s, %s)
"""
CHANGE = "UPDATE memory.zep_memory_vectors SET content = %s, embedding = %s WHERE id = %s"
DELETE = "DELETE FROM memory.zep_memory_vectors WHERE id = %s"
READ = "SELECT content FROM memory.zep_memory_vectors WHERE id = %s"
ANY_ROWS = """
SELECT content, embedding::text FROM memory.zep_memory_vectors WHERE id >= %s ORDER BY id LIMIT 5
"""


class Service(Writer[UUID, str]):
    """Writes with the vectors of the model that the column wants."""

    def __init__(self, live: Live, seed: int, own: dict[UUID, str]) -> None:
        super().__init__(lambda: session_of(live), seed, own)
        self._dimensions = OLD
        self._number = 1000 * (seed + 1)
        self.refused = 0

    def new(self) -> tuple[UUID, str]:
        return uuid4(), self.other(uuid4())

    def other(self, key: UUID) -> str:
        self._number += 1
        return f"written {self._number}"

    def add(self, session: Session, key: UUID, said: str) -> None:
        self._write(session, ADD, lambda: (key, said, self._vector(said)))

    def change(self, session: Session, key: UUID, said: str) -> None:
        self._write(session, CHANGE, lambda: (said, self._vector(said), key))

    def delete(self, session: Session, key: UUID) -> None:
        session.execute(DELETE, (key,))

    def read(self, session: Session, key: UUID) -> str | None:
        found = session.execute(READ, (key,)).fetchone()
        return str(found[0]) if found else None

    def _vector(self, said: str) -> str:
        return str(vector(said, self._dimensions))

    def _write(self, session: Session, statement: str, given: Any) -> None:
        try:
            assert session.execute(statement.encode(), given()).rowcount == 1
        except psycopg.errors.DataException as error:
            wanted = re.search(r"expected (\d+) dimensions", str(error))
            if wanted is None:
                raise
            self.refused += 1
            self._dimensions = int(wanted[1])  # the new model's program starts
            assert session.execute(statement.encode(), given()).rowcount == 1


class Reader(Program):
    """Every row has at any time the vector of its content, by one of the models."""

    def once(self, session: Session) -> None:
        start = UUID(int=self.dice.getrandbits(128))
        for content, found in session.execute(ANY_ROWS, (start,)).fetchall():
            assert numbers(found) in (vector(content, OLD), vector(content, NEW))


class Fire:
    """The job, the model that it goes to, and the programs beside it."""

    def __init__(self, live: Live) -> None:
        self.live = live
        prepared(live, ROWS)
        self.killer = Killer(live.server.environment(live.endpoint.database))
        self.wanted = NEW
        self.writers: list[Service] = []

    def run(self, moment: int | None = None, seed: int = 0) -> tuple[int, int]:
        """One run; when it gets to its end, the next goes back."""
        ended, came_to = self.killer.run(
            "reembed", dimensions=self.wanted, moment=moment, seed=seed
        )
        if ended == 0:
            self.wanted = OLD if self.wanted == NEW else NEW
        return ended, came_to

    @contextmanager
    def under_traffic(self) -> Iterator[None]:
        """Writers and readers, until the end of the block."""
        found = by_hand(self.live, "SELECT id, content FROM {t} ORDER BY id")
        own = [dict(found[n::WRITERS]) for n in range(WRITERS)]
        self.writers = [Service(self.live, n, own[n]) for n in range(WRITERS)]
        with traffic(*self.writers, Reader(lambda: session_of(self.live), 9)):
            yield

    def all_is_well(self) -> None:
        """What has to be true, whatever happened."""
        assert self.run()[0] == 0
        expected = truth(list(self.writers), lambda: session_of(self.live))
        assert dict(by_hand(self.live, "SELECT id, content FROM {t}")) == expected
        assert wrong_rows(self.live, "embedding", OLD if self.wanted == NEW else NEW) == []


@pytest.fixture
def fire(live: Live) -> Iterator[Fire]:
    """A table of vectors, and a job to kill."""
    found = Fire(live)
    yield found
    found.killer.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_heals_after_kills_of_the_job(fire: Fire) -> None:
    dice = random.Random(815)  # noqa: S311 - the same moments in each run
    killed = run = 0
    with fire.under_traffic():
        ended, moments = fire.run()
        assert ended == 0
        while killed < JOB_KILLS:
            run += 1
            assert run < 4 * JOB_KILLS
            ended, came_to = fire.run(moment=dice.randint(1, moments), seed=run)
            assert ended in {0, -signal.SIGKILL}, f"run {run}: {ended} after {came_to} moments"
            killed += ended != 0
    fire.all_is_well()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_heals_after_kills_of_the_database(fire: Fire) -> None:
    dice = random.Random(518)  # noqa: S311 - the same moments in each run
    with fire.under_traffic():
        for number in range(DATABASE_KILLS):
            ended: list[int] = []
            done = threading.Event()

            def job() -> None:
                ended.append(fire.run(seed=number)[0])  # noqa: B023 - joined below
                done.set()  # noqa: B023 - joined below

            thread = threading.Thread(target=job)
            thread.start()
            done.wait(dice.uniform(0.05, 3.0))
            crash(fire.live.server.server)
            thread.join(600)
            assert ended, "it ends by itself"
        assert fire.run()[0] == 0
    assert any(writer.lost_sessions for writer in fire.writers)
    fire.all_is_well()
