"""components/postgres.py and components/server_parameters.py"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pulumi
import pytest
from pulumi_azure_native import dbforpostgresql as pg

from components.foundation import Foundation, FoundationArgs
from components.maintenance import MaintenanceWindow
from components.postgres import Encryption, EntraAdmin, Postgres, PostgresArgs
from components.private_endpoint import Entrance
from components.server_parameters import BASELINE, STATIC, Pooler
from tests.components.test_network import PLACE
from tests.deployment import Deployment, deploy

SERVER = "azure-native:dbforpostgresql:Server"
ALERT = "azure-native:monitor:MetricAlert"
CONFIGURATION = "azure-native:dbforpostgresql:Configuration"
PARAMETERS = {"azure.extensions": "vector", "shared_preload_libraries": "pgaudit", "work_mem": "8"}


class Granted(pulumi.CustomResource):
    """Stands for a grant that has arrived."""


def declared(*, geo: bool = False, **changes: Any) -> Postgres:
    granted = Granted("test:index:Granted", "granted")
    key = Encryption(key_uri="https://kv/keys/k", identity_id="/id", granted=granted)
    other = Encryption(key_uri="https://geo/keys/k", identity_id="/geo-id", granted=granted)
    args = PostgresArgs(
        placement=PLACE,
        tenant_id="tenant",
        suffix="a1b2c",
        version=pg.PostgresMajorVersion.POSTGRES_MAJOR_VERSION_18,
        sku=pg.SkuArgs(name="Standard_D2s_v3", tier=pg.SkuTier.GENERAL_PURPOSE),
        storage=pg.StorageArgs(storage_size_gb=128),
        auto_grow=True,
        backup=pg.BackupArgs(backup_retention_days=14),
        high_availability=pg.HighAvailabilityArgs(),
        availability_zone="1",
        maintenance=MaintenanceWindow(day="Sunday", start_hour=2),
        admin_login="engram_admin",
        admin_password="canary",
        entra_admin=EntraAdmin(object_id="group", name="admins", type=pg.PrincipalType.GROUP),
        encryption=key,
        geo_encryption=other if geo else None,
        parameters=PARAMETERS,
        databases=("zep", "memory"),
        entrance=Entrance(placement=PLACE, subnet_id="/subnet", zone_id="/zone"),
        workspace_id="/logs",
        action_group_id="/on-call",
        user_connections=844,
        protected=True,
    )
    return Postgres("db", replace(args, **changes))


def postgres(*, geo: bool = False, **changes: Any) -> Deployment:
    return deploy(lambda: declared(geo=geo, **changes))


def test_storage_is_encrypted_with_our_key_through_our_identity() -> None:
    server = postgres().one(SERVER)
    assert server["dataEncryption"] == {
        "type": "AzureKeyVault",
        "primaryKeyURI": "https://kv/keys/k",
        "primaryUserAssignedIdentityId": "/id",
    }
    assert server["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {"/id": {}}}


def test_the_copy_in_the_other_region_has_a_key_and_an_identity_of_its_own() -> None:
    server = postgres(geo=True).one(SERVER)
    assert server["dataEncryption"]["geoBackupKeyURI"] == "https://geo/keys/k"
    assert server["dataEncryption"]["geoBackupUserAssignedIdentityId"] == "/geo-id"
    assert set(server["identity"]["userAssignedIdentities"]) == {"/id", "/geo-id"}


def test_the_server_cannot_be_reached_from_the_internet() -> None:
    assert postgres().one(SERVER)["network"] == {"publicNetworkAccess": "Disabled"}


def test_the_server_waits_for_the_grant() -> None:
    assert "granted" in postgres().after("db-server")


def test_everything_below_the_server_is_written_one_at_a_time() -> None:
    deployment = postgres()
    order = [
        "db-server", *(f"db-{name}" for name in PARAMETERS), "db-zep", "db-memory",
        "db-entra-admin", "db-server-endpoint", "db-server-record",
    ]  # fmt: skip
    for earlier, later in pairwise(order):
        assert earlier in deployment.after(later), f"{later} does not wait for {earlier}"


def test_the_servers_lock_is_the_last_to_come_and_the_first_to_go() -> None:
    deployment = postgres()
    beside = {"db-server-lock", *deployment.all(ALERT)}  # alerts are not below what they watch
    below = deployment.below("db-server") - beside
    assert below >= {"db-memory", "db-entra-admin", "db-server-logs", "db-server-endpoint"}
    assert below <= deployment.after("db-server-lock")


@pytest.mark.parametrize("protected", [True, False])
def test_what_holds_data_is_protected_where_the_setting_says(protected: bool) -> None:
    deployment = postgres(protected=protected)
    assert deployment.protected() == ({"db-server", "db-zep", "db-memory"} if protected else set())
    locks = deployment.all("azure-native:authorization:ManagementLockByScope").values()
    assert [(lock["scope"], lock["level"]) for lock in locks] == (
        [("/mock/db-server", "CanNotDelete")] if protected else []
    )


@pytest.mark.parametrize(
    ("auto_grow", "disk"), [(False, []), (True, ["storage.storageSizeGB", "storage.tier"])]
)
def test_what_azure_changes_by_itself_is_no_difference(auto_grow: bool, disk: list[str]) -> None:
    assert list(postgres(auto_grow=auto_grow).options("db-server").ignoreChanges) == [
        "availabilityZone",
        "highAvailability.standbyAvailabilityZone",
        *disk,
    ]


def test_the_admins_password_is_secret_though_the_sdk_does_not_mark_it() -> None:
    deployment = postgres()
    assert not [name for name, text in deployment.clear_texts() if "canary" in text]
    assert list(deployment.options("db-server").additionalSecretOutputs) == [
        "administratorLoginPassword"
    ]


def test_the_host_is_known_as_soon_as_the_name_is() -> None:
    hosts: list[str] = []
    deploy(lambda: declared().fqdn.apply(hosts.append))
    assert hosts == ["psql-db-a1b2c.postgres.database.azure.com"]


@pytest.mark.parametrize("child", ["db-azure.extensions", "db-memory", "db-entra-admin"])
def test_a_destroy_deletes_the_server_once_and_not_its_parts_first(child: str) -> None:
    assert postgres().options(child).deletedWith.endswith("::db-server")


@pytest.mark.parametrize(("pending", "warnings"), [(True, 1), (False, 0)])
def test_a_parameter_that_waits_for_a_restart_is_reported(
    pending: bool, warnings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, **_: said.append(text))

    def program() -> None:
        monkeypatch.setattr(
            "tests.deployment.PENDING_RESTART", {"shared_preload_libraries"} if pending else set()
        )
        declared()

    deploy(program)
    assert len(said) == warnings
    expected = "shared_preload_libraries: as of the last refresh, in effect after the next restart"
    assert all(expected in s for s in said)


STANDS = {"customWindow": "Enabled", "dayOfWeek": 0, "startHour": 2, "startMinute": 0}


def test_no_window_is_not_the_declared_one() -> None:
    assert not MaintenanceWindow(day="Sunday", start_hour=2).is_in_force(None)


@pytest.mark.parametrize(
    ("stands", "warnings"),
    [
        (STANDS, 0),
        ({**STANDS, "customWindow": "Disabled"}, 1),
        ({**STANDS, "dayOfWeek": 6}, 1),
        ({**STANDS, "startHour": 3}, 1),
    ],
)
def test_a_window_that_azure_did_not_take_is_reported(
    stands: dict[str, Any], warnings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, **_: said.append(text))
    monkeypatch.setattr("tests.deployment.ANSWERED", {SERVER: {"maintenanceWindow": stands}})
    assert postgres().one(SERVER)["maintenanceWindow"] == STANDS
    assert len(said) == warnings
    assert all("--maintenance-window Sun:02:00`" in text for text in said)


BASELINE_MUST = {
    "require_secure_transport": "on",
    "ssl_min_protocol_version": "TLSv1.3",
    "azure.accepted_password_auth_method": "scram-sha-256",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_checkpoints": "on",
    "logfiles.retention_days": "7",
}


@pytest.mark.parametrize(("name", "value"), BASELINE_MUST.items())
def test_the_baseline_states_what_an_auditor_asks_for(name: str, value: str) -> None:
    assert BASELINE[name] == value


def test_roles_and_structure_are_audited_and_what_people_said_is_not() -> None:
    assert set(BASELINE["pgaudit.log"].split(",")) == {"ddl", "misc", "role"}
    assert "pgaudit" in BASELINE["shared_preload_libraries"]
    assert BASELINE["pgaudit.log_parameter"] == "off"
    assert BASELINE["log_parameter_max_length"] == "0", "nor what a slow statement was given"
    assert BASELINE["log_error_verbosity"] == "terse", "nor the row that was refused"
    assert {"%u", "%d"} <= set(BASELINE["log_line_prefix"].replace(",", "=").split("="))
    assert {"shared_preload_libraries"} <= STATIC & BASELINE.keys()


def test_the_pooler_is_enabled_before_its_other_parameters_exist() -> None:
    pooler = Pooler(default_pool_size=25, max_client_connections=1000, wait_seconds=30)
    names = list(pooler.parameters())
    assert names[0] == "pgbouncer.enabled"
    assert pooler.parameters()["pgbouncer.pool_mode"] == "transaction"


def test_the_suffix_of_global_names_is_kept_in_the_state() -> None:
    args = FoundationArgs(
        location="westeurope",
        tags={},
        log_retention_days=30,
        alert_emails=["on-call@example.com"],
        alert_prefix="engram-dev",
        protected=True,
    )
    deployment = deploy(lambda: Foundation("engram-dev", args))
    suffix = deployment.one("random:index/randomString:RandomString")
    assert (suffix["length"], suffix["special"], suffix["upper"]) == (5, False, False)
    assert deployment.protected() == {"engram-dev-group"}
    workspace = deployment.one("azure-native:operationalinsights:Workspace")
    assert workspace["retentionInDays"] == 30
