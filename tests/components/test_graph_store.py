"""components/graph_store.py"""

from dataclasses import replace
from typing import Any

import pytest

from components.graph_store import (
    GraphStore,
    GraphStoreArgs,
    configuration,
    host_names,
    memory_settings,
    variable_name,
)
from components.workloads import Size
from tests.components.workspace import (
    assert_hardened,
    assert_placed,
    environment,
    identity,
    mounts,
    pod,
    workspace,
)
from tests.deployment import Deployment, deploy
from tests.manifests import manifests

NAME = "graph-store"
TMP = "/tmp"  # noqa: S108 - the pod's own


def declare(**changes: Any) -> GraphStore:
    args = GraphStoreArgs(
        workspace=workspace(),
        identity=identity(NAME),
        image="neo4j@sha256:1",
        size=Size(cpu="1", memory="2Gi"),
        heap_gib=1,
        page_cache_gib=0.5,
        volume_gib=32,
        protected=True,
        certificate="certificate",
        authority="authority",
    )
    return GraphStore(NAME, replace(args, **changes))


def deployed(**changes: Any) -> Deployment:
    return deploy(lambda: declare(**changes))


def spec(deployment: Deployment) -> Any:
    return pod(deployment, NAME, "StatefulSet")


def server(deployment: Deployment) -> Any:
    (found,) = spec(deployment)["containers"]
    return found


def test_is_hardened_and_placed_under_the_images_own_user() -> None:
    seen = deployed()
    assert_hardened(spec(seen))
    assert_placed(seen)
    assert spec(seen)["securityContext"]["runAsUser"] == 7474


def test_one_server_on_an_encrypted_disk() -> None:
    seen = deployed()
    stateful = manifests(seen, "StatefulSet")[NAME]["spec"]
    (claim,) = manifests(seen, "PersistentVolumeClaim").values()
    assert (stateful["replicas"], stateful["serviceName"]) == (1, NAME)
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "encrypted",
        "resources": {"requests": {"storage": "32Gi"}},
    }
    (disk,) = [volume for volume in spec(seen)["volumes"] if volume["name"] == "data"]
    assert disk["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert f"{NAME}-data" in seen.after(f"{NAME}-pods")


def test_a_larger_disk_changes_nothing_but_its_claim() -> None:
    """A template of claims cannot change: the StatefulSet would be replaced, the disk not grow."""
    sets = [manifests(deployed(volume_gib=gib), "StatefulSet")[NAME]["spec"] for gib in (32, 64)]
    assert sets[0] == sets[1]
    assert "volumeClaimTemplates" not in sets[0]


@pytest.mark.parametrize(("protected", "guarded"), [(True, {f"{NAME}-data"}), (False, set())])
def test_the_disk_is_protected_where_the_stack_is(protected: bool, guarded: set[str]) -> None:
    assert deployed(protected=protected).protected() == guarded


def test_no_budget_that_would_forbid_every_upgrade_of_a_node() -> None:
    assert manifests(deployed(), "PodDisruptionBudget") == {}


def test_writes_only_where_something_is_mounted() -> None:
    seen = deployed()
    writable = {path for path, read_only in mounts(server(seen)).items() if not read_only}
    assert writable == {"/data", "/var/lib/neo4j/conf", "/logs", TMP}
    (defaults,) = spec(seen)["initContainers"]
    assert defaults["command"] == [
        "cp", "--recursive", "/var/lib/neo4j/conf/.", "/conf-of-pod",
    ]  # fmt: skip
    assert defaults["image"] == server(seen)["image"]


def test_settings() -> None:
    given = environment(server(deployed()))
    assert given["NEO4J_AUTH_PATH"] == "/etc/engram/secrets/graph-store-auth"
    assert "NEO4J_AUTH" not in given
    assert given["NEO4J_server_bolt_tls__level"] == "REQUIRED"
    assert given["NEO4J_dbms_ssl_policy_bolt_private__key"] == "/etc/engram/secrets/graph-store-key"
    assert given["NEO4J_dbms_ssl_policy_bolt_tls__versions"] == "TLSv1.3"
    assert given["NEO4J_server_http_enabled"] == "false"
    assert given["NEO4J_dbms_usage__report_enabled"] == "false"
    assert given["NEO4J_client_allow__telemetry"] == "false"


def test_every_folder_and_file_of_its_tls_policies_is_mounted() -> None:
    """Neo4j does not start where a policy's base directory is missing, files or not."""
    container = server(deployed())
    policies = {
        setting: value
        for setting, value in configuration(1, 0.5).items()
        if setting.startswith("dbms.ssl.policy.")
    }
    enabled = [s.removesuffix(".enabled") for s in policies if s.endswith(".enabled")]
    assert enabled == ["dbms.ssl.policy.bolt"]
    folders = mounts(container)
    for policy in enabled:
        assert policies[f"{policy}.base_directory"] in folders
    for value in policies.values():
        if value.startswith("/"):
            assert value in folders or value.rsplit("/", 1)[0] in folders


def test_memory_is_what_the_caller_gives() -> None:
    assert memory_settings(1, 0.5) == {
        "server.memory.heap.initial_size": "1024m",
        "server.memory.heap.max_size": "1024m",
        "server.memory.pagecache.size": "512m",
    }


@pytest.mark.parametrize(
    ("setting", "variable"),
    [
        ("server.bolt.tls_level", "NEO4J_server_bolt_tls__level"),
        ("dbms.usage_report.enabled", "NEO4J_dbms_usage__report_enabled"),
    ],
)
def test_variables_are_spelled_as_the_image_reads_them(setting: str, variable: str) -> None:
    assert variable_name(setting) == variable


def test_another_certificate_rolls_the_pod() -> None:
    def revision(certificate: str) -> Any:
        stateful = manifests(deployed(certificate=certificate), "StatefulSet")[NAME]
        return stateful["spec"]["template"]["metadata"]["annotations"]["engram.io/configuration"]

    assert revision("a") != revision("b")


def test_clients_are_told_an_address_that_the_certificate_carries() -> None:
    made: list[GraphStore] = []
    deploy(lambda: made.append(declare()))
    access = made[0].access
    assert (access.uri, access.user) == ("bolt+s://graph-store:7687", "neo4j")
    assert host_names("zep") == [
        "graph-store",
        "graph-store.zep.svc",
        "graph-store.zep.svc.cluster.local",
    ]


def test_waits_for_its_secrets() -> None:
    assert "grant" in deployed().after(f"{NAME}-pods")
