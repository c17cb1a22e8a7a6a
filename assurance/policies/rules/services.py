"""Doors into the cluster: none to the outside, one for each purpose, and none that is unknown."""

from collections.abc import Iterator

from assurance.policies.kubernetes import INGRESS, SERVICE, name_of, namespace_of
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import must_be, unlike

INTERNAL = "service.beta.kubernetes.io/azure-load-balancer-internal"
HTTP_TOO = "kubernetes.io/ingress.allow-http"
PORTS = {443: "gateway", 8000: "Zep", 8003: "Graphiti", 8080: "memory service", 7687: "graph store"}
HEADLESS = "None"


@resource_rule(
    SERVICE,
    name="service-internal",
    title="A Service has an address in the cluster, or one of the private network",
    severity=Severity.CRITICAL,
    remediation=f"Use ClusterIP, or LoadBalancer with the annotation {INTERNAL}.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
    azure_policy=("3fc4dc25-5baf-40d8-9b05-7fe74c1bc64e", "d46c275d-1680-448d-b2ec-e495a3b6cc89"),
    trivy=("KSV-0108",),
)
def internal(service: Resource) -> Iterator[str]:
    """A load balancer is public unless it is told otherwise."""
    kind = service.get("spec.type", "ClusterIP")
    annotations = service.get("metadata.annotations") or {}
    if kind == "LoadBalancer":
        if annotations.get(INTERNAL) != "true":
            yield unlike(f"annotation {INTERNAL}", annotations.get(INTERNAL), "true")
    elif kind != "ClusterIP":
        yield unlike("spec.type", kind, "ClusterIP, or an internal LoadBalancer")
    if service.get("spec.externalIPs"):
        yield unlike("spec.externalIPs", service.get("spec.externalIPs"), "not set")


@resource_rule(
    SERVICE,
    name="service-known-ports",
    title="A Service listens on a port that somebody has agreed to",
    severity=Severity.MEDIUM,
    remediation="Add the port to assurance/policies/rules/services.py, with its purpose.",
    ai_rmf=("GOVERN 1.6", "MEASURE 2.7"),
    sp800_53=("CM-7",),
    azure_policy=("233a2a17-77ca-4fb1-9b6b-69223d272a44",),
)
def known_ports(service: Resource) -> Iterator[str]:
    """A port for debugging that stays open is nobody's."""
    allowed = ", ".join(f"{port} ({purpose})" for port, purpose in PORTS.items())
    for index, port in enumerate(service.get("spec.ports") or ()):
        if port.get("port") not in PORTS:
            yield unlike(f"spec.ports[{index}].port", port.get("port"), allowed)


@stack_rule(
    name="service-own-pods",
    title="No two Services with an address lead to the same pods",
    severity=Severity.LOW,
    remediation="Give each Service a selector of its own, or remove one.",
    ai_rmf=("GOVERN 1.6",),
    azure_policy=("b0fdedee-7b9e-4a17-9f5d-5e8e912d2f01",),
)
def own_pods(stack: Stack) -> Iterator[Fault]:
    """The second one is a door that was forgotten; a headless one only names the pods."""
    first: dict[object, str] = {}
    for service in stack.of_type(SERVICE):
        selector = service.get("spec.selector") or {}
        if not selector:
            yield service, "spec.selector is not set; allowed: the labels of some pods"
        elif service.get("spec.clusterIP") != HEADLESS:
            key = (namespace_of(service), tuple(sorted(selector.items())))
            if key in first:
                yield service, f"spec.selector is that of {first[key]}; allowed: one of its own"
            first.setdefault(key, name_of(service))


@resource_rule(
    INGRESS,
    name="service-ingress-https",
    title="An Ingress names its hosts, and speaks HTTPS only",
    severity=Severity.HIGH,
    remediation=f"Give it tls for each host, and the annotation {HTTP_TOO}: false.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-8",),
    azure_policy=("1a5b4dca-0b6f-4cf5-907c-56316bc1bf3d", "d8c942c6-16a3-400b-8f2e-785f44030036"),
)
def ingress_https(ingress: Resource) -> Iterator[str]:
    """What travels in clear is read on the way; without a host it answers to any name."""
    annotations = ingress.get("metadata.annotations") or {}
    if annotations.get(HTTP_TOO) != "false":
        yield unlike(f"annotation {HTTP_TOO}", annotations.get(HTTP_TOO), "false")
    sealed = {host for entry in ingress.get("spec.tls") or () for host in entry.get("hosts") or ()}
    rules = ingress.get("spec.rules") or ()
    if not rules:
        yield "spec.rules is not set; allowed: a rule for each host"
    for index, rule in enumerate(rules):
        if rule.get("host") not in sealed:
            yield unlike(f"spec.rules[{index}].host", rule.get("host"), "one of spec.tls")
    yield from must_be(ingress.inputs, "spec.defaultBackend", None)
