"""memory/schema/plan.py: pure, over plain data; squawk judges what is printed."""

import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from memory.schema import render
from memory.schema.catalog import Column, Table, from_plain, to_plain
from memory.schema.errors import PlanRefused
from memory.schema.estimate import build_cost, session_memory_kib
from memory.schema.model import Hnsw, IvfFlat, memory_schema, zep_schema
from memory.schema.plan import empty_catalog, plan
from memory.schema.target import expected, managed
from tests.memory.states import (
    AGREED,
    ANN,
    BROKEN,
    GRAPH,
    KEY,
    NAME,
    OTHER,
    WANTED,
    reached,
    shuffled,
    with_,
    with_column,
    with_indexes,
    with_role,
)

# squawk's rules that our SQL breaks on purpose.
EXCLUDED = {
    "prefer-text-field": "session_id is varchar(255) in the product's contract",
    "renaming-object": "two index names are swapped in one transaction; no query names an index",
    "ban-drop-constraint": "the check is our own, and SET NOT NULL has just taken its place",
    "prefer-robust-stmts": "IF NOT EXISTS would keep an INVALID index; the catalog was just read",
}


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


def test_costs_grow_linearly_with_rows_and_are_stated() -> None:
    table = replace(expected(WANTED).tables[NAME], rows=1_000_000)
    cost, double = (build_cost(replace(table, rows=n), GRAPH) for n in (10**6, 2 * 10**6))
    assert cost.rows == 10**6
    assert cost.minutes == pytest.approx(
        10**6 * (3 * 64 * 16 + 512) * 1536 * 0.25e-9 / 60, rel=0.01
    )
    assert cost.memory_mib == pytest.approx(6_600, rel=0.05)
    assert double.minutes == pytest.approx(2 * cost.minutes, rel=0.01)
    assert double.memory_mib == pytest.approx(2 * cost.memory_mib, rel=0.01)


@pytest.mark.parametrize(("needed_mib", "kib"), [(1, 65_536), (100, 102_400), (10_000, 524_288)])
def test_a_build_takes_no_more_memory_than_shared_buffers(needed_mib: int, kib: int) -> None:
    assert session_memory_kib(needed_mib, server_kib=65_536, shared_buffers_kib=524_288) == kib


SCATTERED = with_(
    columns={
        "id": AGREED.columns["id"],
        "session_id": replace(AGREED.columns["session_id"], not_null=False),
        "content": replace(AGREED.columns["content"], unproven="c_nn"),
        "embedding": AGREED.columns["embedding"],
        "created_at": replace(AGREED.columns["created_at"], default=None),
    },
    indexes={},
    options={"autovacuum_enabled": "off"},
    grants={"PUBLIC": ("SELECT",), "memory_app": ("SELECT*", "UPDATE(content)")},
)
PRINTED = {
    "zep": plan(empty_catalog("zep"), zep_schema(extension_gate=True)),
    "first": plan(empty_catalog("memory"), WANTED),
    "replacement": plan(reached(), memory_schema(index=Hnsw(column="embedding", m=8))),
    "method": plan(reached(), memory_schema(index=IvfFlat(column="embedding"))),
    "tenants": plan(reached(), memory_schema(by_tenant=True)),
    "no tenants": plan(reached(memory_schema(by_tenant=True)), WANTED),
    "leftovers": plan(with_indexes(**{ANN: BROKEN, f"{ANN}_old": OTHER}), WANTED),
    "adopted": plan(with_indexes(**{ANN: None, KEY: None, "by_hand": GRAPH}), WANTED),
    "columns": plan(SCATTERED, WANTED),
    "plain columns": plan(with_column("metadata", generated="stored", identity="always"), WANTED),
    "longer": plan(with_column("content", type="character varying(9)"), WANTED),
    "empty": plan(with_(unlogged=True, empty=True), memory_schema(column_type="halfvec")),
    "roles": plan(with_role("memory_app", connection_limit=0, expired=True), WANTED),
}
# Of one plan alone: what is a fault elsewhere is harmless there.
EXCLUDED_OF = {
    "plain columns": {
        "ban-drop-generated-expression": "the column is declared a plain one; its values stay",
        "ban-alter-identity": "the column is declared a plain one; its values stay",
    },
    "longer": {"changing-column-type": "varchar is made longer or text: nothing is rewritten"},
    "empty": {
        "changing-column-type": "no row was ever stored",
        "require-concurrent-index-creation": "no row was ever stored",
        "require-concurrent-index-deletion": "no row was ever stored",
    },
}


@pytest.mark.parametrize("name", PRINTED)
def test_squawk_accepts_the_printed_plan(name: str, tmp_path: Path) -> None:
    script = tmp_path / f"{name}.sql"
    script.write_text(render.as_sql(PRINTED[name]))
    tool = shutil.which("squawk", path=str(Path(sys.executable).parent)) or "squawk"
    rules = EXCLUDED | EXCLUDED_OF.get(name, {})
    excluded = [word for rule in rules for word in ("--exclude", rule)]
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
    assert [step["transactional"] for step in data["steps"]] == [
        *(False, False),
        *(True, True, True),
        False,
    ]
    assert render.as_table(plan(reached(), WANTED)) == "nothing to do\n"


STRANGE = {
    f"memory_{letter}": Table(owner=letter, columns={}, attached={"trigger": ("b", "a")})
    for letter in "zebra"
}
DAMAGED = replace(
    with_role("memory_app", login=False, members=("b", "a"), settings={"b": "1", "a": "2"}),
    tables={
        **STRANGE,
        NAME: replace(
            SCATTERED.tables[NAME],
            attached={"trigger": ("b", "a"), "rule": ("r",)},
            indexes=dict.fromkeys("zebra", GRAPH) | {f"{ANN}_ccnew": BROKEN},
        ),
    },
)


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_does_not_depend_on_the_order_in_which_things_were_read(seed: int) -> None:
    order = random.Random(seed)  # noqa: S311 - an order, and no secret
    plain = shuffled(to_plain(DAMAGED), lambda keys: order.sample(keys, len(keys)))
    again = from_plain(plain)
    assert again == DAMAGED
    assert plan(again, WANTED) == plan(DAMAGED, WANTED)


def test_all_reasons_are_told_at_once() -> None:
    catalog = with_(
        unlogged=True,
        columns={**AGREED.columns, "content": Column(type="bytea", not_null=True)},
    )
    with pytest.raises(PlanRefused, match="UNLOGGED") as refusal:
        plan(catalog, WANTED)
    assert len(refusal.value.reasons) == 2
