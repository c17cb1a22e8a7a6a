"""Pods as a whole: what they share with their node, who they run as, what they mount.

Together with ``containers`` this is Kubernetes' Pod Security Standard "restricted", and more.
https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Iterator

from assurance.policies.kubernetes import BARE_POD, WORKLOADS, containers, pod_of
from assurance.policies.model import Resource, Severity, resource_rule
from assurance.policies.words import at, shown, unlike

VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"}
    | {"projected", "secret"}
)
LOWEST_ID = 10_001
"""Below stand the users of node programs; outside judges begin at 10000 and at 10001."""
PROFILES = ("RuntimeDefault", "Localhost")
LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by")
AZURES_LABELS = "kubernetes.azure.com/"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"


@resource_rule(
    BARE_POD,
    "kubernetes:apps/v1:ReplicaSet",
    "kubernetes:core/v1:ReplicationController",
    name="pod-not-naked",
    title="Pods belong to something that makes them again, and rolls them out",
    severity=Severity.MEDIUM,
    remediation="Declare a Deployment, a StatefulSet, a DaemonSet or a Job.",
    ai_rmf=("MANAGE 2.2",),
    azure_policy=("65280eef-c8b4-425e-9aec-af55e55bf581",),
)
def not_naked(resource: Resource) -> Iterator[str]:
    """A pod alone is gone with its node."""
    yield f"{resource.type.rsplit(':', 1)[-1]} is nobody's; allowed: what rolls out and replaces"


@resource_rule(
    *WORKLOADS,
    name="pod-has-containers",
    title="Whatever makes pods says which containers they have",
    severity=Severity.LOW,
    remediation="Give the template its containers.",
    ai_rmf=("GOVERN 1.6",),
)
def has_containers(resource: Resource) -> Iterator[str]:
    """A rule for containers has nothing to say of none."""
    if not any(container.main for container in containers(resource)):
        yield "the template has no containers; one or more is wanted"


@resource_rule(
    *WORKLOADS,
    name="pod-no-host-namespaces",
    title="A pod sees neither processes, nor network, nor memory of its node",
    severity=Severity.CRITICAL,
    remediation="Remove hostNetwork, hostPID, hostIPC and hostProcess.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-39", "AC-6"),
    azure_policy=("47a1ee2f-2a2a-4576-bf2a-e0e36709c2b8",),
    checkov=("CKV_K8S_17", "CKV_K8S_18", "CKV_K8S_19"),
    trivy=("KSV-0008", "KSV-0009", "KSV-0010", "KSV-0103"),
)
def no_host_namespaces(resource: Resource) -> Iterator[str]:
    """Through them a pod reaches every other one of the node."""
    pod = pod_of(resource)
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(key):
            yield unlike(key, pod.spec.get(key), "not set")
    for container in pod.containers():
        if (container.effective("windowsOptions") or {}).get("hostProcess"):
            yield f"{container.where}: hostProcess is true; allowed: not set"


@resource_rule(
    *WORKLOADS,
    name="pod-volumes",
    title="A pod mounts nothing of its node",
    severity=Severity.CRITICAL,
    remediation=f"Use one of {', '.join(sorted(VOLUMES))}.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6",),
    azure_policy=(
        "16697877-1118-4fb1-9b65-9898ec2509ec",
        "098fc59e-46c7-4d99-9b16-64990e543d75",
        "f4a8fce0-2dd5-4c21-9a36-8f0ec809d663",
    ),
    checkov=("CKV_K8S_27",),
    trivy=("KSV-0006", "KSV-0023", "KSV-0028", "KSV-0121"),
)
def volumes(resource: Resource) -> Iterator[str]:
    """A folder of the node is the way to the container runtime, and to all secrets."""
    for index, volume in enumerate(pod_of(resource).spec.get("volumes") or ()):
        for kind in sorted(set(volume) - {"name"} - VOLUMES):
            allowed = ", ".join(sorted(VOLUMES))
            yield f"volumes[{index}] {shown(volume.get('name'))} is {kind}; allowed: {allowed}"


@resource_rule(
    *WORKLOADS,
    name="pod-not-root",
    title="Everything runs as a numbered user and group that is not root",
    severity=Severity.HIGH,
    remediation="Set runAsNonRoot, runAsUser, runAsGroup and fsGroup of the security context.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6",),
    azure_policy=("f06ddb64-5fa3-4b77-b166-acb36f7f6042",),
    checkov=("CKV_K8S_23",),
    trivy=("KSV-0012", "KSV-0105", "KSV-0116"),
)
def not_root(resource: Resource) -> Iterator[str]:
    """Root in a container is root on the node, as soon as one wall falls."""
    pod = pod_of(resource)
    for container in pod.containers():
        if container.effective("runAsNonRoot") is not True:
            found = container.effective("runAsNonRoot")
            yield unlike(f"{container.where}: runAsNonRoot", found, "true")
        for key in ("runAsUser", "runAsGroup"):
            if not _is_above(container.effective(key), 0):
                yield unlike(f"{container.where}: {key}", container.effective(key), "1 or more")
    groups = [at(pod.spec, "securityContext.fsGroup")]
    groups += at(pod.spec, "securityContext.supplementalGroups") or ()
    if 0 in groups:
        yield "securityContext has the group 0, which is root's; allowed: 1 or more"


@resource_rule(
    *WORKLOADS,
    name="pod-high-ids",
    title=f"User and group are {LOWEST_ID} or more",
    severity=Severity.LOW,
    remediation="Choose a user that no program of the node has.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6",),
    checkov=("CKV_K8S_40",),
    trivy=("KSV-0020", "KSV-0021"),
)
def high_ids(resource: Resource) -> Iterator[str]:
    """Whoever breaks out is then nobody outside."""
    for container in containers(resource):
        for key in ("runAsUser", "runAsGroup"):
            if not _is_above(container.effective(key), LOWEST_ID - 1):
                found = container.effective(key)
                yield unlike(f"{container.where}: {key}", found, f"{LOWEST_ID} or more")


def _is_above(found: object, bound: int) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and found > bound


@resource_rule(
    *WORKLOADS,
    name="pod-seccomp",
    title="The runtime's filter of system calls is on",
    severity=Severity.HIGH,
    remediation="Set seccompProfile to RuntimeDefault.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6", "CM-7"),
    azure_policy=("975ce327-682c-4f2e-aa46-b9598289b86c",),
    checkov=("CKV_K8S_31",),
    trivy=("KSV-0030", "KSV-0104"),
)
def seccomp(resource: Resource) -> Iterator[str]:
    """Most ways out of a container use a call that no program of ours needs."""
    for container in containers(resource):
        profile = (container.effective("seccompProfile") or {}).get("type")
        if profile not in PROFILES:
            yield unlike(f"{container.where}: seccompProfile", profile, " or ".join(PROFILES))


@resource_rule(
    *WORKLOADS,
    name="pod-kernel-defaults",
    title="The kernel's protections are as the node has them",
    severity=Severity.HIGH,
    remediation="Remove sysctls, seLinuxOptions and procMount; AppArmor is never Unconfined.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("CM-7",),
    azure_policy=(
        "5e5a0673-649e-4d50-bf9d-5a387a4e2081",
        "56d0a13f-712f-466b-8416-56fb354fb823",
        "e1e6c427-07d9-46ab-9689-bfa85431e636",
        "511f5417-5d12-434d-ab2e-816901e72a5e",
        "f85eb0dd-92ee-40e9-8a76-db25a507d6d3",
    ),
    trivy=("KSV-0002", "KSV-0025", "KSV-0026", "KSV-0027"),
)
def kernel_defaults(resource: Resource) -> Iterator[str]:
    """None of these is set by a program that means well."""
    pod = pod_of(resource)
    sysctls = at(pod.spec, "securityContext.sysctls")
    if sysctls:
        yield unlike("securityContext.sysctls", [s.get("name") for s in sysctls], "not set")
    for container in pod.containers():
        options = container.effective("seLinuxOptions")
        if options:
            yield unlike(f"{container.where}: seLinuxOptions", options, "not set")
        mount = container.own.get("procMount")
        if mount not in {None, "Default"}:
            yield unlike(f"{container.where}: procMount", mount, "Default, or not set")
        profile = (container.effective("appArmorProfile") or {}).get("type")
        if profile not in {None, *PROFILES}:
            yield unlike(f"{container.where}: appArmorProfile", profile, " or ".join(PROFILES))
    yield from _old_app_armor(resource)


def _old_app_armor(resource: Resource) -> Iterator[str]:
    """Yield what annotations, the old way, say of AppArmor."""
    annotations = at(pod_of(resource).owner.inputs, "spec.template.metadata.annotations") or {}
    for key in annotations:
        if key.startswith(APP_ARMOR) and annotations[key] == "unconfined":
            yield unlike(f"annotation {key}", "unconfined", "runtime/default, or not set")


@resource_rule(
    *WORKLOADS,
    name="pod-no-host-aliases",
    title="Names of hosts come from the DNS",
    severity=Severity.LOW,
    remediation="Remove hostAliases.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-20",),
    trivy=("KSV-0007",),
)
def no_host_aliases(resource: Resource) -> Iterator[str]:
    """An alias sends a pod to another server than everybody else."""
    aliases = pod_of(resource).spec.get("hostAliases")
    if aliases:
        yield f"hostAliases has {len(aliases)} entries; allowed: none"


@resource_rule(
    *WORKLOADS,
    name="pod-no-api-token",
    title="A pod has no token for the API server",
    severity=Severity.HIGH,
    remediation="Set automountServiceAccountToken of the pod to false.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6",),
    azure_policy=("423dd1ba-798e-40e4-9c4d-b6902674b423",),
    checkov=("CKV_K8S_38",),
    trivy=("KSV-0036",),
)
def no_api_token(resource: Resource) -> Iterator[str]:
    """None of ours asks the API server for anything; a stolen token could."""
    found = pod_of(resource).spec.get("automountServiceAccountToken")
    if found is not False:
        yield unlike("automountServiceAccountToken", found, "false")


@resource_rule(
    *WORKLOADS,
    name="pod-labels",
    title="Pods say what they are, of what they are a part, and who manages them",
    severity=Severity.LOW,
    remediation=f"Label the template with {', '.join(LABELS)}.",
    ai_rmf=("GOVERN 1.6",),
    sp800_53=("CM-8",),
    azure_policy=("46592696-4c7b-4bf3-9e45-6c2763bdc0a6",),
)
def labels(resource: Resource) -> Iterator[str]:
    """Policies, budgets and people find them by these."""
    found = pod_of(resource).labels
    for wanted in LABELS:
        if not found.get(wanted):
            yield unlike(f"label {wanted}", found.get(wanted), "a name")


@resource_rule(
    *WORKLOADS,
    name="pod-no-azure-labels",
    title="No object passes for one of Azure's own",
    severity=Severity.MEDIUM,
    remediation=f"Remove labels that begin with {AZURES_LABELS}.",
    ai_rmf=("MEASURE 2.7",),
    azure_policy=("a22123bd-b9da-4c86-9424-24903e91fd55",),
)
def no_azure_labels(resource: Resource) -> Iterator[str]:
    """AKS treats what wears its labels as its own."""
    for found in (resource.get("metadata.labels") or {}, pod_of(resource).labels):
        for label in found:
            if label.startswith(AZURES_LABELS):
                yield f"label {label} is reserved for AKS; allowed: any other prefix"
