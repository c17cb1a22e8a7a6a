"""memory/schema/plan_tables.py: what a table is, beside its columns and indexes."""

from dataclasses import replace
from typing import Any

import pytest

from memory.schema.catalog import Catalog, Table, from_plain, to_plain
from memory.schema.errors import PlanRefused
from memory.schema.plan import empty_catalog, plan, plan_removal
from memory.schema.target import OPERATIONS, expected, managed
from tests.memory.states import (
    AGREED,
    ANN,
    KEY,
    NAME,
    WANTED,
    reached,
    statements,
    with_,
    with_indexes,
    with_schema,
)

OPTIONS = dict(AGREED.options)
SCALE = "autovacuum_vacuum_scale_factor"


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({**OPTIONS, SCALE: "0.5"}, [f"ALTER TABLE T SET ({SCALE} = 0.1)"]),
        (
            {key: value for key, value in OPTIONS.items() if key != SCALE},
            [f"ALTER TABLE T SET ({SCALE} = 0.1)"],
        ),
        ({**OPTIONS, "fillfactor": "70"}, []),
        ({**OPTIONS, "autovacuum_enabled": "true"}, []),
        ({**OPTIONS, "autovacuum_enabled": "off"}, ["ALTER TABLE T RESET (autovacuum_enabled)"]),
        (
            {"autovacuum_enabled": "0"},
            [
                f"ALTER TABLE T SET ({', '.join(f'{k} = {v}' for k, v in OPTIONS.items())})",
                "ALTER TABLE T RESET (autovacuum_enabled)",
            ],
        ),
    ],
)
def test_storage_parameters(options: dict[str, str], steps: list[str]) -> None:
    catalog = with_(options=options)
    assert statements(catalog) == steps
    assert (managed(catalog, WANTED) == expected(WANTED)) == (steps == [])


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        (
            {"unlogged": True, "empty": True},
            [
                "LOCK TABLE T IN ACCESS EXCLUSIVE MODE",
                "DO $$ BEGIN IF pg_relation_size('T') > 0 THEN RAISE EXCEPTION 'T has rows now, and"
                " stays as it is; plan again'; END IF; END $$",
                "ALTER TABLE T SET LOGGED",
            ],
        ),
        (
            {"owner": "bob"},
            [
                "GRANT USAGE ON SCHEMA memory TO SESSION_USER",
                "ALTER TABLE T OWNER TO memory_migrator",
                "REVOKE USAGE ON SCHEMA memory FROM SESSION_USER",
            ],
        ),
        ({"alterable": False}, []),
        ({"kind": "table", "row_security": "enabled"}, []),
    ],
)
def test_what_is_repaired(found: dict[str, Any], steps: list[str]) -> None:
    catalog = with_(**found)
    assert statements(catalog) == steps
    seen = managed(catalog, WANTED)
    assert (seen == expected(WANTED)) == (steps == [])
    assert from_plain(to_plain(seen)) == seen


RENAME = rf"ALTER {{}} memory\.{NAME} RENAME TO {NAME}_before"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            {"unlogged": True, "bytes": 3 * 2**30},
            r"is UNLOGGED, so a crash .* SET LOGGED rewrites .*\(3\.0 GiB .* maintenance window",
        ),
        (
            {"owner": "bob", "alterable": False},
            "belongs to bob, wanted memory_migrator.*let bob or a superuser run ALTER TABLE",
        ),
        ({"kind": "partitioned table"}, "is partitioned.*copy its rows into a plain table"),
        ({"kind": "foreign table"}, "taken by a foreign table.*" + RENAME.format("FOREIGN TABLE")),
        ({"kind": "view", "columns": {}}, "taken by a view; rename that.*" + RENAME.format("VIEW")),
        ({"kind": "materialized view"}, "taken by .*" + RENAME.format("MATERIALIZED VIEW")),
        ({"kind": "sequence"}, "taken by a sequence.*" + RENAME.format("SEQUENCE")),
        ({"kind": "index"}, "taken by an index.*" + RENAME.format("INDEX")),
        ({"kind": "type"}, "taken by a type; rename that, or declare another name"),
    ],
)
def test_what_is_refused_names_the_way_out(found: dict[str, Any], message: str) -> None:
    catalog = with_(**found)
    with pytest.raises(PlanRefused, match=message):
        plan(catalog, WANTED)
    seen = managed(catalog, WANTED)
    assert seen != expected(WANTED)
    assert from_plain(to_plain(seen)) == seen
    with pytest.raises(PlanRefused, match=message.partition(r"\(3")[0]):
        plan(seen, WANTED)


def test_another_primary_key_is_refused() -> None:
    key = replace(AGREED.indexes[KEY], columns=("session_id",))
    with pytest.raises(PlanRefused, match=r"primary key is \(session_id\), wanted \(id\)"):
        plan(with_indexes(**{KEY: key}), WANTED)


def beside(catalog: Catalog, **tables: Table) -> Catalog:
    return replace(catalog, tables={**catalog.tables, **tables})


BACKUP = Table(owner="bob", columns={}, indexes={ANN: AGREED.indexes[ANN]})
BARE = replace(AGREED, indexes={})


@pytest.mark.parametrize(
    ("catalog", "message"),
    [
        (
            beside(empty_catalog("memory"), backup=BACKUP),
            f"index {ANN} on {NAME}: the name is taken by an index of table backup; rename that",
        ),
        (beside(with_(indexes={}), backup=BACKUP), f"index {ANN} .* taken by an index of table"),
        (
            beside(with_(indexes={}), **{ANN: Table(owner="bob", columns={})}),
            f"index {ANN} .* taken by a table",
        ),
        (
            replace(with_schema(objects={"view": (ANN,)}), tables={NAME: BARE}),
            f"index {ANN} .* taken by a view",
        ),
    ],
)
def test_a_name_that_something_else_has_is_refused(catalog: Catalog, message: str) -> None:
    """The old table was put aside under another name, and its indexes kept theirs."""
    with pytest.raises(PlanRefused, match=message):
        plan(catalog, WANTED)


def test_a_removal_takes_the_log_of_operations_too() -> None:
    log = Table(owner="memory_migrator", columns={})
    steps = [s.sql for s in plan_removal(beside(reached(), **{OPERATIONS: log}), WANTED).steps]
    assert steps.index("DROP TABLE memory.operations") < steps.index("DROP SCHEMA memory")
