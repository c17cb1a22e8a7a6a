"""local/cloud/resources/server_origin.py: servers made of servers, as Azure makes and refuses"""

import datetime as dt
import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from local.cloud import control
from local.cloud.arm import UNKNOWN, ArmError, Body, Record
from local.cloud.postgres import supervisor
from local.cloud.postgres.waiting import wait_until
from local.cloud.resources.flexible_server import restart
from tests.local.cloud.postgres.conftest import ADMIN, PASSWORD, SERVER_TYPE, Cloud, server_inputs

pytestmark = pytest.mark.slow

D2 = {"name": "Standard_D2s_v3", "tier": "GeneralPurpose"}
D4 = {"name": "Standard_D4s_v3", "tier": "GeneralPurpose"}
E2 = {"name": "Standard_E2s_v3", "tier": "MemoryOptimized"}
B1 = {"name": "Standard_B1ms", "tier": "Burstable"}
SECONDS = 60.0
NOTHING_OF = ("administratorLogin", "administratorLoginPassword", "version")


def named(name: str) -> str:
    return f"psql-{name}-{os.getpid()}"


def copy_inputs(source: Record, name: str, mode: str, **changed: Any) -> Body:
    """Return the inputs of a copy of a server, which brings logins and version along."""
    inputs = server_inputs(named(name), createMode=mode, sku=D2)
    inputs = {key: value for key, value in inputs.items() if key not in NOTHING_OF}
    return {**inputs, "sourceServerResourceId": source.arm_id, **changed}


def restored_inputs(cloud: Cloud, source: Record, name: str, **changed: Any) -> Body:
    now = dt.datetime.fromtimestamp(cloud.world.now(), dt.UTC).isoformat()
    return copy_inputs(source, name, "PointInTimeRestore", **{"pointInTimeUTC": now, **changed})


def make(cloud: Cloud, inputs: Body) -> Record:
    return control.create(cloud.world, SERVER_TYPE, inputs)


def asks(cloud: Cloud, server: Record, query: str) -> list[tuple[object, ...]]:
    with cloud.connect(server) as db:
        return db.execute(query).fetchall()


@pytest.fixture(scope="module")
def primary(cloud: Cloud) -> Record:
    """A server worth following, with a parameter and a row."""
    server = cloud.create_server(named("primary"), sku=D2)
    cloud.set_parameter(server, "work_mem", "8192")
    with cloud.connect(server) as db:
        db.execute("CREATE TABLE facts AS SELECT 1 AS n")
    return server


@pytest.fixture(scope="module")
def replica(cloud: Cloud, primary: Record) -> Iterator[Record]:
    """A replica that stands for the whole module."""
    made = make(cloud, copy_inputs(primary, "replica", "Replica"))
    yield made
    control.delete(cloud.world, made.arm_id)


def test_a_replica_is_reached_by_its_own_name_and_the_primarys_logins(
    cloud: Cloud, replica: Record
) -> None:
    assert asks(cloud, replica, "SELECT n, pg_is_in_recovery() FROM facts") == [(1, True)]


def test_a_replica_says_what_it_is(cloud: Cloud, primary: Record, replica: Record) -> None:
    answer = cloud.state(replica)
    assert answer["replicationRole"] == "AsyncReplica"
    assert answer["replica"]["replicationState"] == "Active"
    assert answer["sourceServerResourceId"] == primary.arm_id
    assert answer["administratorLogin"] == ADMIN
    assert cloud.state(primary)["replicationRole"] == "Primary"
    assert cloud.state(replica) == answer


def test_a_replica_begins_with_the_primarys_parameters_and_has_its_own_after_that(
    cloud: Cloud, replica: Record
) -> None:
    assert asks(cloud, replica, "SHOW work_mem") == [("8MB",)]
    cloud.set_parameter(replica, "work_mem", "16384")
    assert asks(cloud, replica, "SHOW work_mem") == [("16MB",)]


def test_a_replica_goes_on_after_a_restart_of_its_primary(
    cloud: Cloud, primary: Record, replica: Record
) -> None:
    (cloud.process(primary).folder / "port").unlink()  # it will answer elsewhere
    restart(cloud.world, primary)
    with cloud.connect(primary) as db:
        db.execute("INSERT INTO facts VALUES (2)")
    wanted = [(2,)]
    wait_until(
        lambda: asks(cloud, replica, "SELECT count(*) FROM facts") == wanted, SECONDS, "no row"
    )
    with cloud.connect(primary) as db:
        db.execute("DELETE FROM facts WHERE n = 2")


def test_all_of_them_come_back_after_a_reboot(
    cloud: Cloud, primary: Record, replica: Record
) -> None:
    supervisor.stop()
    (cloud.process(primary).folder / "port").unlink()
    assert not supervisor.start().failures
    with cloud.connect(primary) as db:
        db.execute("INSERT INTO facts VALUES (3)")
    query, wanted = "SELECT count(*) FROM facts WHERE n = 3", [(1,)]
    wait_until(lambda: asks(cloud, replica, query) == wanted, SECONDS, "no row")
    with cloud.connect(primary) as db:
        db.execute("DELETE FROM facts WHERE n = 3")


def test_the_key_that_stops_a_primary_stops_its_replica(
    cloud: Cloud, primary: Record, replica: Record
) -> None:
    cloud.enable_key(enabled=False)
    assert {cloud.state(s)["state"] for s in (primary, replica)} == {"Inaccessible"}
    cloud.enable_key(enabled=True)
    assert {cloud.state(s)["state"] for s in (primary, replica)} == {"Ready"}
    assert asks(cloud, replica, "SELECT pg_is_in_recovery()") == [(True,)]


def test_a_primary_is_not_deleted_before_its_replicas(
    cloud: Cloud, primary: Record, replica: Record
) -> None:
    with pytest.raises(ArmError, match=f"should be deleted first: {replica.name}"):
        control.delete(cloud.world, primary.arm_id)
    assert cloud.state(primary)["state"] == "Ready"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sku": D4}, r"Compute on the primary \(Standard_D4s_v3\) must always be equal"),
        ({"sku": E2}, r"Compute on the primary \(Standard_E2s_v3\) must always be equal"),
        ({"storage": {"storageSizeGB": 64, "autoGrow": "Disabled"}}, "First grow the disk"),
        ({"storage": {"storageSizeGB": 32, "autoGrow": "Enabled"}}, "autogrow is enabled on the"),
    ],
)
def test_a_primary_does_not_outgrow_its_replicas(
    cloud: Cloud, primary: Record, replica: Record, changed: Body, words: str
) -> None:
    del replica
    with pytest.raises(ArmError, match=words):
        control.update(cloud.world, primary, {**primary.inputs, **changed})


def test_a_replica_grows_before_its_primary_and_shrinks_after_it(
    cloud: Cloud, primary: Record, replica: Record
) -> None:
    larger = control.update(cloud.world, replica, {**replica.inputs, "sku": D4})
    assert larger.outputs["sku"] == D4
    grown = control.update(cloud.world, primary, {**primary.inputs, "sku": D4})
    with pytest.raises(ArmError, match="scale replicas up first, and down last"):
        control.update(cloud.world, larger, {**replica.inputs, "sku": D2})
    control.update(cloud.world, grown, {**primary.inputs, "sku": D2})
    control.update(cloud.world, larger, {**replica.inputs, "sku": D2})
    assert asks(cloud, replica, "SELECT pg_is_in_recovery()") == [(True,)]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sku": B1}, "not supported for the Burstable pricing tier"),
        ({"highAvailability": {"mode": "SameZone"}}, "not supported on a read replica"),
        ({"backup": {"geoRedundantBackup": "Enabled"}}, "are of primaries only"),
        ({"administratorLoginPassword": PASSWORD}, "passwords are its primary's"),
        ({"sourceServerResourceId": None}, "parameter 'sourceServerResourceId'"),
    ],
)
def test_what_a_replica_cannot_have_is_refused_in_the_preview(changed: Body, words: str) -> None:
    source = Record("/subscriptions/s/resourceGroups/rg/providers/x/y/z", "t", {}, {})
    said = [r.message for r in SERVER_TYPE.check(copy_inputs(source, "r", "Replica", **changed))]
    assert any(words in message for message in said), said


@pytest.mark.parametrize("mode", ["Replica", "PointInTimeRestore"])
def test_a_copy_of_what_a_preview_does_not_know_yet_is_no_mistake(mode: str) -> None:
    source = Record(UNKNOWN, "t", {}, {})
    inputs = copy_inputs(source, "r", mode, pointInTimeUTC=UNKNOWN)
    assert not list(SERVER_TYPE.check(inputs))


@pytest.mark.parametrize(
    ("point", "words"),
    [(None, "parameter 'pointInTimeUTC'"), ("2026-11-23T10:00:00", "no instant in ISO 8601")],
)
def test_a_restore_without_an_instant_is_refused_in_the_preview(
    point: str | None, words: str
) -> None:
    source = Record("/subscriptions/s/resourceGroups/rg/providers/x/y/z", "t", {}, {})
    inputs = copy_inputs(source, "r", "PointInTimeRestore", pointInTimeUTC=point)
    assert any(words in refusal.message for refusal in SERVER_TYPE.check(inputs))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"location": "northeurope"}, "a copy in another region"),
        ({"storage": {"storageSizeGB": 32}, "sku": {**D2, "name": "Standard_D2ds_v5"}}, ""),
    ],
)
def test_a_replica_is_admitted_beside_its_primary(
    cloud: Cloud, primary: Record, changed: Body, words: str
) -> None:
    inputs = copy_inputs(primary, "beside", "Replica", **changed)
    arm_id = SERVER_TYPE.arm_id(cloud.world.client.subscription_id, inputs)
    if not words:
        SERVER_TYPE.admit(cloud.world, arm_id, inputs, None)
        return
    with pytest.raises(ArmError, match=words):
        SERVER_TYPE.admit(cloud.world, arm_id, inputs, None)


def test_a_replica_of_a_replica_is_refused_by_name(cloud: Cloud, replica: Record) -> None:
    with pytest.raises(ArmError, match="does not make a copy of a read replica") as caught:
        make(cloud, copy_inputs(replica, "cascade", "Replica"))
    assert (caught.value.status, caught.value.code) == (501, "NotImplemented")


def test_a_burstable_server_is_not_followed(cloud: Cloud, record: Record) -> None:
    with pytest.raises(ArmError, match="not supported for the Burstable pricing tier"):
        make(cloud, copy_inputs(record, "of-burstable", "Replica"))


def test_a_sixth_replica_is_refused(
    cloud: Cloud, primary: Record, replica: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.cloud.resources.server_origin.MOST_REPLICAS", 1)
    del replica
    with pytest.raises(ArmError, match="has 1 read replicas, the most there can be"):
        make(cloud, copy_inputs(primary, "one-more", "Replica"))


def test_a_copy_of_nothing_is_refused(cloud: Cloud, primary: Record) -> None:
    missing = f"{primary.arm_id}-gone"
    inputs = copy_inputs(primary, "of-nothing", "Replica", sourceServerResourceId=missing)
    with pytest.raises(ArmError, match="gone"):
        make(cloud, inputs)


# -- restores ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def restored(cloud: Cloud, primary: Record) -> Record:
    """A server made of the primary's backup; asked for a standby, which it does not get."""
    standby = {"highAvailability": {"mode": "ZoneRedundant", "standbyAvailabilityZone": "2"}}
    return make(cloud, restored_inputs(cloud, primary, "restored", **standby))


def test_a_restored_server_has_the_data_and_the_logins_and_goes_its_own_way(
    cloud: Cloud, primary: Record, restored: Record
) -> None:
    with cloud.connect(restored) as db:
        assert db.execute("SELECT n FROM facts").fetchall() == [(1,)]
        db.execute("CREATE TABLE later AS SELECT 1 AS n")
    with pytest.raises(psycopg.errors.UndefinedTable, match="later"):
        asks(cloud, primary, "SELECT n FROM later")


def test_a_restored_server_has_parameters_of_its_own(cloud: Cloud, restored: Record) -> None:
    assert asks(cloud, restored, "SHOW work_mem") == [("4MB",)]


def test_a_restored_server_stands_alone_until_it_is_changed(cloud: Cloud, restored: Record) -> None:
    answer = cloud.state(restored)
    assert answer["highAvailability"] == {"mode": "Disabled", "state": "NotEnabled"}
    assert (answer["replicationRole"], answer["administratorLogin"]) == ("Primary", ADMIN)
    later = control.update(cloud.world, restored, restored.inputs)
    assert later.outputs["highAvailability"]["state"] == "Healthy"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pointInTimeUTC": "2020-01-01T00:00:00Z"}, "must lie between the earliest restore"),
        ({"pointInTimeUTC": "2120-01-01T00:00:00Z"}, "and now"),
        ({"sku": B1}, "must not go below the source server compute tier"),
        ({"administratorLogin": "another"}, f"the administrator is '{ADMIN}'"),
    ],
)
def test_a_restore_that_azure_refuses_is_refused(
    cloud: Cloud, primary: Record, changed: Body, words: str
) -> None:
    with pytest.raises(ArmError, match=words):
        make(cloud, restored_inputs(cloud, primary, "refused", **changed))


def test_a_point_before_the_retention_is_refused(
    cloud: Cloud, primary: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = cloud.world.now()
    point = dt.datetime.fromtimestamp(now, dt.UTC).isoformat()
    inputs = restored_inputs(cloud, primary, "late", pointInTimeUTC=point)
    monkeypatch.setattr(cloud.world, "now", lambda: now + 7 * 86400 + 1)
    with pytest.raises(ArmError, match="must lie between the earliest restore point"):
        make(cloud, inputs)


def test_a_server_without_an_archive_is_refused_by_name(cloud: Cloud, primary: Record) -> None:
    archive = cloud.process(primary).archive.folder
    away = archive.rename(archive.with_name("elsewhere"))
    try:
        with pytest.raises(ArmError, match="made without an archive: make it anew") as caught:
            make(cloud, restored_inputs(cloud, primary, "never"))
    finally:
        away.rename(archive)
    assert caught.value.status == 501
