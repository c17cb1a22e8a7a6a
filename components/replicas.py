"""What the pods of every workload of ours have in common, and what stands around them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
from pulumi_kubernetes import apps, autoscaling, core, meta, policy

from components.workloads import PodIdentity, Scale, Workload, Workspace, pod_security, spread


@dataclass(frozen=True, kw_only=True)
class Replicas:
    """Pods that are all alike, and hold nothing that is lost with them."""

    workload: Workload
    workspace: Workspace
    scale: Scale
    kind: Literal["Deployment", "StatefulSet"] = "Deployment"
    name: str | None = None
    """Of the object that makes the pods, where it is not called like the workload."""
    awaited: bool = True
    """Whether a deployment waits for the pods."""

    def declare(
        self,
        name: str,
        pod: core.v1.PodTemplateSpecArgs,
        parent: pulumi.Resource,
        after: Sequence[pulumi.Resource],
    ) -> apps.v1.Deployment:
        """Declare the pods and what stands around them."""
        pods = self._pods(name, pod, parent, after)
        self.surround(name, parent, pods)
        return pods

    def surround(self, name: str, parent: pulumi.Resource, pods: pulumi.Resource) -> None:
        """Declare the disruption budget and, where the number of pods varies, its rule."""
        self._disruption_budget(name, parent)
        if self._varies:
            self._autoscaler(name, parent, pods)

    def options(
        self, parent: pulumi.Resource, after: Sequence[pulumi.Resource]
    ) -> pulumi.ResourceOptions:
        """Return the options of the object that makes the pods."""
        options = self.workspace.options(parent, after)
        if self._varies:
            # The autoscaler's from the first day on.
            options.ignore_changes = ["spec.replicas"]
        return options

    @property
    def metadata(self) -> meta.v1.ObjectMetaArgs:
        """Return the metadata of the object that makes the pods."""
        return metadata(self.workload, self.workspace, self.name)

    @property
    def _varies(self) -> bool:
        return self.scale.minimum < self.scale.maximum

    def _pods(
        self,
        name: str,
        pod: core.v1.PodTemplateSpecArgs,
        parent: pulumi.Resource,
        after: Sequence[pulumi.Resource],
    ) -> apps.v1.Deployment:
        about = self.metadata
        if not self.awaited:
            about.annotations = {SKIP_AWAIT: "true"}
        return apps.v1.Deployment(
            f"{name}-pods",
            metadata=about,
            spec=apps.v1.DeploymentSpecArgs(
                replicas=self.scale.minimum,
                revision_history_limit=3,
                selector=_selector(self.workload),
                strategy=apps.v1.DeploymentStrategyArgs(
                    type="RollingUpdate",
                    # A new pod first, as the quota allows one more: capacity is never less.
                    rolling_update=apps.v1.RollingUpdateDeploymentArgs(
                        max_surge=1, max_unavailable=0
                    ),
                ),
                template=pod,
            ),
            opts=self.options(parent, after),
        )

    def _disruption_budget(
        self, name: str, parent: pulumi.Resource
    ) -> policy.v1.PodDisruptionBudget:
        return policy.v1.PodDisruptionBudget(
            f"{name}-disruption-budget",
            metadata=self.metadata,
            spec=policy.v1.PodDisruptionBudgetSpecArgs(
                # Rather than a number that stays, which one pod or an autoscaler would make wrong.
                max_unavailable=1,
                # A pod that is broken anyway must not keep a node from being upgraded.
                unhealthy_pod_eviction_policy="AlwaysAllow",
                selector=_selector(self.workload),
            ),
            opts=self.workspace.options(parent),
        )

    def _autoscaler(
        self, name: str, parent: pulumi.Resource, pods: pulumi.Resource
    ) -> autoscaling.v2.HorizontalPodAutoscaler:
        # Of the container that works: a sidecar at rest would halve the average.
        load = autoscaling.v2.ContainerResourceMetricSourceArgs(
            name="cpu",
            container=self.workload.label,
            target=autoscaling.v2.MetricTargetArgs(
                type="Utilization", average_utilization=self.scale.target_cpu_percent
            ),
        )
        return autoscaling.v2.HorizontalPodAutoscaler(
            f"{name}-autoscaler",
            metadata=self.metadata,
            spec=autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
                scale_target_ref=autoscaling.v2.CrossVersionObjectReferenceArgs(
                    api_version="apps/v1", kind=self.kind, name=self.name or self.workload.label
                ),
                min_replicas=self.scale.minimum,
                max_replicas=self.scale.maximum,
                metrics=[
                    autoscaling.v2.MetricSpecArgs(type="ContainerResource", container_resource=load)
                ],
            ),
            opts=self.workspace.options(parent, [pods]),
        )


PORT = "main"
"""Name of the port that a workload serves."""
SKIP_AWAIT = "pulumi.com/skipAwait"


def service(
    name: str, workload: Workload, workspace: Workspace, parent: pulumi.Resource
) -> core.v1.Service:
    """Declare the address of a workload, inside the cluster only."""
    return core.v1.Service(
        f"{name}-service",
        metadata=metadata(workload, workspace),
        spec=core.v1.ServiceSpecArgs(
            type="ClusterIP",
            selector=workload.selector,
            ports=[core.v1.ServicePortArgs(name=PORT, port=workload.port, target_port=PORT)],
        ),
        opts=workspace.options(parent),
    )


def template(
    workload: Workload,
    workspace: Workspace,
    identity: PodIdentity,
    *,
    checksum: pulumi.Input[str],
    containers: Sequence[core.v1.ContainerArgs],
    **more: Any,
) -> core.v1.PodTemplateSpecArgs:
    """Return a pod as strict as the namespace asks for; ``more`` goes to its specification.

    ``checksum`` is of what the pods read only when they start: another one rolls them.
    """
    given = {
        "security_context": pod_security(),
        "topology_spread_constraints": spread(workload, workspace),
        **more,
    }
    return core.v1.PodTemplateSpecArgs(
        metadata=meta.v1.ObjectMetaArgs(
            labels={**workload.labels, **identity.labels},
            annotations={"engram.io/configuration": checksum},
        ),
        spec=core.v1.PodSpecArgs(
            service_account_name=identity.service_account,
            automount_service_account_token=False,
            # Variables such as ZEP_PORT=tcp://… are Kubernetes' own, and help nobody.
            enable_service_links=False,
            priority_class_name=workspace.priority_class,
            node_selector=dict(workspace.node_selector),
            containers=list(containers),
            **given,
        ),
    )


def pause(seconds: int) -> core.v1.LifecycleArgs:
    """Return the time between «no more requests, please» and SIGTERM; needs no program."""
    sleep = core.v1.SleepActionArgs(seconds=seconds)
    return core.v1.LifecycleArgs(pre_stop=core.v1.LifecycleHandlerArgs(sleep=sleep))


def probe(path: str, port: str, *, period_seconds: int, failures: int) -> core.v1.ProbeArgs:
    """Return a question over HTTP."""
    return core.v1.ProbeArgs(
        http_get=core.v1.HTTPGetActionArgs(path=path, port=port),
        period_seconds=period_seconds,
        timeout_seconds=5,
        failure_threshold=failures,
    )


def scratch(name: str, size: str) -> core.v1.VolumeArgs:
    """Return a folder that goes with the pod, on a root that is read-only."""
    return core.v1.VolumeArgs(
        name=name, empty_dir=core.v1.EmptyDirVolumeSourceArgs(size_limit=size)
    )


def mounted(name: str, path: str) -> core.v1.VolumeMountArgs:
    """Return where a volume is, for reading."""
    return core.v1.VolumeMountArgs(name=name, mount_path=path, read_only=True)


def writable(name: str, path: str) -> core.v1.VolumeMountArgs:
    """Return where a volume is, for writing."""
    return core.v1.VolumeMountArgs(name=name, mount_path=path)


def variables(values: Mapping[str, pulumi.Input[str]]) -> list[core.v1.EnvVarArgs]:
    """Return environment variables that are no secrets."""
    return [core.v1.EnvVarArgs(name=name, value=value) for name, value in values.items()]


def checksum(*texts: str) -> str:
    """Return what differs when one of the texts does."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def metadata(
    workload: Workload, workspace: Workspace, name: str | None = None
) -> meta.v1.ObjectMetaArgs:
    """Return the metadata of one of its objects, called like the workload unless named."""
    return meta.v1.ObjectMetaArgs(
        name=name or workload.label, namespace=workspace.namespace, labels=workload.labels
    )


def _selector(workload: Workload) -> meta.v1.LabelSelectorArgs:
    return meta.v1.LabelSelectorArgs(match_labels=workload.selector)
