"""memory/schema/explain.py: a plan in prose, with a way back for every kind of statement"""

from dataclasses import replace
from typing import Any

import pytest

from memory.schema.catalog import Catalog, Table
from memory.schema.explain import BY_DECLARATION, blocks, explain, undo
from memory.schema.model import Hnsw, memory_schema, zep_schema
from memory.schema.plan import empty_catalog, plan, plan_removal
from memory.schema.steps import Plan
from memory.schema.target import expected

NAME = "zep_memory_vectors"
RELATION = f"memory.{NAME}"
INDEX = f"{NAME}_embedding_idx"
WANTED = memory_schema()


def reached(**table: Any) -> Catalog:
    catalog = expected(WANTED)
    found: Table = replace(catalog.tables[NAME], rows=50_000, bytes=400_000_000, **table)
    tables = {**catalog.tables, NAME: found}
    return replace(catalog, database=replace(catalog.database, name="memory"), tables=tables)


PLANS = {
    "first": plan(empty_catalog("memory"), WANTED),
    "zep": plan(empty_catalog("zep"), zep_schema(extension_gate=True)),
    "replacement": plan(reached(), memory_schema(index=Hnsw(column="embedding", m=8))),
    "columns": plan(
        reached(
            columns={
                key: replace(column, not_null=False, default=None)
                for key, column in expected(WANTED).tables[NAME].columns.items()
                if key != "metadata"
            },
            options={},
            grants={"PUBLIC": ("SELECT",)},
        ),
        WANTED,
    ),
    "nothing": plan(reached(), WANTED),
    "removal": plan_removal(reached(), WANTED),
}


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        (
            f"CREATE INDEX CONCURRENTLY {INDEX} ON {RELATION} USING hnsw (embedding)",
            f"DROP INDEX CONCURRENTLY memory.{INDEX}",
        ),
        (
            f"ALTER INDEX memory.{INDEX} RENAME TO {INDEX}_old",
            f"ALTER INDEX memory.{INDEX}_old RENAME TO {INDEX}",
        ),
        (f"DROP INDEX CONCURRENTLY IF EXISTS memory.{INDEX}", "build it again: declare it, and ap"),
        ("CREATE SCHEMA memory AUTHORIZATION m", "DROP SCHEMA memory, once it is empty"),
        ("CREATE EXTENSION vector SCHEMA public", "DROP EXTENSION vector, once nothing uses it"),
        ("GRANT SELECT ON TABLE memory.v TO a", "REVOKE SELECT ON TABLE memory.v FROM a"),
        ("REVOKE ALL ON DATABASE d FROM PUBLIC", "GRANT ALL ON DATABASE d TO PUBLIC"),
        ("GRANT m TO CURRENT_USER WITH SET TRUE", "REVOKE m FROM CURRENT_USER"),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE m IN SCHEMA s GRANT SELECT ON TABLES TO r",
            "ALTER DEFAULT PRIVILEGES FOR ROLE m IN SCHEMA s REVOKE SELECT ON TABLES FROM r",
        ),
        (
            "ALTER ROLE a IN DATABASE d SET search_path = s, public",
            "ALTER ROLE a IN DATABASE d RES",
        ),
        ("ALTER TABLE s.t ADD COLUMN c jsonb", "ALTER TABLE s.t DROP COLUMN c, with what it holds"),
        ("ALTER TABLE s.t ALTER COLUMN c SET NOT NULL", "ALTER TABLE s.t ALTER COLUMN c DROP NOT"),
        ("ALTER TABLE s.t SET (autovacuum_vacuum_scale_factor = 0.1)", BY_DECLARATION),
        ("DROP TABLE s.t", "restore it from a backup"),
        ("LOCK TABLE s.t IN ACCESS EXCLUSIVE MODE", "nothing to undo: it changes nothing"),
        ("DO $$ BEGIN IF EXISTS (SELECT FROM s.t) THEN", "nothing to undo: it changes nothing"),
        ("ALTER TABLE s.t SET LOGGED", "ALTER TABLE s.t SET UNLOGGED"),
        ("ALTER SCHEMA s OWNER TO m", "ALTER SCHEMA s OWNER TO whom it belonged to"),
        (
            "ALTER TABLE s.t ALTER COLUMN c TYPE vector(3)",
            "ALTER TABLE s.t ALTER COLUMN c TYPE and",
        ),
    ],
)
def test_says_how_to_take_a_statement_back(statement: str, answer: str) -> None:
    assert undo(statement).startswith(answer)


@pytest.mark.parametrize("name", PLANS)
def test_every_fact_of_every_step_is_told(name: str) -> None:
    todo = PLANS[name]
    text = explain(todo)
    for number, step in enumerate(todo.steps, start=1):
        paragraph = text.partition(f"\n{number}. ")[2].partition("\n\n")[0]
        assert paragraph.startswith(step.sql.split("\n")[0])
        for fact in ("found", "lock", "touches", "undo"):
            assert f"\n     {fact:<9}" in paragraph
    assert [line for line in text.splitlines() if line.startswith("     ") and len(line) > 96] == []


def test_a_replacement_is_told_from_build_to_drop() -> None:
    text = " ".join(explain(PLANS["replacement"]).split())
    for words in (
        "6 steps in 4 batches, 3 of them outside any transaction",
        "None of them loses data.",
        "A kill leaves an INVALID index: it answers no query and still costs every write.",
        "The next run drops it and builds again; one that was finished is taken over.",
        "50,000 rows; about 293 MiB",
        "minutes = 50,000 rows x (3 x 64 x 8 + 2 x 8 x 8) distances x 1,536 dimensions x 0.25 ns",
        "315 MiB = 50,000 rows x (6,152 B vector + 160 B element + 16 B x (2 x 8 + 8/7) links)",
        "halfvec(1536): 168 MiB",
        f"Transaction 'swap {INDEX}', all or nothing. It waits for a lock no longer than 2 s",
        "A kill leaves nothing: what it does is rolled back.",
        "blocks other DDL, VACUUM and ANALYZE; reads and writes go on",
    ):
        assert words in text


def test_nothing_is_told_as_nothing_and_a_loss_as_a_loss() -> None:
    assert explain(Plan()) == "Nothing to do: the database is as it is wanted.\n"
    text = explain(PLANS["removal"])
    assert "of them lose data." in " ".join(text.split())
    assert "\n     loses    data, for good" in text


@pytest.mark.parametrize(
    ("lock", "who"),
    [
        ("ACCESS EXCLUSIVE on the table, for milliseconds", "everybody, readers as well"),
        ("SHARE UPDATE EXCLUSIVE on both indexes", "other DDL, VACUUM"),
        ("SHARE on the new table", "writers; readers go on"),
        ("none that anyone waits for", "nobody"),
    ],
)
def test_says_whom_a_lock_keeps_waiting(lock: str, who: str) -> None:
    assert blocks(lock).startswith(who)
