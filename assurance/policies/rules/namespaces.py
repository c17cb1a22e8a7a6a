"""Namespaces: what they refuse, what they hand out, and that everything is in one of ours."""

from collections.abc import Iterator

from assurance.policies import azure
from assurance.policies.kubernetes import (
    CLUSTER_WIDE,
    LIMITS,
    NAMESPACE,
    NAMESPACED,
    QUOTA,
    name_of,
    namespace_of,
    pods,
)
from assurance.policies.model import (
    RULES,
    Fault,
    Resource,
    Severity,
    Stack,
    resource_rule,
    stack_rule,
)
from assurance.policies.words import unlike

MODES = tuple(f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "warn", "audit"))
OUR_OWN = ("engram:", "pulumi:")
"""What the types of components, of providers and of the stack itself begin with."""
RESERVED = ("default", "kube-system", "kube-public", "kube-node-lease", "gatekeeper-system")
COUNTED = ("pods", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
CLOSED = ("services.loadbalancers", "services.nodeports")
GIVEN = ("default", "defaultRequest", "max")
"""What a LimitRange says for containers that say nothing, and the most that any may ask."""


@resource_rule(
    NAMESPACE,
    name="namespace-pod-security",
    title='A namespace refuses pods that fall short of the standard "restricted"',
    severity=Severity.CRITICAL,
    remediation=f"Label the namespace with {', '.join(MODES)}: restricted.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-6", "CM-7"),
)
def pod_security(namespace: Resource) -> Iterator[str]:
    """The API server holds it against everybody, whatever this program declares."""
    labels = namespace.get("metadata.labels") or {}
    for mode in MODES:
        if labels.get(mode) != "restricted":
            yield unlike(f"label {mode}", labels.get(mode), "restricted")


@resource_rule(
    *NAMESPACED,
    name="namespace-own",
    title="Nothing is declared in a namespace that belongs to the cluster",
    severity=Severity.HIGH,
    remediation="Set metadata.namespace to the namespace of the workloads.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-2",),
    azure_policy=("9f061a12-e40d-4183-a00e-171812443373",),
    checkov=("CKV_K8S_21",),
    trivy=("KSV-0037", "KSV-0110"),
)
def own(resource: Resource) -> Iterator[str]:
    """No quota, no policy and no standard of ours holds there."""
    namespace = namespace_of(resource)
    if namespace in RESERVED:
        yield unlike("metadata.namespace", namespace, "a namespace of the stack")


@stack_rule(
    name="namespace-declared",
    title="Everything that has a namespace is in one of the stack",
    severity=Severity.HIGH,
    remediation="Declare the namespace, so that its labels, quota and policies are judged.",
    ai_rmf=("GOVERN 1.6", "MEASURE 2.7"),
    sp800_53=("CM-8",),
)
def declared(stack: Stack) -> Iterator[Fault]:
    """What stands elsewhere is under somebody else's rules."""
    known = {name_of(namespace) for namespace in stack.of_type(NAMESPACE)}
    for resource in stack.of_type(*NAMESPACED):
        if namespace_of(resource) not in known:
            allowed = " or ".join(sorted(known)) or "a namespace that the stack declares"
            yield resource, unlike("metadata.namespace", namespace_of(resource), allowed)


@stack_rule(
    name="namespace-quota",
    title="A namespace with pods may take so much of the cluster, and no more",
    severity=Severity.MEDIUM,
    remediation=f"Declare a ResourceQuota of {', '.join(COUNTED)}.",
    ai_rmf=("MANAGE 2.2",),
    sp800_53=("SC-5", "SC-6"),
    trivy=("KSV-0040",),
)
def quota(stack: Stack) -> Iterator[Fault]:
    """A runaway workload stops at its own fence."""
    for namespace in sorted({pod.namespace for pod in pods(stack)}):
        hard = _hard(stack, namespace)
        for counted in COUNTED:
            if not hard.get(counted):
                yield None, f"no ResourceQuota of namespace {namespace} limits {counted}"


@stack_rule(
    name="namespace-no-doors",
    title="No Service of a namespace with pods gets an address of its own outside",
    severity=Severity.HIGH,
    remediation=f"Set {' and '.join(CLOSED)} of its ResourceQuota to 0.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
)
def no_doors(stack: Stack) -> Iterator[Fault]:
    """The API server then refuses what somebody adds by hand, too."""
    for namespace in sorted({pod.namespace for pod in pods(stack)}):
        hard = _hard(stack, namespace)
        for closed in CLOSED:
            if hard.get(closed) not in {"0", 0}:
                where = f"ResourceQuota of namespace {namespace}: {closed}"
                yield None, unlike(where, hard.get(closed), "0")


def _hard(stack: Stack, namespace: str) -> dict[str, object]:
    """Return all that the quotas of a namespace limit."""
    quotas = [found for found in stack.of_type(QUOTA) if namespace_of(found) == namespace]
    return {key: hard for found in quotas for key, hard in (found.get("spec.hard") or {}).items()}


@stack_rule(
    name="namespace-limits",
    title="A container that asks for nothing gets little, and none gets everything",
    severity=Severity.LOW,
    remediation="Declare a LimitRange for containers with default, defaultRequest and max.",
    ai_rmf=("MANAGE 2.2",),
    sp800_53=("SC-6",),
    trivy=("KSV-0039",),
)
def limits(stack: Stack) -> Iterator[Fault]:
    """It also holds for what is started by hand, to look for a fault."""
    for namespace in sorted({pod.namespace for pod in pods(stack)}):
        given = {
            (what, size)
            for found in stack.of_type(LIMITS)
            if namespace_of(found) == namespace
            for limit in found.get("spec.limits") or ()
            if limit.get("type") == "Container"
            for what in GIVEN
            for size in limit.get(what) or ()
        }
        for what in GIVEN:
            for size in ("cpu", "memory"):
                if (what, size) not in given:
                    yield None, f"no LimitRange of namespace {namespace} has {what}.{size}"


@stack_rule(
    name="stack-known-kinds",
    title="Everything that is declared is of a kind that these rules know",
    severity=Severity.HIGH,
    remediation="Name the kind in azure.py or kubernetes.py of assurance/policies, and say what it"
    " must be like.",
    ai_rmf=("GOVERN 1.6",),
    sp800_53=("CM-8",),
    azure_policy=("b81f454c-eebb-4e4f-9dfe-dca060e8a8fd",),
    trivy=("KSV-0102", "KSV-0107"),
)
def known_kinds(stack: Stack) -> Iterator[Fault]:
    """A Helm release or an old version of an API may hide pods from us, and servers alike."""
    looked_at = {kind for rule in RULES.values() for kind in rule.types}
    known = looked_at.union(NAMESPACED, CLUSTER_WIDE, azure.KNOWN)
    for resource in stack.resources:
        kind = resource.type
        if kind not in known and not kind.startswith(OUR_OWN):
            yield resource, f"no rule looks into {kind}; allowed: kinds that rules look into"
    for network in stack.of_type(azure.NETWORK):
        for inside in ("subnets", "virtualNetworkPeerings"):
            if network.get(inside):
                yield network, f"no rule looks into its {inside}; allowed: Subnet, by itself"
