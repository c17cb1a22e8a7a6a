"""The vocabulary of the workloads: who they are, where they listen, and how every pod is hardened.

Data and small functions only: a component of a workload reads like its manifest, and what all of
them share stands once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes import core, meta

TOKEN_LABEL = "azure.workload.identity/use"  # noqa: S105 - a label
"""https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html"""
USER_ID = 10001
"""Of every process that brings no user of its own: numeric, so that ``runAsNonRoot`` can judge."""


class Workload(Enum):
    """A workload: its name, which is also its service's, and the port it listens on."""

    GATEWAY = ("gateway", 8443)
    ZEP = ("zep", 8000)
    MEMORY_SERVICE = ("memory-service", 8080)
    MEMORY_OPERATIONS = ("memory-operations", 0)  # it calls, and is never called
    GRAPHITI = ("graphiti", 8003)
    GRAPH_STORE = ("graph-store", 7687)

    def __init__(self, label: str, port: int) -> None:
        self.label = label
        self.port = port

    @property
    def selector(self) -> dict[str, str]:
        """What finds its pods; never changes, because a selector cannot."""
        return {"app.kubernetes.io/name": self.label}

    @property
    def labels(self) -> dict[str, str]:
        """What every object of it carries."""
        return {
            **self.selector,
            "app.kubernetes.io/part-of": "engram",
            "app.kubernetes.io/managed-by": "pulumi",
        }


@dataclass(frozen=True, kw_only=True)
class Size:
    """What one container gets, as request and as limit: a neighbour can take nothing away."""

    cpu: str
    """Cores, e.g. ``1`` or ``250m``."""
    memory: str
    """E.g. ``2Gi``."""

    def requirements(self) -> core.v1.ResourceRequirementsArgs:
        """Return it as Kubernetes spells it."""
        amounts = {"cpu": self.cpu, "memory": self.memory}
        return core.v1.ResourceRequirementsArgs(requests=amounts, limits=amounts)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How many pods; equal bounds mean a fixed number and no autoscaler."""

    minimum: int
    maximum: int
    target_cpu_percent: int = 70


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The namespace that workloads go into, as its component made it."""

    provider: k8s.Provider
    namespace: pulumi.Input[str]
    priority_class: pulumi.Input[str]
    storage_class: pulumi.Input[str]
    ready: Sequence[pulumi.Resource]
    """What must stand before the first pod: quota, limits, policies."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    spread_strictly: bool = False
    """Rather no pod than two in one zone, where another zone has none."""

    def options(
        self, parent: pulumi.Resource, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Return the options of every object in the namespace."""
        return pulumi.ResourceOptions(
            parent=parent, provider=self.provider, depends_on=[*self.ready, *after]
        )


@dataclass(frozen=True, kw_only=True)
class PodIdentity:
    """Who a pod is, and the vault's secrets that it may read, as ``WorkloadIdentity`` made them."""

    service_account: pulumi.Input[str]
    secret_class: pulumi.Input[str]
    """SecretProviderClass: mounting it brings each secret as a file."""
    synced_secret: pulumi.Input[str]
    """The Secret that the driver keeps in step while the class is mounted, for variables."""
    ready: Sequence[pulumi.Resource] = ()
    """Grants that the vault must already know when the first pod mounts."""
    acts: bool = False
    """Whether its program itself speaks to Azure, and not only the driver in its name."""

    @property
    def labels(self) -> dict[str, str]:
        """What its pods carry, beside their workload's labels.

        AKS' webhook gives a token to pods that ask for one, and to no others.
        """
        return {TOKEN_LABEL: "true"} if self.acts else {}

    def volume(self, name: str = "secrets") -> core.v1.VolumeArgs:
        """Return the volume that holds the secrets."""
        return core.v1.VolumeArgs(
            name=name,
            csi=core.v1.CSIVolumeSourceArgs(
                driver="secrets-store.csi.k8s.io",
                read_only=True,
                volume_attributes={"secretProviderClass": self.secret_class},
            ),
        )

    def variable(self, name: str, key: str) -> core.v1.EnvVarArgs:
        """Return an environment variable with one of the secrets."""
        return core.v1.EnvVarArgs(
            name=name,
            value_from=core.v1.EnvVarSourceArgs(
                secret_key_ref=core.v1.SecretKeySelectorArgs(name=self.synced_secret, key=key)
            ),
        )


def pod_security(user_id: int = USER_ID) -> core.v1.PodSecurityContextArgs:
    """Return what Pod Security ``restricted`` asks of a pod, with a numeric user."""
    return core.v1.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=user_id,
        run_as_group=user_id,
        fs_group=user_id,
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )


def container_security() -> core.v1.SecurityContextArgs:
    """Return what it asks of each container; whoever must write mounts a volume for it."""
    return core.v1.SecurityContextArgs(
        allow_privilege_escalation=False,
        privileged=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
        capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
        seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )


def spread(workload: Workload, workspace: Workspace) -> list[core.v1.TopologySpreadConstraintArgs]:
    """Return the rule that the loss of a zone or of a node takes as few pods as can be."""
    zones = "DoNotSchedule" if workspace.spread_strictly else "ScheduleAnyway"
    return [
        core.v1.TopologySpreadConstraintArgs(
            max_skew=1,
            topology_key=key,
            when_unsatisfiable=action,
            # A node that is lost stays listed for a while, and its zone would wait for a pod.
            node_taints_policy="Honor",
            # While a Deployment rolls, pods that go say nothing of where new ones belong.  Pods of
            # a StatefulSet lack the label, as they should: each is replaced by itself.
            match_label_keys=["pod-template-hash"],
            label_selector=meta.v1.LabelSelectorArgs(match_labels=workload.selector),
        )
        for key, action in (
            ("topology.kubernetes.io/zone", zones),
            ("kubernetes.io/hostname", "ScheduleAnyway"),
        )
    ]
