"""The namespace of the memory workloads: strict with pods, deaf to strangers, no larger than asked.

Everything in it was declared before the first pod comes, so that no pod is ever let in by a rule
that is not there yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import core, meta, networking, scheduling, storage

from components.capacity import Share, limit_range, resource_quota
from components.cluster_reference import ClusterReference, EncryptedDisks
from components.traffic import Path, network_policies
from components.workloads import Workspace

NAMESPACE = "zep"
PRIORITY_CLASS = "engram-memory"
PRIORITY = 1_000_000
STORAGE_CLASS = "engram-encrypted"
PROVISIONER = "disk.csi.azure.com"
LABELS = {"app.kubernetes.io/part-of": "engram", "app.kubernetes.io/managed-by": "pulumi"}


@dataclass(frozen=True, kw_only=True)
class MemoryNamespaceArgs:
    """What a caller decides."""

    cluster: ClusterReference
    shares: Sequence[Share]
    """What each workload takes; the quota is their sum."""
    paths: Sequence[Path]
    """Who may talk to whom."""
    spread_strictly: bool
    """Rather no pod than two in one zone, where another zone has none."""
    disks_in_every_zone: bool
    """Of our storage class: a disk outlives its zone, and its pod goes on in another one."""
    protected: bool
    """Namespace and disks outlive a mistake."""


class MemoryNamespace(pulumi.ComponentResource):
    """Namespace, bounds, priority, disks and network policies."""

    workspace: Workspace

    def __init__(
        self, name: str, args: MemoryNamespaceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:kubernetes:MemoryNamespace", name, {}, opts)
        self._name = name
        self._provider = args.cluster.provider
        namespace = self._namespace(args)
        self._where = namespace.metadata.name
        storage_class, disks = self._storage_class(args)
        ready = [
            self._quota(args),
            self._limits(args),
            self._priority_class(),
            *disks,
            *self._network_policies(args),
        ]
        self.workspace = Workspace(
            provider=args.cluster.provider,
            namespace=self._where,
            priority_class=PRIORITY_CLASS,
            storage_class=storage_class,
            ready=[*args.cluster.ready, *ready],
            node_selector=args.cluster.node_selector,
            spread_strictly=args.spread_strictly,
        )
        self.register_outputs({"namespace": self._where})

    def _child(self, *, protect: bool | None = None) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._provider, protect=protect)

    def _metadata(self, name: str) -> meta.v1.ObjectMetaArgs:
        return meta.v1.ObjectMetaArgs(name=name, namespace=self._where, labels=LABELS)

    def _namespace(self, args: MemoryNamespaceArgs) -> core.v1.Namespace:
        strictness = {
            f"pod-security.kubernetes.io/{mode}{suffix}": value
            for mode in ("enforce", "audit", "warn")
            for suffix, value in (
                ("", "restricted"),
                ("-version", args.cluster.pod_security_version),
            )
        }
        return core.v1.Namespace(
            f"{self._name}-namespace",
            metadata=meta.v1.ObjectMetaArgs(name=NAMESPACE, labels={**LABELS, **strictness}),
            opts=self._child(protect=args.protected),
        )

    def _quota(self, args: MemoryNamespaceArgs) -> core.v1.ResourceQuota:
        return core.v1.ResourceQuota(
            f"{self._name}-quota",
            metadata=self._metadata("memory"),
            spec=resource_quota(args.shares),
            opts=self._child(),
        )

    def _limits(self, args: MemoryNamespaceArgs) -> core.v1.LimitRange:
        return core.v1.LimitRange(
            f"{self._name}-limits",
            metadata=self._metadata("memory"),
            spec=limit_range(args.shares),
            opts=self._child(),
        )

    def _priority_class(self) -> scheduling.v1.PriorityClass:
        return scheduling.v1.PriorityClass(
            f"{self._name}-priority",
            metadata=meta.v1.ObjectMetaArgs(name=PRIORITY_CLASS, labels=LABELS),
            value=PRIORITY,
            global_default=False,
            # First in the queue, and no neighbour is thrown out for it: a cluster may be shared,
            # and an autoscaler brings a node.
            preemption_policy="Never",
            description="Engram's memory: scheduled first, evicted last",
            opts=self._child(),
        )

    def _storage_class(
        self, args: MemoryNamespaceArgs
    ) -> tuple[pulumi.Input[str], list[pulumi.Resource]]:
        """Return the name of the class, and what there is to wait for."""
        disks = args.cluster.storage
        if not isinstance(disks, EncryptedDisks):
            return disks.name, []
        made = storage.v1.StorageClass(
            f"{self._name}-storage",
            metadata=meta.v1.ObjectMetaArgs(name=STORAGE_CLASS, labels=LABELS),
            provisioner=PROVISIONER,
            parameters=_disk(disks, in_every_zone=args.disks_in_every_zone),
            reclaim_policy="Retain" if args.protected else "Delete",
            # A disk in one zone is made where the pod was put, not the other way round.
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            opts=self._child(),
        )
        return made.metadata.name, [made]

    def _network_policies(self, args: MemoryNamespaceArgs) -> list[pulumi.Resource]:
        return [
            networking.v1.NetworkPolicy(
                f"{self._name}-{policy}-traffic",
                metadata=self._metadata(policy),
                spec=spec,
                opts=self._child(),
            )
            for policy, spec in network_policies(args.paths).items()
        ]


def _disk(disks: EncryptedDisks, *, in_every_zone: bool) -> dict[str, pulumi.Input[str]]:
    """Return what Azure's driver makes a disk of.

    https://github.com/kubernetes-sigs/azuredisk-csi-driver/blob/master/docs/driver-parameters.md
    """
    return {
        "skuName": "Premium_ZRS" if in_every_zone else "Premium_LRS",
        "fsType": "ext4",
        "cachingMode": "ReadOnly",
        "diskEncryptionSetID": disks.disk_encryption_set_id,
        "diskEncryptionType": "EncryptionAtRestWithCustomerKey",
        # No export of a disk by a link, from wherever.
        "networkAccessPolicy": "DenyAll",
        "publicNetworkAccess": "Disabled",
    }
