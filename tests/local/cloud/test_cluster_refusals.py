"""What the inputs of clusters, pools, disk sets and credentials alone give away is refused."""

import pytest

from local.cloud.arm import UNKNOWN, Body
from tests.local.cloud.clusters import (
    CLUSTER,
    CREDENTIAL,
    DISKS,
    POOL,
    cluster,
    credential,
    disks,
    network,
    pool,
    system,
)
from tests.local.cloud.conftest import Engine

URL = "https://kv-dev.vault.azure.net/keys/disks/0123456789abcdef0123456789abcdef"
UNSUPPORTED = "is not supported in this region"
BOUNDS = "It must be greater or equal to minCount:1 and less than or equal to maxCount:1000"

WRONG: list[tuple[str, Body, str, str]] = [
    (CLUSTER, cluster(resourceName="-aks"), "resourceName", "InvalidParameter"),
    (CLUSTER, cluster(resourceName="a" * 64), "resourceName", "InvalidParameter"),
    (CLUSTER, cluster(dnsPrefix="engram."), "dnsPrefix", "parameter dnsPrefix is invalid"),
    (CLUSTER, cluster(dnsPrefix="e" * 55), "dnsPrefix", "parameter dnsPrefix is invalid"),
    (CLUSTER, cluster(dnsPrefix=None), "dnsPrefix", "dnsPrefix is missing"),
    (CLUSTER, cluster(kubernetesVersion="1.35"), "kubernetesVersion", UNSUPPORTED),
    (CLUSTER, cluster(kubernetesVersion="1.3"), "kubernetesVersion", UNSUPPORTED),
    (CLUSTER, cluster(kubernetesVersion="1.361"), "kubernetesVersion", UNSUPPORTED),
    (
        CLUSTER,
        cluster(system(orchestratorVersion="1.34.2")),
        "agentPoolProfiles[0].orchestratorVersion",
        UNSUPPORTED,
    ),
    (CLUSTER, cluster(agentPoolProfiles=[]), "agentPoolProfiles", "MustDefineAtLeastOneSystemPool"),
    (CLUSTER, cluster(system(mode="User")), "agentPoolProfiles", "at least one system pool"),
    (CLUSTER, cluster(system(), system()), "agentPoolProfiles", "'system' is used twice"),
    (CLUSTER, cluster(system(name="sys-1")), "agentPoolProfiles[0].name", "name is invalid"),
    (CLUSTER, cluster(system(name="System")), "agentPoolProfiles[0].name", "name is invalid"),
    (CLUSTER, cluster(system(name="s" * 13)), "agentPoolProfiles[0].name", "name is invalid"),
    (CLUSTER, cluster(system(count=0)), "agentPoolProfiles[0].count", BOUNDS),
    (CLUSTER, cluster(system(count=1001)), "agentPoolProfiles[0].count", BOUNDS),
    (
        CLUSTER,
        cluster(system(osType="Windows")),
        "agentPoolProfiles[0].osType",
        "SystemPoolMustBeLinux",
    ),
    (
        CLUSTER,
        cluster(system(availabilityZones=["1", "4"])),
        "agentPoolProfiles[0].availabilityZones",
        r"The zone(s) '4' for resource 'system' is not supported. The supported zones for location"
        " 'westeurope' are '1,2,3'",
    ),
    (
        CLUSTER,
        cluster(location="West US"),
        "agentPoolProfiles[0].availabilityZones",
        "AvailabilityZoneNotSupported",
    ),
    (
        CLUSTER,
        cluster(system(vmSize="Standard_Z9")),
        "agentPoolProfiles[0].vmSize",
        "VMSizeNotSupported",
    ),
    (CLUSTER, cluster(system(vmSize=None)), "agentPoolProfiles[0].vmSize", "vmSize is missing"),
    (CLUSTER, cluster(identity={"type": "SystemAssigned"}), "identity.type", "NotImplemented"),
    (
        CLUSTER,
        cluster(identity={"type": "UserAssigned", "userAssignedIdentities": []}),
        "identity.userAssignedIdentities",
        "name one identity",
    ),
    (CLUSTER, cluster(aadProfile=None), "disableLocalAccounts", "Please integrate your cluster"),
    (
        CLUSTER,
        cluster(oidcIssuerProfile={"enabled": False}),
        "securityProfile.workloadIdentity",
        "Azure AD Workload Identity requires OIDC issuer",
    ),
    (
        CLUSTER,
        cluster(addonProfiles={"kubeDashboard": {"enabled": True}}),
        "addonProfiles[kubeDashboard]",
        "NotImplemented",
    ),
    (
        CLUSTER,
        cluster(addonProfiles={"omsagent": {"enabled": True}}),
        "addonProfiles[omsagent].config",
        "LogAnalyticsWorkspaceNotSet",
    ),
    (
        CLUSTER,
        cluster(networkProfile=network(podCidr="10.0.0.0/8")),
        "networkProfile.podCidr",
        "PodCidrOverlapServiceCidr",
    ),
    (
        CLUSTER,
        cluster(networkProfile=network(podCidr="10.244.0.1/16")),
        "networkProfile.podCidr",
        "CidrStringParseError",
    ),
    (
        CLUSTER,
        cluster(networkProfile=network(serviceCidr="11.0.0.0/11", dnsServiceIP="11.0.0.10")),
        "networkProfile.serviceCidr",
        "too large",
    ),
    (
        CLUSTER,
        cluster(networkProfile=network(serviceCidr="172.30.0.0/16", dnsServiceIP="172.30.0.10")),
        "networkProfile.serviceCidr",
        "which Azure keeps",
    ),
    (
        CLUSTER,
        cluster(networkProfile=network(dnsServiceIP="10.1.0.10")),
        "networkProfile.dnsServiceIP",
        "must lie within the service CIDR 10.0.0.0/16",
    ),
    (
        CLUSTER,
        cluster(networkProfile=network(dnsServiceIP="10.0.0.1")),
        "networkProfile.dnsServiceIP",
        "after its first address",
    ),
    (
        CLUSTER,
        cluster(networkProfile=network(networkPlugin="kubenet")),
        "networkProfile.networkPluginMode",
        "overlay is a mode of the plugin azure",
    ),
    (
        CLUSTER,
        cluster(networkProfile={"networkPlugin": "kubenet", "networkPolicy": "azure"}),
        "networkProfile.networkPolicy",
        "NetworkPolicyAzureNotSupportedForKubenet",
    ),
    (POOL, pool("Memory"), "agentPoolName", "agentPoolProfile.name is invalid"),
    (POOL, pool(count=None), "count", "properties.count is missing"),
    (POOL, pool(minCount=4, count=3), "minCount", "minCount 4 is greater than maxCount 3"),
    (POOL, pool(maxCount=None), "minCount", "needs both"),
    (POOL, pool(enableAutoScaling=None), "enableAutoScaling", "AutoScalingNotEnabled"),
    (POOL, pool(mode="System", minCount=0), "minCount", BOUNDS),
    (POOL, pool(osType="Windows"), "osType", "Linux only"),
    (POOL, pool(nodeTaints=["memory:NoSchedule"]), "nodeTaints[0]", "key=value:NoSchedule"),
    (
        POOL,
        pool(nodeLabels={"kubernetes.azure.com/mode": "x"}),
        "nodeLabels[kubernetes.azure.com/mode]",
        "NodeLabelKeyNotAllowed",
    ),
    (DISKS, disks(URL, diskEncryptionSetName="a.b"), "diskEncryptionSetName", "InvalidParameter"),
    (DISKS, disks(URL.rsplit("/", 1)[0]), "activeKey.keyUrl", "names no version"),
    (DISKS, disks("https://example.org/key"), "activeKey.keyUrl", "is no URL of a key"),
    (DISKS, disks(URL, activeKey=None), "activeKey.keyUrl", "missing"),
    (DISKS, disks(URL, identity={"type": "SystemAssigned"}), "identity.type", "NotImplemented"),
    (
        DISKS,
        disks(URL, identity={"type": "UserAssigned", "userAssignedIdentities": []}),
        "identity.userAssignedIdentities",
        "name one identity",
    ),
    (CREDENTIAL, credential("ab"), "federatedIdentityCredentialResourceName", "BadRequest"),
    (CREDENTIAL, credential(issuer="http://issuer.example"), "issuer", "no https URL"),
    (CREDENTIAL, credential(subject="s" * 600), "subject", "1-600 characters"),
    (CREDENTIAL, credential(audiences=["a", "b"]), "audiences", "exactly one"),
]


@pytest.mark.parametrize(
    ("token", "inputs", "path", "words"),
    WRONG,
    ids=[f"{token.partition(':')[2]}-{path}-{words[:24]}" for token, _, path, words in WRONG],
)
def test_refuses(engine: Engine, token: str, inputs: Body, path: str, words: str) -> None:
    found = engine.failures(token, {k: v for k, v in inputs.items() if v is not None})
    assert [place for place, _ in found] == [path]
    assert words in found[0][1]


FINE = [
    (CLUSTER, cluster()),
    (CLUSTER, cluster(kubernetesVersion="1.36.3")),
    (CLUSTER, cluster(system(), {**system(), "name": "u", "mode": "User", "count": 0})),
    (CLUSTER, cluster(identity=UNKNOWN, agentPoolProfiles=UNKNOWN, networkProfile=UNKNOWN)),
    (CLUSTER, cluster(aadProfile=UNKNOWN, securityProfile=UNKNOWN, addonProfiles=UNKNOWN)),
    (CLUSTER, cluster(system(vnetSubnetID=UNKNOWN), diskEncryptionSetID=UNKNOWN)),
    (POOL, pool()),
    (POOL, pool(resourceName=UNKNOWN, vnetSubnetID=UNKNOWN, count=UNKNOWN, maxCount=UNKNOWN)),
    (POOL, pool(minCount=0, count=0)),
    (DISKS, disks(URL)),
    (DISKS, disks(UNKNOWN, identity={"type": "UserAssigned", "userAssignedIdentities": UNKNOWN})),
    (CREDENTIAL, credential()),
    (CREDENTIAL, credential(issuer=UNKNOWN, subject=UNKNOWN, audiences=UNKNOWN)),
]


@pytest.mark.parametrize(("token", "inputs"), FINE)
def test_takes(engine: Engine, token: str, inputs: Body) -> None:
    assert engine.failures(token, inputs) == []
