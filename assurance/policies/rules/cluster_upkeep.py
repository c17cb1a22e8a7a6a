"""The AKS cluster's upkeep: what Azure renews, promises and logs, and that it stays."""

from collections.abc import Iterator

from assurance.policies.azure import CLUSTER, DIAGNOSTICS, LOCK, WORKSPACE, guards
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import must_be, must_be_on, shown

LOGS = {
    "requests to the API server": ("kube-apiserver",),
    "who changed what": ("kube-audit-admin", "kube-audit"),
    "logins": ("guard",),
    "scaling of nodes": ("cluster-autoscaler",),
}
"""What must be logged, and the categories any of which says it."""
EVERYTHING = "allLogs"


@resource_rule(
    CLUSTER,
    name="cluster-upgraded",
    title="Azure brings in new versions of Kubernetes",
    severity=Severity.MEDIUM,
    remediation="Set cluster.upgrades.kubernetes to patch or stable.",
    ai_rmf=("MANAGE 2.2", "MANAGE 4.1"),
    sp800_53=("SI-2",),
    azure_policy=("5c345cdf-2049-47e0-b8fe-b0e96bc2df35",),
    checkov=("CKV_AZURE_171",),
    psrule=("Azure.AKS.AutoUpgrade",),
)
def upgraded(cluster: Resource) -> Iterator[str]:
    """A version without repairs is a matter of months."""
    path = "autoUpgradeProfile.upgradeChannel"
    yield from must_be(cluster.inputs, path, "patch", "stable", "rapid")


@resource_rule(
    CLUSTER,
    name="cluster-node-images-upgraded",
    title="Azure brings in repairs of the nodes' operating system",
    severity=Severity.MEDIUM,
    remediation="Set cluster.upgrades.node_os to NodeImage or SecurityPatch.",
    ai_rmf=("MANAGE 2.2", "MANAGE 4.1"),
    sp800_53=("SI-2",),
    azure_policy=("04408ca5-aa10-42ce-8536-98955cdddd4c", "40f1aee2-4db4-4b74-acb1-c6972e24cca8"),
    psrule=("Azure.AKS.NodeAutoUpgrade",),
)
def node_images_upgraded(cluster: Resource) -> Iterator[str]:
    """A new image is rolled out node by node; a repair in place would wait for a restart."""
    path = "autoUpgradeProfile.nodeOSUpgradeChannel"
    yield from must_be(cluster.inputs, path, "NodeImage", "SecurityPatch")


@resource_rule(
    CLUSTER,
    name="cluster-image-cleaner",
    title="Images that nobody uses leave the nodes",
    severity=Severity.LOW,
    remediation="Enable securityProfile.imageCleaner.",
    ai_rmf=("MANAGE 3.1",),
    sp800_53=("SI-2(6)",),
    azure_policy=("af3c26b2-6fad-493e-9236-9c68928516ab", "7e49285c-4bed-4564-b26a-5225ccc311f3"),
)
def image_cleaner(cluster: Resource) -> Iterator[str]:
    """An old image on a node is an old weakness within reach."""
    yield from must_be_on(cluster.inputs, "securityProfile.imageCleaner.enabled")


@resource_rule(
    CLUSTER,
    name="cluster-paid-tier",
    title="Azure promises that the API server answers",
    severity=Severity.MEDIUM,
    remediation="Set cluster.tier to Standard or Premium.",
    ai_rmf=("MANAGE 2.2",),
    checkov=("CKV_AZURE_170",),
    psrule=("Azure.AKS.UptimeSLA",),
)
def paid_tier(cluster: Resource) -> Iterator[str]:
    """The free tier has no such promise, and fewer requests a second."""
    yield from must_be(cluster.inputs, "sku.tier", "Standard", "Premium")


@stack_rule(
    name="cluster-diagnostics",
    title="The cluster's audit, logins and scaling are logged",
    severity=Severity.HIGH,
    remediation="Give the cluster a diagnostic setting to the workspace with these categories.",
    ai_rmf=("MEASURE 2.4", "MANAGE 4.1"),
    sp800_53=("AU-2", "AU-12"),
    azure_policy=("245fc9df-fa96-4414-9a0b-3738c2f7341c", "6c66c325-74c8-42fd-a286-a74b0e2939d8"),
    checkov=("CKV_AZURE_4",),
    trivy=("AZU-0040",),
    psrule=("Azure.AKS.AuditLogs", "Azure.AKS.PlatformLogs"),
)
def diagnostics(stack: Stack) -> Iterator[Fault]:
    """Whoever changed a pod by hand is found there, and nowhere else."""
    for cluster in stack.of_type(CLUSTER):
        settings = [s for s in stack.of_type(DIAGNOSTICS) if s.refers("resourceUri", cluster)]
        logged = {category for setting in settings for category in _logged(stack, setting)}
        for what, categories in LOGS.items():
            if not logged & {*categories, EVERYTHING}:
                yield cluster, f"no diagnostic setting logs {what}: {' or '.join(categories)}"


def _logged(stack: Stack, setting: Resource) -> Iterator[str]:
    """Yield what a setting sends to a workspace of the stack."""
    workspaces = stack.of_type(WORKSPACE)
    if any(setting.refers("workspaceId", workspace) for workspace in workspaces):
        for log in setting.get("logs") or ():
            if log.get("enabled") is True:
                yield shown(log.get("category") or log.get("categoryGroup"))


@stack_rule(
    name="cluster-locked",
    title="Nobody deletes the cluster by a slip",
    severity=Severity.MEDIUM,
    remediation="Set protected to true, which locks it.",
    ai_rmf=("MANAGE 2.2", "MANAGE 2.4"),
)
def locked(stack: Stack) -> Iterator[Fault]:
    """A lock must be removed first, knowingly."""
    for cluster in stack.of_type(CLUSTER):
        if not any(guards(lock, cluster) for lock in stack.of_type(LOCK)):
            yield cluster, "no lock of level CanNotDelete or ReadOnly is on it"
