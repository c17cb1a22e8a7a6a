"""Programs write and read all the while; in the end every row has the vector of its content."""

import random
import threading
import time
from typing import Any

import psycopg
import pytest

from memory.embeddings.client import Answer
from memory.operations.reembed.backfill import Pace
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.operations.reembedding import (
    NEW,
    NEW_MODEL,
    OLD,
    advanced,
    by_hand,
    login,
    prepared,
    swapped,
    to_halfvec,
    vector,
    wrong_rows,
)

__all__ = ["database", "fleet", "live", "postgres_server"]

LONGEST_WAIT_SECONDS = 8.0


class Writer:
    """A program that reads, then writes, with the vectors of the model that it has."""

    def __init__(self, live: Live, dimensions: int, new: int) -> None:
        self.dimensions = dimensions
        self.refused = 0
        self.longest = 0.0
        self.wrote = 0
        self.ids: set[str] = set()
        self._new = new
        self._live = live
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.error: BaseException | None = None

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        assert self.error is None, self.error

    def _run(self) -> None:
        number = 0
        try:
            with login(self._live, "migrator") as session:
                while not self._stop.is_set():
                    number += 1
                    self._write(session, number)
                    time.sleep(0.02)
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            self.error = error

    def _write(self, session: psycopg.Connection[Any], number: int) -> None:
        text = f"written {number}"
        new = str(vector(text, self.dimensions))
        other = random.Random(number).randrange(200)  # noqa: S311 - the same in each run
        statement, given = [
            ("INSERT INTO memory.zep_memory_vectors (session_id, content, embedding)"
             " VALUES ('s', %s, %s)", (text, new)),
            ("UPDATE memory.zep_memory_vectors SET content = %s, embedding = %s WHERE content = %s",
             (text, new, f"content {other}")),
            ("UPDATE memory.zep_memory_vectors SET metadata = '{}' WHERE content = %s",
             (f"written {number - 3}",)),
            ("DELETE FROM memory.zep_memory_vectors WHERE content = %s",
             (f"written {number - 7}",)),
        ][number % 4]  # fmt: skip
        began = time.monotonic()
        try:
            with session.transaction():
                # Who has read keeps the swap out, and is let past it when he then writes.
                session.execute("SELECT FROM memory.zep_memory_vectors LIMIT 1")
                session.execute(statement, given)
            self.wrote += 1
        except psycopg.errors.DataException as error:
            if f"expected {self._new} dimensions" not in str(error):
                raise
            self.refused += 1
            self.dimensions = self._new  # the new model's program starts
        self.longest = max(self.longest, time.monotonic() - began)


def slowly(texts: Any) -> Answer:
    """A model that takes its time, so that writers come in between."""
    time.sleep(0.02)
    return NEW_MODEL(texts)


@pytest.mark.slow
def test_every_row_has_the_vector_of_its_content(live: Live) -> None:
    prepared(live, 200)
    with Writer(live, OLD, NEW) as writer:
        advanced(live, ask=slowly, pace=Pace(batch_rows=8))
        swapped(live, ask=slowly)
        time.sleep(0.3)
    assert wrong_rows(live, "embedding", NEW) == []
    assert writer.refused <= 2, "only what was written in the moment of the swap"
    assert writer.wrote > 20
    assert writer.longest < LONGEST_WAIT_SECONDS
    changed = by_hand(live, "SELECT count(*) FROM {t} WHERE content LIKE 'written%'")
    assert changed[0][0] > 10


@pytest.mark.slow
def test_a_cast_loses_nothing_either(live: Live) -> None:
    prepared(live, 200)
    with Writer(live, OLD, OLD) as writer:
        advanced(live, to_halfvec())
        swapped(live, ask=None)
        time.sleep(0.3)
    assert wrong_rows(live, "embedding", OLD) == []
    assert writer.refused == 0, "a vector is cast to halfvec by itself"


@pytest.mark.slow
def test_a_writer_that_holds_a_row_is_waited_for(live: Live) -> None:
    """The backfill's short transaction gives way, and asks nothing anew."""
    prepared(live, 20)
    asked: list[str] = []
    with login(live, "migrator", autocommit=False) as writer:

        def ask(texts: Any) -> Answer:
            if not asked and len(texts) > 1:
                writer.execute(
                    "UPDATE memory.zep_memory_vectors SET metadata = '{}'"
                    " WHERE content = 'content 3'"
                )
                threading.Timer(2.1, writer.commit).start()
            asked.extend(texts)
            return NEW_MODEL(texts)

        advanced(live, ask=ask)
    assert len([text for text in asked if text.startswith("content")]) == 20
    assert wrong_rows(live, "embedding_next", NEW) == []
