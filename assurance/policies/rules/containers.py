"""Each container: what it may do, what it may take, and how one sees that it is well."""

from collections.abc import Iterator

from assurance.policies.kubernetes import WORKLOADS, containers, is_amount
from assurance.policies.model import Resource, Severity, resource_rule
from assurance.policies.words import (
    at,
    must_be,
    must_be_off,
    must_be_on,
    must_have,
    must_not_be_on,
    shown,
    unlike,
)

FIRST_FREE_PORT = 1024
"""Those below need a privilege."""
ACTIONS = ("exec", "grpc", "httpGet", "tcpSocket")
"""What a probe does."""
SIZES = tuple(f"{side}.{what}" for side in ("requests", "limits") for what in ("cpu", "memory"))


@resource_rule(
    *WORKLOADS,
    name="container-not-privileged",
    title="No container is privileged",
    severity=Severity.CRITICAL,
    remediation="Set privileged to false.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6",),
    azure_policy=("95edb821-ddaf-4404-9732-666045e056b4",),
    checkov=("CKV_K8S_16",),
    trivy=("KSV-0017",),
)
def not_privileged(resource: Resource) -> Iterator[str]:
    """Privileged is root on the node."""
    for container in containers(resource):
        where = f"{container.where}: "
        yield from must_not_be_on(container.own, "privileged", where=where)


@resource_rule(
    *WORKLOADS,
    name="container-no-escalation",
    title="No process gains more rights than its parent has",
    severity=Severity.HIGH,
    remediation="Set allowPrivilegeEscalation to false; left out, it is true.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6",),
    azure_policy=("1c6e92c9-99f0-4e55-9cf2-0c234dc48f99",),
    checkov=("CKV_K8S_20",),
    trivy=("KSV-0001",),
)
def no_escalation(resource: Resource) -> Iterator[str]:
    """A forgotten set-uid program in an image is then harmless."""
    for container in containers(resource):
        where = f"{container.where}: "
        yield from must_be_off(container.own, "allowPrivilegeEscalation", where=where)


@resource_rule(
    *WORKLOADS,
    name="container-no-capabilities",
    title="Every container drops all capabilities, and adds none",
    severity=Severity.HIGH,
    remediation="Set capabilities to {drop: [ALL]}.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6",),
    azure_policy=(
        "c26596ff-4d70-4e6a-9a30-c2506bd2f80c",
        "a27c700f-8a22-44ec-961c-41625264370b",
        "d2e7ea85-6b44-4317-a0be-1b951587f626",
    ),
    checkov=("CKV_K8S_25", "CKV_K8S_28", "CKV_K8S_37", "CKV_K8S_39"),
    trivy=("KSV-0003", "KSV-0004", "KSV-0005", "KSV-0022", "KSV-0106", "KSV-0119", "KSV-0120"),
)
def no_capabilities(resource: Resource) -> Iterator[str]:
    """A server above port 1023 needs none."""
    for container in containers(resource):
        capabilities = container.own.get("capabilities") or {}
        dropped, added = capabilities.get("drop") or (), capabilities.get("add") or ()
        if "ALL" not in dropped:
            yield unlike(f"{container.where}: capabilities.drop", dropped or None, "ALL")
        if added:
            yield unlike(f"{container.where}: capabilities.add", added, "none")


@resource_rule(
    *WORKLOADS,
    name="container-read-only-root",
    title="No container writes to its own image",
    severity=Severity.MEDIUM,
    remediation="Set readOnlyRootFilesystem, and mount an emptyDir where it must write.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("CM-7", "SI-7"),
    azure_policy=("df49d893-a74c-421d-bc95-c663042e5b80",),
    checkov=("CKV_K8S_22",),
    trivy=("KSV-0014",),
)
def read_only_root(resource: Resource) -> Iterator[str]:
    """What cannot be written cannot be replaced by an intruder."""
    for container in containers(resource):
        where = f"{container.where}: "
        yield from must_be_on(container.own, "readOnlyRootFilesystem", where=where)


@resource_rule(
    *WORKLOADS,
    name="container-security-context",
    title="Every container has a security context of its own",
    severity=Severity.LOW,
    remediation="Give it a securityContext.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("CM-6",),
    checkov=("CKV_K8S_29", "CKV_K8S_30"),
    trivy=("KSV-0118",),
)
def security_context(resource: Resource) -> Iterator[str]:
    """Half of its settings are of containers only; a pod's do not stand in for them."""
    for container in containers(resource):
        if not container.own:
            yield f"{container.where}: securityContext is not set; allowed: a restricted one"


@resource_rule(
    *WORKLOADS,
    name="container-sizes",
    title="Every container asks for processor and memory, and is held to a limit",
    severity=Severity.MEDIUM,
    remediation="Set resources.requests and resources.limits of cpu and memory.",
    ai_rmf=("MANAGE 2.2",),
    sp800_53=("SC-6",),
    azure_policy=("03a4ecdb-0684-4039-be91-2762979e1bc8", "e345eecc-fa47-480f-9e88-67dcc122b164"),
    checkov=("CKV_K8S_10", "CKV_K8S_11", "CKV_K8S_12", "CKV_K8S_13"),
    trivy=("KSV-0011", "KSV-0015", "KSV-0016", "KSV-0018"),
)
def sizes(resource: Resource) -> Iterator[str]:
    """Without them one container starves the others of its node; 0 is no limit at all."""
    for container in containers(resource):
        for size in SIZES:
            found = at(container.given, f"resources.{size}")
            if not is_amount(found):
                yield unlike(f"{container.where}: resources.{size}", found, "an amount above 0")


@resource_rule(
    *WORKLOADS,
    name="container-probes",
    title="Whatever serves says whether it lives, and whether it is ready",
    severity=Severity.MEDIUM,
    remediation="Give it a livenessProbe and a readinessProbe.",
    ai_rmf=("MEASURE 2.4", "MANAGE 2.2"),
    azure_policy=("b1a9997f-2883-4f12-bdff-2280f99b5915",),
    checkov=("CKV_K8S_8", "CKV_K8S_9"),
)
def probes(resource: Resource) -> Iterator[str]:
    """Otherwise requests go to a pod that hangs, and nobody restarts it."""
    for container in containers(resource):
        if container.serves:
            for probe in ("livenessProbe", "readinessProbe"):
                given = container.given.get(probe) or {}
                if not any(given.get(action) for action in ACTIONS):
                    found = container.given.get(probe)
                    yield unlike(f"{container.where}: {probe}", found, "a request or a command")


@resource_rule(
    *WORKLOADS,
    name="container-stops-gently",
    title="Whatever serves waits before it stops, until nobody sends it requests",
    severity=Severity.LOW,
    remediation="Give it a preStop hook that sleeps for some seconds.",
    ai_rmf=("MANAGE 2.2", "MANAGE 2.4"),
    azure_policy=("1a3b9003-eac6-4d39-a184-4a567ace7645",),
)
def stops_gently(resource: Resource) -> Iterator[str]:
    """An address is taken off the services while its pod is already told to stop."""
    for container in containers(resource):
        if container.main and container.serves:
            where = f"{container.where}: "
            yield from must_have(container.given, "lifecycle.preStop", what="a hook", where=where)


@resource_rule(
    *WORKLOADS,
    name="container-no-host-ports",
    title="No container listens on its node",
    severity=Severity.HIGH,
    remediation="Remove hostPort; a Service leads to the pods.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
    azure_policy=("82985f06-dc18-4a48-bc1c-b9f4f0098cfe",),
    checkov=("CKV_K8S_26",),
    trivy=("KSV-0024",),
)
def no_host_ports(resource: Resource) -> Iterator[str]:
    """A port of the node is past every NetworkPolicy."""
    for container in containers(resource):
        for index, port in enumerate(container.given.get("ports") or ()):
            where = f"{container.where}: ports[{index}]."
            yield from must_be(port, "hostPort", None, 0, where=where)


@resource_rule(
    *WORKLOADS,
    name="container-free-ports",
    title=f"Containers listen on ports from {FIRST_FREE_PORT} on",
    severity=Severity.LOW,
    remediation="Listen on a higher port; the Service may keep the well-known one.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6",),
    trivy=("KSV-0117",),
)
def free_ports(resource: Resource) -> Iterator[str]:
    """A lower one asks for a capability."""
    for container in containers(resource):
        for index, port in enumerate(container.given.get("ports") or ()):
            found = port.get("containerPort")
            if not isinstance(found, int | float) or found < FIRST_FREE_PORT:
                where = f"{container.where}: ports[{index}].containerPort"
                yield unlike(where, found, f"{FIRST_FREE_PORT} or more")


@resource_rule(
    *WORKLOADS,
    name="container-secrets-as-files",
    title="Secrets are files of a pod, never variables",
    severity=Severity.MEDIUM,
    remediation="Mount the secret, and tell the program the file.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("IA-5", "SC-28"),
    checkov=("CKV_K8S_35",),
)
def secrets_as_files(resource: Resource) -> Iterator[str]:
    """Variables show up in crash reports, child processes and the API server's store."""
    for container in containers(resource):
        for variable in container.given.get("env") or ():
            if (variable.get("valueFrom") or {}).get("secretKeyRef"):
                name = shown(variable.get("name"))
                yield f"{container.where}: {name} is a secret in a variable; allowed: a file"
        for source in container.given.get("envFrom") or ():
            if source.get("secretRef"):
                yield f"{container.where}: envFrom takes in a whole Secret; allowed: files"
