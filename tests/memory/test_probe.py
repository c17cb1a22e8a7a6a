"""memory/schema/probe.py against a real server."""

import time
from dataclasses import replace

import pytest

from memory.schema import probe as probing
from memory.schema.errors import StepFailed
from memory.schema.probe import HIDE_TIMEOUT_MS, TooSlow, prove
from memory.schema.runner import apply, open_direct
from memory.schema.steps import Probe
from tests.memory.conftest import PASSWORDS, Live

INDEX = "zep_memory_vectors_embedding_idx"
PROBE = Probe(
    relation="memory.zep_memory_vectors",
    column="embedding",
    column_type="vector",
    dimensions=1536,
    distance="cosine",
    vectors_in="public",
    index=INDEX,
)


def test_an_index_of_another_distance_does_not_pass(live: Live) -> None:
    desired = live.schema()
    apply(live.endpoint, desired, passwords=PASSWORDS)
    with open_direct(live.endpoint) as session:
        assert prove(session, PROBE, role=desired.owner) == 0
        with pytest.raises(StepFailed, match=r"takes no index.*its distance must be the query's"):
            prove(session, replace(PROBE, distance="l2"), role=desired.owner)


def test_a_hidden_index_is_back_after_the_proof(live: Live) -> None:
    desired = live.schema()
    apply(live.endpoint, desired, passwords=PASSWORDS)
    hidden = replace(PROBE, hidden=f"memory.{INDEX}")
    with open_direct(live.endpoint) as session:
        with pytest.raises(StepFailed, match=f"index {INDEX} does not answer"):
            prove(session, hidden, role=desired.owner)
        assert prove(session, PROBE, role=desired.owner) == 0


def test_an_autovacuum_of_the_table_gives_way_within_one_try(live: Live) -> None:
    query = "SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout'"
    assert live.sql(query) < [(HIDE_TIMEOUT_MS,)]


def test_readers_do_not_wait_for_a_slow_answer(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index on disk answers late: here the query sleeps."""
    desired = live.schema()
    apply(live.endpoint, desired, passwords=PASSWORDS)
    live.owner(f"CREATE INDEX other ON {PROBE.relation} (session_id)")
    hidden = replace(PROBE, hidden="memory.other")
    slowly = "SELECT pg_sleep(5)"
    monkeypatch.setattr(Probe, "query", property(lambda _: slowly))
    monkeypatch.setattr(probing, "index_used", lambda *_: INDEX)
    with open_direct(live.endpoint) as session:
        began = time.monotonic()
        with pytest.raises(TooSlow, match=rf"{INDEX} did not answer within 1 s.*readers"):
            prove(session, hidden, role=desired.owner)
        assert time.monotonic() - began < 3
        row = session.execute("SHOW statement_timeout").fetchone()
    assert row == ("0",)
    assert live.owner("SELECT to_regclass('memory.other') IS NOT NULL") == [(True,)]
