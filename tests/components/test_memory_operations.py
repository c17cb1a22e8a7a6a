"""components/memory_operations.py"""

from dataclasses import replace
from typing import Any

import pytest

from components import memory_operations
from components.memory_access import Database, EncryptedFields, Isolation, MemoryTable
from components.memory_operations import MemoryOperations, MemoryOperationsArgs, Retention
from components.workloads import Size
from tests.components.workspace import (
    Stands,
    assert_hardened,
    environment,
    identity,
    mounts,
    trust,
    workspace,
)
from tests.deployment import Deployment, deploy
from tests.manifests import judge, manifests

NAME = "memory-operations"
SKIP_AWAIT = "pulumi.com/skipAwait"
TMP = "/tmp"  # noqa: S108 - the pod's own
ENCRYPTED = EncryptedFields(
    fields=["pii"],
    blind_indexes=["pii"],
    key_uri="https://kv.example/keys/fields",
    secret_uri="https://kv.example/secrets/ring",
)
RETENTION = Retention(
    days_by_type={"episodic": 30, "semantic": 90},
    days_by_tag={"phi": 7, "pii": 14},
    schedule="30 2 * * *",
)
KEPT = replace(RETENTION, days_by_type={}, days_by_tag={})
DATABASE = Database(
    host="db.example",
    name="memory",
    login="memory_app",
    pool_size=25,
    max_overflow=10,
    timeout_seconds=30,
)


def declare(root: str = "root", **changes: Any) -> MemoryOperations:
    place = workspace()
    args = MemoryOperationsArgs(
        workspace=place,
        identity=identity(NAME),
        trust=trust(place, root),
        image="memory@sha256:1",
        database=DATABASE,
        table=MemoryTable(
            table="memory.zep_memory_vectors",
            dimensions=1536,
            isolation=Isolation(kind="row", tenants=["acme"]),
            element_type="halfvec",
            index={"method": "ivfflat", "lists": 10},
            probes=3,
        ),
        encrypted=ENCRYPTED,
        rotation_schedule="0 3 1 1,4,7,10 *",
        retention=RETENTION,
        backup_retention_days=35,
        size=Size(cpu="1", memory="1Gi"),
        ready=[Stands("schema")],
    )
    return MemoryOperations(NAME, replace(args, **changes))


def deployed(**changes: Any) -> Deployment:
    return deploy(lambda: declare(**changes))


def jobs(deployment: Deployment) -> dict[str, Any]:
    """What each job is, by name: the specification of a Job."""
    timed = manifests(deployment, "CronJob")
    return {
        **{name: found["spec"] for name, found in manifests(deployment, "Job").items()},
        **{name: found["spec"]["jobTemplate"]["spec"] for name, found in timed.items()},
    }


def container(spec: Any) -> Any:
    (found,) = spec["template"]["spec"]["containers"]
    return found


EVERY = ("field-keys", "rotate-field-keys", "retention")


def test_each_job_says_what_it_does() -> None:
    told = {name: container(spec) for name, spec in jobs(deployed()).items()}
    assert {name: one["args"] for name, one in told.items()} == {
        "field-keys": ["rotate-field-keys", "--ensure", "--yes", "--json"],
        "rotate-field-keys": ["rotate-field-keys", "--yes", "--json"],
        "retention": ["retention", "--yes", "--json"],
    }
    assert {tuple(one["command"]) for one in told.values()} == {("python", "-m", "memory")}


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
def test_the_api_server_takes_them(kind: str) -> None:
    found = manifests(deployed(), kind)
    assert found
    for manifest in found.values():
        judge(manifest)


@pytest.mark.parametrize("name", EVERY)
def test_each_is_hardened_placed_and_sized(name: str) -> None:
    spec = jobs(deployed())[name]
    assert_hardened(spec["template"]["spec"])
    assert spec["template"]["spec"]["serviceAccountName"] == NAME
    assert container(spec)["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    assert mounts(container(spec)) == {
        "/etc/engram/secrets": True,
        "/etc/engram/postgres-ca": True,
        TMP: False,
    }


@pytest.mark.parametrize("name", EVERY)
def test_the_contract_with_the_program(name: str) -> None:
    assert environment(container(jobs(deployed())[name])) == {
        "PGHOST": "db.example",
        "PGPORT": "5432",
        "PGDATABASE": "memory",
        "PGUSER": "memory_app",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/engram/postgres-ca/ca.crt",
        "PGAPPNAME": NAME,
        "ENGRAM_DATABASE_PASSWORD_FILE": "/etc/engram/secrets/memory-database-password",
        "ENGRAM_VECTOR_TYPE": "halfvec",
        "ENGRAM_VECTOR_INDEX": '{"lists": 10, "method": "ivfflat"}',
        "ENGRAM_TABLE": "memory.zep_memory_vectors",
        "ENGRAM_DIMENSIONS": "1536",
        "ENGRAM_ISOLATION": "row",
        "ENGRAM_TENANTS": "acme",
        "ENGRAM_BACKUP_RETENTION_DAYS": "35",
        "ENGRAM_FIELD_KEY_URI": "https://kv.example/keys/fields",
        "ENGRAM_FIELD_KEYS_SECRET_URI": "https://kv.example/secrets/ring",
        "ENGRAM_ENCRYPTED_FIELDS": "pii",
        "ENGRAM_BLIND_INDEXES": "pii",
        "ENGRAM_RETENTION_EPISODIC_DAYS": "30",
        "ENGRAM_RETENTION_SEMANTIC_DAYS": "90",
        "ENGRAM_RETENTION_SENSITIVITY_DAYS": "phi=7,pii=14",
        "ENGRAM_ZEP_URL": "http://zep:8000",
        "ENGRAM_ZEP_API_KEY_FILE": "/etc/engram/secrets/zep-api-key",
        "ENGRAM_GRAPHITI_URL": "http://graphiti:8003",
    }


def test_the_module_explains_every_variable() -> None:
    text = str(memory_operations.__doc__)
    named = environment(container(jobs(deployed())["retention"]))
    assert [name for name in named if name.startswith("ENGRAM_") and name not in text] == []


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, set(EVERY)),
        ({"encrypted": None}, {"retention"}),
        ({"retention": KEPT}, {"field-keys", "rotate-field-keys"}),
        ({"retention": replace(KEPT, days_by_tag={"phi": 7})}, set(EVERY)),
    ],
)
def test_there_is_a_job_where_there_is_something_to_do(
    changes: dict[str, Any], left: set[str]
) -> None:
    assert set(jobs(deployed(**changes))) == left


def test_what_only_the_owner_of_a_server_knows_is_not_said() -> None:
    spec = jobs(deployed(backup_retention_days=None))["retention"]
    assert "ENGRAM_BACKUP_RETENTION_DAYS" not in environment(container(spec))


@pytest.mark.parametrize(
    ("name", "schedule"),
    [("rotate-field-keys", "0 3 1 1,4,7,10 *"), ("retention", "30 2 * * *")],
)
def test_the_clock_is_utc_and_no_two_of_a_kind_run_at_once(name: str, schedule: str) -> None:
    spec = manifests(deployed(), "CronJob")[name]["spec"]
    assert (spec["schedule"], spec["timeZone"]) == (schedule, "Etc/UTC")
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] == 12 * 3600


@pytest.mark.parametrize(
    ("name", "hours"), [("field-keys", 1), ("rotate-field-keys", 72), ("retention", 12)]
)
def test_a_job_that_hangs_is_stopped_and_one_that_fails_is_tried_again(
    name: str, hours: int
) -> None:
    spec = jobs(deployed())[name]
    assert (spec["activeDeadlineSeconds"], spec["backoffLimit"]) == (hours * 3600, 3)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_a_decision_ends_a_job_and_an_eviction_is_no_failure() -> None:
    decision, evicted = jobs(deployed())["field-keys"]["podFailurePolicy"]["rules"]
    assert decision["action"] == "FailJob"
    assert decision["onExitCodes"] == {"containerName": NAME, "operator": "In", "values": [1]}
    assert evicted["action"] == "Ignore"
    assert evicted["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


@pytest.mark.parametrize("awaited", [True, False])
def test_without_an_image_nobody_waits_and_the_clock_stands_still(*, awaited: bool) -> None:
    seen = deployed(awaited=awaited)
    about = manifests(seen, "Job")["field-keys"]["metadata"]
    assert about.get("annotations") == (None if awaited else {SKIP_AWAIT: "true"})
    assert {it["spec"]["suspend"] for it in manifests(seen, "CronJob").values()} == {not awaited}


def test_the_first_keys_come_after_the_table_and_before_the_service() -> None:
    seen = deployed()
    for name in EVERY:
        assert {"schema", "grant", "postgres-ca"} <= seen.after(f"{NAME}-{name}")
    ready: list[int] = []
    deploy(lambda: ready.extend((len(declare().ready), len(declare("b", encrypted=None).ready))))
    assert ready == [1, 0]


def test_other_roots_are_another_job() -> None:
    def revision(root: str) -> Any:
        return jobs(deployed(root=root))["field-keys"]["template"]["metadata"]["annotations"]

    assert revision("a") == revision("a")
    assert revision("a") != revision("b")
