"""Clusters that Azure takes, and a fleet that only remembers what it was asked for."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest

from local.cloud.arm import Body
from local.cloud.cluster import fleet
from local.cloud.cluster.spec import Access, ClusterSpec, Status
from tests.local.cloud import declared
from tests.local.cloud.conftest import GROUP, Engine
from tests.local.cloud.declared import KEY_ID, NETWORK_ID, RG

CLUSTER = "containerservice:ManagedCluster"
POOL = "containerservice:AgentPool"
DISKS = "compute:DiskEncryptionSet"
CREDENTIAL = "managedidentity:FederatedIdentityCredential"
GRANT = "authorization:RoleAssignment"

CLUSTER_ID = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/aks-dev"
DISKS_ID = f"{GROUP}/providers/Microsoft.Compute/diskEncryptionSets/des-dev"
NODES_ID = f"{NETWORK_ID}/subnets/nodes"
IDENTITIES = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
CLUSTER_IDENTITY = f"{IDENTITIES}/id-aks"
DISKS_IDENTITY = f"{IDENTITIES}/id-disks"
NODE_GROUP = f"{GROUP.rsplit('/', 1)[0]}/MC_rg_aks-dev_westeurope"

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
KUBECONFIG = "the way in, a canary"


@dataclass
class FakeFleet:
    """Stands in for the control planes."""

    specs: dict[str, ClusterSpec] = field(default_factory=dict)
    failure: Exception | None = None
    started: list[str] = field(default_factory=list)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        for door in ("create", "update", "access", "exists", "start", "delete", "status"):
            patch.setattr(fleet, door, getattr(self, door))

    def create(self, cluster_id: str, spec: ClusterSpec) -> Access:
        self.specs[cluster_id] = spec
        if self.failure is not None:
            raise self.failure
        return self.access(cluster_id)

    def update(self, cluster_id: str, spec: ClusterSpec) -> None:
        assert cluster_id in self.specs
        self.create(cluster_id, spec)

    def access(self, cluster_id: str) -> Access:
        assert cluster_id in self.specs
        url = "https://westeurope.oic.prod-aks.azure.com/tenant/key/"
        return Access(kubeconfig=KUBECONFIG, issuer_url=url, version="1.36.3")

    def exists(self, cluster_id: str) -> bool:
        return cluster_id in self.specs

    def start(self, cluster_ids: Iterable[str]) -> Mapping[str, str]:
        self.started = list(cluster_ids)
        return {}

    def delete(self, cluster_id: str) -> None:
        self.specs.pop(cluster_id, None)

    def status(self) -> list[Status]:
        return [
            Status(name=id_.rsplit("/", 1)[-1], cluster_id=id_, server="", running=True, nodes=0)
            for id_ in self.specs
        ]

    def nodes(self) -> dict[str, int]:
        """Return how many nodes each pool of the only cluster has."""
        (spec,) = self.specs.values()
        return {pool.name: pool.count for pool in spec.pools}


def system(**more: object) -> Body:
    return {
        "name": "system",
        "mode": "System",
        "count": 2,
        "vmSize": "Standard_D4ds_v5",
        "vnetSubnetID": NODES_ID,
        "availabilityZones": ["1", "2"],
        "maxPods": 110,
        **more,
    }


def network(**more: object) -> Body:
    return {
        "networkPlugin": "azure",
        "networkPluginMode": "overlay",
        "podCidr": "10.244.0.0/16",
        "serviceCidr": "10.0.0.0/16",
        "dnsServiceIP": "10.0.0.10",
        **more,
    }


def cluster(*pools: Body, **more: object) -> Body:
    """Return a cluster as the program declares it: encrypted, federated, without accounts."""
    return {
        **RG,
        "resourceName": "aks-dev",
        "location": "westeurope",
        "dnsPrefix": "engram",
        "kubernetesVersion": "1.36",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [CLUSTER_IDENTITY]},
        "diskEncryptionSetID": DISKS_ID,
        "agentPoolProfiles": list(pools or (system(),)),
        "networkProfile": network(),
        "aadProfile": {"managed": True, "enableAzureRBAC": True},
        "disableLocalAccounts": True,
        "oidcIssuerProfile": {"enabled": True},
        "securityProfile": {"workloadIdentity": {"enabled": True}},
        "addonProfiles": {"azureKeyvaultSecretsProvider": {"enabled": True}},
        **more,
    }


def pool(name: str = "memory", **more: object) -> Body:
    return {
        **RG,
        "resourceName": "aks-dev",
        "agentPoolName": name,
        "mode": "User",
        "vmSize": "Standard_D8ds_v5",
        "enableAutoScaling": True,
        "count": 1,
        "minCount": 1,
        "maxCount": 3,
        "vnetSubnetID": NODES_ID,
        "nodeLabels": {"engram.io/pool": "memory"},
        "nodeTaints": ["engram.io/pool=memory:NoSchedule"],
        **more,
    }


def disks(url: str, **more: object) -> Body:
    return {
        **RG,
        "diskEncryptionSetName": "des-dev",
        "location": "westeurope",
        "encryptionType": "EncryptionAtRestWithCustomerKey",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [DISKS_IDENTITY]},
        "activeKey": {"keyUrl": url},
        "rotationToLatestKeyVersionEnabled": True,
        **more,
    }


def credential(name: str = "zep", subject: str = "zep", **more: object) -> Body:
    return {
        **RG,
        "resourceName": "id-cmk",
        "federatedIdentityCredentialResourceName": name,
        "issuer": "https://westeurope.oic.prod-aks.azure.com/tenant/key/",
        "subject": f"system:serviceaccount:zep:{subject}",
        "audiences": ["api://AzureADTokenExchange"],
        **more,
    }


def grant(engine: Engine, principal: str, scope: str, role: str) -> str:
    """Assign a role; return the assignment's id."""
    asked = {
        "scope": scope,
        "roleAssignmentName": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{principal}|{scope}|{role}")),
        "principalId": principal,
        "principalType": "ServicePrincipal",
        "roleDefinitionId": declared.role(role),
    }
    return engine.create(GRANT, asked, f"{principal}-{role}")[0]


def enable_key(engine: Engine, *, enabled: bool) -> None:
    versions = engine.world.private(KEY_ID)["versions"]
    engine.world.set_private(KEY_ID, {"versions": [{**v, "enabled": enabled} for v in versions]})


@dataclass(frozen=True)
class Ground:
    """What stands before a cluster can: grants are kept, so that a test can take one away."""

    key_url: str
    disks_grant: str
    subnet_grant: str
    key_grant: str


def furnish(engine: Engine) -> Ground:
    """Make vault, key, network, identities, their grants and the disk encryption set."""
    declared.stand(engine)
    subnet = declared.subnet("nodes", "10.20.8.0/24")
    engine.create("network:Subnet", subnet)
    made = {
        name: engine.create("managedidentity:UserAssignedIdentity", declared.identity(name))[1]
        for name in ("id-aks", "id-disks")
    }
    cluster_principal, disks_principal = (str(one["principalId"]) for one in made.values())
    key_grant = grant(engine, disks_principal, KEY_ID, declared.CRYPTO_USER)
    url = engine.world.require(KEY_ID).outputs["keyUriWithVersion"]
    engine.create(DISKS, disks(url))
    return Ground(
        key_url=url,
        key_grant=key_grant,
        subnet_grant=grant(engine, cluster_principal, NODES_ID, NETWORK_CONTRIBUTOR),
        disks_grant=grant(engine, cluster_principal, DISKS_ID, READER),
    )
