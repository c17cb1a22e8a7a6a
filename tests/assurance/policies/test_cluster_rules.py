"""assurance/policies/rules: what is weaker in a cluster, its nodes or its disks is noticed."""

import pytest

from tests.assurance.policies.samples import GONE, changed, good, rules_of, says

MODULES = ("cluster", "cluster_upkeep", "nodes", "storage")
Case = tuple[str, str, str, object, str]

ACCESS = "apiServerAccessProfile"
ADD_ONS = "addonProfiles"
KEYVAULT = f"{ADD_ONS}:azureKeyvaultSecretsProvider"
SYSTEM = "agentPoolProfiles:0"
RESERVED = "CriticalAddonsOnly=true:NoSchedule"

CLUSTER: list[Case] = [
    ("cluster-entra-login", "cluster", "aadProfile", GONE, "aadProfile.managed is not set"),
    ("cluster-entra-login", "cluster", "aadProfile:managed", "true", "managed is true; allowed"),
    ("cluster-entra-login", "cluster", "aadProfile:enableAzureRBAC", False, "is false; allowed"),
    ("cluster-entra-login", "cluster", "aadProfile:adminGroupObjectIDs", [], "is empty; allowed"),
    ("cluster-no-local-accounts", "cluster", "disableLocalAccounts", GONE, "is not set"),
    ("cluster-no-local-accounts", "cluster", "disableLocalAccounts", False, "is false"),
    ("cluster-rbac", "cluster", "enableRBAC", None, "enableRBAC is not set; allowed: true"),
    ("cluster-private", "cluster", f"{ACCESS}:enablePrivateCluster", GONE, "is not set"),
    ("cluster-no-command-invoke", "cluster", f"{ACCESS}:disableRunCommand", False, "is false"),
    ("cluster-policy-add-on", "cluster", f"{ADD_ONS}:azurepolicy", GONE, "enabled is not set"),
    ("cluster-secrets-rotated", "cluster", f"{KEYVAULT}:enabled", False, "enabled is false"),
    ("cluster-secrets-rotated", "cluster", f"{KEYVAULT}:config", GONE, "Rotation is not set"),
    ("cluster-no-dashboard", "cluster", f"{ADD_ONS}:kubeDashboard:enabled", True, "is true"),
    ("cluster-no-dashboard", "cluster", f"{ADD_ONS}:httpApplicationRouting:enabled", True, "true"),
    ("cluster-network-policies", "cluster", "networkProfile", GONE, "networkPolicy is not set"),
    ("cluster-network-policies", "cluster", "networkProfile:networkPolicy", "none", "is none"),
    ("cluster-network-policies", "cluster", "networkProfile:networkDataplane", GONE, "not set"),
    ("cluster-azure-cni", "cluster", "networkProfile:networkPlugin", "kubenet", "is kubenet"),
    ("cluster-workload-identity", "cluster", "oidcIssuerProfile", GONE, "oidcIssuerProfile.enabl"),
    ("cluster-workload-identity", "cluster", "securityProfile", {}, "workloadIdentity.enabled is"),
    ("cluster-managed-identity", "cluster", "identity", GONE, "identity.type is not set"),
    ("cluster-managed-identity", "cluster", "servicePrincipalProfile:clientId", "app", "is app"),
    ("cluster-disks-own-key", "cluster", "diskEncryptionSetID", GONE, "names no disk encryption"),
    ("cluster-disks-own-key", "cluster", "diskEncryptionSetID", "/another", "names no disk"),
    ("cluster-disks-own-key", "disks", "", GONE, "cluster: diskEncryptionSetID names no"),
    ("cluster-secrets-own-key", "cluster", "securityProfile:azureKeyVaultKms", GONE, "is not set"),
    ("cluster-upgraded", "cluster", "autoUpgradeProfile", GONE, "upgradeChannel is not set"),
    ("cluster-upgraded", "cluster", "autoUpgradeProfile:upgradeChannel", "none", "is none; allow"),
    (
        "cluster-node-images-upgraded",
        "cluster",
        "autoUpgradeProfile:nodeOSUpgradeChannel",
        "Unmanaged",
        "is Unmanaged; allowed: NodeImage or SecurityPatch",
    ),
    ("cluster-image-cleaner", "cluster", "securityProfile:imageCleaner:enabled", False, "false"),
    ("cluster-paid-tier", "cluster", "sku", GONE, "sku.tier is not set"),
    ("cluster-paid-tier", "cluster", "sku:tier", "Free", "sku.tier is Free"),
    ("cluster-diagnostics", "logs", "", GONE, "cluster: no diagnostic setting logs logins"),
    ("cluster-diagnostics", "logs", "resourceUri", "/other", "no diagnostic setting logs requests"),
    ("cluster-diagnostics", "logs", "workspaceId", GONE, "no diagnostic setting logs scaling"),
    ("cluster-diagnostics", "logs", "logs:1:enabled", False, "logs who changed what: kube-audit"),
    ("cluster-diagnostics", "logs", "logs", None, "no diagnostic setting logs logins: guard"),
    ("cluster-locked", "lock", "", GONE, "no lock of level CanNotDelete or ReadOnly is on it"),
    ("cluster-locked", "lock", "scope", "/mock/vault", "no lock of level"),
    ("cluster-locked", "lock", "level", "NotSpecified", "no lock of level"),
    ("cluster-one-tenant", "cluster", "aadProfile:tenantID", "theirs", "is theirs; allowed: ours"),
    ("cluster-one-tenant", "secrets", "spec:parameters:tenantId", GONE, "tenantId is not set"),
]
CALLERS: list[tuple[object, str]] = [
    (GONE, "authorizedIPRanges is not set; allowed: ranges of /16 or narrower"),
    ([], "authorizedIPRanges is empty"),
    (["203.0.113.0/24", "0.0.0.0/0"], "authorizedIPRanges is 0.0.0.0/0"),
    (["10.0.0.0/8"], "authorizedIPRanges is 10.0.0.0/8"),
    (["everybody"], "authorizedIPRanges is everybody"),
]
NODES: list[Case] = [
    ("nodes-encryption-at-host", "pool", "enableEncryptionAtHost", GONE, "AtHost is not set"),
    ("nodes-encryption-at-host", "cluster", f"{SYSTEM}:enableEncryptionAtHost", False, "[0].enabl"),
    ("nodes-ephemeral-disks", "pool", "osDiskType", "Managed", "osDiskType is Managed"),
    ("nodes-scale-sets", "pool", "type", "AvailabilitySet", "type is AvailabilitySet"),
    ("nodes-no-public-address", "pool", "enableNodePublicIP", True, "enableNodePublicIP is true"),
    ("nodes-own-subnet", "pool", "vnetSubnetID", "", "vnetSubnetID is empty"),
    ("nodes-room-for-pods", "pool", "maxPods", 30, "maxPods is 30; allowed: 50 or more"),
    ("nodes-room-for-pods", "pool", "maxPods", GONE, "maxPods is not set"),
    ("nodes-system-pool-reserved", "cluster", "agentPoolProfiles", [], "no pool of mode System"),
    ("nodes-system-pool-reserved", "cluster", "agentPoolProfiles", GONE, "no pool of mode System"),
    ("nodes-system-pool-reserved", "cluster", f"{SYSTEM}:nodeTaints", [], "nodeTaints is empty"),
    ("nodes-system-pool-reserved", "cluster", f"{SYSTEM}:nodeTaints", GONE, "Taints is not set"),
    ("nodes-system-pool-reserved", "pool", "mode", GONE, "mode is not set; allowed: System or Us"),
    ("nodes-system-pool-reserved", "pool", "nodeTaints", [RESERVED], "for pools of mode System"),
    ("nodes-several-zones", "pool", "availabilityZones", ["1"], "availabilityZones is 1; allowed"),
    ("nodes-several-zones", "pool", "availabilityZones", ["1", "1"], "2 zones or more"),
    ("nodes-several-zones", "cluster", f"{SYSTEM}:availabilityZones", GONE, "is not set"),
    ("nodes-no-ssh", "pool", "securityProfile", GONE, "sshAccess is not set; allowed: Disabled"),
    ("nodes-no-ssh", "cluster", "linuxProfile:ssh:publicKeys", [{}], "linuxProfile has SSH keys"),
]
STORAGE: list[Case] = [
    (
        "storage-disk-encryption-set",
        "disks",
        "encryptionType",
        "EncryptionAtRestWithPlatformKey",
        "encryptionType is EncryptionAtRestWithPlatformKey",
    ),
    ("storage-disk-encryption-set", "disks", "identity", GONE, "identity.type is not set"),
    (
        "storage-disk-encryption-set",
        "disks",
        "identity:userAssignedIdentities",
        [],
        "userAssignedIdentities is empty",
    ),
    ("storage-disk-encryption-set", "disks", "activeKey", {}, "activeKey.keyUrl is not set"),
    ("storage-disk-key-rotates", "disks", "rotationToLatestKeyVersionEnabled", GONE, "not set"),
    ("storage-class-own-key", "storage", "parameters:diskEncryptionSetID", GONE, "names no disk"),
    ("storage-class-own-key", "storage", "parameters:diskEncryptionSetID", "/x", "names no disk"),
    ("storage-class-own-key", "storage", "parameters:diskEncryptionType", GONE, "Type is not set"),
    ("storage-class-csi", "storage", "provisioner", "kubernetes.io/azure-disk", "provisioner is k"),
    ("storage-class-no-export", "storage", "parameters:networkAccessPolicy", "AllowAll", "AllowAl"),
    ("storage-class-no-export", "storage", "parameters:publicNetworkAccess", GONE, "is not set"),
    ("storage-class-retains", "storage", "reclaimPolicy", GONE, "reclaimPolicy is not set"),
    ("storage-claim-own-class", "claim", "spec:storageClassName", GONE, "is not set; allowed: enc"),
    ("storage-claim-own-class", "claim", "spec:storageClassName", "default", "is default; allowed"),
]

ENOUGH: list[tuple[str, str, str, object]] = [
    ("cluster-managed-identity", "cluster", "servicePrincipalProfile:clientId", "msi"),
    ("cluster-network-policies", "cluster", "networkProfile:networkPolicy", "calico"),
    ("cluster-network-policies", "cluster", "networkProfile:networkPolicy", "azure"),
    ("cluster-diagnostics", "logs", "logs:1:category", "kube-audit"),
    ("cluster-diagnostics", "logs", "logs", [{"categoryGroup": "allLogs", "enabled": True}]),
    ("nodes-room-for-pods", "pool", "maxPods", 50),
    (
        "storage-disk-encryption-set",
        "disks",
        "encryptionType",
        "EncryptionAtRestWithPlatformAndCustomerKeys",
    ),
]


@pytest.mark.parametrize("rule", rules_of(*MODULES))
def test_what_complies_is_left_in_peace(rule: str) -> None:
    assert says(rule, good()) == []


@pytest.mark.parametrize(("rule", "who", "path", "value", "said"), [*CLUSTER, *NODES, *STORAGE])
def test_what_is_weaker_is_noticed(
    rule: str, who: str, path: str, value: object, said: str
) -> None:
    assert any(said in words for words in says(rule, changed(who, path, value)))


@pytest.mark.parametrize(("ranges", "said"), CALLERS)
def test_a_public_api_server_has_a_list_of_callers(ranges: object, said: str) -> None:
    resources = changed("cluster", f"{ACCESS}:authorizedIPRanges", ranges)
    assert says("cluster-listed-callers", resources) == []  # a private one needs none
    access = resources["cluster"]["inputs"][ACCESS]
    access["enablePrivateCluster"] = False
    assert any(said in words for words in says("cluster-listed-callers", resources))
    access["authorizedIPRanges"] = ["203.0.0.0/16"]
    assert says("cluster-listed-callers", resources) == []


def test_every_rule_has_been_seen_to_find_something() -> None:
    shown = {case[0] for case in (*CLUSTER, *NODES, *STORAGE)} | {"cluster-listed-callers"}
    assert shown == set(rules_of(*MODULES))


def test_a_claim_template_of_a_stateful_set_is_a_claim() -> None:
    resources = changed("workload", "spec:volumeClaimTemplates", [{"spec": {}}])
    resources["workload"]["type"] = "kubernetes:apps/v1:StatefulSet"
    (words,) = says("storage-claim-own-class", resources)
    assert words.startswith("workload: spec.volumeClaimTemplates[0].spec.storageClassName is not")


def test_in_somebody_elses_cluster_a_class_must_be_named_and_may_be_theirs() -> None:
    resources = changed("claim", "spec:storageClassName", "theirs")
    del resources["cluster"]
    assert says("storage-claim-own-class", resources) == []
    del resources["claim"]["inputs"]["spec"]["storageClassName"]
    assert says("storage-claim-own-class", resources) != []


@pytest.mark.parametrize(("rule", "who", "path", "value"), ENOUGH)
def test_what_is_just_enough_is_left_in_peace(
    rule: str, who: str, path: str, value: object
) -> None:
    assert says(rule, changed(who, path, value)) == []
