"""What the policies let through is derived as Kubernetes would judge it."""

from typing import Any

import pytest
import yaml

from assurance.cluster.objects import Snapshot
from assurance.cluster.reachability import Path, reachable

DENY = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def _pod(name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": []}}
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": template}}


def _policies(*specs: str | dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "kind": "NetworkPolicy",
            "metadata": {"name": f"p{number}"},
            "spec": yaml.safe_load(spec) if isinstance(spec, str) else spec,
        }
        for number, spec in enumerate(specs)
    ]


def _of(*policies: str | dict[str, Any]) -> set[Path]:
    return reachable(Snapshot.of([_pod("a"), _pod("b"), *_policies(*policies)]))


A_TO_B = """
podSelector: {matchLabels: {app.kubernetes.io/name: a}}
policyTypes: [Egress]
egress: [{to: [{podSelector: {matchLabels: {app.kubernetes.io/name: b}}}], ports: [{port: 80}]}]
"""
B_FROM_A = """
podSelector: {matchLabels: {app.kubernetes.io/name: b}}
ingress: [{from: [{podSelector: {matchLabels: {app.kubernetes.io/name: a}}}], ports: [{port: 80}]}]
"""
B_FROM_OUTSIDE = """
podSelector: {matchLabels: {app.kubernetes.io/name: b}}
ingress: [{from: [{namespaceSelector: {matchLabels: {client: "yes"}}}], ports: [{port: 80}]}]
"""
A_TO_ADDRESSES = """
podSelector: {matchLabels: {app.kubernetes.io/name: a}}
policyTypes: [Egress]
egress:
  - to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
    ports: [{port: 1, endPort: 9}]
"""
ALL_TO_DNS = """
podSelector: {}
policyTypes: [Egress]
egress:
  - to:
      - namespaceSelector: {matchLabels: {space: kube-system}}
        podSelector: {matchLabels: {k8s-app: kube-dns}}
    ports: [{port: 53, protocol: UDP}]
"""
B_FROM_EVERYONE = """
podSelector: {matchLabels: {app.kubernetes.io/name: b}}
ingress: [{ports: [{port: 80}]}]
"""


def test_without_a_policy_everything_is_open() -> None:
    everywhere = {Path(s, t, "any") for s in ("a", "b", "any") for t in ("a", "b", "any")}
    assert _of() == everywhere - {Path("any", "any", "any")}


DNS = "namespaces space=kube-system pods k8s-app=kube-dns"


@pytest.mark.parametrize(
    ("policies", "through"),
    [
        ([DENY], set()),
        ([DENY, A_TO_B, B_FROM_A], {Path("a", "b", "80/TCP")}),
        ([DENY, A_TO_B], set()),
        ([DENY, B_FROM_A], set()),
        ([DENY, B_FROM_OUTSIDE], {Path("namespaces client=yes", "b", "80/TCP")}),
        (
            [DENY, A_TO_ADDRESSES],
            {Path("a", "10.0.0.0/8 except 10.1.0.0/16", "1-9/TCP")},
        ),
        ([DENY, ALL_TO_DNS], {Path("a", DNS, "53/UDP"), Path("b", DNS, "53/UDP")}),
        ([DENY, B_FROM_EVERYONE], {Path("any", "b", "80/TCP")}),
        (
            [DENY, B_FROM_EVERYONE, A_TO_B],
            {Path("any", "b", "80/TCP"), Path("a", "b", "80/TCP")},
        ),
    ],
)
def test_a_connection_needs_the_leave_of_both_ends(
    policies: list[str | dict[str, Any]], through: set[Path]
) -> None:
    assert _of(*policies) == through


def test_a_policy_of_one_direction_leaves_the_other_open() -> None:
    found = _of("podSelector: {}\npolicyTypes: [Ingress]")
    assert found == {Path("a", "any", "any"), Path("b", "any", "any")}
