"""components/memory_service.py"""

import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components import memory_service
from components.memory_access import Database, EncryptedFields, Isolation, MemoryTable
from components.memory_service import EmbeddingModel, MemoryService, MemoryServiceArgs
from components.workloads import Scale, Size
from tests.components.workspace import (
    Stands,
    assert_hardened,
    assert_placed,
    environment,
    identity,
    mounts,
    pod,
    trust,
    workspace,
)
from tests.deployment import Deployment, deploy
from tests.manifests import manifests

NAME = "memory-service"
TMP = "/tmp"  # noqa: S108 - the pod's own
DATABASE = Database(
    host="db.example",
    name="memory",
    login="memory_app",
    pool_size=25,
    max_overflow=10,
    timeout_seconds=30,
)
MODEL = EmbeddingModel(endpoint="https://m.example/openai/v1/", name="text-embedding-3-small")
SKIP_AWAIT = "pulumi.com/skipAwait"
SHARED = Isolation(kind="shared")
TABLE = MemoryTable(
    table="memory.zep_memory_vectors", dimensions=1536, isolation=SHARED, ef_search=40
)
ENCRYPTED = EncryptedFields(
    fields=["pii", "phi.name"],
    blind_indexes=["pii"],
    key_uri="https://kv.example/keys/fields",
    secret_uri="https://kv.example/secrets/ring",
)


def declare(root: str = "root", **changes: Any) -> MemoryService:
    place = workspace()
    args = MemoryServiceArgs(
        workspace=place,
        identity=identity(NAME),
        trust=trust(place, root),
        image="memory@sha256:1",
        database=replace(DATABASE, host=pulumi.Output.from_input("db.example")),
        table=TABLE,
        model=MODEL,
        encrypted=None,
        scale=Scale(minimum=2, maximum=2),
        size=Size(cpu="2", memory="4Gi"),
        ready=[Stands("schema")],
    )
    return MemoryService(NAME, replace(args, **changes))


def deployed(**changes: Any) -> Deployment:
    return deploy(lambda: declare(**changes))


def container(deployment: Deployment) -> Any:
    (found,) = pod(deployment, NAME)["containers"]
    return found


def test_two_pods_of_two_cores_and_four_gibibytes() -> None:
    seen = deployed()
    assert manifests(seen, "Deployment")[NAME]["spec"]["replicas"] == 2
    assert container(seen)["resources"]["requests"] == {"cpu": "2", "memory": "4Gi"}


def test_is_hardened_and_placed() -> None:
    seen = deployed()
    assert_hardened(pod(seen, NAME))
    assert_placed(seen)


def test_waits_for_the_table_and_for_its_secrets() -> None:
    assert {"schema", "grant", "postgres-ca"} <= deployed().after(f"{NAME}-pods")


@pytest.mark.parametrize(
    ("table", "search"),
    [
        (TABLE, {"ENGRAM_HNSW_EF_SEARCH": "40"}),
        (replace(TABLE, ef_search=None, probes=10), {"ENGRAM_IVFFLAT_PROBES": "10"}),
    ],
)
def test_the_contract_with_the_program(table: MemoryTable, search: dict[str, str]) -> None:
    assert environment(container(deployed(table=table))) == {
        "PGHOST": "db.example",
        "PGPORT": "5432",
        "PGDATABASE": "memory",
        "PGUSER": "memory_app",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/engram/postgres-ca/ca.crt",
        "PGAPPNAME": NAME,
        "ENGRAM_POOL_SIZE": "25",
        "ENGRAM_POOL_MAX_OVERFLOW": "10",
        "ENGRAM_POOL_TIMEOUT_SECONDS": "30",
        "ENGRAM_DATABASE_PASSWORD_FILE": "/etc/engram/secrets/memory-database-password",
        "ENGRAM_API_KEYS_FILE": "/etc/engram/secrets/memory-api-keys",
        "ENGRAM_MODEL_API_KEY_FILE": "/etc/engram/secrets/model-api-key",
        "ENGRAM_TABLE": "memory.zep_memory_vectors",
        "ENGRAM_DIMENSIONS": "1536",
        "ENGRAM_ISOLATION": "shared",
        **search,
        "ENGRAM_MODEL_ENDPOINT": "https://m.example/openai/v1/",
        "ENGRAM_EMBEDDING_MODEL": "text-embedding-3-small",
        "ENGRAM_PORT": "8080",
        "ENGRAM_METRICS_PORT": "9090",
    }


def test_fields_are_encrypted_with_keys_in_a_file() -> None:
    plain, seen = (environment(container(deployed(encrypted=e))) for e in (None, ENCRYPTED))
    added = {
        "ENGRAM_FIELD_KEYS_FILE": "/etc/engram/secrets/memory-field-keys",
        "ENGRAM_ENCRYPTED_FIELDS": "pii,phi.name",
        "ENGRAM_BLIND_INDEXES": "pii",
    }
    assert {**plain, **added} == seen


def test_a_list_of_nothing_is_no_variable_because_the_api_server_would_drop_it() -> None:
    none = replace(ENCRYPTED, blind_indexes=[])
    assert "ENGRAM_BLIND_INDEXES" not in environment(container(deployed(encrypted=none)))


def test_tenants_are_told_who_they_are() -> None:
    apart = replace(TABLE, isolation=Isolation(kind="row", tenants=["acme", "globex"]))
    seen = environment(container(deployed(table=apart)))
    assert (seen["ENGRAM_ISOLATION"], seen["ENGRAM_TENANTS"]) == ("row", "acme,globex")


@pytest.mark.parametrize("acts", [True, False])
def test_a_pod_asks_for_a_token_of_entra_where_its_program_uses_one(*, acts: bool) -> None:
    seen = deploy(lambda: declare(identity=replace(identity(NAME), acts=acts)))
    found = manifests(seen, "Deployment")[NAME]
    label = "azure.workload.identity/use"
    assert found["spec"]["template"]["metadata"]["labels"].get(label) == ("true" if acts else None)
    assert label not in found["spec"]["selector"]["matchLabels"]


def test_an_authority_of_the_models_own_is_a_file() -> None:
    own = replace(MODEL, authority="authority of the model")
    seen = deployed(model=own)
    assert_hardened(pod(seen, NAME))
    assert_placed(seen)
    file = environment(container(seen))["ENGRAM_MODEL_CA_FILE"]
    folder, _, key = file.rpartition("/")
    assert manifests(seen, "ConfigMap")["model-ca"]["data"] == {key: "authority of the model"}
    assert mounts(container(seen))[folder] is True
    assert f"{NAME}-model-ca" in seen.after(f"{NAME}-pods")


@pytest.mark.parametrize(("awaited", "annotations"), [(True, None), (False, {SKIP_AWAIT: "true"})])
def test_a_deployment_does_not_wait_for_pods_that_cannot_start(
    awaited: bool, annotations: dict[str, str] | None
) -> None:
    found = manifests(deployed(awaited=awaited), "Deployment")[NAME]["metadata"]
    assert found.get("annotations") == annotations


def test_the_module_explains_every_variable() -> None:
    text = str(memory_service.__doc__)
    apart = replace(TABLE, isolation=Isolation(kind="row", tenants=["acme"]))
    seen = deployed(model=replace(MODEL, authority="authority"), table=apart, encrypted=ENCRYPTED)
    named = {name for name in environment(container(seen)) if name.startswith("ENGRAM_")}
    assert [name for name in named if name not in text] == []


def test_only_tmp_is_writable() -> None:
    assert mounts(container(deployed())) == {
        "/etc/engram/secrets": True,
        "/etc/engram/postgres-ca": True,
        TMP: False,
    }


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")],
)
def test_life_and_readiness_are_two_questions(probe: str, path: str) -> None:
    assert container(deployed())[probe]["httpGet"] == {"path": path, "port": "main"}


def test_the_service_leads_to_the_pods() -> None:
    seen = deployed()
    spec = manifests(seen, "Service")[NAME]["spec"]
    labels = manifests(seen, "Deployment")[NAME]["spec"]["template"]["metadata"]["labels"]
    assert spec["ports"] == [{"name": "main", "port": 8080, "targetPort": "main"}]
    assert spec["selector"].items() <= labels.items()
    ports = {port["name"]: port["containerPort"] for port in container(seen)["ports"]}
    assert ports == {"main": 8080, "metrics": 9090}


@pytest.mark.parametrize(("maximum", "autoscalers"), [(2, set()), (6, {NAME})])
def test_an_autoscaler_where_the_number_may_vary(maximum: int, autoscalers: set[str]) -> None:
    seen = deployed(scale=Scale(minimum=2, maximum=maximum))
    assert set(manifests(seen, "HorizontalPodAutoscaler")) == autoscalers
    for scaler in manifests(seen, "HorizontalPodAutoscaler").values():
        (metric,) = scaler["spec"]["metrics"]
        assert metric["containerResource"]["container"] == NAME
    ignored = list(seen.options(f"{NAME}-pods").ignoreChanges)
    assert ignored == (["spec.replicas"] if autoscalers else [])


def test_one_pod_at_a_time_may_be_taken_away() -> None:
    budget = manifests(deployed(), "PodDisruptionBudget")[NAME]["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"] == {"app.kubernetes.io/name": NAME}


@pytest.mark.parametrize("changed", [{"root": "b"}, {"model": replace(MODEL, authority="b")}])
def test_other_roots_roll_the_pods(changed: dict[str, Any]) -> None:
    def revision(**changes: Any) -> Any:
        template = manifests(deployed(**changes), "Deployment")[NAME]["spec"]["template"]
        return template["metadata"]["annotations"]["engram.io/configuration"]

    assert revision() == revision()
    assert revision() != revision(**changed)


def test_no_secret_is_declared() -> None:
    assert manifests(deployed(), "Secret") == {}


@pytest.mark.parametrize(("ef_search", "probes"), [(None, None), (40, 10)])
def test_a_search_fits_one_index(ef_search: int | None, probes: int | None) -> None:
    message = re.escape("set ef_search (HNSW) or probes (IVFFlat), one of them")
    with pytest.raises(ValueError, match=message):
        replace(TABLE, ef_search=ef_search, probes=probes)
