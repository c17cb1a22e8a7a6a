"""memory/schema/snapshot.sql against a real server: what people make by hand is read as it is."""

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from memory.schema.catalog import SNAPSHOT, from_plain, snapshot_parameters, to_plain
from memory.schema.errors import PlanRefused
from memory.schema.model import DesiredSchema, Hnsw
from memory.schema.runner import apply, inspect
from memory.schema.target import expected, managed
from tests.memory.conftest import PASSWORDS, Live
from tests.memory.states import ANN, NAME

TABLE = f"memory.{NAME}"
INSERT = f"INSERT INTO {TABLE} (session_id, content) VALUES ('s', 'c')"  # noqa: S608 - a constant
# Written by a program of before: it knows none of the later fields.
OLD_STATE: dict[str, Any] = {
    "database": {"grants": {"app": "CONNECT"}},
    "schema": {"owner": "m", "grants": {"app": "USAGE"}, "default_grants": {"app": "SELECT"}},
    "roles": {"app": {"search_path": "memory, public"}},
    "tables": {"t": {"owner": "m", "columns": {"id": {"type": "uuid", "not_null": True}}}},
}


def made(live: Live, **choices: Any) -> DesiredSchema:
    """The wanted schema, applied."""
    desired = live.schema(**choices)
    apply(live.endpoint, desired, passwords=PASSWORDS)
    return desired


def repaired(live: Live, desired: DesiredSchema) -> list[str]:
    """What had to run until the database agrees."""
    applied = apply(live.endpoint, desired)
    assert managed(inspect(live.endpoint, desired), desired) == expected(desired)
    return [step.sql for step in applied.plan.steps]


def test_a_state_of_before_is_read() -> None:
    old = from_plain(OLD_STATE)
    assert to_plain(old) == OLD_STATE
    assert old.tables["t"].kind == "table"
    assert old.schema is not None
    assert old.schema.default_grants == {"app": ("SELECT",)}


def test_the_statement_is_one_and_names_no_search_path(live: Live) -> None:
    desired = made(live)
    found = inspect(live.endpoint, desired)
    with psycopg.connect(live.server.dsn(live.endpoint.database)) as session:
        session.execute("SET search_path = memory, public")
        asked = {**snapshot_parameters(desired), "versions": True}
        row = session.execute(SNAPSHOT, asked).fetchone()
    assert row is not None
    again = from_plain(row[0])
    assert again.tables == found.tables
    vector = again.extensions["vector"]
    assert vector.default in vector.offered
    assert found.extensions["vector"].offered == (), "not asked for: it reads a folder of files"


BY_HAND = f"""
ALTER TABLE {TABLE} ADD extra text;
ALTER TABLE {TABLE} SET (fillfactor = 90);
ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON {TABLE} USING (true);
CREATE VIEW memory.v AS SELECT id FROM {TABLE};
CREATE MATERIALIZED VIEW memory.mv AS SELECT 1;
CREATE SEQUENCE memory.numbers;
CREATE TABLE memory.kept (id bigserial PRIMARY KEY, ref uuid REFERENCES {TABLE});
CREATE TABLE memory.child () INHERITS ({TABLE});
CREATE TYPE memory.mood AS ENUM ('good');
CREATE DOMAIN memory.short AS text;
CREATE TYPE memory.pair AS (a int, b int);
CREATE FUNCTION memory.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER audit BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION memory.noted();
CREATE RULE silent AS ON DELETE TO {TABLE} DO ALSO NOTIFY gone;
CREATE INDEX by_hand ON {TABLE} (content);
GRANT SELECT ON {TABLE} TO pg_monitor WITH GRANT OPTION;
GRANT USAGE ON SCHEMA memory TO pg_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA memory GRANT SELECT ON TABLES TO pg_monitor;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA memory GRANT USAGE ON SEQUENCES TO PUBLIC;
"""  # noqa: S608 - constants
TOLD = """
role APP may open 7 connections at once; left alone
role APP: its password stops to log in at 2120
role APP: its sessions have statement_timeout = 5s; left alone
schema memory: pg_monitor has grants that nobody declared
schema memory: pg_monitor gets SELECT on every table to come; nobody declared it
schema memory: by default SELECT on tables to pg_monitor, made by OWNER in any schema; nobody
schema memory: by default USAGE on sequences to PUBLIC, made by OWNER; nobody declared it
schema memory: composite type pair is not declared; left alone
schema memory: domain short is not declared; left alone
schema memory: function noted is not declared; left alone
schema memory: materialized view mv is not declared; left alone
schema memory: sequence numbers is not declared; left alone
schema memory: type mood is not declared; left alone
schema memory: view v is not declared; left alone
table zep_memory_vectors: column extra is not declared; left alone
table zep_memory_vectors: grantee pg_monitor is not declared; left alone
table zep_memory_vectors: option fillfactor = 90 is not declared; left alone
table zep_memory_vectors: child table memory.child is not declared; left alone
table zep_memory_vectors: foreign key of another table memory.kept.kept_ref_fkey is not declared
table zep_memory_vectors: policy seen is not declared; left alone
table zep_memory_vectors: rule silent is not declared; left alone
table zep_memory_vectors: trigger audit is not declared; left alone
table zep_memory_vectors: row-level security is enabled; who is not its owner sees only what
table zep_memory_vectors: index by_hand is not declared; left alone
table child: not declared; left alone
table kept: not declared; left alone
"""


def test_what_people_made_is_told_and_nothing_is_done(live: Live) -> None:
    desired = made(live)
    app, owner = desired.role("app").name, desired.owner
    live.owner(*filter(str.strip, re.split(r";\n", BY_HAND)))
    live.sql(
        f"ALTER ROLE {app} CONNECTION LIMIT 7 VALID UNTIL '2120-01-01'",
        f"ALTER ROLE {app} SET statement_timeout = '5s'",
    )
    applied = apply(live.endpoint, desired)
    assert applied.plan.steps == ()
    told = TOLD.replace("APP", app).replace("OWNER", owner).strip().splitlines()
    notes = [note for note in applied.notes if not note.startswith("extension pgaudit")]
    assert [note[: len(words)] for note, words in zip(notes, told, strict=True)] == told


def test_what_a_role_passed_on_is_taken_back_with_its_right_to_pass_on(live: Live) -> None:
    desired = made(live)
    app, reader = desired.role("app").name, desired.role("reader").name
    live.owner(
        f"GRANT SELECT ON {TABLE} TO {app} WITH GRANT OPTION",
        f"REVOKE ALL ON {TABLE} FROM {reader}",
    )
    dsn = live.server.dsn(live.endpoint.database)
    with psycopg.connect(dsn, user=app, password=PASSWORDS["app"], autocommit=True) as session:
        session.execute(f"GRANT SELECT ON {TABLE} TO PUBLIC, {reader}")
    found = inspect(live.endpoint, desired)
    assert found.tables[NAME].passed_on == (
        f"SELECT to PUBLIC by {app}",
        f"SELECT to {reader} by {app}",
    )
    assert repaired(live, desired) == [
        f"REVOKE GRANT OPTION FOR SELECT ON TABLE {TABLE} FROM {app} CASCADE",  # noqa: S608 - what is expected
        f"GRANT SELECT ON TABLE {TABLE} TO {reader}",
    ]
    assert inspect(live.endpoint, desired).tables[NAME].passed_on == ()


KINDS = {
    "VIEW": (f"{TABLE} AS SELECT 1 AS id", "taken by a view"),
    "MATERIALIZED VIEW": (f"{TABLE} AS SELECT 1", "taken by a materialized view"),
    "SEQUENCE": (TABLE, "taken by a sequence"),
    "TYPE": (f"{TABLE} AS (a int)", "taken by a type"),
    "INDEX": (f"{NAME} ON memory.other (id)", "taken by an index"),
    "TABLE": (f"{TABLE} (id uuid) PARTITION BY HASH (id)", "is partitioned"),
}


def test_a_wanted_name_that_something_else_has_is_refused_and_nothing_is_done(live: Live) -> None:
    desired = made(live)
    live.owner(f"DROP TABLE {TABLE}", "CREATE TABLE memory.other (id uuid)")
    for kind, (definition, message) in KINDS.items():
        live.owner(f"CREATE {kind} {definition}")
        found = inspect(live.endpoint, desired)
        with pytest.raises(PlanRefused, match=message):
            apply(live.endpoint, desired)
        assert inspect(live.endpoint, desired) == found
        live.owner(f"DROP {kind} {TABLE}")
    live.owner(f"CREATE INDEX {ANN} ON memory.other (id)")
    with pytest.raises(PlanRefused, match=f"index {ANN} on .* taken by an index of table other"):
        apply(live.endpoint, desired)
    live.owner("DROP TABLE memory.other")
    assert repaired(live, desired)


def filled(live: Live) -> None:
    live.owner(INSERT)


REFUSED: dict[str, tuple[Callable[[Live], object], dict[str, Any], str]] = {
    "dimension": (filled, {"dimensions": 768}, r"reembed --to 'vector\(768\)'`"),
    "precision": (filled, {"column_type": "halfvec"}, r"reembed --to 'halfvec\(1536\)' --cast`"),
    "unlogged": (
        lambda live: live.owner(INSERT, f"ALTER TABLE {TABLE} SET UNLOGGED"), {}, "is UNLOGGED"
    ),
    "view": (
        lambda live: live.owner(f"CREATE VIEW memory.v AS SELECT embedding FROM {TABLE}"),  # noqa: S608 - constants
        {"dimensions": 768},
        r"memory\.v shows it",
    ),
    "unique constraint": (
        lambda live: live.owner(
            f"DROP INDEX memory.{NAME}_session_id_idx",
            f"ALTER TABLE {TABLE} ADD CONSTRAINT {NAME}_session_id_idx UNIQUE (session_id)",
        ),
        {},
        f"carries the constraint {NAME}_session_id_idx",
    ),
    "shorter text": (
        lambda live: live.owner(INSERT, f"ALTER TABLE {TABLE} ALTER session_id TYPE varchar(300)"),
        {},
        r"stored values may be longer.*declare character varying\(300\)",
    ),
    "child table": (
        lambda live: live.owner(
            f"CREATE TABLE memory.archive () INHERITS ({TABLE})",
            INSERT.replace(TABLE, "memory.archive"),
        ),
        {"dimensions": 768},
        r"memory\.archive inherits from it.*NO INHERIT",
    ),
    "check on a text that grows": (
        lambda live: live.owner(
            INSERT,
            f"ALTER TABLE {TABLE} ALTER session_id TYPE varchar(100)",
            f"ALTER TABLE {TABLE} ADD CONSTRAINT said CHECK (session_id <> '')",
        ),
        {},
        "check said speaks of it",
    ),
    "check of our name": (
        lambda live: live.owner(
            f"ALTER TABLE {TABLE} ALTER content DROP NOT NULL",
            f"ALTER TABLE {TABLE} ADD CONSTRAINT {NAME}_content_set CHECK (content <> '')",
        ),
        {},
        f"check {NAME}_content_set demands .content <> '',*.*RENAME CONSTRAINT",
    ),
    "unique index that a foreign key needs": (
        lambda live: live.owner(
            f"DROP INDEX memory.{NAME}_session_id_idx",
            f"CREATE UNIQUE INDEX {NAME}_session_id_idx ON {TABLE} (session_id)",
            f"CREATE TABLE memory.refs (s varchar(255) REFERENCES {TABLE} (session_id))",
        ),
        {},
        r"is UNIQUE, .*needed by foreign key refs_s_fkey of memory\.refs, .* rename it",
    ),
    "unique index that is the replica identity": (
        lambda live: live.owner(
            f"CREATE UNIQUE INDEX {ANN}_old ON {TABLE} (session_id)",
            f"ALTER TABLE {TABLE} REPLICA IDENTITY USING INDEX {ANN}_old",
        ),
        {},
        "was not made by an apply and is needed by the replica identity",
    ),
    "partial index on a text that grows": (
        lambda live: live.owner(
            INSERT,
            f"ALTER TABLE {TABLE} ALTER session_id TYPE varchar(100)",
            f"CREATE INDEX by_hand ON {TABLE} (id) WHERE session_id <> ''",
        ),
        {},
        "index by_hand has it in an expression or a condition",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_changes_nothing(live: Live, case: str) -> None:
    made(live)
    harm, choices, message = REFUSED[case]
    harm(live)
    desired = live.schema(**choices)
    found = inspect(live.endpoint, desired)
    with pytest.raises(PlanRefused, match=message):
        apply(live.endpoint, desired)
    assert inspect(live.endpoint, desired) == found


def test_a_table_that_was_never_filled_changes_its_vectors_in_place(live: Live) -> None:
    made(live)
    for choices in ({"dimensions": 768}, {"column_type": "halfvec"}, {"dimensions": 3}):
        desired = live.schema(**choices)
        assert [step for step in repaired(live, desired) if " TYPE " in step]
        assert repaired(live, desired) == []


FILES = "SELECT relname, relfilenode FROM pg_class WHERE relname LIKE 'zep_memory%' ORDER BY 1"


@pytest.mark.parametrize("collation", ["", ' COLLATE pg_catalog."C"'])
def test_a_longer_text_rewrites_neither_rows_nor_indexes(live: Live, collation: str) -> None:
    desired = made(live)
    live.owner(INSERT, f"ALTER TABLE {TABLE} ALTER session_id TYPE varchar(100){collation}")
    before = live.sql(FILES)
    assert repaired(live, desired) == [
        f"ALTER TABLE {TABLE} ALTER COLUMN session_id TYPE character varying(255){collation}"
    ]
    assert live.sql(FILES) == before


def test_an_index_under_another_name_is_not_built_again(live: Live) -> None:
    desired = made(live)
    live.owner(INSERT, f"ALTER INDEX memory.{ANN} RENAME TO by_hand")
    assert repaired(live, desired) == [f"ALTER INDEX memory.by_hand RENAME TO {ANN}"]


def test_a_second_vector_index_by_hand_does_not_answer_the_probe(live: Live) -> None:
    made(live)
    operators = "public.vector_cosine_ops"
    live.owner(f"CREATE INDEX by_hand ON {TABLE} USING hnsw (embedding {operators}) WITH (m = 4)")
    desired = live.schema(index=Hnsw(column="embedding", m=8))
    assert len(repaired(live, desired)) == 6
    assert "by_hand" in inspect(live.endpoint, desired).tables[NAME].indexes


def test_the_state_of_a_database_as_wanted_holds_nothing_but_what_is_wanted(live: Live) -> None:
    """A stack that exists shows no difference when the engine learns to look at more."""
    desired = made(live)
    assert to_plain(managed(inspect(live.endpoint, desired), desired)) == to_plain(
        expected(desired)
    )
