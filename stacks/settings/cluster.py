"""The shape of ``cluster`` and ``images``: where the workloads run, and what is pulled there."""

from typing import Annotated, Literal

from pydantic import Field

from stacks.settings.base import Settings
from stacks.settings.cluster_types import (
    Address,
    Cidrs,
    Digest,
    Groups,
    HttpsUrl,
    ImageName,
    KubernetesName,
    KubernetesVersion,
    NodeLabels,
    RegistryName,
    VmSizeName,
    Zones,
)
from stacks.settings.types import Cidr, RegistryId
from stacks.settings.vm_sizes import VM_SIZES, VmSize

Nodes = Annotated[int, Field(ge=1, le=1000)]


class SystemPoolSettings(Settings):
    """Nodes of the cluster's own pods; tainted, so that no workload comes here."""

    vm_size: VmSizeName
    count: Nodes
    zones: Zones

    @property
    def size(self) -> VmSize:
        """What the size's name stands for."""
        return VM_SIZES[self.vm_size]


class MemoryPoolSettings(Settings):
    """Nodes of the workloads; the autoscaler adds and removes some between the bounds."""

    vm_size: VmSizeName
    min_count: Nodes
    max_count: Nodes
    zones: Zones

    @property
    def size(self) -> VmSize:
        """What the size's name stands for."""
        return VM_SIZES[self.vm_size]


class ManagedCluster(Settings):
    """An AKS cluster of the stack, its disks encrypted with the stack's key."""

    kind: Literal["managed"]
    kubernetes_version: KubernetesVersion
    tier: Literal["Free", "Standard", "Premium"]
    """Standard promises an uptime of the API server, Premium two years of a version."""
    system_pool: SystemPoolSettings
    memory_pool: MemoryPoolSettings
    pod_cidr: Cidr
    """Of the overlay; no address of it is seen outside the cluster."""
    service_cidr: Cidr
    dns_service_ip: Address
    admin_group_ids: Groups
    """Entra groups whose members administer the cluster."""
    local_accounts: bool
    """A certificate that no directory can revoke."""
    authorized_ip_ranges: Cidrs
    """Who reaches the API server; nobody is named: everybody does."""
    host_encryption: bool
    """Temporary disks and caches too; the subscription registers EncryptionAtHost for it."""
    upgrade_channel: Literal["none", "patch", "stable", "rapid", "node-image"]
    node_os_upgrade_channel: Literal["None", "Unmanaged", "SecurityPatch", "NodeImage"]


class ExistingCluster(Settings):
    """The customer's cluster, on AKS or anywhere else.

    Its owner prepares: Kubernetes 1.33 or newer; an OIDC issuer that Azure can read; the Secrets
    Store CSI driver with the provider ``azure``; network policies that are enforced; kubelets that
    may pull every image.  The driver's chart leaves out what we need: ``syncSecret.enabled=true``,
    ``enableSecretRotation=true``, ``tokenRequests`` for ``api://AzureADTokenExchange``.  Without
    the first the pods of Zep and Graphiti wait with CreateContainerConfigError.  The add-on of AKS
    has all three, rotation only where its owner switched it on.  With encrypted fields also Azure
    Workload Identity's webhook, which gives a token to the pods that unwrap keys; AKS brings it.

    It holds one stack: the namespace and the priority class have fixed names.

    How to reach it is the secret ``engram:kubeconfig``.
    """

    kind: Literal["existing"]
    oidc_issuer_url: HttpsUrl
    """Pods trade its tokens for Azure's; of AKS: `az aks show --query oidcIssuerProfile`."""
    storage_class: KubernetesName
    """Encrypted with the customer's key."""
    node_selector: NodeLabels = Field(default_factory=dict)
    """Labels of the nodes for the workloads; none means any node."""
    dns_cidrs: Cidrs = ()
    """Where a DNS cache of the nodes answers, e.g. 169.254.20.10/32; none means kube-dns alone.

    A policy that names the pods of kube-dns does not let a pod reach such a cache.
    """


ClusterSettings = Annotated[ManagedCluster | ExistingCluster, Field(discriminator="kind")]


class DigestSettings(Settings):
    """Content of each image; what is missing here is as in ``stacks/images.yaml``."""

    zep: Digest | None = None
    pooler: Digest | None = None
    graphiti: Digest | None = None
    graph_store: Digest | None = None
    gateway: Digest | None = None
    memory_service: Digest | None = None


class ImageSettings(Settings):
    """Where images are pulled from, and which; names and tags are in ``stacks/images.yaml``."""

    registry: RegistryName | None = None
    """The customer's mirror, which keeps the repositories' names; none means the origin of each."""
    memory_service: ImageName | None = None
    """Complete name of the memory service's image; there is none until one is named."""
    registry_id: RegistryId | None = None
    """ARM id of an Azure container registry, from which the nodes of a cluster of the stack pull.

    Its administrator lets the deployer assign roles on it.  The owner of an existing cluster lets
    its kubelets pull: `az aks update --attach-acr`.
    """
    digests: DigestSettings = Field(default_factory=DigestSettings)
