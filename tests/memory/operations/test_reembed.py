"""memory/operations/reembed on a real server: from the first look to the last drop."""

import time
from collections.abc import Sequence

import psycopg
import pytest

from memory.embeddings.client import Answer
from memory.embeddings.errors import EndpointRefused
from memory.embeddings.limits import Budget
from memory.operations.reembed.backfill import Pace
from memory.operations.reembed.errors import (
    NotInThisPhase,
    RowsLeft,
    Stop,
)
from memory.operations.reembed.operation import open_reembedding
from memory.operations.reembed.recall import Question
from memory.operations.reembed.status import status
from memory.schema.model import Purpose
from memory.schema.plan import plan
from memory.schema.runner import inspect
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.operations.reembedding import (
    NEW,
    NEW_MODEL,
    OLD,
    QUESTION,
    SMALL,
    SUBJECT,
    aborted,
    advanced,
    by_hand,
    catalog,
    contracted,
    desired,
    insert,
    login,
    phase,
    prepared,
    stopping_after,
    swapped,
    to_halfvec,
    to_new_model,
    vector,
    wrong_rows,
)

__all__ = ["database", "fleet", "live", "postgres_server"]


def test_another_model_from_the_first_look_to_the_last_drop(live: Live) -> None:
    prepared(live)
    advanced(live)
    assert wrong_rows(live, "embedding_next", NEW) == []
    assert wrong_rows(live, "embedding", OLD) == [], "everybody reads and writes as before"
    assert phase(live) == "ready"
    swapped(live)
    assert wrong_rows(live, "embedding", NEW) == []
    wanted = desired(live, NEW)
    assert plan(inspect(live.endpoint, wanted), wanted).steps == ()
    contracted(live)
    assert plan(inspect(live.endpoint, wanted), wanted).steps == ()
    seen = status(live.endpoint, SUBJECT)
    assert (seen.phase, seen.problem, seen.running) == ("contracted", None, None)
    assert "embedding_previous" not in catalog(live)
    assert live.owner("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == [(0,)]


@pytest.mark.slow
def test_a_cast_needs_no_model_and_the_trigger_computes_for_writers(live: Live) -> None:
    prepared(live)
    with open_reembedding(live.endpoint, SUBJECT) as work:
        extent = work.extent()
        work.advance(to_halfvec(), extent=extent, question=QUESTION)
        insert(live, ["written meanwhile"])
        by_hand(live, "UPDATE {t} SET embedding = %s, content = 'x' WHERE content = 'content 3'",
                str(vector("x", OLD)))  # fmt: skip
        assert wrong_rows(live, "embedding_next", OLD) == []
        work.swap()
    assert wrong_rows(live, "embedding", OLD) == []
    wanted = desired(live, OLD, "halfvec")
    assert plan(inspect(live.endpoint, wanted), wanted).steps == ()
    insert(live, ["written later, by a program that says vector"])
    assert aborted(live) == "ready", "a cast leads back, also for what was written since"
    assert wrong_rows(live, "embedding", OLD) == []


@pytest.mark.slow
def test_a_swap_without_a_model_stops_where_a_row_has_no_vector(live: Live) -> None:
    prepared(live, 20)
    advanced(live)
    insert(live, ["came after the check"])
    with pytest.raises(Stop, match="rows came since the last run"):
        swapped(live, ask=None)
    assert phase(live) == "ready"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {t} SET content = 'b', embedding = NULL WHERE content = 'content 5'",
        "UPDATE {t} SET content = 'b' WHERE content = 'content 5'",
    ],
)
def test_a_row_that_changes_while_its_vector_is_made_gets_another(live: Live, change: str) -> None:
    """The vector of the old content comes back after the content has changed."""
    prepared(live, 20)
    changed = []

    def ask(texts: Sequence[str]) -> Answer:
        if "content 5" in texts:
            by_hand(live, change)
            changed.append(texts)
        return NEW_MODEL(texts)

    advanced(live, ask=ask)
    assert len(changed) == 1
    rows = by_hand(live, "SELECT embedding IS NULL, embedding_next FROM {t} WHERE content = 'b'")
    if "NULL" in change:
        assert rows == [(True, None)]
    else:
        assert wrong_rows(live, "embedding_next", NEW) == []


@pytest.mark.slow
def test_a_changed_row_loses_a_stale_value_and_keeps_one_that_its_writer_gives(live: Live) -> None:
    prepared(live, 20)
    advanced(live)
    by_hand(live, "UPDATE {t} SET content = 'a' WHERE content = 'content 1'")
    by_hand(live, "UPDATE {t} SET metadata = '{}' WHERE content = 'content 2'")
    by_hand(
        live,
        "UPDATE {t} SET content = 'c', embedding = %s, embedding_next = %s"
        " WHERE content = 'content 3'",
        str(vector("c", OLD)),
        str(vector("c", NEW)),
    )
    other = str(vector("other", OLD))
    by_hand(live, "UPDATE {t} SET embedding = %s WHERE content = 'content 4'", other)
    empty = by_hand(live, "SELECT content FROM {t} WHERE embedding_next IS NULL ORDER BY 1")
    assert empty == [("a",), ("content 4",)]
    advanced(live)
    assert wrong_rows(live, "embedding_next", NEW) == []


STAGES = ["some rows", "all rows", "ready", "swapped"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_an_abort_leaves_the_table_as_it_was(live: Live, stage: str) -> None:
    prepared(live, 40)
    before = catalog(live)
    if stage == "some rows":
        ask = stopping_after(2)
        with pytest.raises(Stop, match=r"no more\. What was written stands: [12]0 of 40 rows"):
            advanced(live, ask=ask, pace=SMALL)
    elif stage == "all rows":
        with pytest.raises(Stop, match=r"below 1\.01"):
            advanced(live, question=Question(queries=3, min_recall=1.01))
        assert phase(live) == "check"
    else:
        advanced(live)
    assert catalog(live) != before
    if stage == "swapped":
        swapped(live)
        assert aborted(live) == "ready"
        assert wrong_rows(live, "embedding_next", NEW) == [], "nothing that was paid for is lost"
    assert aborted(live) == "aborted"
    assert catalog(live) == before
    assert wrong_rows(live, "embedding", OLD) == []
    assert phase(live) == "aborted"
    advanced(live)


@pytest.mark.slow
def test_after_an_abort_of_the_swap_one_can_go_forward_again(live: Live) -> None:
    """Each time the index keeps the name that was declared for it, here an unusual one."""
    prepared(live, 20)
    by_hand(live, "ALTER INDEX memory.zep_memory_vectors_embedding_idx RENAME TO ann")
    named = "SELECT indexdef FROM pg_indexes WHERE indexname = 'ann'"
    advanced(live)
    swapped(live)
    assert "(embedding vector_cosine_ops)" in by_hand(live, named)[0][0]
    aborted(live)
    assert "(embedding vector_cosine_ops)" in by_hand(live, named)[0][0]
    insert(live, ["written by the old model again"])
    swapped(live)
    assert wrong_rows(live, "embedding", NEW) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", ["INSERT", "UPDATE {t} SET content = 'b' WHERE content = 'content 1'"]
)
def test_a_swap_back_refuses_to_lose_a_row(live: Live, change: str) -> None:
    prepared(live, 20)
    advanced(live)
    swapped(live)
    if change == "INSERT":
        change = "INSERT INTO {t} (session_id, content, embedding) VALUES ('s', 'x', %s)"
        by_hand(live, change, str(vector("x", NEW)))
    else:
        by_hand(live, change)
    with pytest.raises(NotInThisPhase, match=r"^1 rows were written .*--contract"):
        aborted(live)
    assert phase(live) == "swapped"


@pytest.mark.slow
def test_programs_of_the_old_model_are_refused_after_the_swap(live: Live) -> None:
    prepared(live, 20)
    advanced(live)
    with login(live, "app") as reader:
        query = "SELECT embedding FROM memory.zep_memory_vectors WHERE content = 'content 1'"
        reader.execute(query, prepare=True)
        search = "SELECT content FROM memory.zep_memory_vectors ORDER BY embedding <=> %s LIMIT 1"
        reader.execute(search, [str(vector("content 1", OLD))], prepare=True)
        swapped(live)
        with pytest.raises(psycopg.errors.DataException, match="expected 12 dimensions, not 8"):
            insert(live, ["by the old model"])
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="cached plan must not change"):
            reader.execute(query, prepare=True)
        with pytest.raises(psycopg.errors.DataException, match="different vector dimensions 12"):
            reader.execute(search, [str(vector("content 1", OLD))], prepare=True)
        found = reader.execute(search, [str(vector("content 1", NEW))], prepare=True).fetchall()
        assert found == [("content 1",)]


@pytest.mark.slow
def test_a_stopped_backfill_pays_for_no_row_twice(live: Live) -> None:
    prepared(live, 50)
    ask = stopping_after(2)
    with pytest.raises(Stop, match="no more"):
        advanced(live, ask=ask, pace=SMALL)
    rows = by_hand(live, "SELECT content FROM {t} WHERE embedding_next IS NOT NULL")
    written = {text for (text,) in rows}
    assert len(written) == 20
    again: list[str] = []

    def second(texts: Sequence[str]) -> Answer:
        again.extend(texts)
        return NEW_MODEL(texts)

    advanced(live, ask=second, pace=SMALL)
    assert len(again) == 30
    assert not written & {*again}
    assert wrong_rows(live, "embedding_next", NEW) == []


@pytest.mark.slow
def test_what_is_paid_for_is_written_although_a_batch_before_it_failed(live: Live) -> None:
    prepared(live, 40)
    calls = []

    def ask(texts: Sequence[str]) -> Answer:
        calls.append(texts)
        if len(calls) == 2:
            time.sleep(0.5)
            raise EndpointRefused("no more")
        return NEW_MODEL(texts)

    with pytest.raises(Stop, match=r"no more.* 10 of 40 rows"):
        advanced(live, ask=ask, pace=SMALL)
    filled = by_hand(live, "SELECT count(*) FROM {t} WHERE embedding_next IS NOT NULL")
    assert filled == [(10,)]
    advanced(live)
    assert wrong_rows(live, "embedding_next", NEW) == []


def test_a_budget_stops_and_a_larger_one_goes_on(live: Live) -> None:
    prepared(live, 50)
    with pytest.raises(Stop, match=r"is spent.*higher --max-cost.*10 of 50 rows.*cost 0.0000"):
        advanced(live, pace=Pace(batch_rows=10, in_flight=1),
                 budget=Budget(price_per_million=1, max_cost=0.000_040))  # fmt: skip
    progress = status(live.endpoint, SUBJECT).entry
    assert progress is not None
    assert progress.progress.tokens_paid == 30
    advanced(live, budget=Budget(price_per_million=1, max_cost=1))
    done = status(live.endpoint, SUBJECT).entry
    assert done is not None
    assert (done.progress.rows_done, done.progress.tokens_paid) == (50, 150)


@pytest.mark.slow
def test_the_one_row_that_a_model_refuses_is_named_by_its_key(live: Live) -> None:
    prepared(live, 30)

    def ask(texts: Sequence[str]) -> Answer:
        if "content 7" in texts:
            raise EndpointRefused("400", inputs_are_at_fault=True)
        return NEW_MODEL(texts)

    [(key,)] = by_hand(live, "SELECT id::text FROM {t} WHERE content = 'content 7'")
    with pytest.raises(Stop, match=f"400, for the row with key {key}: .* 9 characters") as caught:
        advanced(live, ask=ask)
    assert "content 7" not in str(caught.value)
    by_hand(live, "UPDATE {t} SET embedding = NULL WHERE content = 'content 7'")
    advanced(live, ask=ask)


@pytest.mark.slow
def test_rows_without_content_stop_it_and_rows_without_a_vector_do_not(live: Live) -> None:
    prepared(live, 10)
    by_hand(live, "INSERT INTO {t} (session_id, content) VALUES ('s', 'never embedded')")
    insert(live, [""])
    with open_reembedding(live.endpoint, SUBJECT) as work:
        extent = work.extent()
    assert (extent.rows, extent.characters, extent.tokens) == (11, 90, 23)
    assert (extent.without_vector, extent.without_content) == (1, 1)
    with pytest.raises(RowsLeft, match=r"1 rows .* no content.*embedding to NULL"):
        advanced(live)
    by_hand(live, "DELETE FROM {t} WHERE content = ''")
    advanced(live)
    swapped(live)
    assert by_hand(live, "SELECT count(*) FROM {t} WHERE embedding IS NULL") == [(1,)]


@pytest.mark.slow
def test_a_low_recall_stops_it_and_a_better_graph_is_built_on_order(live: Live) -> None:
    prepared(live, 60)
    with pytest.raises(Stop, match=r"recall@10 of .*_next_idx is 1\.000 .*--ef-search.*--m or"):
        advanced(live, question=Question(queries=3, min_recall=1.01))
    with pytest.raises(NotInThisPhase, match=r"phase «check».*without --swap"):
        swapped(live)
    better = {"method": "hnsw", "column": "embedding", "m": 24, "ef_construction": 100}
    advanced(live, to_new_model(index=better))
    assert "m='24'" in catalog(live)
    advanced(live, to_new_model(index={"method": "ivfflat", "column": "embedding", "lists": 2}))
    assert "ivfflat" in catalog(live)


def test_the_ledger_is_its_owners_alone(live: Live) -> None:
    prepared(live, 5)
    advanced(live)
    roles: tuple[Purpose, ...] = ("app", "reader")
    for role in roles:
        with (
            login(live, role) as program,
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="table operations"),
        ):
            program.execute("SELECT FROM memory.operations")
    wanted = desired(live)
    assert plan(inspect(live.endpoint, wanted), wanted).steps == ()
