"""memory/schema/plan_notes.py: what is noticed, said, and never touched."""

from dataclasses import replace
from typing import Any

import pytest

from memory.schema.catalog import Catalog, Column, Index, Table
from memory.schema.model import zep_schema
from memory.schema.plan import plan
from memory.schema.target import expected, managed
from tests.memory.states import (
    AGREED,
    ANN,
    GRAPH,
    KEY,
    NAME,
    WANTED,
    reached,
    with_,
    with_column,
    with_indexes,
    with_role,
    with_schema,
)

T, APP = f"table {NAME}", "memory_app"
FOREIGN = "public.orders.orders_memory_fkey"


def notes(catalog: Catalog) -> list[str]:
    """The notes; nothing is done, and a state shows no difference."""
    result = plan(catalog, WANTED)
    assert result.steps == ()
    assert managed(catalog, WANTED) == expected(WANTED)
    return list(result.notes)


def columns(**more: Column) -> dict[str, Column]:
    return {**AGREED.columns, **more}


@pytest.mark.parametrize(
    ("catalog", "note"),
    [
        (with_(columns=columns(extra=Column(type="text"))), f"{T}: column extra is not declared"),
        (with_(checks={"by_hand": True}), f"{T}: check by_hand is not declared; left alone"),
        (
            with_(grants={**AGREED.grants, "bob": ("SELECT",)}),
            f"{T}: grantee bob is not declared; left alone",
        ),
        (
            with_(options={**AGREED.options, "fillfactor": "70"}),
            f"{T}: option fillfactor = 70 is not declared; left alone",
        ),
        (with_indexes(by_hand=GRAPH), f"{T}: index by_hand is not declared; left alone"),
        (
            with_indexes(by_hand=replace(GRAPH, valid=False)),
            f"{T}: index by_hand is not declared and INVALID; left alone",
        ),
        (
            with_indexes(uniq=Index(method="btree", columns=("id",), unique=True, constraint="u")),
            f"{T}: index uniq is not declared; left alone",
        ),
        (
            with_indexes(**{KEY: replace(AGREED.indexes[KEY], oddities=("deferrable",))}),
            f"{T}: its primary key is deferrable",
        ),
        (with_(attached={"trigger": ("audit",)}), f"{T}: trigger audit is not declared; left"),
        (with_(attached={"rule": ("r",)}), f"{T}: rule r is not declared; left alone"),
        (with_(attached={"policy": ("p",)}), f"{T}: policy p is not declared; left alone"),
        (with_(attached={"foreign key": ("f",)}), f"{T}: foreign key f is not declared"),
        (
            with_(attached={"foreign key of another table": (FOREIGN,)}),
            f"{T}: foreign key of another table {FOREIGN} is not declared; left alone",
        ),
        (with_(attached={"child table": ("memory.c",)}), f"{T}: child table memory.c is not"),
        (with_(attached={"parent table": ("memory.p",)}), f"{T}: parent table memory.p is not"),
        (with_(attached={"publication": ("p",)}), f"{T}: publication p is not declared"),
        (with_(row_security="forced"), f"{T}: row-level security is forced; who is not its owner"),
        (with_(passed_on=("SELECT to PUBLIC by bob",)), f"{T}: PUBLIC has SELECT, as bob granted"),
        (with_column("content", collation="de-x-icu"), f"{T}: column content has collation de-x"),
        (with_schema(objects={"view": ("v",)}), "schema memory: view v is not declared; left"),
        (
            with_schema(objects={"function": ("f",)}),
            "schema memory: function f is not declared; left alone",
        ),
        (with_schema(objects={"sequence": ("s",)}), "schema memory: sequence s is not declared"),
        (
            with_schema(other_defaults=("SELECT on tables to bob, made by eve",)),
            "schema memory: by default SELECT on tables to bob, made by eve; nobody declared it",
        ),
        (with_schema(passed_on=("USAGE to eve by bob",)), "schema memory: eve has USAGE, as bob"),
        (with_role(APP, elevated=("superuser",)), f"role {APP} is superuser; only a superuser"),
        (
            with_role(APP, password_untested="no pg_hba.conf entry"),
            f"role {APP}: nobody could test its password; no pg_hba.conf entry",
        ),
        (
            with_role(APP, member_grants={"azure_pg_admin": ("INHERIT",)}),
            f"role {APP} is a member of azure_pg_admin",
        ),
        (with_role(APP, members=("bob",)), f"role {APP} has the member bob, which may do what it"),
        (with_role(APP, connection_limit=5), f"role {APP} may open 5 connections at once; left"),
        (
            with_role(APP, expires="2120-01-01 00:00:00+00"),
            f"role {APP}: its password stops to log in at 2120-01-01 00:00:00+00; renew it",
        ),
        (
            with_role(APP, settings={"statement_timeout": "5s"}),
            f"role {APP}: its sessions have statement_timeout = 5s; left alone",
        ),
    ],
)
def test_what_nobody_declared_is_told_and_left_alone(catalog: Catalog, note: str) -> None:
    (told,) = notes(catalog)
    assert told.startswith(note)


def test_a_stranger_to_the_schema_is_told() -> None:
    schema = reached().schema
    assert schema is not None
    catalog = with_schema(
        grants={**schema.grants, "bob": ("USAGE",)},
        default_grants={**schema.default_grants, "bob": ("DELETE", "SELECT")},
    )
    assert notes(catalog) == [
        "schema memory: bob has grants that nobody declared",
        "schema memory: bob gets DELETE, SELECT on every table to come; nobody declared it",
    ]


def test_a_database_of_somebody_else_is_left_as_it_is() -> None:
    state = reached()
    grants = {"PUBLIC": ("CONNECT",), "bob": ("CONNECT",)}
    database = replace(state.database, managed=False, grants=grants)
    assert notes(replace(state, database=database)) == [
        "database memory:  does not own it; PUBLIC's grants on it are left as they are",
        "database memory: bob has grants that nobody declared",
    ]


def test_a_table_that_nobody_declared_is_told_and_the_log_of_operations_is_known() -> None:
    other = Table(owner="bob", columns={})
    state = reached()
    tables = {**state.tables, "other": other, "operations": other}
    assert notes(replace(state, tables=tables)) == ["table other: not declared; left alone"]


def reembedded(**changes: Any) -> Catalog:
    guards = (f"{NAME}_embedding_next", f"{NAME}_embedding_previous")
    state = with_(attached={"trigger": guards}, **changes)
    schema = with_schema(objects={"function": guards}).schema
    return replace(state, schema=schema)


@pytest.mark.parametrize(
    ("suffix", "words"),
    [
        ("_next", "a re-embedding of embedding is under way; see"),
        ("_previous", "embedding was re-embedded, and embedding_previous waits to be dropped; see"),
    ],
)
def test_a_reembedding_is_told_by_its_name(suffix: str, words: str) -> None:
    column = f"embedding{suffix}"
    index = replace(GRAPH, columns=(column,))
    catalog = reembedded(
        columns=columns(**{column: Column(type="vector(3)")}),
        indexes={
            **AGREED.indexes,
            f"{NAME}_{column}_idx": index,
            f"{NAME}_embedding_next_left": replace(AGREED.indexes[KEY], primary=False),
        },
    )
    assert notes(catalog) == [f"{T}: {words} python -m memory reembed --status"]


def test_an_index_that_is_adopted_is_a_step_and_no_surprise() -> None:
    catalog = with_indexes(**{ANN: None, "by_hand": GRAPH})
    result = plan(catalog, WANTED)
    assert result.notes == ()
    assert result.steps[0].why == "is what is wanted under another name, which nobody declared"


def test_what_another_program_makes_in_its_own_schema_is_nobodys_to_note() -> None:
    zep = zep_schema(extension_gate=True)
    state = reached(zep)
    assert state.schema is not None
    schema = replace(
        state.schema,
        objects={"sequence": ("users_id_seq",), "type": ("role_type_enum",)},
        default_grants={"bob": ("SELECT",)},
    )
    tables = {"users": Table(owner="zep_app", columns={})}
    assert plan(replace(state, schema=schema, tables=tables), zep).notes == ()
