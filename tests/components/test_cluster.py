"""components/cluster.py, components/cluster_profiles.py and components/node_pools.py"""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pulumi
import pytest
from pulumi_azure_native import containerservice as aks

from components.cluster import Cluster, ClusterArgs
from components.cluster_profiles import ClusterAccess, ClusterNetwork, ClusterUpgrades
from components.cluster_reference import (
    ClusterReference,
    ExistingCluster,
    ExistingStorageClass,
)
from components.key_vault import VersionedKey
from components.node_pools import Machine, MemoryPool, SystemPool, pool_name
from tests.components.test_network import PLACE
from tests.deployment import ANSWERED, ISSUER, KUBECONFIG, Deployment, deploy

CLUSTER = "azure-native:containerservice:ManagedCluster"
POOL = "azure-native:containerservice:AgentPool"
DISKS = "azure-native:compute:DiskEncryptionSet"
GRANT = "azure-native:authorization:RoleAssignment"
LOCK = "azure-native:authorization:ManagementLockByScope"
PROVIDER = "pulumi:providers:kubernetes"

LOCAL_DISK = Machine(vm_size="Standard_D4ds_v5", local_disk_gib=150, zones=("1", "2", "3"))
NO_DISK = Machine(vm_size="Standard_D2s_v5", local_disk_gib=0, zones=("1",))
ACCESS = ClusterAccess(
    tenant_id="tenant",
    admin_group_ids=("group",),
    local_accounts=False,
    authorized_ip_ranges=("203.0.113.0/24",),
)
UPGRADES = ClusterUpgrades(
    kubernetes=aks.UpgradeChannel.PATCH, node_os=aks.NodeOSUpgradeChannel.SECURITY_PATCH
)
ARGS = ClusterArgs(
    placement=PLACE,
    subscription_id="sub",
    disk_key=VersionedKey(id="/kv/keys/disks", uri="https://kv/keys/disks/1"),
    kubernetes_version="1.36",
    tier=aks.ManagedClusterSKUTier.STANDARD,
    network=ClusterNetwork(
        nodes_subnet_id="/subnet/nodes",
        pod_cidr="10.244.0.0/16",
        service_cidr="10.96.0.0/16",
        dns_service_ip="10.96.0.10",
    ),
    access=ACCESS,
    upgrades=UPGRADES,
    system_pool=SystemPool(machine=NO_DISK, count=2),
    memory_pool=MemoryPool(machine=LOCAL_DISK, min_count=3, max_count=6),
    host_encryption=True,
    workspace_id="/logs",
    grant_wait_seconds=7,
    protected=True,
)


@cache
def cluster(**changes: Any) -> Deployment:
    return deploy(lambda: Cluster("engram-dev", replace(ARGS, **changes)))


def test_every_disk_is_encrypted_with_our_key_and_follows_its_rotation() -> None:
    deployment = cluster()
    disks = deployment.one(DISKS)
    assert disks["encryptionType"] == "EncryptionAtRestWithCustomerKey"
    assert disks["activeKey"] == {"keyUrl": "https://kv/keys/disks/1"}
    assert disks["rotationToLatestKeyVersionEnabled"] is True
    ignored = deployment.options("engram-dev-disks").ignoreChanges
    assert list(ignored) == ["activeKey"], "an update would bring an expired version back"
    assert disks["identity"]["userAssignedIdentities"] == ["/mock/engram-dev-disks-identity"]
    assert deployment.one(CLUSTER)["diskEncryptionSetID"] == "/mock/engram-dev-disks"


def test_the_disks_wait_until_their_identity_may_use_the_key() -> None:
    assert "engram-dev-disks-key-grant-known" in cluster().after("engram-dev-disks")


@pytest.mark.parametrize(
    ("grant", "scope", "role"),
    [
        ("subnet", "/subnet/nodes", "4d97b98b-1d4f-4787-a291-c67834d212e7"),
        ("disks", "/mock/engram-dev-disks", "acdd72a7-3385-48ef-bd42-f606fba81ae7"),
    ],
)
def test_the_cluster_may_do_what_it_must_and_azure_knows_it_first(
    grant: str, scope: str, role: str
) -> None:
    deployment = cluster()
    made = deployment.all(GRANT)[f"engram-dev-cluster-{grant}-grant"]
    assert (made["scope"], made["principalId"]) == (scope, "engram-dev-cluster-identity-principal")
    assert made["roleDefinitionId"].endswith(f"/{role}")
    waited = deployment.after("engram-dev-cluster")
    assert {f"engram-dev-cluster-{grant}-grant", "engram-dev-cluster-grants-known"} <= waited


REGISTRY = (
    "/subscriptions/11111111-0000-0000-0000-000000000001/resourceGroups/images"
    "/providers/Microsoft.ContainerRegistry/registries/contoso"
)


def test_nodes_pull_from_the_customers_registry_before_the_first_pod() -> None:
    found: list[ClusterReference] = []
    args = replace(ARGS, registry_id=REGISTRY)
    deployment = deploy(lambda: found.append(Cluster("engram-dev", args).reference))
    made = deployment.all(GRANT)["engram-dev-cluster-pull-grant"]
    assert (made["scope"], made["principalId"]) == (REGISTRY, "kubelet-of-engram-dev-cluster")
    role = "Microsoft.Authorization/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d"
    registrys = "/".join(REGISTRY.split("/")[:3])
    assert made["roleDefinitionId"] == f"{registrys}/providers/{role}"
    waits = [resource._name for resource in found[0].ready]
    assert waits == ["engram-dev-memory-pool", "engram-dev-cluster-pull-grant-known"]
    assert "engram-dev-cluster-pull-grant" in deployment.after(waits[1])
    assert waits[1] in deployment.after("engram-dev-cluster-lock")


def test_without_a_registry_nothing_is_granted_to_nodes() -> None:
    assert set(cluster().all(GRANT)) == {
        "engram-dev-disks-key-grant",
        "engram-dev-cluster-subnet-grant",
        "engram-dev-cluster-disks-grant",
    }


def test_only_the_directory_lets_anybody_in() -> None:
    made = cluster().one(CLUSTER)
    assert made["aadProfile"] == {
        "managed": True,
        "enableAzureRBAC": True,
        "tenantID": "tenant",
        "adminGroupObjectIDs": ["group"],
    }
    assert (made["enableRBAC"], made["disableLocalAccounts"]) == (True, True)
    assert made["apiServerAccessProfile"] == {
        "authorizedIPRanges": ["203.0.113.0/24"],
        "disableRunCommand": True,
    }


def test_local_accounts_and_an_open_api_server_are_settings() -> None:
    access = replace(ACCESS, local_accounts=True, authorized_ip_ranges=())
    made = cluster(access=access).one(CLUSTER)
    assert made["disableLocalAccounts"] is False
    assert "authorizedIPRanges" not in made["apiServerAccessProfile"]


def test_cilium_forwards_and_holds_the_network_policies() -> None:
    assert cluster().one(CLUSTER)["networkProfile"] == {
        "networkPlugin": "azure",
        "networkPluginMode": "overlay",
        "networkDataplane": "cilium",
        "networkPolicy": "cilium",
        "loadBalancerSku": "standard",
        "outboundType": "loadBalancer",
        "podCidr": "10.244.0.0/16",
        "serviceCidr": "10.96.0.0/16",
        "dnsServiceIP": "10.96.0.10",
    }


def test_pods_have_identities_and_read_the_vaults_secrets_as_they_change() -> None:
    made = cluster().one(CLUSTER)
    assert made["oidcIssuerProfile"] == {"enabled": True}
    assert made["securityProfile"]["workloadIdentity"] == {"enabled": True}
    assert made["securityProfile"]["imageCleaner"] == {"enabled": True, "intervalHours": 168}
    assert made["addonProfiles"] == {
        "azurepolicy": {"enabled": True},
        "azureKeyvaultSecretsProvider": {
            "enabled": True,
            "config": {"enableSecretRotation": "true", "rotationPollInterval": "2m"},
        },
    }


def test_no_workload_comes_to_the_systems_nodes() -> None:
    deployment = cluster()
    (system,) = deployment.one(CLUSTER)["agentPoolProfiles"]
    assert (system["name"], system["mode"], system["count"]) == ("system", "System", 2)
    assert system["nodeTaints"] == ["CriticalAddonsOnly=true:NoSchedule"]
    memory = deployment.one(POOL)
    assert (memory["mode"], memory["nodeLabels"]) == ("User", {"engram.io/pool": "memory"})
    assert "nodeTaints" not in memory


def test_the_workloads_nodes_come_and_go_between_the_bounds() -> None:
    deployment = cluster()
    pool = deployment.one(POOL)
    assert pool["enableAutoScaling"] is True
    assert (pool["count"], pool["minCount"], pool["maxCount"]) == (3, 3, 6)
    assert pool["availabilityZones"] == ["1", "2", "3"]
    assert "count" in deployment.options("engram-dev-memory-pool").ignoreChanges


@pytest.mark.parametrize("encrypted", [True, False])
def test_both_pools_are_alike_where_it_matters(encrypted: bool) -> None:
    deployment = cluster(host_encryption=encrypted)
    (system,) = deployment.one(CLUSTER)["agentPoolProfiles"]
    for pool in (system, deployment.one(POOL)):
        assert pool["enableEncryptionAtHost"] is encrypted
        assert pool["vnetSubnetID"] == "/subnet/nodes"
        assert pool["localDNSProfile"] == {"mode": "Disabled"}
        assert (pool["osType"], pool["osSKU"]) == ("Linux", "Ubuntu")


def test_only_the_pool_that_is_its_own_resource_names_a_version() -> None:
    deployment = cluster()
    assert deployment.one(POOL)["orchestratorVersion"] == "1.36"
    (system,) = deployment.one(CLUSTER)["agentPoolProfiles"]
    assert "orchestratorVersion" not in system, "Azure would refuse the next update of the cluster"


def test_the_systems_disk_goes_with_the_node_where_it_fits_on_the_nodes_own() -> None:
    deployment = cluster()
    (system,) = deployment.one(CLUSTER)["agentPoolProfiles"]
    assert (system["osDiskType"], system["osDiskSizeGB"]) == ("Managed", 64)
    assert deployment.one(POOL)["osDiskType"] == "Ephemeral"


def test_other_machines_are_another_pool_which_stands_before_the_old_one_goes() -> None:
    names = {
        pool_name(machine, host_encryption=encrypted)
        for machine in (LOCAL_DISK, NO_DISK, replace(LOCAL_DISK, zones=("1", "2")))
        for encrypted in (True, False)
    }
    assert len(names) == 6
    assert all(name.isalnum() and name.islower() and len(name) <= 12 for name in names)


def test_azure_tells_all_pools_with_the_cluster_and_an_update_takes_none_away() -> None:
    assert "agentPoolProfiles" in cluster().options("engram-dev-cluster").ignoreChanges


DECLARED = {
    "name": "system",
    "count": 2,
    "vm_size": "Standard_D2s_v5",
    "current_orchestrator_version": "1.36.1",
}
OTHERS = DECLARED | {"name": "memory1a2b", "count": 9, "vm_size": "Standard_D4ds_v5"}
BEHIND = {"current_orchestrator_version": "1.35.9"}


@pytest.mark.parametrize(
    ("stands", "told"),
    [
        ([DECLARED, OTHERS], []),
        ([OTHERS, DECLARED | {"count": 3}], ["it has 3 nodes, declared are 2: `az aks nodepool"]),
        ([DECLARED | {"vm_size": "B2"}], ["its nodes are B2, declared are Standard_D2s_v5: add a"]),
        ([DECLARED | BEHIND], ["its nodes run 1.35.9, the cluster 1.36.3: `az aks nodepool upgr"]),
        ([OTHERS | BEHIND], []),
        ([], []),
    ],
)
def test_what_differs_in_the_systems_pool_is_told(
    stands: list[dict[str, Any]], told: list[str]
) -> None:
    pools: Any = [SimpleNamespace(**pool) for pool in stands]
    found = list(ARGS.system_pool.differences(pools, "1.36.3"))
    assert [text[: len(start)] for text, start in zip(found, told, strict=True)] == told


def test_a_systems_pool_that_stays_behind_is_told_by_every_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    behind = {"currentKubernetesVersion": "1.37.0"}
    with patch.dict(ANSWERED, {CLUSTER: behind}):
        deploy(lambda: Cluster("engram-dev", ARGS))
    assert "the pool system: its nodes run 1.36.3, the cluster 1.37.0" in caplog.text


@pytest.mark.parametrize(
    ("channel", "azures"),
    [
        (aks.UpgradeChannel.NONE, False),
        (aks.UpgradeChannel.PATCH, False),
        (aks.UpgradeChannel.STABLE, True),
        (aks.UpgradeChannel.RAPID, True),
    ],
)
def test_versions_are_ours_unless_azure_was_told_to_move_them(
    channel: aks.UpgradeChannel, azures: bool
) -> None:
    deployment = cluster(upgrades=replace(UPGRADES, kubernetes=channel))
    made = deployment.one(CLUSTER)
    assert made["kubernetesVersion"] == "1.36"
    assert made["autoUpgradeProfile"]["upgradeChannel"] == channel.value
    ignored = list(deployment.options("engram-dev-cluster").ignoreChanges)
    assert ("kubernetesVersion" in ignored) is azures
    pools = deployment.options("engram-dev-memory-pool").ignoreChanges
    assert ("orchestratorVersion" in pools) is azures


def test_who_changed_what_is_logged() -> None:
    setting = cluster().one("azure-native:monitor:DiagnosticSetting")
    assert (setting["resourceUri"], setting["workspaceId"]) == ("/mock/engram-dev-cluster", "/logs")
    assert {log["category"] for log in setting["logs"] if log["enabled"]} == {
        "kube-apiserver",
        "kube-audit-admin",
        "guard",
        "cluster-autoscaler",
    }


def test_the_lock_is_the_last_to_come_and_the_first_to_go() -> None:
    deployment = cluster()
    assert (lock := deployment.one(LOCK))["scope"] == "/mock/engram-dev-cluster"
    assert lock["level"] == "CanNotDelete"
    below = deployment.below("engram-dev-cluster") - {"engram-dev-cluster-lock"}
    assert below >= {"engram-dev-memory-pool", "engram-dev-cluster-logs"}
    assert below <= deployment.after("engram-dev-cluster-lock")


@pytest.mark.parametrize("protected", [True, False])
def test_protection_is_a_setting(protected: bool) -> None:
    deployment = cluster(protected=protected)
    guarded = {"engram-dev-cluster", "engram-dev-disks"} if protected else set()
    assert deployment.protected() == guarded
    assert bool(deployment.all(LOCK)) is protected


def test_the_kubeconfig_is_asked_by_the_id_which_a_cluster_to_be_does_not_have() -> None:
    (asked,) = cluster().asked
    assert asked == {"resourceGroupName": "rg", "resourceName": "engram-dev-cluster"}
    assert cluster().one(CLUSTER)["resourceName"] == "aks-engram-dev", "the name is known too early"


def test_the_kubeconfig_stays_a_secret() -> None:
    deployment = cluster()
    assert not [name for name, text in deployment.clear_texts() if KUBECONFIG in text]
    assert KUBECONFIG in str(deployment.one(PROVIDER)["kubeconfig"])


def resolved(make: Any) -> tuple[ClusterReference, dict[str, Any], Deployment]:
    known: dict[str, Any] = {}
    found: list[ClusterReference] = []

    def program() -> None:
        found.append(make())
        pulumi.Output.from_input(found[0].oidc_issuer_url).apply(
            lambda url: known.update(issuer=url)
        )

    deployment = deploy(program)
    return found[0], known, deployment


def test_what_comes_after_knows_the_issuer_the_disks_and_where_pods_go() -> None:
    reference, known, _ = resolved(lambda: Cluster("engram-dev", ARGS).reference)
    assert known["issuer"] == ISSUER
    assert reference.pod_security_version == "v1.36"
    assert reference.node_selector == {"engram.io/pool": "memory"}
    assert [resource._name for resource in reference.ready] == ["engram-dev-memory-pool"]


def test_pods_are_held_to_a_minor_version_whatever_the_patch() -> None:
    args = replace(ARGS, kubernetes_version="1.36.2")
    reference, _, _ = resolved(lambda: Cluster("engram-dev", args).reference)
    assert reference.pod_security_version == "v1.36"


def test_a_customers_cluster_is_referred_to_and_nothing_of_it_is_declared() -> None:
    customers = ExistingCluster(
        kubeconfig=KUBECONFIG,
        oidc_issuer_url=ISSUER,
        storage_class="encrypted",
        node_selector={"pool": "memory"},
    )
    reference, known, deployment = resolved(lambda: customers.reference("engram-dev"))
    assert set(deployment.seen) == {"engram-dev-kubernetes"}
    assert not [name for name, text in deployment.clear_texts() if KUBECONFIG in text]
    assert known["issuer"] == ISSUER
    assert reference.storage == ExistingStorageClass(name="encrypted")
    assert reference.pod_security_version == "latest"
    assert reference.node_selector == {"pool": "memory"}
