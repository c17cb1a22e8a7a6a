"""components/memory_namespace.py and components/capacity.py"""

from dataclasses import replace
from functools import cache
from typing import Any

import pulumi_kubernetes as k8s
import pytest

from components.capacity import Share, bytes_of, cores
from components.cluster_reference import (
    ClusterReference,
    EncryptedDisks,
    ExistingStorageClass,
)
from components.memory_namespace import MemoryNamespace, MemoryNamespaceArgs
from components.traffic import network_paths
from components.workloads import Scale, Size, Workspace
from tests.components.test_traffic import ADDRESSES
from tests.deployment import Deployment, deploy
from tests.manifests import manifests

ONE, TWO = Size(cpu="1", memory="2Gi"), Size(cpu="2", memory="4Gi")
POOLER = Size(cpu="250m", memory="128Mi")
ZEP = Share(scale=Scale(minimum=3, maximum=5), containers=(ONE, POOLER))
MEMORY = Share(scale=Scale(minimum=2, maximum=2), containers=(TWO,))
GRAPH = Share(scale=Scale(minimum=1, maximum=1), containers=(TWO,), volume_gib=32)
DISKS = EncryptedDisks(disk_encryption_set_id="/disks")
CUSTOMERS = ExistingStorageClass(name="theirs")
Storage = EncryptedDisks | ExistingStorageClass


def declare(
    *, storage: Storage = DISKS, shares: tuple[Share, ...] = (ZEP, MEMORY, GRAPH), **changes: Any
) -> Workspace:
    cluster = ClusterReference(
        provider=k8s.Provider("cluster", kubeconfig="{}"),
        oidc_issuer_url="https://issuer.example.test/",
        storage=storage,
        pod_security_version="v1.36",
        node_selector={"pool": "memory"},
    )
    args = MemoryNamespaceArgs(
        cluster=cluster,
        shares=shares,
        paths=network_paths(ADDRESSES),
        spread_strictly=True,
        disks_in_every_zone=True,
        protected=True,
    )
    return MemoryNamespace("engram-dev", replace(args, **changes)).workspace


@cache
def namespace(**changes: Any) -> Deployment:
    return deploy(lambda: declare(**changes))


def quota(*shares: Share) -> dict[str, str]:
    found = manifests(namespace(shares=shares), "ResourceQuota")["memory"]["spec"]["hard"]
    assert isinstance(found, dict)
    return found


def limits(*shares: Share) -> dict[str, Any]:
    found = manifests(namespace(shares=shares), "LimitRange")["memory"]["spec"]["limits"]
    return {item["type"]: item for item in found}


@pytest.mark.parametrize("mode", ["enforce", "audit", "warn"])
def test_pods_are_held_to_the_strictest_standard_of_a_named_version(mode: str) -> None:
    labels = manifests(namespace(), "Namespace")["zep"]["metadata"]["labels"]
    assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
    assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "v1.36"


def test_the_quota_is_the_sum_of_the_largest_one_pod_that_comes_and_one_that_goes() -> None:
    # zep (5+2) x (1 + 0.25), memory (2+2) x 2, graph (1+2) x 2
    # zep 7 x 2176 Mi, memory 4 x 4096 Mi, graph 3 x 4096 Mi
    assert quota(ZEP, MEMORY, GRAPH) == {
        "requests.cpu": "22750m",
        "limits.cpu": "22750m",
        "requests.memory": "43904Mi",
        "limits.memory": "43904Mi",
        "pods": "14",
        "persistentvolumeclaims": "1",
        "requests.storage": "32Gi",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }


def test_whole_amounts_are_written_as_the_api_server_writes_them_back() -> None:
    found = quota(MEMORY)
    assert (found["requests.cpu"], found["requests.memory"]) == ("8", "16Gi")
    assert found["requests.storage"] == "0"
    assert quota(replace(GRAPH, volume_gib=2048))["requests.storage"] == "2Ti"


def test_no_container_is_larger_than_the_largest_and_none_borrows() -> None:
    container = limits(ZEP, MEMORY)["Container"]
    assert container["max"] == {"cpu": "2", "memory": "4Gi"}
    assert container["maxLimitRequestRatio"] == {"cpu": "1", "memory": "1"}
    assert container["default"] == container["defaultRequest"] == {"cpu": "100m", "memory": "128Mi"}


def test_a_claim_is_no_larger_than_the_largest() -> None:
    assert limits(ZEP, GRAPH)["PersistentVolumeClaim"]["max"] == {"storage": "32Gi"}
    assert "PersistentVolumeClaim" not in limits(ZEP)


@pytest.mark.parametrize(("text", "amount"), [("1", 1), ("1.5", 1.5), ("250m", 0.25)])
def test_cores_are_read_as_kubernetes_reads_them(text: str, amount: float) -> None:
    assert float(cores(text)) == amount


@pytest.mark.parametrize(
    ("text", "amount"), [("2Gi", 2**31), ("512Mi", 2**29), ("1.5Gi", 3 * 2**29), ("4Ki", 4096)]
)
def test_memory_is_read_as_kubernetes_reads_it(text: str, amount: int) -> None:
    assert bytes_of(text) == amount


@pytest.mark.parametrize("text", ["", "one", "m", "1.5m", "2G"])
def test_other_cores_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is no number of cores: write 1, 1.5 or 250m"):
        cores(text)


@pytest.mark.parametrize("text", ["", "2", "2G", "Gi", "twoGi"])
def test_other_amounts_of_memory_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is no amount of memory: write a number and"):
        bytes_of(text)


def test_disks_are_encrypted_with_our_key_and_made_where_the_pod_is() -> None:
    made = manifests(namespace(), "StorageClass")["engram-encrypted"]
    assert made["provisioner"] == "disk.csi.azure.com"
    assert made["parameters"]["diskEncryptionSetID"] == "/disks"
    assert made["parameters"]["diskEncryptionType"] == "EncryptionAtRestWithCustomerKey"
    assert made["parameters"]["networkAccessPolicy"] == "DenyAll"
    assert made["parameters"]["publicNetworkAccess"] == "Disabled"
    assert made["volumeBindingMode"] == "WaitForFirstConsumer"
    assert made["allowVolumeExpansion"] is True


@pytest.mark.parametrize(("protected", "policy"), [(True, "Retain"), (False, "Delete")])
def test_what_is_protected_outlives_a_mistake(protected: bool, policy: str) -> None:
    deployment = namespace(protected=protected)
    made = manifests(deployment, "StorageClass")["engram-encrypted"]
    assert made["reclaimPolicy"] == policy
    assert deployment.protected() == ({"engram-dev-namespace"} if protected else set())


@pytest.mark.parametrize(("everywhere", "sku"), [(True, "Premium_ZRS"), (False, "Premium_LRS")])
def test_where_there_are_zones_a_disk_outlives_its_own(everywhere: bool, sku: str) -> None:
    made = manifests(namespace(disks_in_every_zone=everywhere), "StorageClass")["engram-encrypted"]
    assert made["parameters"]["skuName"] == sku


def test_a_customers_storage_class_is_used_and_none_is_made() -> None:
    found: list[Workspace] = []
    deployment = deploy(lambda: found.append(declare(storage=CUSTOMERS)))
    assert manifests(deployment, "StorageClass") == {}
    assert found[0].storage_class == "theirs"


def test_the_memory_is_first_in_the_queue_and_throws_nobody_out() -> None:
    made = manifests(namespace(), "PriorityClass")["engram-memory"]
    assert (made["value"], made["preemptionPolicy"]) == (1_000_000, "Never")
    assert made["globalDefault"] is False


def test_every_rule_stands_before_the_first_pod() -> None:
    found: list[Workspace] = []
    deployment = deploy(lambda: found.append(declare()))
    made = set(deployment.seen) - {"cluster", "engram-dev-namespace"}
    assert {resource._name for resource in found[0].ready} == made
    assert {"engram-dev-default-deny-traffic", "engram-dev-zep-traffic"} <= made


def test_everything_goes_to_this_cluster_and_into_this_namespace() -> None:
    deployment = namespace()
    for name in set(deployment.seen) - {"cluster"}:
        assert deployment.options(name).provider.split("::")[-2] == "cluster"
    for kind in ("ResourceQuota", "LimitRange", "NetworkPolicy"):
        for made in manifests(deployment, kind).values():
            assert made["metadata"]["namespace"] == "zep"


def test_workloads_learn_where_they_go() -> None:
    found: list[Workspace] = []
    deploy(lambda: found.append(declare()))
    workspace = found[0]
    assert workspace.node_selector == {"pool": "memory"}
    assert workspace.spread_strictly is True
    assert workspace.priority_class == "engram-memory"
