"""assurance/policies/rules/schema.py: tenants, as the service is told and the tables are made."""

from dataclasses import replace
from typing import Any

import pytest

from assurance.policies.model import Resource, Stack
from tests.assurance.policies.test_field_rules import SERVICE, changed, says
from tests.assurance.recorded import stack

RULE = "schema-tenants-apart"
CONTAINERS = "spec:template:spec:containers:0:env"
OWN = "engram-prod-tenant-acme"


def told(kind: str, tenants: str) -> Stack:
    """Return prod whose memory service is told to keep tenants apart."""
    (owner,) = [it for it in stack("prod").resources if it.name == f"engram-prod-{SERVICE}"]
    (container,) = owner.raw["spec"]["template"]["spec"]["containers"]
    names = ("ENGRAM_ISOLATION", "ENGRAM_TENANTS")
    env = [one for one in container["env"] if one["name"] not in names]
    values = zip(names, (kind, tenants), strict=True)
    return changed(
        SERVICE, CONTAINERS, [*env, *({"name": name, "value": value} for name, value in values)]
    )


def with_memories(given: Stack, *others: dict[str, Any], **of_table: Any) -> Stack:
    """Change the table of memories, and declare the same at other places as well."""
    (memory,) = [it for it in given.resources if it.name == "engram-prod" and "desired" in it.raw]
    desired = memory.raw["desired"]
    first = {**desired["tables"][0], **of_table}
    raw = {**memory.raw, "desired": {**desired, "tables": [first, *desired["tables"][1:]]}}
    more = [replace(memory, name=OWN, raw={**raw, **other}) for other in others]
    resources: list[Resource] = [
        replace(it, raw=raw) if it is memory else it for it in given.resources
    ]
    return Stack((*resources, *more), "prod")


def test_nobody_is_told_apart_where_all_share() -> None:
    assert says(RULE, stack("prod")) == []


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("tenant_id", []),
        (None, ["tenant_column of zep_memory_vectors is not set; allowed: a column that is never"]),
        ("user_id", ["tenant_column of zep_memory_vectors is user_id; allowed: a column"]),
        ("nothing", ["tenant_column of zep_memory_vectors is nothing; allowed: a column"]),
    ],
)
def test_rows_are_told_apart_by_the_database(column: str | None, said: list[str]) -> None:
    found = says(RULE, with_memories(told("row", "acme"), tenant_column=column))
    assert len(found) == len(said)
    assert all(words in text for words, text in zip(said, found, strict=True)), found


@pytest.mark.parametrize(
    ("kind", "other"),
    [("database", {"database": "memory_acme"}), ("schema", {"schema_name": "memory_acme"})],
)
def test_every_tenant_has_a_place(kind: str, other: dict[str, Any]) -> None:
    given = told(kind, "acme")
    (found,) = says(RULE, given)
    assert "1 tenants beside the default, and 1 places for memories; allowed: a place" in found
    if kind == "schema":
        memory = next(
            it for it in given.resources if it.name == "engram-prod" and "desired" in it.raw
        )
        other = {"desired": {**memory.raw["desired"], **other}}
    assert says(RULE, with_memories(given, other)) == []
