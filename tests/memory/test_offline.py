"""memory/schema/offline.py: what a stack's state says of its databases."""

from typing import Any

import pytest

from memory.schema.catalog import Catalog, Table, to_plain
from memory.schema.errors import StateUnreadable
from memory.schema.model import Hnsw, memory_schema, zep_schema
from memory.schema.offline import catalogs, last_known, sizes
from memory.schema.plan import plan
from memory.schema.target import expected

TABLE = "zep_memory_vectors"
DESIRED = memory_schema()
LARGER = memory_schema(index=Hnsw(column="embedding", m=32, ef_construction=128))


def resource(**changed: Any) -> dict[str, Any]:
    """A schema as a stack's export shows it."""
    outputs = {
        "database": "memory",
        "desired": DESIRED.model_dump(mode="json", exclude_none=True),
        "state": to_plain(expected(DESIRED)),
        "sizes": {TABLE: {"rows": 50_000.0, "bytes": 400_000_000.0}},
    }
    return {
        "urn": "urn:pulumi:prod::engram::pulumi-python:dynamic/memory:VectorSchema::memory-schema",
        "type": "pulumi-python:dynamic/memory:VectorSchema",
        "outputs": {**outputs, **changed},
    }


def export(*resources: dict[str, Any]) -> dict[str, Any]:
    stack = {
        "urn": "urn:pulumi:prod::engram::pulumi:pulumi:Stack::p",
        "type": "pulumi:pulumi:Stack",
    }
    return {"version": 3, "deployment": {"resources": [stack, *resources]}}


def test_a_change_is_planned_from_an_export_with_what_it_costs() -> None:
    (known,) = catalogs(export(resource()))
    assert (known.name, known.catalog.database.name) == ("memory-schema", "memory")
    assert plan(known.catalog, known.desired).steps == ()
    build = plan(known.catalog, LARGER).steps[0]
    assert build.sql.startswith("CREATE INDEX CONCURRENTLY")
    assert (build.cost.rows, build.cost.memory_mib > 300) == (50_000, True)


def test_every_schema_of_the_stack_is_found() -> None:
    zep = zep_schema(extension_gate=True)
    other = resource(
        database="zep",
        desired=zep.model_dump(mode="json", exclude_none=True),
        state=to_plain(expected(zep)),
    )
    databases = [known.catalog.database.name for known in catalogs(export(resource(), other))]
    assert databases == ["memory", "zep"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "no deployment with resources"),
        ({"deployment": None}, "no deployment with resources"),
        ({"deployment": {"resources": {}}}, "give what `pulumi stack export` prints"),
        (export(), "no memory:VectorSchema among its 1 resources"),
        (export(resource(desired={"tables": []})), "memory-schema: roles: Field required"),
        (export(resource(state={"tables": {"t": {}}})), r"memory-schema: tables.t.owner"),
    ],
)
def test_what_is_no_export_is_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(StateUnreadable, match=message):
        catalogs(document)


def test_a_state_from_before_sizes_were_kept_is_read_as_one_of_unknown_size() -> None:
    outputs = resource()["outputs"]
    del outputs["sizes"]
    table = last_known(outputs).tables[TABLE]
    assert (table.rows, table.bytes, table.empty) == (0, 0, False)


@pytest.mark.parametrize(
    ("table", "seen"),
    [
        (
            Table(owner="o", columns={}, rows=48_213, bytes=12_345),
            {"rows": 50_000, "bytes": 10_000},
        ),
        (Table(owner="o", columns={}, rows=9, bytes=0), {"rows": 9, "bytes": 0}),
        (Table(owner="o", columns={}, rows=-1, bytes=8192), {"rows": 80, "bytes": 8000}),
        (Table(owner="o", columns={}, empty=True), {"rows": 0, "bytes": 0, "empty": True}),
    ],
)
def test_sizes_are_orders_of_magnitude(table: Table, seen: dict[str, int]) -> None:
    assert sizes(Catalog(tables={TABLE: table, "stranger": table}), DESIRED) == {TABLE: seen}


def test_the_sizes_come_back_as_they_went() -> None:
    table = Table(owner="o", columns={}, rows=50_000, bytes=8000, empty=False)
    seen = sizes(Catalog(tables={TABLE: table}), DESIRED)
    back = last_known({**resource()["outputs"], "sizes": seen}).tables[TABLE]
    assert (back.rows, back.bytes, back.empty) == (50_000, 8000, False)
