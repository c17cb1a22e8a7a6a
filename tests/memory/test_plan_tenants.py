"""memory/schema/plan_tenants.py and tables that only grow: pure, over plain data."""

from dataclasses import replace
from typing import Any

import pytest

from memory.schema.catalog import Policy, from_plain, to_plain
from memory.schema.explain import explain, undo
from memory.schema.model import Column, DesiredSchema, memory_schema
from memory.schema.plan import empty_catalog, plan
from memory.schema.target import OWNER_POLICY, TENANT_POLICY, expected, managed
from tests.memory.states import NAME, WANTED, reached, statements, with_table_of

WALLED = memory_schema(by_tenant=True)
SAID = "current_setting('engram.tenant'::text, true)"
FIRST = f"CREATE POLICY {TENANT_POLICY} ON T FOR ALL TO PUBLIC USING ((tenant_id)::text = {SAID})"
SECOND = f"CREATE POLICY {OWNER_POLICY} ON T FOR ALL TO memory_migrator USING ({SAID} = '*'::text)"
SECURED = ["ALTER TABLE T ENABLE ROW LEVEL SECURITY", "ALTER TABLE T FORCE ROW LEVEL SECURITY"]
DOWN = ["ALTER TABLE T DISABLE ROW LEVEL SECURITY", "ALTER TABLE T NO FORCE ROW LEVEL SECURITY"]
DROPPED = [f"DROP POLICY {OWNER_POLICY} ON T", f"DROP POLICY {TENANT_POLICY} ON T"]
POLICIES = expected(WALLED).tables[NAME].policies
HOLE = Policy(using="true")


def walled(**changes: Any) -> list[str]:
    """What is done to a table with a wall, changed by hand."""
    return statements(with_table_of(reached(WALLED), **changes), WALLED)


def without_indexes(steps: list[str]) -> list[str]:
    return [step for step in steps if not step.startswith("CREATE INDEX")]


def test_a_table_with_rows_gets_its_wall_in_one_transaction() -> None:
    steps = plan(reached(), WALLED).steps
    wall = [step for step in steps if step.transactional]
    assert without_indexes(statements(reached(), WALLED)) == [FIRST, SECOND, *SECURED]
    assert len({step.batch for step in wall}) == 1
    assert {step.role for step in wall} == {"memory_migrator"}


def test_a_new_table_is_made_with_its_wall() -> None:
    first = plan(empty_catalog("memory"), WALLED)
    assert len(list(first.batches())) == 1
    made = [s.replace(f"memory.{NAME}", "T") for s in (step.sql for step in first.steps)]
    assert made[made.index(FIRST) : made.index(FIRST) + 4] == [FIRST, SECOND, *SECURED]


def test_a_wall_that_nobody_wants_any_more_is_taken_down() -> None:
    assert statements(reached(WALLED), WANTED) == [*DOWN, *DROPPED]


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, []),
        ({"row_security": "enabled"}, SECURED),
        ({"row_security": ""}, SECURED),
        ({"policies": {}}, [FIRST, SECOND]),
        ({"policies": {OWNER_POLICY: POLICIES[OWNER_POLICY]}}, [FIRST]),
        ({"policies": {**POLICIES, "hole": HOLE}}, ["DROP POLICY hole ON T"]),
        ({"policies": {**POLICIES, "narrow": replace(HOLE, permissive=False)}}, []),
        ({"policies": {**POLICIES, TENANT_POLICY: HOLE}}, [DROPPED[1], FIRST]),
        (
            {"policies": {**POLICIES, OWNER_POLICY: replace(POLICIES[OWNER_POLICY], roles=("x",))}},
            [DROPPED[0], SECOND],
        ),
        (
            {
                "policies": {
                    **POLICIES,
                    TENANT_POLICY: replace(POLICIES[TENANT_POLICY], check="true"),
                }
            },
            [DROPPED[1], FIRST],
        ),
    ],
)
def test_a_wall_is_mended(changes: dict[str, Any], steps: list[str]) -> None:
    assert walled(**changes) == steps


def test_a_wall_makes_room_while_its_column_gets_longer() -> None:
    columns = dict(expected(WALLED).tables[NAME].columns)
    columns["tenant_id"] = replace(columns["tenant_id"], type="character varying(20)")
    longer = "ALTER TABLE T ALTER COLUMN tenant_id TYPE character varying(63)"
    assert walled(columns=columns) == [*DROPPED, longer, FIRST, SECOND]


def test_what_others_made_of_row_security_is_left_to_them_and_told() -> None:
    by_hand = with_table_of(
        reached(), row_security="enabled", policies={"seen": HOLE}, attached={"policy": ("seen",)}
    )
    todo = plan(by_hand, WANTED)
    assert todo.steps == ()
    assert [note.partition(":")[2][:28] for note in todo.notes] == [
        " policy seen is not declared",
        " row-level security is enabl",
    ]


def test_a_hole_that_is_closed_is_no_note_as_well() -> None:
    policies = {**POLICIES, "hole": HOLE}
    attached = {"policy": tuple(sorted(policies))}
    todo = plan(with_table_of(reached(WALLED), policies=policies, attached=attached), WALLED)
    assert todo.notes == ()


def test_the_state_of_a_wall_survives_plain_data() -> None:
    wanted = expected(WALLED)
    assert from_plain(to_plain(wanted)) == wanted
    assert managed(reached(WALLED), WALLED) == wanted


def test_a_text_column_is_compared_as_it_is() -> None:
    plain = WALLED.model_dump(mode="json")
    column = next(c for c in plain["tables"][0]["columns"] if c["name"] == "tenant_id")
    column.clear()
    column.update(Column(name="tenant_id", type="text", not_null=True).model_dump())
    policies = expected(DesiredSchema.model_validate(plain)).tables[NAME].policies
    assert policies[TENANT_POLICY].using == f"(tenant_id = {SAID})"


def test_every_step_of_the_wall_is_explained_with_its_way_back() -> None:
    for steps in (plan(reached(), WALLED), plan(reached(WALLED), WANTED)):
        assert "declare what was found before" not in explain(steps)
    assert undo(f"CREATE POLICY p ON {NAME} FOR ALL") == f"DROP POLICY p ON {NAME}: its tenants" + (
        " see no row then"
    )


GROWING = "memory_audit"


def test_a_table_that_grows_comes_without_what_every_new_table_comes_with() -> None:
    state = reached()
    tables = {name: table for name, table in state.tables.items() if name != GROWING}
    granted = [s.sql for s in plan(replace(state, tables=tables), WANTED).steps if "GRANT" in s.sql]
    revoked = [
        s.sql for s in plan(replace(state, tables=tables), WANTED).steps if "REVOKE" in s.sql
    ]
    on = f"ON TABLE memory.{GROWING}"
    assert granted == [
        f"GRANT INSERT, SELECT {on} TO memory_app",
        f"GRANT SELECT {on} TO memory_reader",
    ]
    assert revoked == [f"REVOKE DELETE, UPDATE {on} FROM memory_app"]


def test_a_table_that_grows_is_taken_back_from_who_may_change_it() -> None:
    state = reached()
    grants = {"memory_app": ("DELETE", "INSERT", "SELECT"), "memory_reader": ("SELECT",)}
    table = replace(state.tables[GROWING], grants=grants)
    steps = plan(replace(state, tables={**state.tables, GROWING: table}), WANTED).steps
    assert [s.sql for s in steps] == [f"REVOKE DELETE ON TABLE memory.{GROWING} FROM memory_app"]
