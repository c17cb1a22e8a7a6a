"""memory/schema/plan.py: pure, over plain data; squawk judges what is printed."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from memory.schema import render
from memory.schema.catalog import Catalog, Index, Role, Table, from_plain, to_plain
from memory.schema.catalog import Extension as Found
from memory.schema.errors import PlanRefused
from memory.schema.estimate import build_cost, session_memory_kib
from memory.schema.model import DesiredSchema, Extension, Hnsw, IvfFlat, memory_schema
from memory.schema.plan import empty_catalog, plan
from memory.schema.target import expected, managed

WANTED = memory_schema()
NAME = "zep_memory_vectors"
ANN = f"{NAME}_embedding_idx"

# squawk's rules that our SQL breaks on purpose.
EXCLUDED = {
    "prefer-text-field": "session_id is varchar(255) in the product's contract",
    "renaming-object": "two index names are swapped in one transaction; no query names an index",
    "ban-drop-constraint": "the check is our own, and SET NOT NULL has just taken its place",
    "prefer-robust-stmts": "IF NOT EXISTS would keep an INVALID index; the catalog was just read",
}


def reached(desired: DesiredSchema = WANTED) -> Catalog:
    """A database in the wanted state."""
    state = expected(desired)
    return replace(state, database=replace(state.database, name="memory"))


def with_table(change: Callable[[Table], Table]) -> Catalog:
    state = reached()
    return replace(state, tables={NAME: change(state.tables[NAME])})


def with_indexes(**changed: Index | None) -> Catalog:
    """Replace indexes by name; None takes one away."""

    def change(table: Table) -> Table:
        merged = {**table.indexes, **changed}
        return replace(table, indexes={n: i for n, i in merged.items() if i is not None})

    return with_table(change)


def verbs(catalog: Catalog, desired: DesiredSchema = WANTED) -> list[str]:
    """The steps, each cut to what distinguishes it."""
    words = (step.sql.split("(")[0].strip() for step in plan(catalog, desired).steps)
    return [text.replace("memory.", "").replace(f"{NAME}_", "") for text in words]


GRAPH = expected(WANTED).tables[NAME].indexes[ANN]
OTHER = replace(GRAPH, options={"m": "8", "ef_construction": "64"})
BROKEN = replace(GRAPH, valid=False)
REPLACEMENT = [
    f"CREATE INDEX CONCURRENTLY embedding_idx_new ON {NAME} USING hnsw",
    "EXPLAIN SELECT embedding FROM zep_memory_vectors ORDER BY embedding OPERATOR",
    "ALTER INDEX embedding_idx RENAME TO embedding_idx_old",
    "ALTER INDEX embedding_idx_new RENAME TO embedding_idx",
    "DROP INDEX CONCURRENTLY IF EXISTS embedding_idx_old",
]
BUILD = f"CREATE INDEX CONCURRENTLY embedding_idx ON {NAME} USING hnsw"


def drop(suffix: str = "") -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS embedding_idx{suffix}"


@pytest.mark.parametrize(
    ("present", "steps"),
    [
        ({ANN: GRAPH}, []),
        ({ANN: None}, [BUILD]),
        ({ANN: BROKEN}, [drop(), BUILD]),
        ({ANN: replace(GRAPH, ready=False)}, [drop(), BUILD]),
        ({ANN: OTHER}, REPLACEMENT),
        ({ANN: replace(GRAPH, oddities=("partial",))}, REPLACEMENT),
        ({ANN: replace(GRAPH, opclasses=("vector_l2_ops",))}, REPLACEMENT),
        ({ANN: OTHER, f"{ANN}_new": GRAPH}, REPLACEMENT[1:]),
        ({ANN: OTHER, f"{ANN}_new": BROKEN}, [drop("_new"), *REPLACEMENT]),
        ({ANN: OTHER, f"{ANN}_new": OTHER}, [drop("_new"), *REPLACEMENT]),
        (
            {ANN: OTHER, f"{ANN}_new": GRAPH, f"{ANN}_old": OTHER},
            [drop("_old"), *REPLACEMENT[1:]],
        ),
        ({ANN: GRAPH, f"{ANN}_old": OTHER}, [drop("_old")]),
        ({ANN: GRAPH, f"{ANN}_old": BROKEN}, [drop("_old")]),
        ({ANN: GRAPH, f"{ANN}_new": BROKEN}, [drop("_new")]),
        ({ANN: GRAPH, f"{ANN}_ccnew": BROKEN}, [drop("_ccnew")]),
        ({ANN: GRAPH, f"{ANN}_ccold1": BROKEN}, [drop("_ccold1")]),
        ({ANN: GRAPH, f"{ANN}_ccnew": replace(BROKEN, builder=7)}, []),
        (
            {ANN: None, f"{ANN}_new": GRAPH},
            ["ALTER INDEX embedding_idx_new RENAME TO embedding_idx"],
        ),
        (
            {ANN: BROKEN, f"{ANN}_new": GRAPH},
            [drop(), "ALTER INDEX embedding_idx_new RENAME TO embedding_idx"],
        ),
        ({ANN: None, f"{ANN}_new": OTHER}, [BUILD, drop("_new")]),
        ({ANN: GRAPH, "by_hand": OTHER}, []),
    ],
)
def test_indexes(present: dict[str, Index | None], steps: list[str]) -> None:
    assert verbs(with_indexes(**present)) == steps


def test_first_plan_is_one_transaction_with_placeholders_for_passwords() -> None:
    first = plan(empty_catalog("memory"), WANTED)
    assert len(list(first.batches())) == 1
    assert [step.sql for step in first.steps if step.password_of] == [
        f"ALTER ROLE memory_{purpose} PASSWORD '{{verifier}}'"
        for purpose in ("migrator", "app", "reader")
    ]
    assert not [step for step in first.steps if step.destructive]


def test_nothing_is_planned_where_all_agrees() -> None:
    assert plan(reached(), WANTED).steps == ()
    assert managed(reached(), WANTED) == expected(WANTED)


def test_state_survives_plain_data() -> None:
    assert from_plain(to_plain(expected(WANTED))) == expected(WANTED)


def test_not_null_is_set_without_a_long_lock() -> None:
    def change(table: Table) -> Table:
        content = replace(table.columns["content"], not_null=False)
        return replace(table, columns={**table.columns, "content": content})

    assert verbs(with_table(change)) == [
        f"ALTER TABLE {NAME} ADD CONSTRAINT content_set CHECK",
        f"ALTER TABLE {NAME} VALIDATE CONSTRAINT content_set",
        f"ALTER TABLE {NAME} ALTER COLUMN content SET NOT NULL",
        f"ALTER TABLE {NAME} DROP CONSTRAINT content_set",
    ]


def test_a_pinned_extension_version_is_an_update() -> None:
    desired = WANTED.model_copy(update={"extensions": (Extension(name="vector", version="0.8.2"),)})
    state = reached(desired)
    old = replace(state.extensions["vector"], installed="0.7.0")
    assert verbs(replace(state, extensions={"vector": old}), desired) == [
        "ALTER EXTENSION vector UPDATE TO '0.8.2'"
    ]


AUDIT_ABSENT, AUDIT_UNLOADED = None, Found(loaded=False)
AUDIT_LOADED, AUDIT_THERE = Found(), Found(installed="18.0", loaded=False)


@pytest.mark.parametrize(
    ("found", "live", "steps", "notes"),
    [
        (AUDIT_ABSENT, True, 0, 1),
        (AUDIT_ABSENT, False, 1, 0),
        (AUDIT_UNLOADED, True, 0, 1),
        (AUDIT_LOADED, True, 1, 0),
        (AUDIT_THERE, True, 0, 0),
    ],
)
def test_a_preloaded_extension_waits_for_its_library(
    found: Found | None, live: bool, steps: int, notes: int
) -> None:
    state = reached()
    others = {name: e for name, e in state.extensions.items() if name != "pgaudit"}
    catalog = replace(
        state,
        server=replace(state.server, version_num=180_000 if live else 0),
        extensions=others | ({"pgaudit": found} if found else {}),
    )
    result = plan(catalog, WANTED)
    assert [s.sql for s in result.steps] == ["CREATE EXTENSION pgaudit SCHEMA public"] * steps
    assert [note for note in result.notes if "name it in shared_preload_libraries" in note] == [
        *result.notes
    ]
    assert len(result.notes) == notes
    assert (managed(catalog, WANTED) == expected(WANTED)) == (steps == 0), "no diff without a step"


@pytest.mark.parametrize(
    ("catalog", "message"),
    [
        (
            with_table(
                lambda table: replace(
                    table,
                    columns={
                        **table.columns,
                        "embedding": replace(table.columns["embedding"], type="vector(768)"),
                    },
                )
            ),
            r"is vector\(768\), wanted vector\(1536\).*\(1\) re-embed.*\(2\) declare a new table.*"
            r"set dimensions back to 768",
        ),
        (
            with_table(
                lambda table: replace(
                    table,
                    columns={
                        **table.columns,
                        "content": replace(table.columns["content"], type="bytea"),
                    },
                )
            ),
            "content is bytea, wanted text; a type is never changed in place",
        ),
        (
            with_table(
                lambda table: replace(
                    table, columns={n: c for n, c in table.columns.items() if n != "content"}
                )
            ),
            "column content is wanted NOT NULL and without a default",
        ),
        (
            with_indexes(
                **{
                    f"{NAME}_pkey": replace(
                        expected(WANTED).tables[NAME].indexes[f"{NAME}_pkey"],
                        columns=("session_id",),
                    )
                }
            ),
            r"primary key is \(session_id\), wanted \(id\)",
        ),
        (
            with_indexes(**{ANN: replace(BROKEN, builder=4711)}),
            r"is being built by process 4711; wait.*pg_cancel_backend\(4711\)",
        ),
        (
            replace(reached(), roles={"memory_app": Role(login=False, manageable=False)}),
            "role memory_app: exists, and .* may not alter it",
        ),
        (
            replace(
                empty_catalog("memory"),
                server=replace(reached().server, version_num=180_000),
            ),
            "extension vector: the server does not offer it; on Azure add it",
        ),
    ],
)
def test_refusals_name_the_way_out(catalog: Catalog, message: str) -> None:
    with pytest.raises(PlanRefused, match=message):
        plan(catalog, WANTED)


def test_notes_what_only_others_can_change() -> None:
    state = reached()
    app = replace(
        state.roles["memory_app"],
        elevated=("superuser",),
        member_of=("azure_pg_admin",),
        password_untested="no pg_hba.conf entry",
    )
    database = replace(state.database, managed=False, grants={"PUBLIC": ("CONNECT",)})
    found = replace(state, roles={**state.roles, "memory_app": app}, database=database)
    result = plan(found, WANTED)
    assert result.steps == ()
    assert [note.split(";")[0] for note in result.notes] == [
        "role memory_app: nobody could test its password",
        "role memory_app is superuser",
        "role memory_app is a member of azure_pg_admin",
        "database memory:  does not own it",
    ]


def test_costs_grow_linearly_with_rows_and_are_stated() -> None:
    table = replace(expected(WANTED).tables[NAME], rows=1_000_000)
    cost, double = (build_cost(replace(table, rows=n), GRAPH) for n in (10**6, 2 * 10**6))
    assert cost.rows == 10**6
    assert cost.minutes == pytest.approx(10**6 * (3 * 64 * 16 + 512) * 1536 * 0.4e-9 / 60, rel=0.01)
    assert cost.memory_mib == pytest.approx(6_600, rel=0.05)
    assert double.minutes == pytest.approx(2 * cost.minutes, rel=0.01)
    assert double.memory_mib == pytest.approx(2 * cost.memory_mib, rel=0.01)


@pytest.mark.parametrize(("needed_mib", "kib"), [(1, 65_536), (100, 102_400), (10_000, 524_288)])
def test_a_build_takes_no_more_memory_than_shared_buffers(needed_mib: int, kib: int) -> None:
    assert session_memory_kib(needed_mib, server_kib=65_536, shared_buffers_kib=524_288) == kib


PRINTED = {
    "first": plan(empty_catalog("memory"), WANTED),
    "replacement": plan(reached(), memory_schema(index=Hnsw(column="embedding", m=8))),
    "method": plan(reached(), memory_schema(index=IvfFlat(column="embedding"))),
    "leftovers": plan(with_indexes(**{ANN: BROKEN, f"{ANN}_old": OTHER}), WANTED),
    "columns": plan(
        with_table(
            lambda table: replace(
                table,
                columns={
                    "id": table.columns["id"],
                    "session_id": replace(table.columns["session_id"], not_null=False),
                    "content": table.columns["content"],
                    "embedding": table.columns["embedding"],
                    "created_at": replace(table.columns["created_at"], default=None),
                },
                indexes={},
                options={},
                grants={"PUBLIC": ("SELECT",)},
            )
        ),
        WANTED,
    ),
}


@pytest.mark.parametrize("name", PRINTED)
def test_squawk_accepts_the_printed_plan(name: str, tmp_path: Path) -> None:
    script = tmp_path / f"{name}.sql"
    script.write_text(render.as_sql(PRINTED[name]))
    tool = shutil.which("squawk", path=str(Path(sys.executable).parent)) or "squawk"
    excluded = [word for rule in EXCLUDED for word in ("--exclude", rule)]
    judged = subprocess.run(
        [tool, "--pg-version", "18", *excluded, str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout


def test_prints_a_table_and_plain_data() -> None:
    assert "CREATE INDEX CONCURRENTLY" in render.as_table(PRINTED["replacement"])
    data = render.as_data(PRINTED["replacement"])
    assert [step["transactional"] for step in data["steps"]] == [False, False, True, True, False]
    assert render.as_table(plan(reached(), WANTED)) == "nothing to do\n"
