"""local/cloud/resources/flexible_server.py, on real processes."""

import psycopg
import pytest

from local.cloud import control
from local.cloud.arm import ArmError, Body, Record
from local.cloud.postgres import supervisor
from local.cloud.postgres.custody import Custody
from local.cloud.postgres.fleet import Fleet
from tests.local.cloud.postgres.conftest import (
    CONFIGURATION_TYPE,
    DATABASE_TYPE,
    ENTRA_TYPE,
    FIREWALL_TYPE,
    GROUP,
    IDENTITY_ID,
    KEY_URI,
    PASSWORD,
    PRINCIPAL,
    SERVER_TYPE,
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
    changed_by_others = {"storage", "sku"}
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
    assert supervisor.start() == Fleet.current().endpoint
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
    assert answer["storage"]["tier"] == "P6"
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
