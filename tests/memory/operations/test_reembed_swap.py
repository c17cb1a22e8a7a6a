"""The swap and the way back: what is locked, for how long, and who is asked meanwhile."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from memory.embeddings.client import Answer
from memory.operations.reembed.backfill import Pace
from memory.operations.reembed.errors import NotInThisPhase, Stop
from memory.operations.reembed.found import look
from memory.schema.events import Patience
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.operations.reembedding import (
    NEW,
    NEW_MODEL,
    OLD,
    aborted,
    advanced,
    by_hand,
    insert,
    login,
    phase,
    prepared,
    swapped,
    vector,
    wrong_rows,
)

__all__ = ["database", "fleet", "live", "postgres_server"]

INSERT = (
    "INSERT INTO memory.zep_memory_vectors (session_id, content, embedding) VALUES ('s', %s, %s)"
)
HASTY = Patience(lock_timeout_ms=100, retry_seconds=0.5)
LEFT = "zep_memory_vectors_embedding_next_left"


@pytest.mark.slow
def test_a_program_that_has_read_may_write_while_the_swap_waits(live: Live) -> None:
    """No deadlock: the swap holds nothing that the program waits for."""
    prepared(live, 20)
    advanced(live)
    with login(live, "app", autocommit=False) as app:
        app.execute("SELECT FROM memory.zep_memory_vectors LIMIT 1")
        swap = threading.Thread(target=swapped, args=(live,))
        swap.start()
        waits = "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
        while not by_hand(live, waits):
            time.sleep(0.02)
        app.execute(INSERT, ("by the app", str(vector("by the app", OLD))))
        app.commit()
        swap.join()
    assert phase(live) == "swapped"
    assert wrong_rows(live, "embedding", NEW) == []


@pytest.mark.slow
def test_writers_go_on_while_the_swap_asks_for_the_last_rows(live: Live) -> None:
    """What came after the check, and meanwhile, is paid once although the lock is not to be had."""
    prepared(live, 20)
    advanced(live)
    insert(live, [f"late {number}" for number in range(70)])
    asked: list[str] = []

    def ask(texts: Sequence[str]) -> Answer:
        if not asked:
            by_hand(live, "SET lock_timeout = 50; DELETE FROM {t} WHERE content = 'content 1'")
            insert(live, ["came meanwhile"])
        asked.extend(texts)
        return NEW_MODEL(texts)

    with login(live, "app", autocommit=False) as reader:
        reader.execute("SELECT FROM memory.zep_memory_vectors LIMIT 1")
        with pytest.raises(Stop, match=r"held by process \d+.*nothing was changed"):
            swapped(live, ask=ask, pace=Pace(in_flight=1), patience=HASTY)
    swapped(live, ask=ask)
    assert sorted(asked) == sorted([*(f"late {n}" for n in range(70)), "came meanwhile"])
    assert wrong_rows(live, "embedding", NEW) == []


@pytest.mark.slow
def test_too_much_traffic_for_a_swap_is_said_and_programs_that_know_both_models_end_it(
    live: Live,
) -> None:
    prepared(live, 5)
    advanced(live)
    insert(live, ["late"])

    def ask(texts: Sequence[str]) -> Answer:
        insert(live, [f"after {texts[0]}"])
        return NEW_MODEL(texts)

    with pytest.raises(Stop, match=r"faster than the model answers.*give embedding_next along"):
        swapped(live, ask=ask, patience=Patience(retry_seconds=0.3))
    assert phase(live) == "ready"
    advanced(live)
    both = "INSERT INTO {t} (session_id, content, embedding, embedding_next) VALUES ('s',%s,%s,%s)"
    by_hand(live, both, "both", str(vector("both", OLD)), str(vector("both", NEW)))
    swapped(live, ask=None)
    assert wrong_rows(live, "embedding", NEW) == []


@pytest.mark.slow
def test_what_is_left_is_found_by_an_index_at_each_exchange(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forth, back, forth, and back in vain: no scan of the table under the lock."""
    indexes: list[list[str]] = []
    real = look

    def watched(session: Any, subject: Any) -> Any:
        found = real(session, subject)
        index = found.table.indexes[subject.left_index]
        assert index.usable
        indexes.append(sorted(name for name in index.mentions if name.startswith("embedding")))
        return found

    monkeypatch.setattr("memory.operations.reembed.swap.look", watched)
    prepared(live, 20)
    advanced(live)
    swapped(live)
    aborted(live)
    swapped(live)
    forth, back = ["embedding", "embedding_next"], ["embedding", "embedding_previous"]
    assert indexes == [forth, back, forth]
    insert_new = (str(vector("x", NEW)),)
    by_hand(live, "INSERT INTO {t} (session_id, content, embedding) VALUES ('s','x',%s)",
            *insert_new)  # fmt: skip
    with pytest.raises(NotInThisPhase, match="1 rows were written"):
        aborted(live)
    assert len(indexes) == 3, "it is seen before anybody is locked out"


@pytest.mark.slow
def test_no_exchange_goes_on_without_the_index_of_what_is_left(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(live, 5)
    advanced(live)
    monkeypatch.setattr("memory.operations.reembed.operation.Reembedding._steps", lambda *_: None)
    by_hand(live, f"DROP INDEX memory.{LEFT}")
    with pytest.raises(Exception, match=f"index {LEFT} is gone, or not valid"):
        swapped(live)
    assert phase(live) == "ready"
