"""memory/operations/reembed: what is refused, and what the catalog knows better."""

import threading

import pytest

from memory.operations.reembed.errors import (
    AlreadyRunning,
    GoalRefused,
    NotInThisPhase,
    Stop,
)
from memory.operations.reembed.operation import asking, open_reembedding
from memory.operations.reembed.status import status
from memory.schema.events import Patience
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.operations.reembedding import (
    NEW,
    NEW_MODEL,
    OLD,
    SMALL,
    SUBJECT,
    aborted,
    advanced,
    by_hand,
    catalog,
    contracted,
    login,
    phase,
    prepared,
    stopping_after,
    swapped,
    to_new_model,
    vector,
    wrong_rows,
)

__all__ = ["database", "fleet", "live", "postgres_server"]

BROKEN = {
    "the trigger is gone": (
        "DROP TRIGGER zep_memory_vectors_embedding_next ON {t}", "may be stale"),
    "the trigger is disabled": (
        "ALTER TABLE {t} DISABLE TRIGGER zep_memory_vectors_embedding_next", "may be stale"),
    "the column has another type": (
        "ALTER TABLE {t} DROP COLUMN embedding_next, ADD embedding_next public.vector(3)",
        r"is vector\(3\) and not vector\(12\)"),
    "the entry is gone": ("DELETE FROM memory.operations", "that no re-embedding"),
    "the entry lies": ("UPDATE memory.operations SET phase = 'swapped'", "says «swapped»"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("harm", BROKEN)
def test_the_ledger_is_not_believed_where_the_catalog_shows_something_else(
    live: Live, harm: str
) -> None:
    prepared(live, 5)
    advanced(live)
    statement, text = BROKEN[harm]
    by_hand(live, statement)
    for order in (advanced, swapped):
        with pytest.raises(NotInThisPhase, match=text):
            order(live)
    assert text.replace("\\", "") in (status(live.endpoint, SUBJECT).problem or "")
    if harm != "the entry is gone":
        assert aborted(live) == "aborted", "giving up is always possible before the swap"


@pytest.mark.slow
def test_a_column_that_somebody_dropped_is_filled_from_the_first_row(live: Live) -> None:
    prepared(live, 30)
    ask = stopping_after(2)
    with pytest.raises(Stop, match="no more"):
        advanced(live, ask=ask, pace=SMALL)
    by_hand(live, "ALTER TABLE {t} DROP COLUMN embedding_next")
    advanced(live)
    assert wrong_rows(live, "embedding_next", NEW) == []


REFUSED = [
    ({"to": "vector(3000)"}, "up to 2000 dimensions, got 3000; use halfvec"),
    ({"to": "halfvec(4001)"}, "up to 4000 dimensions"),
    ({"to": "text"}, "should match pattern"),
    ({"model": None}, "give a model that computes"),
    ({"index": {"method": "hnsw", "column": "e", "m": 40, "ef_construction": 64}}, "below 2 x m"),
]


@pytest.mark.parametrize(("change", "text"), REFUSED)
def test_what_no_database_could_hold_is_refused_without_one(
    change: dict[str, object], text: str
) -> None:
    with pytest.raises(GoalRefused, match=text):
        to_new_model(**change)


@pytest.mark.slow
def test_a_goal_has_to_fit_the_column_and_what_is_under_way(live: Live) -> None:
    prepared(live, 5)
    with pytest.raises(GoalRefused, match=r"embedding is vector\(8\), wanted halfvec\(12\)"):
        advanced(live, to_new_model(to="halfvec(12)", source="cast", model=None))
    for order in (aborted, contracted, swapped):
        with pytest.raises(NotInThisPhase, match="nothing to"):
            order(live)
    advanced(live)
    with pytest.raises(GoalRefused, match=r"to vector\(12\) by new is under way.*--abort"):
        advanced(live, to_new_model(model="another"))
    with pytest.raises(NotInThisPhase, match="has not been swapped"):
        contracted(live)
    swapped(live)
    with pytest.raises(NotInThisPhase, match=r"swapped already.*--contract"):
        advanced(live)


@pytest.mark.slow
def test_a_model_of_another_length_leaves_no_trace(live: Live) -> None:
    prepared(live, 5)
    before = catalog(live)
    with pytest.raises(Exception, match="has 8 dimensions, 12 are wanted"):
        advanced(live, ask=asking(lambda texts: [vector(t, OLD) for t in texts], NEW))
    assert catalog(live) == before


@pytest.mark.slow
def test_a_view_on_the_column_has_to_go_before_the_swap(live: Live) -> None:
    prepared(live, 5)
    by_hand(live, "CREATE VIEW memory.v AS SELECT id, embedding FROM {t}")
    advanced(live)
    with pytest.raises(NotInThisPhase, match=r"view .*v would go on reading the old vectors"):
        swapped(live)
    live.owner("DROP VIEW memory.v")
    swapped(live)


@pytest.mark.slow
def test_two_at_once_are_refused(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.operations.reembed.alone.LOCK_SECONDS", 0.1)
    prepared(live, 5)
    with open_reembedding(live.endpoint, SUBJECT):
        running = status(live.endpoint, SUBJECT).running
        with pytest.raises(AlreadyRunning, match=r"re-embeds memory.*: process \d+"):
            aborted(live)
    assert running is not None


@pytest.mark.slow
def test_a_transaction_in_the_way_is_named_and_the_swap_waits_for_it(live: Live) -> None:
    prepared(live, 5)
    advanced(live)
    patience = Patience(lock_timeout_ms=200, retry_seconds=0.5)
    with login(live, "app", autocommit=False) as other:
        other.execute("SELECT FROM memory.zep_memory_vectors")
        pid = other.info.backend_pid
        with (
            pytest.raises(Stop, match=rf"held by process {pid} .*nothing was changed"),
            open_reembedding(live.endpoint, SUBJECT, patience=patience) as work,
        ):
            work.swap(ask=NEW_MODEL)
        threading.Timer(0.7, other.rollback).start()
        swapped(live)
    assert phase(live) == "swapped"
