"""stacks/databases.py: replicas, nodes and generations beside the server, and where schemas go."""

from functools import cache
from typing import Any

import pulumi
import pytest

from stacks.outputs import outputs
from stacks.platform import Platform
from tests.deployment import Deployment, deploy
from tests.stacks.files import configuration_of
from tests.stacks.rendered import deployed
from tests.stacks.test_bad_sizes import SOURCE
from tests.stacks.test_platform import SCHEMA, SERVER, deployed_with

NODES: dict[str, object] = {
    "postgres.elastic_cluster": {
        "nodes": 3,
        "sku": "Standard_D8ds_v5",
        "storage": {"size_gib": 512, "tier": "P20"},
    }
}
REPLICAS: dict[str, object] = {
    "postgres.read_replicas": [
        {"name": "near"},
        {"name": "far", "sku": "Standard_E8s_v3", "storage_gib": 512, "zone": "3"},
    ]
}


@cache
def prod(*, nodes: bool = False) -> tuple[Deployment, dict[str, Any]]:
    """A prod stack with nodes, or with replicas, and what it exports."""
    found: list[dict[str, Any]] = []

    def program() -> pulumi.Output[None]:
        values = outputs(Platform(configuration_of("prod", NODES if nodes else REPLICAS)))
        return pulumi.Output.unsecret(pulumi.Output.from_input(dict(values))).apply(found.append)

    deployment = deploy(program, stack="prod")
    return deployment, found[0]


@cache
def restored(
    *, generation: int = 2, finished: bool = False, source_stays: bool = True
) -> Deployment:
    """A uat stack whose server was made of a backup."""
    made_of = {
        **SOURCE,
        "generation": generation,
        "finished": finished,
        "source_stays": source_stays,
    }
    return deployed_with("uat", {"postgres.restore_from": made_of})


def host(deployment: Deployment, schema: str) -> str:
    """The server that a schema goes to, without Azure's domain."""
    text: str = deployment.all(SCHEMA)[schema]["host"]
    return text.removesuffix(".postgres.database.azure.com")


def named(deployment: Deployment) -> set[tuple[str, str]]:
    """Type and name of all that a deployment declares, but for the stack itself."""
    made = {(request.type, request.name) for request in deployment.requests.values()}
    return {(typ, name) for typ, name in made if typ != "pulumi:pulumi:Stack"}


def test_replicas_follow_the_server_with_its_size_unless_they_have_their_own() -> None:
    deployment, _ = prod()
    servers = deployment.all(SERVER)
    assert set(servers) == {
        "engram-prod-server",
        "engram-prod-near-server",
        "engram-prod-far-server",
    }
    source, near, far = (servers[f"engram-prod{of}-server"] for of in ("", "-near", "-far"))
    assert near["sourceServerResourceId"] == far["sourceServerResourceId"]
    assert near["sourceServerResourceId"] == "/mock/engram-prod-server"
    for key in ("sku", "storage", "availabilityZone"):
        assert near[key] == source[key], key
    assert far["sku"] == {"name": "Standard_E8s_v3", "tier": "MemoryOptimized"}
    assert (far["storage"]["storageSizeGB"], far["storage"]["tier"]) == (512, "P20")
    assert far["availabilityZone"] == "3"
    keys = [server["dataEncryption"]["primaryKeyURI"] for server in servers.values()]
    assert len(set(keys)) == 1


def test_replicas_are_made_one_after_another() -> None:
    deployment, _ = prod()
    assert "engram-prod-near-server" not in deployment.after("engram-prod-server")
    assert "engram-prod-azure.extensions" in deployment.after("engram-prod-near-server")
    assert "engram-prod-near-server" in deployment.after("engram-prod-far-server")


def test_replicas_are_exported_by_their_names() -> None:
    _, found = prod()
    assert {name: replica["fqdn"] for name, replica in found["replicas"].items()} == {
        "near": "psql-engram-prod-near-a1b2c.postgres.database.azure.com",
        "far": "psql-engram-prod-far-a1b2c.postgres.database.azure.com",
    }
    assert found["nodes"] is None


def test_nodes_stand_beside_the_server_and_take_the_memory_table() -> None:
    deployment, _ = prod(nodes=True)
    server, nodes = (deployment.all(SERVER)[f"engram-prod{of}-server"] for of in ("", "-nodes"))
    assert "cluster" not in server
    assert nodes["cluster"] == {"clusterSize": 3, "defaultDatabaseName": "memory"}
    assert (nodes["version"], server["version"]) == ("17", "18")
    assert nodes["sku"] == {"name": "Standard_D8ds_v5", "tier": "GeneralPurpose"}
    assert nodes["storage"]["storageSizeGB"] == 512
    assert nodes["storage"]["autoGrow"] == "Disabled"
    assert nodes["highAvailability"]["mode"] == "Disabled"
    assert host(deployment, "engram-prod-nodes") == "psql-engram-prod-nodes-a1b2c"
    assert host(deployment, "engram-prod-zep") == "psql-engram-prod-a1b2c"


def test_nodes_are_backed_up_and_encrypted_in_one_region_only() -> None:
    deployment, _ = prod(nodes=True)
    server, nodes = (deployment.all(SERVER)[f"engram-prod{of}-server"] for of in ("", "-nodes"))
    assert server["backup"]["geoRedundantBackup"] == "Enabled"
    assert nodes["backup"] == {**server["backup"], "geoRedundantBackup": "Disabled"}
    assert "geoBackupKeyURI" in server["dataEncryption"]
    assert "geoBackupKeyURI" not in nodes["dataEncryption"]
    assert nodes["dataEncryption"]["primaryKeyURI"] == server["dataEncryption"]["primaryKeyURI"]
    assert len(nodes["identity"]["userAssignedIdentities"]) == 1


def test_nodes_take_nothing_from_a_stack_that_stands() -> None:
    before, after = deployed("prod"), deployed_with("prod", NODES)
    assert named(before) - named(after) == set()
    assert after.all(SCHEMA)["engram-prod"] == before.all(SCHEMA)["engram-prod"]
    assert after.all(SERVER)["engram-prod-server"] == before.all(SERVER)["engram-prod-server"]


def test_the_servers_table_stays_whatever_becomes_of_that_on_the_nodes() -> None:
    deployment, _ = prod(nodes=True)
    kept, moved = (deployment.requests[f"{SCHEMA}::engram-prod{of}"] for of in ("", "-nodes"))
    assert (list(kept.ignoreChanges), list(moved.ignoreChanges)) == (["desired"], [])
    assert {"engram-prod", "engram-prod-nodes"} <= deployment.protected()


def test_a_restore_beside_nodes_takes_nothing_away() -> None:
    restore: dict[str, object] = {"postgres.restore_from": {**SOURCE, "generation": 2}}
    first, second = deployed_with("prod", NODES), deployed_with("prod", {**NODES, **restore})
    assert named(first) - named(second) == set()
    nodes = "engram-prod-nodes"
    assert second.all(SCHEMA)[nodes] == first.all(SCHEMA)[nodes]
    assert host(second, "engram-prod-g2") == "psql-engram-prod-g2-a1b2c"
    assert list(second.requests[f"{SCHEMA}::{nodes}"].ignoreChanges) == []


def test_a_restored_server_gets_replicas_of_its_own() -> None:
    restore: dict[str, object] = {"postgres.restore_from": {**SOURCE, "generation": 2}}
    deployment = deployed_with("prod", {**REPLICAS, **restore})
    made = {
        name: body.get("sourceServerResourceId") for name, body in deployment.all(SERVER).items()
    }
    assert made == {
        "engram-prod-server": None,
        "engram-prod-g2-server": SOURCE["server_id"],
        "engram-prod-g2-near-server": "/mock/engram-prod-g2-server",
        "engram-prod-g2-far-server": "/mock/engram-prod-g2-server",
    }
    assert not {name for _, name in named(deployment) if name.startswith("engram-prod-near")}


def test_the_memory_service_goes_to_the_nodes_and_zep_to_the_server() -> None:
    deployment, _ = prod(nodes=True)
    texts = list(deployment.clear_texts())
    near = "psql-engram-prod-nodes-a1b2c.postgres.database.azure.com"
    reached = {name for name, text in texts if text == near}
    assert any("memory-service" in name for name in reached), reached
    assert not any("zep" in name for name in reached), reached


def test_the_memory_table_is_shared_out_by_session_and_only_on_nodes() -> None:
    deployment, _ = prod(nodes=True)
    for schema, shared in (("engram-prod-nodes", "session_id"), ("engram-prod", None)):
        table = deployment.all(SCHEMA)[schema]["desired"]["tables"][0]
        assert table.get("distributed_by") == shared


def test_nodes_are_exported_with_their_number() -> None:
    _, found = prod(nodes=True)
    assert found["nodes"]["fqdn"] == "psql-engram-prod-nodes-a1b2c.postgres.database.azure.com"
    assert found["nodes"]["count"] == 3
    assert found["replicas"] == {}
    assert list(found["memory"]["search_settings"].items()) == [
        ("citus.propagate_set_commands", "local"),
        ("hnsw.ef_search", "40"),
    ]
    assert found["connections"]["the memory service"] == 0
    assert found["connections"]["Azure's pooler"] == 0
    assert found["connections"]["Zep"] == 180


def test_a_restored_server_has_a_new_name_and_no_standby_until_it_stands() -> None:
    for finished, mode in ((False, "Disabled"), (True, "SameZone")):
        deployment = restored(finished=finished)
        made = deployment.all(SERVER)["engram-uat-g2-server"]
        assert made["createMode"] == "PointInTimeRestore"
        assert made["sourceServerResourceId"] == SOURCE["server_id"]
        assert made["pointInTimeUTC"] == "2026-11-23T10:00:00Z"
        assert made["highAvailability"]["mode"] == mode
        assert host(deployment, "engram-uat-g2") == "psql-engram-uat-g2-a1b2c"
        assert host(deployment, "engram-uat-g2-zep") == "psql-engram-uat-g2-a1b2c"


def test_the_generation_before_stays_and_nothing_of_it_is_changed() -> None:
    deployment = restored()
    usual = deployed("uat")
    assert set(deployment.all(SERVER)) == {"engram-uat-server", "engram-uat-g2-server"}
    assert "createMode" not in deployment.all(SERVER)["engram-uat-server"]
    for typ in (SERVER, SCHEMA, "azure-native:dbforpostgresql:Configuration"):
        for name in usual.all(typ):
            assert "*" in deployment.requests[f"{typ}::{name}"].ignoreChanges, name
    assert host(deployment, "engram-uat") == "psql-engram-uat-a1b2c"


def test_the_third_generation_was_made_of_one_that_was_made_of_a_backup() -> None:
    deployment = restored(generation=3)
    assert set(deployment.all(SERVER)) == {"engram-uat-g2-server", "engram-uat-g3-server"}
    databases = deployment.all("azure-native:dbforpostgresql:Database")
    assert databases == {}


@pytest.mark.parametrize("stays", [True, False])
def test_the_generation_before_goes_when_nobody_wants_to_go_back(stays: bool) -> None:
    servers = restored(source_stays=stays).all(SERVER)
    assert ("engram-uat-server" in servers) == stays


def test_everything_else_of_a_restored_stack_keeps_its_name() -> None:
    usual, now = named(deployed("uat")), named(restored())
    assert usual - now == set()
    assert all("-g2" in name for _, name in now - usual)


def test_pods_go_to_the_present_generation() -> None:
    texts = restored().clear_texts()
    old = "psql-engram-uat-a1b2c.postgres.database.azure.com"
    assert {name for name, text in texts if text == old} == {"engram-uat", "engram-uat-zep"}
