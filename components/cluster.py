"""An AKS cluster whose disks are encrypted with our key, and which only the directory lets in."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import compute, managedidentity
from pulumi_azure_native import containerservice as aks

from components.cluster_profiles import (
    ClusterAccess,
    ClusterNetwork,
    ClusterUpgrades,
    addons,
    api_server,
    directory,
    network_profile,
    security_profile,
)
from components.cluster_reference import ClusterReference, EncryptedDisks, kubernetes_provider
from components.diagnostics import send_logs
from components.grants import Grant, Principal, Role, make_identity, wait_for
from components.key_user import KeyUser, KeyUserArgs
from components.key_vault import VersionedKey
from components.lock import forbid_delete
from components.naming import Kind, azure_name
from components.node_pools import (
    MEMORY_LABELS,
    MemoryPool,
    PoolPlace,
    SystemPool,
    memory_pool,
    minor_version,
    system_profile,
)
from components.placement import Placement

LOG_CATEGORIES = ("kube-apiserver", "kube-audit-admin", "guard", "cluster-autoscaler")
"""Who changed what and who logged in; kube-audit would add every single read."""


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """What a caller decides."""

    placement: Placement
    subscription_id: str
    disk_key: VersionedKey
    kubernetes_version: str
    """E.g. ``1.36``; Azure picks the patch."""
    tier: aks.ManagedClusterSKUTier
    network: ClusterNetwork
    access: ClusterAccess
    upgrades: ClusterUpgrades
    system_pool: SystemPool
    memory_pool: MemoryPool
    host_encryption: bool
    workspace_id: pulumi.Input[str]
    grant_wait_seconds: int
    protected: bool
    registry_id: str | None = None
    """ARM id of the Azure container registry that the nodes pull from."""

    @property
    def pool_place(self) -> PoolPlace:
        """Return what both pools share."""
        return PoolPlace(
            kubernetes_version=self.kubernetes_version,
            subnet_id=self.network.nodes_subnet_id,
            host_encryption=self.host_encryption,
            placement=self.placement,
        )


class Cluster(pulumi.ComponentResource):
    """Keys, grants, cluster and nodes, in the order in which Azure accepts them."""

    cluster_id: pulumi.Output[str]
    cluster_name: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    """Secret.  It names no credential, with local accounts or without: kubelogin gets one."""
    reference: ClusterReference

    def __init__(
        self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:Cluster", name, {}, opts)
        disks = self._disk_encryption_set(name, args)
        identity = make_identity(f"{name}-cluster", args.placement, self._child())
        granted = self._grants(name, args, identity, disks)
        cluster = self._cluster(name, args, identity, disks, after=granted)
        args.system_pool.report(cluster)
        pool = self._memory_pool(name, args, cluster)
        pulls = self._image_pulls(name, args, cluster)
        logs = self._diagnostics(name, args, cluster)
        if args.protected:
            self._lock(name, cluster, after=[pool, *pulls, logs])
        self.cluster_id = cluster.id
        self.cluster_name = cluster.name
        self.kubeconfig = _kubeconfig(args.placement, cluster)
        self.reference = ClusterReference(
            provider=kubernetes_provider(name, self.kubeconfig, self._child()),
            oidc_issuer_url=cluster.oidc_issuer_profile.apply(_issuer_url),
            storage=EncryptedDisks(disk_encryption_set_id=disks.id),
            pod_security_version=f"v{minor_version(args.kubernetes_version)}",
            node_selector=MEMORY_LABELS,
            ready=[pool, *pulls],
        )
        self.register_outputs({"cluster_id": self.cluster_id})

    def _child(
        self, *, after: Sequence[pulumi.Resource] = (), protect: bool | None = None
    ) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=list(after), protect=protect)

    def _disk_encryption_set(self, name: str, args: ClusterArgs) -> compute.DiskEncryptionSet:
        user = KeyUser(
            f"{name}-disks",
            KeyUserArgs(
                placement=args.placement,
                subscription_id=args.subscription_id,
                key_id=args.disk_key.id,
                wait_seconds=args.grant_wait_seconds,
            ),
            self._child(),
        )
        return compute.DiskEncryptionSet(
            f"{name}-disks",
            resource_group_name=args.placement.resource_group_name,
            disk_encryption_set_name=azure_name(Kind.DISK_ENCRYPTION_SET, name),
            location=args.placement.location,
            encryption_type=compute.DiskEncryptionSetType.ENCRYPTION_AT_REST_WITH_CUSTOMER_KEY,
            identity=compute.EncryptionSetIdentityArgs(
                type=compute.DiskEncryptionSetIdentityType.USER_ASSIGNED,
                user_assigned_identities=[user.identity_id],
            ),
            # Azure wants a version here, and takes up the next one by itself within the hour.  An
            # update must not send the first one again: it has expired.
            active_key=compute.KeyForDiskEncryptionSetArgs(key_url=args.disk_key.uri),
            rotation_to_latest_key_version_enabled=True,
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[user.ready],
                protect=args.protected,
                ignore_changes=["activeKey"],
            ),
        )

    def _grants(
        self,
        name: str,
        args: ClusterArgs,
        identity: managedidentity.UserAssignedIdentity,
        disks: compute.DiskEncryptionSet,
    ) -> pulumi.Resource:
        """Let the cluster join its subnet, and make disks with the key of the set."""
        wanted = {
            "subnet": (Role.NETWORK_CONTRIBUTOR, args.network.nodes_subnet_id),
            "disks": (Role.READER, disks.id),
        }
        grants = [
            Grant(
                role=role, to=identity, scope=scope, subscription_id=args.subscription_id
            ).declare(f"{name}-cluster-{what}-grant", self._child())
            for what, (role, scope) in wanted.items()
        ]
        seconds = args.grant_wait_seconds
        return wait_for(f"{name}-cluster-grants-known", grants, seconds, self._child())

    def _cluster(
        self,
        name: str,
        args: ClusterArgs,
        identity: managedidentity.UserAssignedIdentity,
        disks: compute.DiskEncryptionSet,
        *,
        after: pulumi.Resource,
    ) -> aks.ManagedCluster:
        return aks.ManagedCluster(
            f"{name}-cluster",
            resource_group_name=args.placement.resource_group_name,
            resource_name_=azure_name(Kind.CLUSTER, name),
            location=args.placement.location,
            node_resource_group=azure_name(Kind.RESOURCE_GROUP, name, "nodes"),
            dns_prefix=name,
            kubernetes_version=args.kubernetes_version,
            sku=aks.ManagedClusterSKUArgs(name=aks.ManagedClusterSKUName.BASE, tier=args.tier),
            identity=_acting_as(identity),
            disk_encryption_set_id=disks.id,
            agent_pool_profiles=[system_profile(args.system_pool, args.pool_place)],
            network_profile=network_profile(args.network),
            enable_rbac=True,
            aad_profile=directory(args.access),
            disable_local_accounts=not args.access.local_accounts,
            api_server_access_profile=api_server(args.access),
            oidc_issuer_profile=aks.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
            security_profile=security_profile(),
            addon_profiles=addons(),
            auto_upgrade_profile=args.upgrades.profile(),
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[after],
                protect=args.protected,
                ignore_changes=_moved_by_azure(args.upgrades),
            ),
        )

    def _memory_pool(
        self, name: str, args: ClusterArgs, cluster: aks.ManagedCluster
    ) -> aks.AgentPool:
        # The autoscaler counts the nodes, and Azure the versions where it was told to.
        moved = ["count", *(["orchestratorVersion"] if args.upgrades.move_minor_versions else [])]
        return memory_pool(
            f"{name}-memory-pool",
            args.memory_pool,
            args.pool_place,
            cluster.name,
            pulumi.ResourceOptions(parent=self, ignore_changes=moved),
        )

    def _image_pulls(
        self, name: str, args: ClusterArgs, cluster: aks.ManagedCluster
    ) -> list[pulumi.Resource]:
        """Let the nodes pull from the registry, and wait until it knows."""
        if args.registry_id is None:
            return []
        grant = Grant(
            role=Role.ACR_PULL,
            to=Principal(principal_id=cluster.identity_profile.apply(_kubelet)),
            scope=args.registry_id,
            # The registry may be in another subscription than the stack.
            subscription_id=args.registry_id.split("/")[2],
        ).declare(f"{name}-cluster-pull-grant", self._child())
        seconds = args.grant_wait_seconds
        return [wait_for(f"{name}-cluster-pull-grant-known", [grant], seconds, self._child())]

    def _diagnostics(
        self, name: str, args: ClusterArgs, cluster: aks.ManagedCluster
    ) -> pulumi.Resource:
        return send_logs(
            f"{name}-cluster-logs",
            of=cluster.id,
            to=args.workspace_id,
            categories=LOG_CATEGORIES,
            opts=self._child(),
        )

    def _lock(
        self, name: str, cluster: aks.ManagedCluster, *, after: Sequence[pulumi.Resource]
    ) -> None:
        """Forbid the deletion: with a cluster go the disks that it made, retained or not."""
        forbid_delete(f"{name}-cluster-lock", cluster.id, self._child(after=after))


def _acting_as(
    identity: managedidentity.UserAssignedIdentity,
) -> aks.ManagedClusterIdentityArgs:
    return aks.ManagedClusterIdentityArgs(
        type=aks.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity.id]
    )


def _kubelet(
    profile: Mapping[str, aks.outputs.UserAssignedIdentityManagedClusterResponse] | None,
) -> str:
    found = (profile or {}).get("kubeletidentity")
    if found is None or found.object_id is None:
        raise ValueError(
            "the cluster tells no kubelet identity; `az aks show --query identityProfile`"
        )
    return found.object_id


def _moved_by_azure(upgrades: ClusterUpgrades) -> list[str]:
    # Azure tells every pool with the cluster, the workloads' too: after a refresh an update would
    # take that one away.
    versions = ["kubernetesVersion"] if upgrades.move_minor_versions else []
    return ["agentPoolProfiles", *versions]


def _kubeconfig(placement: Placement, cluster: aks.ManagedCluster) -> pulumi.Output[str]:
    # Inside an apply, whose inputs a preview knows only of a cluster that stands: no other can be
    # asked.  By itself the call would forget, while they are unknown, what it depends on, and an
    # update would do other than its saved plan.
    known = pulumi.Output.all(cluster.id, placement.resource_group_name)
    return pulumi.Output.secret(known.apply(lambda found: _credentials(*found).apply(_decode)))


def _credentials(
    cluster_id: str, resource_group_name: str
) -> pulumi.Output[aks.ListManagedClusterUserCredentialsResult]:
    return aks.list_managed_cluster_user_credentials_output(
        resource_group_name=resource_group_name, resource_name=cluster_id.rsplit("/", 1)[-1]
    )


def _decode(credentials: aks.ListManagedClusterUserCredentialsResult) -> str:
    return base64.b64decode(credentials.kubeconfigs[0].value).decode()


def _issuer_url(profile: aks.outputs.ManagedClusterOIDCIssuerProfileResponse | None) -> str:
    if profile is None:
        raise ValueError("the cluster has no OIDC issuer; `az aks update --enable-oidc-issuer`")
    return profile.issuer_url
