"""memory/schema/model.py"""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from memory.schema.model import (
    DesiredSchema,
    Gin,
    Hnsw,
    IvfFlat,
    memory_schema,
    mistakes,
    zep_schema,
)
from memory.schema.target import expected

PLAIN: dict[str, Any] = memory_schema().model_dump(mode="json")


def changed(path: str, value: object) -> dict[str, Any]:
    """The mission's schema with one value replaced or one key added."""
    copy: dict[str, Any] = memory_schema().model_dump(mode="json")
    *parents, last = path.split(".")
    node: Any = copy
    for part in parents:
        node = node[int(part) if part.isdigit() else part]
    node[int(last) if last.isdigit() else last] = value
    return copy


def test_default_is_the_missions_table() -> None:
    table = memory_schema().tables[0]
    assert table.name == "zep_memory_vectors"
    assert [(c.name, c.sql_type, c.not_null, c.default) for c in table.columns] == [
        ("id", "uuid", True, "gen_random_uuid()"),
        ("session_id", "character varying(255)", True, None),
        ("content", "text", True, None),
        ("embedding", "vector(1536)", False, None),
        ("metadata", "jsonb", False, None),
        ("created_at", "timestamp with time zone", True, "now()"),
        ("user_id", "character varying(255)", False, None),
        ("tenant_id", "character varying(63)", True, "'default'::character varying"),
        ("memory_type", "character varying(16)", True, "'episodic'::character varying"),
        ("sensitivity", "jsonb", True, "'[]'::jsonb"),
        ("key_id", "character varying(64)", False, None),
        ("blind_index", "jsonb", False, None),
    ]
    assert [index.name_in(table.name) for index in table.indexes] == [
        "zep_memory_vectors_embedding_idx",
        "zep_memory_vectors_session_id_idx",
        "zep_memory_vectors_created_at_idx",
        "zep_memory_vectors_user_id_idx",
        "zep_memory_vectors_blind_index_idx",
    ]
    assert table.indexes[-1] == Gin(column="blind_index")
    assert table.ann_index == Hnsw(column="embedding", m=16, ef_construction=64)
    assert table.autovacuum.options() == {
        "autovacuum_vacuum_scale_factor": "0.1",
        "autovacuum_analyze_scale_factor": "0.05",
        "autovacuum_vacuum_cost_delay": "10",
    }


def test_two_tables_beside_it_only_grow() -> None:
    tables = memory_schema().tables
    assert [(t.name, t.append_only, t.tenant_column) for t in tables] == [
        ("zep_memory_vectors", False, None),
        ("memory_audit", True, None),
        ("memory_operations", True, None),
    ]
    assert [c.name for c in tables[1].columns if "content" in c.name] == []
    assert [(t.name, t.tenant_column) for t in memory_schema(by_tenant=True).tables] == [
        ("zep_memory_vectors", "tenant_id"),
        ("memory_audit", None),
        ("memory_operations", None),
    ]


def test_a_tenants_own_schema_is_beside_that_of_all() -> None:
    own, shared = memory_schema(tenant="acme"), memory_schema()
    assert (own.schema_name, own.beside) == ("memory_acme", "memory")
    assert (own.tables, own.roles) == (shared.tables, shared.roles)
    path = {role.search_path for role in expected(own).roles.values()}
    assert path == {"memory, public"}, "a login has one path in a database, whoever asks last"


def test_survives_json() -> None:
    assert DesiredSchema.model_validate(PLAIN) == memory_schema()
    zep = zep_schema(extension_gate=True)
    assert DesiredSchema.model_validate(zep.model_dump(mode="json", exclude_none=True)) == zep


def test_what_was_added_later_shows_no_difference_in_a_stack_that_exists() -> None:
    roles = memory_schema().model_dump(mode="json", exclude_none=True)["roles"]
    assert [sorted(role) for role in roles] == [["name", "privileges", "purpose"]] * 3


@pytest.mark.parametrize(("gate", "member_of"), [(True, ("azure_pg_admin",)), (False, ())])
def test_zep_has_one_login_and_brings_its_tables(gate: bool, member_of: tuple[str, ...]) -> None:
    schema = zep_schema(login="zep_two", extension_gate=gate)
    assert (schema.schema_name, schema.owner, schema.tables) == ("zep", "zep_two", ())
    assert [extension.name for extension in schema.extensions] == ["vector"]
    assert schema.brings_its_tables
    assert schema.role("owner").member_of == member_of
    assert not memory_schema().brings_its_tables


OWNER = {"purpose": "owner", "name": "zep_app"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"roles": [OWNER, {"purpose": "app", "name": "x"}]}, "one owner alone; got"),
        ({"roles": [OWNER, {**OWNER, "name": "x"}]}, "one owner alone; got"),
        ({"roles": [{**OWNER, "privileges": ["SELECT"]}]}, "the owner owns the tables"),
        ({"roles": [OWNER], "tables": PLAIN["tables"]}, "an owner makes its own; declare none"),
        ({"roles": [{**OWNER, "member_of": ["Azure Admins"]}]}, "should match pattern"),
    ],
)
def test_refuses_a_schema_that_is_half_another_programs(
    changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        DesiredSchema.model_validate({"schema_name": "zep", "tables": [], **changed})


@pytest.mark.parametrize(
    ("dimensions", "column_type", "message"),
    [
        (0, "vector", "greater than or equal to 1"),
        (20_000, "vector", "less than or equal to 16000"),
        (2001, "vector", "indexed up to 2000 dimensions, got 2001; use halfvec"),
        (4001, "halfvec", "indexed up to 4000 dimensions, got 4001"),
    ],
)
def test_refuses_a_dimension_that_no_index_carries(
    dimensions: int, column_type: Any, message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        memory_schema(dimensions=dimensions, column_type=column_type)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("unknown", 1, "unknown: Extra inputs are not permitted"),
        ("schema_name", "public", "schema_name: .*choose another"),
        ("schema_name", "My Schema", "String should match pattern"),
        ("roles.1.name", "pg_app", "PostgreSQL's or Azure's own name"),
        ("roles.1.name", "memory_reader", "role declared twice: memory_reader"),
        ("roles.1.privileges", ["TRUNCATE"], "Input should be 'SELECT'"),
        ("roles.1.purpose", "reader", "want one each of app, migrator, reader"),
        ("roles.0.privileges", ["SELECT"], "the migrator owns the tables"),
        ("extensions.0.version", "latest; DROP", "String should match pattern"),
        ("tables.0.columns.0.type", "money", "tables.0.columns.0.type"),
        ("tables.0.columns.0.not_null", False, "primary key id must be a not_null column"),
        ("tables.0.columns.0.default", "evil()", "columns.0.default"),
        ("tables.0.columns.1.length", None, "length is for varchar, and required there"),
        ("tables.0.columns.2.dimensions", 3, "dimensions are for vector and halfvec"),
        ("tables.0.columns.1.name", "id", "column declared twice: id"),
        ("tables.0.indexes.1.columns", ["nothing"], "index on nothing, which is no column"),
        ("tables.0.indexes.2.columns", ["content", "embedding"], "wrong kind of index"),
        ("tables.0.indexes.0.column", "content", "wrong kind of index"),
        ("tables.0.indexes.4.column", "content", "content is text: wrong kind of index for it"),
        ("tables.0.columns.7.default", "'x'; DROP", "String should match pattern"),
        ("tables.0.tenant_column", "nobody", "tenant column nobody must be a not_null column"),
        ("tables.0.tenant_column", "user_id", "must be a not_null column of type varchar or text"),
        ("tables.0.tenant_column", "sensitivity", "of type varchar or text"),
        ("tables.0.indexes.0.method", "diskann", "tables.0.indexes.0"),
        ("tables.0.indexes.0.m", 1, "indexes.0.hnsw.m: .*greater than or equal to 2"),
        ("tables.0.indexes.0.ef_construction", 20, r"below 2 x m = 32; pgvector refuses it"),
        ("tables.0.indexes.0.name", "x" * 60, "at most 50 characters"),
        ("tables.0.autovacuum.vacuum_scale_factor", 2, "less than or equal to 1"),
    ],
)
def test_refuses(path: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match="validation error") as caught:
        DesiredSchema.model_validate(changed(path, value))
    text = "\n".join(mistakes(caught.value))
    assert re.search(message, text), text


def test_names_that_grow_too_long_ask_for_an_own_name() -> None:
    plain = changed("tables.0.name", "t" * 50)
    with pytest.raises(ValidationError, match="longer than 58 characters; give it a name"):
        DesiredSchema.model_validate(plain)


def test_tenants_are_not_told_apart_on_nodes() -> None:
    with pytest.raises(ValidationError, match="choose one of tenant_column and distributed_by"):
        memory_schema(distributed=True, by_tenant=True)


def test_ivfflat_is_a_choice() -> None:
    index = IvfFlat(column="embedding", lists=10)
    assert memory_schema(index=index).tables[0].ann_index == index
