"""Kubernetes' objects among the resources of a stack: where pods stand, and what runs in them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assurance.policies.model import Resource, Stack
from assurance.policies.words import at

DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
STATEFUL_SET: Final = "kubernetes:apps/v1:StatefulSet"
JOB: Final = "kubernetes:batch/v1:Job"
CRON_JOB: Final = "kubernetes:batch/v1:CronJob"
BARE_POD: Final = "kubernetes:core/v1:Pod"
TEMPLATES: Final[Mapping[str, str]] = {
    DEPLOYMENT: "spec.template",
    STATEFUL_SET: "spec.template",
    "kubernetes:apps/v1:DaemonSet": "spec.template",
    "kubernetes:apps/v1:ReplicaSet": "spec.template",
    "kubernetes:core/v1:ReplicationController": "spec.template",
    JOB: "spec.template",
    CRON_JOB: "spec.jobTemplate.spec.template",
    BARE_POD: "",
}
"""Where each kind that makes pods says what they look like."""
WORKLOADS: Final = tuple(TEMPLATES)
ENDING: Final = frozenset({JOB, CRON_JOB})
"""What runs to its end, and serves nobody."""

NAMESPACE: Final = "kubernetes:core/v1:Namespace"
NETWORK_POLICY: Final = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
SERVICE: Final = "kubernetes:core/v1:Service"
INGRESS: Final = "kubernetes:networking.k8s.io/v1:Ingress"
SERVICE_ACCOUNT: Final = "kubernetes:core/v1:ServiceAccount"
CONFIG_MAP: Final = "kubernetes:core/v1:ConfigMap"
SECRET: Final = "kubernetes:core/v1:Secret"  # noqa: S105 - a kind
CLAIM: Final = "kubernetes:core/v1:PersistentVolumeClaim"
QUOTA: Final = "kubernetes:core/v1:ResourceQuota"
LIMITS: Final = "kubernetes:core/v1:LimitRange"
BUDGET: Final = "kubernetes:policy/v1:PodDisruptionBudget"
AUTOSCALER: Final = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
SECRET_CLASS: Final = "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass"  # noqa: S105 - a kind
STORAGE_CLASS: Final = "kubernetes:storage.k8s.io/v1:StorageClass"
ROLE: Final = "kubernetes:rbac.authorization.k8s.io/v1:Role"
ROLE_BINDING: Final = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"
CLUSTER_ROLE: Final = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"
CLUSTER_ROLE_BINDING: Final = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"

NAMESPACED: Final = (
    *WORKLOADS, NETWORK_POLICY, SERVICE, INGRESS, SERVICE_ACCOUNT, CONFIG_MAP, SECRET, CLAIM,
    QUOTA, LIMITS, BUDGET, AUTOSCALER, SECRET_CLASS, ROLE, ROLE_BINDING,
    "kubernetes:monitoring.coreos.com/v1:PodMonitor",
    "kubernetes:monitoring.coreos.com/v1:PrometheusRule",
    "kubernetes:monitoring.coreos.com/v1:ServiceMonitor",
)  # fmt: skip
CLUSTER_WIDE: Final = (
    NAMESPACE, STORAGE_CLASS, CLUSTER_ROLE, CLUSTER_ROLE_BINDING,
    "kubernetes:scheduling.k8s.io/v1:PriorityClass",
)  # fmt: skip
QUANTITY: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
"""A number with a unit or an exponent, as ``250m``, ``2Gi`` or ``1e3``."""


@dataclass(frozen=True)
class Container:
    """One container, and the pod whose security context it inherits."""

    where: str
    """As ``containers[0]``; or by its name, as ``container zep``."""
    given: Mapping[str, Any]
    pod: Mapping[str, Any]
    serves: bool
    """Whether it stays; a container that only starts the others ends before them."""
    main: bool
    """Whether it is what the pod is for; starters and sidecars are not."""

    @property
    def own(self) -> Mapping[str, Any]:
        """Its own security context."""
        return self.given.get("securityContext") or {}

    def effective(self, key: str) -> Any:
        """Return a setting of its security context, or the pod's where it says nothing."""
        found = self.own.get(key)
        return at(self.pod, f"securityContext.{key}") if found is None else found


@dataclass(frozen=True)
class Pod:
    """What the pods of one object look like."""

    owner: Resource
    labels: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def namespace(self) -> str:
        """Where they run."""
        return namespace_of(self.owner)

    def containers(self) -> Iterator[Container]:
        """Yield all containers: starters, sidecars, the main ones and those for debugging."""
        ends = self.owner.type in ENDING
        for kind in ("initContainers", "containers", "ephemeralContainers"):
            for index, given in enumerate(self.spec.get(kind) or ()):
                main = kind == "containers"
                sidecar = kind == "initContainers" and given.get("restartPolicy") == "Always"
                yield Container(
                    where=f"{kind}[{index}] {given.get('name', 'without a name')}",
                    given=given,
                    pod=self.spec,
                    serves=(main or sidecar) and not ends,
                    main=main,
                )


def pod_of(resource: Resource) -> Pod:
    """Return what the pods of a workload look like; of an object without any, empty ones."""
    path = TEMPLATES[resource.type]
    template = (resource.get(path) if path else resource.inputs) or {}
    return Pod(
        owner=resource,
        labels=at(template, "metadata.labels") or {},
        spec=template.get("spec") or {},
    )


def pods(stack: Stack) -> Iterator[Pod]:
    """Yield what the pods of each workload look like."""
    for resource in stack.of_type(*WORKLOADS):
        yield pod_of(resource)


def containers(resource: Resource) -> Iterator[Container]:
    """Yield all containers of a workload."""
    return pod_of(resource).containers()


def name_of(resource: Resource) -> str:
    """Return the object's name in its cluster."""
    return str(resource.get("metadata.name", ""))


def namespace_of(resource: Resource) -> str:
    """Return the object's namespace, which is ``default`` where it names none."""
    return str(resource.get("metadata.namespace") or "default")


def is_amount(found: object) -> bool:
    """Return whether it is a quantity above 0, in words or as a number."""
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return False
    parsed = QUANTITY.fullmatch(str(found))
    return parsed is not None and float(parsed[1]) > 0


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Return whether a LabelSelector matches; an empty one matches everything, none nothing."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(rule, labels) for rule in selector.get("matchExpressions") or ())


def _holds(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = rule["key"], rule.get("values") or ()
    match rule["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"label selector: unknown operator {rule['operator']!r}")
