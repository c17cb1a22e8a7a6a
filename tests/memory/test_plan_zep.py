"""memory/schema/plan.py for a schema whose tables another program makes, and for memberships."""

from dataclasses import replace

import pytest

from memory.schema.catalog import Table, from_plain, to_plain
from memory.schema.errors import PlanRefused
from memory.schema.model import DesiredSchema, memory_schema, zep_schema
from memory.schema.plan import plan, plan_removal
from memory.schema.target import expected, managed
from tests.memory.states import reached

MEMORY = memory_schema()
ZEP, UNGATED = zep_schema(extension_gate=True), zep_schema(extension_gate=False)
NOMINALLY = "GRANT azure_pg_admin TO zep_app WITH ADMIN FALSE, INHERIT FALSE, SET FALSE"


@pytest.mark.parametrize(
    ("wanted", "have", "steps"),
    [
        (ZEP, {"azure_pg_admin": ()}, []),
        (ZEP, {}, [NOMINALLY]),
        (ZEP, {"azure_pg_admin": ("INHERIT",)}, [NOMINALLY]),
        (ZEP, {"azure_pg_admin": ("ADMIN", "INHERIT", "SET")}, [NOMINALLY]),
        (
            ZEP,
            {"azure_pg_admin": (), "memory_app": ("INHERIT",)},
            ["REVOKE memory_app FROM zep_app"],
        ),
        (UNGATED, {}, []),
        (UNGATED, {"azure_pg_admin": ()}, ["REVOKE azure_pg_admin FROM zep_app"]),
    ],
)
def test_memberships(
    wanted: DesiredSchema, have: dict[str, tuple[str, ...]], steps: list[str]
) -> None:
    state = reached(wanted)
    role = replace(state.roles["zep_app"], member_grants=have)
    catalog = replace(state, roles={"zep_app": role})
    assert [step.sql for step in plan(catalog, wanted).steps] == steps
    assert (managed(catalog, wanted) == expected(wanted)) == (steps == [])
    assert from_plain(to_plain(managed(catalog, wanted))) == managed(catalog, wanted)


def test_a_membership_that_is_not_judged_is_only_told() -> None:
    state = reached(MEMORY)
    reader = replace(state.roles["memory_reader"], member_grants={"analysts": ("INHERIT",)})
    catalog = replace(state, roles={**state.roles, "memory_reader": reader})
    result = plan(catalog, MEMORY)
    assert managed(catalog, MEMORY) == expected(MEMORY), "no diff without a step"
    assert (result.steps, result.notes) == ((), ("role memory_reader is a member of analysts",))


@pytest.mark.parametrize(
    ("granted", "notes"),
    [
        ({"azure_pg_admin": ()}, []),
        (
            {"azure_pg_admin": ("INHERIT",)},
            ["role zep_app is a member of azure_pg_admin (INHERIT)"],
        ),
        ({"memory_app": ()}, ["role zep_app is a member of memory_app (in name)"]),
    ],
)
def test_a_membership_that_somebody_else_gave_is_told_with_the_way_out(
    granted: dict[str, tuple[str, ...]], notes: list[str]
) -> None:
    state = reached(ZEP)
    role = replace(state.roles["zep_app"], foreign_members={"Azure Su": granted})
    result = plan(replace(state, roles={"zep_app": role}), ZEP)
    assert result.steps == ()
    assert [note.split(",")[0] for note in result.notes] == notes
    assert all(note.endswith('FROM zep_app GRANTED BY "Azure Su"') for note in result.notes)


@pytest.mark.parametrize(
    ("grantable", "have", "refused"),
    [
        ((), {}, True),
        ((), {"azure_pg_admin": ("SET",)}, True),
        ((), {"azure_pg_admin": ()}, False),
        (("azure_pg_admin",), {}, False),
    ],
)
def test_a_membership_that_cannot_be_given_is_refused_with_the_way_out(
    grantable: tuple[str, ...], have: dict[str, tuple[str, ...]], refused: bool
) -> None:
    state = reached(ZEP)
    server = replace(state.server, version_num=180_000, session_user="bob", grantable=grantable)
    role = replace(state.roles["zep_app"], member_grants=have)
    catalog = replace(state, server=server, roles={"zep_app": role})
    if not refused:
        plan(catalog, ZEP)
        return
    with pytest.raises(PlanRefused, match=r"bob may not grant it azure_pg_admin.*any other say"):
        plan(catalog, ZEP)


def test_tables_that_zep_made_are_nobodys_to_note() -> None:
    state = replace(reached(ZEP), tables={"users": Table(owner="zep_app", columns={})})
    assert (plan(state, ZEP).steps, plan(state, ZEP).notes) == ((), ())


@pytest.mark.parametrize(
    ("desired", "drop"), [(ZEP, "DROP SCHEMA zep CASCADE"), (MEMORY, "DROP SCHEMA memory")]
)
def test_a_removal_takes_what_nobody_declared_only_where_nobody_declares(
    desired: DesiredSchema, drop: str
) -> None:
    dropped = [step.sql for step in plan_removal(reached(desired), desired).steps]
    assert drop in dropped
