"""stacks/settings/isolation.py and where the tables of tenants go."""

from functools import cache
from typing import Any

import pulumi
import pytest

from stacks.memory_terms import desired_schema, tenant_places
from stacks.outputs import outputs
from stacks.platform import Platform
from tests.deployment import Deployment, deploy
from tests.stacks.bad import Bad, named, refused, row
from tests.stacks.files import STACKS, configuration_of, settings_of
from tests.stacks.test_databases import NODES
from tests.stacks.test_platform import SCHEMA

TENANTS = ["acme", "globex"]
DATABASE = "azure-native:dbforpostgresql:Database"
ISOLATION = "memory.isolation"


def apart(kind: str, tenants: list[str] | None = None) -> dict[str, object]:
    return {ISOLATION: {"kind": kind, "tenants": TENANTS if tenants is None else tenants}}


@cache
def stack(kind: str) -> tuple[Deployment, dict[str, Any]]:
    """A dev stack with two tenants, and what it exports."""
    found: list[dict[str, Any]] = []

    def program() -> pulumi.Output[None]:
        values = outputs(Platform(configuration_of("dev", apart(kind))))
        return pulumi.Output.unsecret(pulumi.Output.from_input(dict(values))).apply(found.append)

    return deploy(program, stack="dev"), found[0]


@pytest.mark.parametrize("name", STACKS)
def test_every_stack_shares_until_it_is_told_otherwise(name: str) -> None:
    memory = settings_of(name).memory
    assert (memory.isolation.kind, memory.isolation.tenants) == ("shared", ())
    assert list(tenant_places(memory)) == []
    assert desired_schema(memory).tables[0].tenant_column is None


def test_rows_are_told_apart_in_the_one_table() -> None:
    memory = settings_of("prod", apart("row")).memory
    assert list(tenant_places(memory)) == []
    assert desired_schema(memory).tables[0].tenant_column == "tenant_id"


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        ("schema", [("acme", "memory", "memory_acme"), ("globex", "memory", "memory_globex")]),
        ("database", [("acme", "memory_acme", "memory"), ("globex", "memory_globex", "memory")]),
    ],
)
def test_a_tenant_has_tables_of_its_own(kind: str, places: list[tuple[str, str, str]]) -> None:
    deployment, exported = stack(kind)
    schemas = deployment.all(SCHEMA)
    made = [(t, schemas[f"engram-dev-tenant-{t}"]) for t in TENANTS]
    assert [(t, s["database"], s["desired"]["schema_name"]) for t, s in made] == places
    assert exported["memory"]["isolation"] == {
        "kind": kind,
        "places": {
            "default": {"database": "memory", "table": "memory.zep_memory_vectors"},
            **{
                tenant: {"database": database, "table": f"{schema}.zep_memory_vectors"}
                for tenant, database, schema in places
            },
        },
    }


def test_tables_of_tenants_are_made_one_after_another() -> None:
    """The logins are the same: two at once would both find them absent."""
    deployment, _ = stack("schema")
    first, second = (deployment.after(f"engram-dev-tenant-{tenant}") for tenant in TENANTS)
    assert "engram-dev" in first
    assert "engram-dev-tenant-acme" in second


@pytest.mark.parametrize(
    ("kind", "databases"),
    [
        ("schema", ["zep", "memory"]),
        ("database", ["zep", "memory", "memory_acme", "memory_globex"]),
    ],
)
def test_the_server_has_the_databases_that_tenants_need(kind: str, databases: list[str]) -> None:
    deployment, exported = stack(kind)
    made = [inputs["databaseName"] for inputs in deployment.all(DATABASE).values()]
    assert sorted(made) == sorted(databases)
    assert exported["databases"] == databases


def test_tenants_of_rows_share_a_place() -> None:
    _, exported = stack("row")
    places = exported["memory"]["isolation"]["places"]
    assert set(places) == {"default", *TENANTS}
    assert len({place["table"] for place in places.values()}) == 1


@pytest.mark.parametrize("kind", ["schema", "database"])
def test_pods_wait_for_the_last_tenants_tables(kind: str) -> None:
    deployment, _ = stack(kind)
    assert "engram-dev-tenant-globex" in deployment.after("engram-dev-memory-service-pods")


WRONG = [
    row("dev", ISOLATION, {"kind": "row", "tenants": []}, "[]", "1 to 100",
        "name each tenant",
        at=f"{ISOLATION}.tenants"),
    row("dev", ISOLATION, {"kind": "row", "tenants": ["default"]}, "default",
        "always there", "e.g. acme", at=f"{ISOLATION}.tenants.0"),
    row("dev", ISOLATION, {"kind": "schema", "tenants": ["Acme Inc"]}, "Acme Inc",
        "1 to 40 lower-case", "choose a short name", at=f"{ISOLATION}.tenants.0"),
    row("dev", ISOLATION, {"kind": "row", "tenants": ["a", "a"]}, "'a'",
        "each once", "name each tenant", at=f"{ISOLATION}.tenants"),
    row("dev", ISOLATION, {"kind": "shared", "tenants": ["a"]}, "unknown key", "kind", "tenants",
        at=f"{ISOLATION}.tenants"),
    row("dev", ISOLATION, {"kind": "table"}, "table", "'shared'", "say which",
        at=f"{ISOLATION}.kind"),
    row("dev", ISOLATION, {"kind": "database", "tenants": list("abcdefgh")},
        "for 9 databases", "9 or more", "keep tenants apart by schema",
        at="connections.application"),
    Bad("prod", {**NODES, **apart("row")}, f"{ISOLATION}.kind", "'row' with postgres.elastic",
        "'shared' on nodes", "remove elastic_cluster"),
    Bad("dev", {"memory.database": "m" * 60, **apart("database", ["acme"])},
        f"{ISOLATION}.tenants", "65 characters", "63 or fewer", "shorten"),
]  # fmt: skip


@pytest.mark.parametrize("bad", WRONG, ids=named(WRONG))
def test_refuses(bad: Bad) -> None:
    refused(bad)
