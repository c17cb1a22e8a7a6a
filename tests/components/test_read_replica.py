"""components/read_replica.py, and the other two ways to make a server: of a backup, and of nodes"""

import itertools
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pulumi
import pytest
from pulumi_azure_native import dbforpostgresql as pg

from components.maintenance import MaintenanceWindow
from components.postgres import Backup, Encryption, Nodes
from components.private_endpoint import Entrance
from components.read_replica import ReadReplica, ReadReplicaArgs
from components.server_parameters import BASELINE
from tests.components.test_network import PLACE
from tests.components.test_postgres import PARAMETERS, SERVER, Granted, declared, postgres
from tests.deployment import Deployment, deploy

DATABASE = "azure-native:dbforpostgresql:Database"
CONFIGURATION = "azure-native:dbforpostgresql:Configuration"
NUMBERS = itertools.count()
SOURCE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/p"


def followed_by(*names: str, **changes: Any) -> Deployment:
    """Return a server and its replicas, each made when the one before is ready."""

    def program() -> None:
        server = declared()
        ready = server.ready
        for name in names:
            args = replace(_args(server.server_id, ready), **changes)
            ready = ReadReplica(f"db-{name}", args).ready

    return deploy(program)


def _args(source_id: pulumi.Input[str], ready: pulumi.Resource) -> ReadReplicaArgs:
    granted = Granted("test:index:Granted", f"grant-{next(NUMBERS)}")
    return ReadReplicaArgs(
        placement=PLACE,
        tenant_id="tenant",
        suffix="a1b2c",
        source_id=source_id,
        source_ready=ready,
        sku=pg.SkuArgs(name="Standard_D4s_v3", tier=pg.SkuTier.GENERAL_PURPOSE),
        storage=pg.StorageArgs(storage_size_gb=256, auto_grow=pg.StorageAutoGrow.ENABLED),
        auto_grow=True,
        availability_zone="2",
        maintenance=MaintenanceWindow(day="Sunday", start_hour=2),
        encryption=Encryption(key_uri="https://kv/keys/k", identity_id="/id", granted=granted),
        parameters=PARAMETERS,
        entrance=Entrance(placement=PLACE, subnet_id="/subnet", zone_id="/zone"),
        workspace_id="/logs",
        action_group_id="/on-call",
        user_connections=844,
    )


def replica() -> dict[str, Any]:
    return followed_by("read-1").all(SERVER)["db-read-1-server"]


def test_a_replica_is_made_of_the_server_that_it_follows() -> None:
    made = replica()
    assert made["createMode"] == "Replica"
    assert made["sourceServerResourceId"] == "/mock/db-server"


def test_a_replica_is_asked_for_nothing_that_azure_gives_to_no_replica() -> None:
    refused = {"highAvailability", "backup", "administratorLogin", "administratorLoginPassword"}
    assert not refused & replica().keys()


def test_a_replica_is_as_private_and_as_encrypted_as_its_server() -> None:
    made, deployment = replica(), followed_by("read-1")
    server = deployment.all(SERVER)["db-server"]
    assert made["network"] == {"publicNetworkAccess": "Disabled"} == server["network"]
    assert made["dataEncryption"] == server["dataEncryption"]
    assert made["identity"] == server["identity"]
    endpoints = deployment.all("azure-native:network:PrivateEndpoint")
    (connection,) = endpoints["db-read-1-server-endpoint"]["privateLinkServiceConnections"]
    assert connection["privateLinkServiceId"] == "/mock/db-read-1-server"


def test_replicas_are_made_one_after_another_and_written_to_one_at_a_time() -> None:
    deployment = followed_by("read-1", "read-2")
    order = [
        "db-server-record", "db-read-1-server", *(f"db-read-1-{name}" for name in PARAMETERS),
        "db-read-2-server", *(f"db-read-2-{name}" for name in PARAMETERS),
    ]  # fmt: skip
    for earlier, later in pairwise(order):
        assert earlier in deployment.after(later), f"{later} does not wait for {earlier}"


def test_the_endpoint_of_a_replica_is_approved_after_its_last_parameter() -> None:
    deployment = followed_by("read-1")
    assert f"db-read-1-{list(PARAMETERS)[-1]}" in deployment.after("db-read-1-server-endpoint")


@pytest.mark.parametrize(
    ("auto_grow", "disk"), [(False, []), (True, ["storage.storageSizeGB", "storage.tier"])]
)
def test_what_azure_changes_of_a_replica_is_no_difference(auto_grow: bool, disk: list[str]) -> None:
    options = followed_by("read-1", auto_grow=auto_grow).options("db-read-1-server")
    zones = ["availabilityZone", "highAvailability.standbyAvailabilityZone"]
    assert list(options.ignoreChanges) == [*zones, *disk]


def test_a_replica_holds_nothing_of_its_own_to_protect() -> None:
    assert not {name for name in followed_by("read-1").protected() if "read-1" in name}


def test_the_host_of_a_replica_is_known_as_soon_as_its_name_is() -> None:
    hosts: list[str] = []

    def program() -> None:
        server = declared()
        made = ReadReplica("db-read-1", _args(server.server_id, server.ready))
        made.fqdn.apply(hosts.append)

    deploy(program)
    assert hosts == ["psql-db-read-1-a1b2c.postgres.database.azure.com"]


# -- a server made of a backup ----------------------------------------------------------


RESTORED = Backup(server_id=SOURCE, point_in_time="2026-11-23T10:00:00Z")


def test_a_server_can_be_made_of_the_backup_of_another() -> None:
    made = postgres(restore=RESTORED).one(SERVER)
    assert made["createMode"] == "PointInTimeRestore"
    assert made["sourceServerResourceId"] == SOURCE
    assert made["pointInTimeUTC"] == "2026-11-23T10:00:00Z"


def test_how_a_server_was_made_is_asked_once() -> None:
    origin = {"createMode", "sourceServerResourceId", "pointInTimeUTC"}
    assert origin <= set(postgres(restore=RESTORED).options("db-server").ignoreChanges)
    assert not origin & set(postgres().options("db-server").ignoreChanges)


def test_what_comes_with_the_backup_is_not_made_again() -> None:
    deployment = postgres(restore=RESTORED)
    assert not deployment.all(DATABASE)
    assert set(deployment.all(CONFIGURATION)) == {f"db-{name}" for name in PARAMETERS}
    assert "db-shared_preload_libraries" in deployment.after("db-entra-admin")


def test_a_server_that_is_made_of_nothing_says_nothing_of_a_source() -> None:
    keys = {"createMode", "sourceServerResourceId", "pointInTimeUTC", "cluster"}
    assert not keys & postgres().one(SERVER).keys()


# -- an elastic cluster -----------------------------------------------------------------


NODES = Nodes(count=4, database="memory")


def test_an_elastic_cluster_is_a_server_with_nodes_and_one_database() -> None:
    deployment = postgres(nodes=NODES)
    cluster = deployment.one(SERVER)["cluster"]
    assert cluster == {"clusterSize": 4, "defaultDatabaseName": "memory"}
    assert not deployment.all(DATABASE)


@pytest.mark.parametrize("parameter", ["shared_preload_libraries", "logfiles.retention_days"])
def test_nodes_are_not_told_what_azure_decides_for_them(parameter: str) -> None:
    told = postgres(nodes=NODES, parameters=BASELINE).all(CONFIGURATION)
    assert f"db-{parameter}" not in told
    assert f"db-{parameter}" in postgres(parameters=BASELINE).all(CONFIGURATION)
    assert "db-require_secure_transport" in told
