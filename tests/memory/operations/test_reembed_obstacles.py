"""What would make rows wrong, slow or dear is refused before it does, with the way out."""

from collections.abc import Sequence
from typing import Any

import pytest

from memory.embeddings.client import Answer
from memory.embeddings.errors import EmbeddingError, WrongAnswer
from memory.embeddings.limits import Budget
from memory.operations.reembed.errors import GoalRefused, NotInThisPhase, RowsLeft, Stop
from memory.operations.reembed.found import look
from memory.operations.reembed.operation import asking, open_reembedding
from memory.operations.reembed.recall import Question
from memory.operations.reembed.status import status
from memory.schema.events import Patience
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.operations.reembedding import (
    NEW,
    NEW_MODEL,
    OLD,
    SMALL,
    SUBJECT,
    advanced,
    by_hand,
    contracted,
    login,
    new_model,
    prepared,
    swapped,
    to_halfvec,
    to_new_model,
    wrong_rows,
)

__all__ = ["database", "fleet", "live", "postgres_server"]

FUNCTION = (
    "CREATE FUNCTION memory.theirs() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN {}; END$$"
)
TRIGGER = "CREATE TRIGGER {} ON {{t}} FOR EACH ROW EXECUTE FUNCTION memory.theirs()"
REFUSED = {
    "the column is not null": (
        ["ALTER TABLE {t} ALTER embedding SET NOT NULL"],
        r"embedding is NOT NULL.*ALTER COLUMN embedding DROP NOT NULL",
        "ALTER TABLE {t} ALTER embedding DROP NOT NULL"),
    "a trigger fires after the guard": (
        [FUNCTION.format("new"), TRIGGER.format("zzz BEFORE INSERT OR UPDATE")],
        r"trigger zzz may change a row after .*ALTER TRIGGER zzz ON .* RENAME TO a_zzz",
        "ALTER TRIGGER zzz ON {t} RENAME TO a_zzz"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("obstacle", REFUSED)
def test_an_obstacle_is_refused_before_anything_is_paid_and_at_the_swap(
    live: Live, obstacle: str
) -> None:
    statements, text, remedy = REFUSED[obstacle]
    prepared(live, 5)
    by_hand(live, FUNCTION.format("new").replace("theirs", "harmless"))
    for harmless in ("zzz_a AFTER UPDATE", "aaa BEFORE UPDATE", "zzz_d BEFORE DELETE"):
        by_hand(live, TRIGGER.format(harmless).replace("theirs", "harmless"))
    with open_reembedding(live.endpoint, SUBJECT) as work:
        work.goal(to_new_model())
        for statement in statements:
            by_hand(live, statement)
        with pytest.raises(GoalRefused, match=text):
            work.goal(to_new_model())
    by_hand(live, remedy)
    advanced(live)
    by_hand(live, statements[-1])
    with pytest.raises(GoalRefused, match=text):
        swapped(live)


INDEXES = {
    "an expression": (
        "USING hnsw ((embedding::public.halfvec(8)) public.halfvec_cosine_ops)"),
    "a second one": "USING hnsw (embedding public.vector_l2_ops)",
    "a partial one": (
        "USING hnsw (embedding public.vector_cosine_ops) WHERE content <> ''"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", INDEXES)
def test_another_index_on_the_column_is_left_behind_by_consent_alone(live: Live, kind: str) -> None:
    prepared(live, 5)
    name = "zep_memory_vectors_z" if kind == "a second one" else "a"
    by_hand(live, f"CREATE INDEX {name} ON {{t}} {INDEXES[kind]}")
    with pytest.raises(GoalRefused, match=rf"^{name} would stay.*--leave-indexes accepts"):
        advanced(live)
    advanced(live, leave_indexes=True)
    swapped(live)
    with open_reembedding(live.endpoint, SUBJECT) as work:
        found = look(work.session, SUBJECT)
    assert found.index_on("embedding") is not None
    contracted(live)
    assert wrong_rows(live, "embedding", NEW) == []


@pytest.mark.slow
def test_rows_that_a_trigger_keeps_from_being_written_are_paid_once(live: Live) -> None:
    prepared(live, 100)
    by_hand(live, FUNCTION.format("NULL"))
    by_hand(live, TRIGGER.format("aaa BEFORE UPDATE"))
    asked: list[str] = []

    def ask(texts: Sequence[str]) -> Answer:
        asked.extend(texts)
        return Answer(vectors=new_model(texts), tokens=10)

    with pytest.raises(RowsLeft, match="50 of 50 rows were written and still have no value"):
        advanced(live, ask=ask)
    assert len(asked) == 101, "with the first question"
    entry = status(live.endpoint, SUBJECT).entry
    assert entry is not None
    assert entry.progress.tokens_paid == 20, "all that was paid is in the ledger"
    by_hand(live, "DROP TRIGGER aaa ON {t}")
    advanced(live)


@pytest.mark.slow
def test_a_cast_that_a_trigger_turns_away_is_never_ready(live: Live) -> None:
    prepared(live, 5)
    by_hand(live, FUNCTION.format("NULL"))
    by_hand(live, TRIGGER.format("aaa BEFORE UPDATE"))
    with pytest.raises(RowsLeft, match="5 of 5 rows were written and still have no value"):
        advanced(live, to_halfvec())


def test_a_check_that_compared_nothing_is_no_check(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(live, 5)
    advanced(live)
    by_hand(live, "UPDATE {t} SET embedding_next = NULL")
    monkeypatch.setattr("memory.operations.reembed.operation.Reembedding._fill", lambda *_: None)
    with pytest.raises(RowsLeft, match=r"no row of .* has both its vectors"):
        advanced(live)


@pytest.mark.slow
def test_a_number_that_no_halfvec_holds_stops_the_backfill_and_no_writer(live: Live) -> None:
    prepared(live, 5)
    huge = str([70000.0] * OLD)
    by_hand(live, "UPDATE {t} SET embedding = %s WHERE content = 'content 3'", huge)
    [(key,)] = by_hand(live, "SELECT id::text FROM {t} WHERE content = 'content 3'")
    with pytest.raises(Stop, match=f"the row with key {key} has a number .*no halfvec holds"):
        advanced(live, to_halfvec())
    by_hand(live, "UPDATE {t} SET embedding = NULL WHERE content = 'content 3'")
    advanced(live, to_halfvec())
    by_hand(live, "UPDATE {t} SET embedding = %s WHERE content = 'content 4'", huge)
    by_hand(live, "INSERT INTO {t} (session_id, content, embedding) VALUES ('s', 'new', %s)", huge)
    with pytest.raises(Stop, match=r"row with key .* no halfvec holds, beyond 65504"):
        swapped(live, ask=None)
    by_hand(live, "DELETE FROM {t} WHERE embedding_next IS NULL AND embedding IS NOT NULL")
    swapped(live, ask=None)


@pytest.mark.parametrize("error", [KeyError("content 7"), ZeroDivisionError()])
def test_a_callable_that_fails_is_said_by_the_kind_of_its_error(error: Exception) -> None:
    def fails(_: Sequence[str]) -> list[list[float]]:
        raise error

    with pytest.raises(EmbeddingError, match=f"^the callable failed: {type(error).__name__}$"):
        asking(fails, NEW)(["content 7"])


def test_a_callable_that_answers_nothing_is_an_error_of_the_family() -> None:
    answer: Any = None
    with pytest.raises(EmbeddingError, match="the callable failed: TypeError"):
        asking(lambda _: answer, NEW)(["content 7"])


@pytest.mark.slow
@pytest.mark.parametrize("why", ["a wrong answer", "a held row"])
def test_what_was_paid_is_in_the_ledger_although_nothing_was_written(live: Live, why: str) -> None:
    prepared(live, 8)
    asked: list[Sequence[str]] = []
    with login(live, "migrator", autocommit=False) as other:

        def ask(texts: Sequence[str]) -> Answer:
            asked.append(texts)
            if len(asked) > 1 and why == "a wrong answer":
                raise WrongAnswer("not what was wanted")
            if len(asked) > 1:
                other.execute("UPDATE memory.zep_memory_vectors SET metadata = '{}'")
            return NEW_MODEL(texts)

        with pytest.raises(Stop, match=r"not what was wanted|a writer holds a row"):
            advanced(live, ask=ask, patience=Patience(lock_timeout_ms=100, retry_seconds=0.2))
    entry = status(live.endpoint, SUBJECT).entry
    assert entry is not None
    assert entry.progress.tokens_paid == 24


@pytest.mark.slow
def test_a_budget_ends_a_swap_too(live: Live) -> None:
    prepared(live, 5)
    advanced(live)
    by_hand(live, "UPDATE {t} SET content = 'changed'")
    with pytest.raises(Stop, match=r"is spent.*higher --max-cost"):
        swapped(live, pace=SMALL, budget=Budget(price_per_million=1, max_cost=0.000_001))


TABLES = {
    "CREATE TABLE memory.t (id int PRIMARY KEY, content text, embedding public.vector(8))"
    " PARTITION BY RANGE (id)": "it is partitioned, or no table at all",
    "CREATE TABLE memory.p (id int PRIMARY KEY, content text, embedding public.vector(8))"
    " PARTITION BY RANGE (id);"
    "CREATE TABLE memory.t PARTITION OF memory.p DEFAULT": "it is a partition, or inherits",
    "CREATE TABLE memory.t (id int PRIMARY KEY, content text, embedding public.vector(8));"
    "CREATE TABLE memory.c () INHERITS (memory.t)": "or is inherited from",
}


@pytest.mark.slow
@pytest.mark.parametrize("made", TABLES)
def test_only_an_ordinary_table_is_re_embedded(live: Live, made: str) -> None:
    prepared(live, 1)
    by_hand(live, made)
    subject = SUBJECT.__class__(table="t")
    with (
        pytest.raises(GoalRefused, match=TABLES[made]),
        open_reembedding(live.endpoint, subject),
    ):
        """Not reached."""


@pytest.mark.slow
def test_rights_on_the_column_alone_have_to_be_given_on_the_new_one(live: Live) -> None:
    prepared(live, 5)
    reader = f"{live.endpoint.database}_reader"
    by_hand(live, f"GRANT SELECT (embedding), UPDATE (embedding) ON {{t}} TO {reader}")
    advanced(live, question=Question(queries=1, ef_search=200))
    grant = f"GRANT SELECT (embedding_next) ON memory.zep_memory_vectors TO {reader}"
    with pytest.raises(NotInThisPhase, match="stay with the old column; give them") as caught:
        swapped(live)
    assert grant in str(caught.value)
    for statement in str(caught.value).partition("new one too: ")[2].split("; "):
        by_hand(live, statement)
    swapped(live)
