"""Who can reach whom, derived from the NetworkPolicies alone.

The rules are Kubernetes': policies add up; a pod that no policy of a direction selects is open in
that direction; a connection needs the leave of both ends.
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assurance.cluster.objects import Object, PodTemplate, Snapshot
from assurance.policies.kubernetes import selects

ANY = "any"
NAME = "app.kubernetes.io/name"
Direction = Literal["Ingress", "Egress"]


@dataclass(frozen=True, order=True)
class Path:
    """A connection that the policies let through."""

    source: str
    """Name of a workload, or who is outside: ``namespaces …``, a CIDR, or ``any``."""
    destination: str
    port: str
    """Number and protocol, e.g. ``8000/TCP``, or ``any``."""


def reachable(snapshot: Snapshot) -> set[Path]:
    """Return every connection that is possible from, to and between the pods of a namespace."""
    pods = list(snapshot.templates())
    policies = snapshot.kind("NetworkPolicy")
    found: set[Path] = set()
    for pod in pods:
        for other in pods:
            found |= _between(pod, other, policies)
        found |= {Path(peer, _name(pod), port) for peer, port in _outside(pod, policies, "Ingress")}
        found |= {Path(_name(pod), peer, port) for peer, port in _outside(pod, policies, "Egress")}
    return found


def _between(source: PodTemplate, target: PodTemplate, policies: list[Object]) -> set[Path]:
    leaving = _ports_towards(source, target, policies, "Egress")
    entering = _ports_towards(target, source, policies, "Ingress")
    if ANY in leaving:
        common = entering
    elif ANY in entering:
        common = leaving
    else:
        common = leaving & entering
    return {Path(_name(source), _name(target), port) for port in common}


def _ports_towards(
    pod: PodTemplate, peer: PodTemplate, policies: list[Object], direction: Direction
) -> set[str]:
    """Return the ports on which one end lets the other one through."""
    applying = _applying(pod, policies, direction)
    if not applying:
        return {ANY}
    return {
        port
        for rule in _rules(applying, direction)
        if any(_is_inside(entry) and _matches(entry, peer) for entry in _peers(rule, direction))
        or not _peers(rule, direction)
        for port in _ports(rule)
    }


def _outside(
    pod: PodTemplate, policies: list[Object], direction: Direction
) -> Iterator[tuple[str, str]]:
    """Yield who outside of the namespace is let through, and on which port."""
    applying = _applying(pod, policies, direction)
    if not applying:
        yield ANY, ANY
    for rule in _rules(applying, direction):
        peers = _peers(rule, direction)
        outside = [_describe(entry) for entry in peers if not _is_inside(entry)]
        for port in _ports(rule):
            for name in outside if peers else [ANY]:
                yield name, port


def _applying(pod: PodTemplate, policies: list[Object], direction: Direction) -> list[Object]:
    return [
        policy
        for policy in policies
        if direction in _types(policy["spec"])
        and selects(policy["spec"].get("podSelector") or {}, pod.labels)
    ]


def _types(spec: Mapping[str, Any]) -> list[str]:
    """Return the directions of a policy; without a word, ``Egress`` follows from its rules."""
    default = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
    return spec.get("policyTypes") or default


def _rules(policies: list[Object], direction: Direction) -> Iterator[Mapping[str, Any]]:
    for policy in policies:
        yield from policy["spec"].get(direction.lower()) or ()


def _peers(rule: Mapping[str, Any], direction: Direction) -> list[Mapping[str, Any]]:
    return rule.get("from" if direction == "Ingress" else "to") or []


def _ports(rule: Mapping[str, Any]) -> list[str]:
    listed = rule.get("ports") or []
    return [_port(entry) for entry in listed] or [ANY]


def _port(entry: Mapping[str, Any]) -> str:
    number = entry.get("port", ANY)
    last = f"-{entry['endPort']}" if "endPort" in entry else ""
    return f"{number}{last}/{entry.get('protocol', 'TCP')}"


def _is_inside(peer: Mapping[str, Any]) -> bool:
    return "ipBlock" not in peer and "namespaceSelector" not in peer


def _matches(peer: Mapping[str, Any], pod: PodTemplate) -> bool:
    return selects(peer.get("podSelector"), pod.labels)


def _describe(peer: Mapping[str, Any]) -> str:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        left_out = ", ".join(block.get("except") or ())
        return f"{block['cidr']} except {left_out}" if left_out else str(block["cidr"])
    spaces = f"namespaces {_labels(peer['namespaceSelector'])}"
    return f"{spaces} pods {_labels(peer['podSelector'])}" if "podSelector" in peer else spaces


def _labels(selector: Mapping[str, Any]) -> str:
    pairs = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    pairs += [
        f"{rule['key']} {rule['operator']} {','.join(rule.get('values') or ())}".rstrip()
        for rule in selector.get("matchExpressions") or ()
    ]
    return " ".join(pairs) or ANY


def _name(pod: PodTemplate) -> str:
    return pod.labels.get(NAME, pod.name)
