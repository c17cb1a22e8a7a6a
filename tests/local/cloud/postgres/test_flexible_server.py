"""local/cloud/resources/flexible_server.py, on real processes."""

import threading

import psycopg
import pytest

from local.cloud import control
from local.cloud.arm import ArmError, Body, Record
from local.cloud.postgres import supervisor
from local.cloud.postgres.custody import Custody
from local.cloud.postgres.fleet import Fleet
from local.cloud.resources.flexible_server import Access, access_of, settle
from local.cloud.world import World
from tests.local.cloud.postgres.conftest import (
    CONFIGURATION_TYPE,
    DATABASE_TYPE,
    ENDPOINT_ID,
    ENTRA_TYPE,
    FIREWALL_TYPE,
    GROUP,
    IDENTITY_ID,
    KEY_ID,
    KEY_URI,
    PASSWORD,
    PRINCIPAL,
    SERVER_TYPE,
    WINDOW,
    Cloud,
    server_inputs,
)

pytestmark = pytest.mark.slow


def test_administrator_connects_by_the_servers_own_name(cloud: Cloud, record: Record) -> None:
    with cloud.connect(record) as db:
        row = db.execute(
            "SELECT rolsuper, rolcreatedb, pg_has_role('azure_pg_admin', 'MEMBER')"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (False, True, True)


def test_answers_as_azure_does(cloud: Cloud, record: Record) -> None:
    answer = cloud.state(record)
    assert answer["state"] == "Ready"
    assert answer["dataEncryption"]["primaryEncryptionKeyStatus"] == "Valid"
    assert "administratorLoginPassword" not in answer


def test_answers_later_what_it_answered_at_creation(cloud: Cloud, record: Record) -> None:
    """Otherwise a refresh would show a drift that nobody made."""
    changed_by_others = {"storage", "sku", "maintenanceWindow"}
    now = cloud.state(record)
    assert {k for k in now | record.outputs if now.get(k) != record.outputs.get(k)} <= (
        changed_by_others
    )


@pytest.mark.parametrize("loss", ["key disabled", "grant revoked"])
def test_without_its_key_the_server_is_inaccessible_and_comes_back(
    cloud: Cloud, record: Record, loss: str
) -> None:
    if loss == "key disabled":
        cloud.enable_key(enabled=False)
    else:
        cloud.revoke()
    answer = cloud.state(record)
    assert answer["state"] == "Inaccessible"
    assert answer["dataEncryption"]["primaryEncryptionKeyStatus"] == "Invalid"
    assert not cloud.process(record).running
    with pytest.raises(psycopg.OperationalError, match="connection"):
        cloud.connect(record)
    with pytest.raises(ArmError, match="ServerIsNotReady"):
        cloud.set_parameter(record, "work_mem", "8192")
    cloud.enable_key(enabled=True)
    cloud.grant()
    assert cloud.state(record)["state"] == "Ready"
    cloud.connect(record).close()


OTHER_PRINCIPAL = PRINCIPAL.replace("1", "2")


def test_an_identity_made_anew_counts_only_once_it_is_assigned(
    cloud: Cloud, record: Record
) -> None:
    cloud.world.delete(IDENTITY_ID)
    assert cloud.state(record)["state"] == "Inaccessible"
    cloud.put_identity(OTHER_PRINCIPAL)
    cloud.grant(OTHER_PRINCIPAL, "-new")
    assert cloud.state(record)["state"] == "Inaccessible"
    now = cloud.world.require(record.arm_id)
    control.update(cloud.world, now, now.inputs)
    assert cloud.state(record)["state"] == "Ready"
    cloud.put_identity()
    control.update(cloud.world, now, now.inputs)
    assert cloud.state(record)["state"] == "Ready"


def test_a_key_that_expires_is_noticed_at_the_next_look(cloud: Cloud, record: Record) -> None:
    kept = cloud.world.private(KEY_ID)
    expired = [{**version, "expires": 1} for version in kept["versions"]]
    cloud.world.store.set_private(KEY_ID, {"versions": expired})  # time passes; nobody is told
    assert cloud.process(record).running
    assert cloud.state(record)["state"] == "Inaccessible"
    assert not cloud.process(record).running
    cloud.world.set_private(KEY_ID, kept)
    assert cloud.state(record)["state"] == "Ready"


def test_the_geo_backup_key_lies_elsewhere(cloud: Cloud) -> None:
    cloud.put_identity(OTHER_PRINCIPAL, "-geo")
    cloud.grant(OTHER_PRINCIPAL, "-geo")
    encryption = {
        **server_inputs("x")["dataEncryption"],
        "geoBackupKeyURI": KEY_URI,
        "geoBackupUserAssignedIdentityId": IDENTITY_ID + "-geo",
    }
    geo = {"backup": {"geoRedundantBackup": "Enabled"}, "dataEncryption": encryption}
    with pytest.raises(ArmError, match=r"CMKInvalidEncryptionParameters.*paired region"):
        cloud.create_server("psql-refused", **geo)
    elsewhere = server_inputs("psql-refused", location="northeurope", **geo)
    SERVER_TYPE.admit(cloud.world, f"{GROUP}/psql-refused", elsewhere, None)


def test_a_name_leads_to_the_server_only_while_the_network_lets_it(
    cloud: Cloud, record: Record
) -> None:
    before = cloud.world.require(record.arm_id)
    closed = {**before.inputs, "network": {"publicNetworkAccess": "Disabled"}}
    control.update(cloud.world, before, closed)
    with pytest.raises(psycopg.OperationalError, match="unrecognized name"):
        cloud.connect(record)
    cloud.connect_privately(record)
    cloud.connect(record).close()
    cloud.world.delete(ENDPOINT_ID)
    with pytest.raises(psycopg.OperationalError, match="unrecognized name"):
        cloud.connect(record)
    control.update(cloud.world, cloud.world.require(record.arm_id), before.inputs)
    cloud.connect(record).close()


def test_looking_and_acting_is_one_step(
    cloud: Cloud, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a server that is being removed would be started again."""
    server = cloud.process(record)
    stopping = threading.Thread(target=server.stop)

    def look(world: World, looked_at: Record) -> Access:
        access = access_of(world, looked_at)
        stopping.start()
        stopping.join(0.3)
        assert stopping.is_alive()
        return access

    monkeypatch.setattr("local.cloud.resources.flexible_server.access_of", look)
    settle(cloud.world, record)
    stopping.join()
    assert not server.running
    monkeypatch.undo()
    settle(cloud.world, record)
    assert server.running


def test_a_sick_server_is_its_own_trouble(
    cloud: Cloud, record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    sick_id = f"{GROUP}/providers/{SERVER_TYPE.type}/psql-sick"
    sick = Record(sick_id, SERVER_TYPE.type, {}, {}, created_at=1)  # the first to be looked at
    folder = cloud.process(sick).folder
    folder.mkdir(parents=True)
    (folder / "created").touch()
    supervisor.stop()
    cloud.world.put(sick)
    try:
        failures = supervisor.start().failures
        cloud.rotate()
    finally:
        cloud.world.delete(sick_id)
        folder.joinpath("created").unlink()
    assert list(failures) == ["psql-sick"]
    assert "psql-sick is left as it is" in caplog.text
    cloud.connect(record).close()


def test_a_window_for_maintenance_is_not_taken_at_creation(cloud: Cloud, record: Record) -> None:
    assert record.outputs["maintenanceWindow"]["customWindow"] == "Disabled"
    now = cloud.world.require(record.arm_id)
    changed = control.update(cloud.world, now, {**now.inputs, "maintenanceWindow": WINDOW})
    assert changed.outputs["maintenanceWindow"] == WINDOW


def test_a_rotated_key_takes_over_and_the_old_one_may_go(cloud: Cloud, record: Record) -> None:
    newest = cloud.rotate()
    assert Custody(cloud.world, record.arm_id).key_uri == newest
    kept = cloud.world.private(record.arm_id)
    assert "data_key" not in kept


def test_a_pinned_version_is_taken_and_kept(cloud: Cloud, record: Record) -> None:
    pinned = cloud.rotate()
    cloud.rotate()
    encryption = {**server_inputs("x")["dataEncryption"], "primaryKeyURI": pinned}
    before = cloud.world.require(record.arm_id)
    changed = {**before.inputs, "dataEncryption": encryption}
    after = control.update(cloud.world, before, changed)
    assert Custody(cloud.world, record.arm_id).key_uri == pinned
    control.update(cloud.world, after, before.inputs)
    assert Custody(cloud.world, record.arm_id).key_uri not in (pinned, None)


def test_starts_again_after_everything_was_stopped(cloud: Cloud, record: Record) -> None:
    cloud.set_parameter(record, "azure.extensions", "VECTOR")
    with cloud.connect(record) as db:
        db.execute("CREATE TABLE IF NOT EXISTS kept (a int)")
    supervisor.stop()
    assert cloud.state(record)["state"] == "Stopped"
    assert supervisor.start() == Fleet.current().endpoint  # nothing failed
    with cloud.connect(record) as db:
        assert db.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_dynamic_parameter_acts_at_once(cloud: Cloud, record: Record) -> None:
    answer = cloud.set_parameter(record, "ssl_min_protocol_version", "TLSv1.3").outputs
    assert (answer["isDynamicConfig"], answer["isConfigPendingRestart"]) == (True, False)
    assert answer["defaultValue"] == "TLSv1.2"
    with cloud.connect(record) as db:
        assert db.execute("SHOW ssl_min_protocol_version").fetchone() == ("TLSv1.3",)


def test_static_parameter_waits_for_a_restart(cloud: Cloud, record: Record) -> None:
    written = cloud.set_parameter(record, "max_connections", "60")
    assert written.outputs["isConfigPendingRestart"] is True
    with cloud.connect(record) as db:
        assert db.execute("SHOW max_connections").fetchone() == ("50",)
    supervisor.restart_server(record.name)
    assert CONFIGURATION_TYPE.read(cloud.world, written)["isConfigPendingRestart"] is False
    with cloud.connect(record) as db:
        assert db.execute("SHOW max_connections").fetchone() == ("60",)
    control.delete(cloud.world, written.arm_id)
    supervisor.restart_server(record.name)
    with cloud.connect(record) as db:
        assert db.execute("SHOW max_connections").fetchone() == ("50",)


def test_database_is_created_and_dropped(cloud: Cloud, record: Record) -> None:
    inputs = {"resourceGroupName": "rg", "serverName": record.name, "databaseName": "memory-1"}
    database = control.create(cloud.world, DATABASE_TYPE, inputs)
    assert database.outputs["collation"] == "en_US.utf8"
    with cloud.connect(record, "memory-1") as db:
        db.execute("CREATE SCHEMA memory")
    with pytest.raises(ArmError, match="cannot become C: make another database"):
        control.update(cloud.world, database, {**inputs, "collation": "C"})
    control.delete(cloud.world, database.arm_id)
    with pytest.raises(psycopg.OperationalError, match='database "memory-1" does not exist'):
        cloud.connect(record, "memory-1")


def test_entra_administrator_is_a_role_without_a_password(cloud: Cloud, record: Record) -> None:
    inputs = {
        "resourceGroupName": "rg",
        "serverName": record.name,
        "objectId": PRINCIPAL,
        "principalName": "id-admin",
        "principalType": "ServicePrincipal",
        "tenantId": PRINCIPAL,
    }
    administrator = control.create(cloud.world, ENTRA_TYPE, inputs)
    question = "SELECT rolcanlogin, pg_has_role(oid, 'azure_pg_admin', 'MEMBER') FROM pg_roles"
    with cloud.connect(record) as db:
        named = question + " WHERE rolname = 'id-admin'"
        assert db.execute(named).fetchone() == (True, True)
        control.delete(cloud.world, administrator.arm_id)
        assert db.execute(named).fetchone() == (False, False)


def test_one_write_at_a_time(cloud: Cloud, record: Record) -> None:
    with (
        cloud.world.busy(record.arm_id, "test", SERVER_TYPE.busy(record.arm_id)),
        pytest.raises(ArmError, match=f"ServerIsBusy.*'{record.name}' is busy processing another"),
    ):
        cloud.set_parameter(record, "work_mem", "8192")


CHANGES = [
    ({"dataEncryption": None}, "DataEncryptionModeCannotBeChanged", "not created with data"),
    (
        {"network": {"delegatedSubnetResourceId": "/s"}},
        "InvalidParameterValue",
        "fixed at creation",
    ),
    (
        {"backup": {"geoRedundantBackup": "Enabled"}},
        "InvalidParameterValue",
        "backup.geoRedundantBackup is fixed",
    ),
]


@pytest.mark.parametrize(("changed", "code", "words"), CHANGES)
def test_refuses_what_is_fixed_at_creation(
    cloud: Cloud, record: Record, changed: Body, code: str, words: str
) -> None:
    inputs = {k: v for k, v in server_inputs(record.name, **changed).items() if v is not None}
    with pytest.raises(ArmError, match=f"{code}.*{words}"):
        control.update(cloud.world, record, inputs)


def test_disk_grows_and_never_shrinks(cloud: Cloud, record: Record) -> None:
    grown = server_inputs(record.name, storage={"storageSizeGB": 64})
    answer = control.update(cloud.world, cloud.world.require(record.arm_id), grown).outputs
    assert (answer["storage"]["tier"], answer["storage"]["iops"]) == ("P6", 240)
    faster = server_inputs(record.name, storage={"storageSizeGB": 64, "tier": "P10"})
    answer = control.update(cloud.world, cloud.world.require(record.arm_id), faster).outputs
    assert (answer["storage"]["tier"], answer["storage"]["iops"]) == ("P10", 500)
    with pytest.raises(ArmError, match="Decreasing storage size is not supported"):
        control.update(cloud.world, cloud.world.require(record.arm_id), server_inputs(record.name))


def test_another_size_restarts_and_keeps_the_limits_of_creation(
    cloud: Cloud, record: Record
) -> None:
    now = cloud.world.require(record.arm_id)
    larger = server_inputs(
        record.name,
        sku={"name": "Standard_B2s", "tier": "Burstable"},
        storage=now.outputs["storage"],
        administratorLoginPassword="Another-Password-1",
    )
    control.update(cloud.world, now, larger)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        cloud.connect(record)
    back = {**larger, "administratorLoginPassword": PASSWORD}
    control.update(cloud.world, cloud.world.require(record.arm_id), back)
    with cloud.connect(record) as db:
        assert db.execute("SHOW max_connections").fetchone() == ("50",)


KEYS = [
    ({"primaryKeyURI": KEY_URI.replace("kv-unit", "kv-none")}, "AzureKeyVaultKeyNotFound"),
    ({"primaryUserAssignedIdentityId": IDENTITY_ID + "-none"}, "AzureKeyVaultKeyNotFound"),
]


@pytest.mark.parametrize(("changed", "code"), KEYS)
def test_refuses_a_key_that_is_not_there(cloud: Cloud, changed: Body, code: str) -> None:
    encryption = {**server_inputs("x")["dataEncryption"], **changed}
    with pytest.raises(ArmError, match=code):
        cloud.create_server("psql-refused", dataEncryption=encryption)
    assert not Fleet.current().server("psql-refused").folder.exists()


def test_refuses_a_key_without_its_grant(cloud: Cloud) -> None:
    cloud.revoke()
    try:
        with pytest.raises(ArmError, match=r"AzureKeyVaultMissingPermissions.*Encryption User"):
            cloud.create_server("psql-refused")
    finally:
        cloud.grant()


def test_refuses_a_vault_that_may_be_purged(cloud: Cloud) -> None:
    cloud.put_vault()
    try:
        with pytest.raises(ArmError, match=r"AzureKeyVaultNotRecoverable.*purge protection"):
            cloud.create_server("psql-refused")
    finally:
        cloud.put_vault(enablePurgeProtection=True)


def test_names_are_unique_in_all_groups(cloud: Cloud, record: Record) -> None:
    group = GROUP.replace("/rg", "/rg2")
    cloud.world.put(Record(group, "Microsoft.Resources/resourceGroups", {}, {}))
    with pytest.raises(ArmError, match="ServerNameAlreadyExists"):
        cloud.create_server(record.name, resourceGroupName="rg2")


def test_pooler_is_hidden_on_burstable(cloud: Cloud, record: Record) -> None:
    with pytest.raises(ArmError, match=r"ConfigurationNotExists.*pgbouncer\.enabled"):
        cloud.set_parameter(record, "pgbouncer.enabled", "true")


def test_deletion_leaves_nothing(cloud: Cloud) -> None:
    gone = cloud.create_server(
        "psql-gone", dataEncryption={"type": "SystemAssigned"}, identity=None
    )
    cloud.connect(gone).close()
    process = cloud.process(gone)
    control.delete(cloud.world, gone.arm_id)
    assert not process.running
    assert not process.folder.exists()
    with pytest.raises(psycopg.OperationalError, match="unrecognized name"):
        cloud.connect(gone)


def test_firewall_rules_need_public_access(cloud: Cloud) -> None:
    server_id = f"{GROUP}/providers/{SERVER_TYPE.type}/psql-private"
    subnet = {"network": {"delegatedSubnetResourceId": "/subnet"}}
    cloud.world.put(Record(server_id, "not a real one", {}, subnet))
    with pytest.raises(ArmError, match="private access enabled server"):
        FIREWALL_TYPE.admit(cloud.world, f"{server_id}/firewallRules/office", {}, None)
