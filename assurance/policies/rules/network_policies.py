"""Who may talk to whom: nobody, unless a policy of both ends says so by name and port."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final

from assurance.policies.kubernetes import NETWORK_POLICY, namespace_of, pods, selects
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import unlike

DIRECTIONS: Final[Mapping[str, str]] = {"Ingress": "from", "Egress": "to"}
"""And where a rule of each says who is at the other end."""
METADATA = ip_address("169.254.169.254")
"""Where Azure tells a machine its secrets, and whoever asks from it."""
DNS = 53
WIDEST = 8
"""Prefix length of the widest range, as ``network.egress`` has it."""


@stack_rule(
    name="network-default-deny",
    title="In a namespace with pods nothing is reachable that no policy names",
    severity=Severity.CRITICAL,
    remediation="Declare a NetworkPolicy with podSelector {} and both policyTypes, without rules.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-4", "SC-7(5)"),
    checkov=("CKV2_K8S_6",),
    trivy=("KSV-0038",),
)
def default_deny(stack: Stack) -> Iterator[Fault]:
    """A new pod begins with no connections, not with all."""
    for namespace in sorted({pod.namespace for pod in pods(stack)}):
        denied = {
            direction
            for policy in stack.of_type(NETWORK_POLICY)
            if namespace_of(policy) == namespace and _selects_all(policy)
            for direction in DIRECTIONS
            if direction in _types(policy) and not policy.get(f"spec.{direction.lower()}")
        }
        for direction in DIRECTIONS:
            if direction not in denied:
                yield None, f"no NetworkPolicy denies all {direction} in namespace {namespace}"


def _selects_all(policy: Resource) -> bool:
    selector = policy.get("spec.podSelector")
    return isinstance(selector, Mapping) and not any(selector.values())


@stack_rule(
    name="network-policy-per-pod",
    title="Every pod is named by a policy for each direction",
    severity=Severity.HIGH,
    remediation="Say in components/traffic.py who calls the workload, and whom it calls.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-4", "SC-7"),
    checkov=("CKV2_K8S_6",),
    trivy=("KSV-0038",),
)
def policy_per_pod(stack: Stack) -> Iterator[Fault]:
    """One that only the default holds was forgotten, or is named by a label that has changed."""
    for pod in pods(stack):
        naming = [
            policy
            for policy in stack.of_type(NETWORK_POLICY)
            if namespace_of(policy) == pod.namespace
            and not _selects_all(policy)
            and selects(policy.get("spec.podSelector"), pod.labels)
        ]
        for direction in DIRECTIONS:
            if not any(direction in _types(policy) for policy in naming):
                yield pod.owner, f"no NetworkPolicy names its pods for {direction}; one is wanted"


@resource_rule(
    NETWORK_POLICY,
    name="network-policy-peers",
    title="A policy names who is at the other end",
    severity=Severity.HIGH,
    remediation="Name pods, a labelled namespace, or narrow ranges.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-4", "SC-7"),
    trivy=("KSV-0038",),
)
def peers(policy: Resource) -> Iterator[str]:
    """Left out, the other end is everybody: the whole internet with it."""
    for where, rule, side in _rules(policy):
        listed = rule.get(side)
        if not listed:
            yield unlike(f"{where}.{side}", listed, "pods, namespaces or ranges")
        for index, peer in enumerate(listed or ()):
            for words in (*_too_wide(peer), *_half_named(rule, side, peer)):
                yield f"{where}.{side}[{index}]: {words}"


def _too_wide(peer: Mapping[str, Any]) -> Iterator[str]:
    block = peer.get("ipBlock")
    if block is not None:
        yield from _wide_range(block)
        return
    space, chosen = peer.get("namespaceSelector"), peer.get("podSelector")
    if space is None and chosen is None:
        yield "it names neither pods, nor namespaces, nor a range"
    if space is not None and not any(space.values()):
        yield unlike("namespaceSelector", {}, "labels of some namespaces")
    if space is None and chosen is not None and not any(chosen.values()):
        yield unlike("podSelector", {}, "labels of some pods")


def _half_named(rule: Mapping[str, Any], side: str, peer: Mapping[str, Any]) -> Iterator[str]:
    """Yield a fault of a way out into another namespace that does not say which pods are there.

    Whoever answers for names is in another one: in our own, its labels are anybody's to wear.
    """
    space, chosen = peer.get("namespaceSelector"), peer.get("podSelector")
    asks_names = any(port.get("port") == DNS for port in rule.get("ports") or ())
    if side != DIRECTIONS["Egress"] or not (space or (asks_names and "ipBlock" not in peer)):
        return
    for name, selector in (("namespaceSelector", space), ("podSelector", chosen)):
        if not selector or not any(selector.values()):
            yield unlike(name, selector, "labels of the pods and of their namespace")


def _wide_range(block: Mapping[str, Any]) -> Iterator[str]:
    allowed = f"a range of /{WIDEST} or narrower, without {METADATA}"
    try:
        found = ip_network(str(block.get("cidr")))
        spared = [ip_network(str(left_out)) for left_out in block.get("except") or ()]
    except ValueError:
        yield unlike("ipBlock.cidr", block.get("cidr"), allowed)
        return
    reaches_metadata = METADATA in found and not any(METADATA in one for one in spared)
    if found.prefixlen < WIDEST or reaches_metadata:
        yield unlike("ipBlock.cidr", str(found), allowed)


@resource_rule(
    NETWORK_POLICY,
    name="network-policy-ports",
    title="A policy names the ports",
    severity=Severity.MEDIUM,
    remediation="Give each rule its ports, with protocol and number.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-4", "SC-7"),
)
def ports(policy: Resource) -> Iterator[str]:
    """Left out, they are all of them: metrics and administration with them."""
    for where, rule, _ in _rules(policy):
        listed = rule.get("ports")
        if not listed:
            yield unlike(f"{where}.ports", listed, "the ports that are needed")
        for index, port in enumerate(listed or ()):
            if not port.get("port") or port.get("endPort"):
                yield f"{where}.ports[{index}] is no single port; allowed: one number or name"


def _rules(policy: Resource) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield each rule with its place, and the key of its other end."""
    for direction, side in DIRECTIONS.items():
        key = direction.lower()
        for index, rule in enumerate(policy.get(f"spec.{key}") or ()):
            yield f"{key}[{index}]", rule, side


def _types(policy: Resource) -> Sequence[str]:
    """Return the directions of a policy; without a word, ``Egress`` follows from its rules."""
    given: Sequence[str] | None = policy.get("spec.policyTypes")
    return given or (["Ingress", "Egress"] if policy.get("spec.egress") else ["Ingress"])
