"""What the API server says, against what the program wants of it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from assurance.compliance.checks.model import Check, Seen, seen
from assurance.compliance.model import Truth
from assurance.compliance.truths import Facts, Truths
from assurance.policies.model import Properties

POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
STORAGE = "kubernetes:storage.k8s.io/v1:StorageClass"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
MODERN = "TLSv1_3"
OWN_STATUS = "admin"
"""The gateway's cluster that is the gateway itself: probes and figures, no memories."""
DEFAULTED = {"protocol": "TCP"}
"""What the API server adds to a NetworkPolicy by itself."""


def _facts(truths: Truths) -> Facts:
    if truths.cluster is None:
        raise AssertionError("a check of the cluster runs only where there is one")
    return truths.cluster


def _policies(truths: Truths, _at: datetime) -> Seen:
    live = {policy["name"]: policy["spec"] for policy in _facts(truths)["policies"]}
    wanted = {
        policy.get("metadata.name"): plain(policy.get("spec"))
        for policy in truths.declared.of_type(POLICY)
    }
    if not wanted:
        return Seen("", unknown="the program declares no NetworkPolicy")
    return seen(f"{len(live)} NetworkPolicies, each as declared", _policy_faults(wanted, live))


def _policy_faults(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{name} is missing" for name in sorted(wanted.keys() - live.keys()))
    yield from (f"{name} is not of the program" for name in sorted(live.keys() - wanted.keys()))
    for name in sorted(wanted.keys() & live.keys()):
        if not _same(wanted[name], live[name]):
            yield f"{name} is not as declared"


def _same(wanted: Any, live: Any) -> bool:
    """Compare, but for what the API server fills in."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        added = {key: live[key] for key in live.keys() - wanted.keys()}
        return added.items() <= DEFAULTED.items() and all(
            key in live and _same(value, live[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(live, list):
        return len(wanted) == len(live) and all(map(_same, wanted, live))
    return bool(wanted == live)


def plain(value: Any) -> Any:
    """Return inputs of a resource as plain data; unknown values do not occur in a deployment."""
    if isinstance(value, Properties | Mapping):
        return {key: plain(value[key]) for key in value}
    if isinstance(value, str | None):
        return value
    if hasattr(value, "__iter__"):
        return [plain(item) for item in value]
    return value


def _verified(*names: str) -> Any:
    """Return a check that repeats what ``assurance cluster verify`` found."""

    def look(truths: Truths, _at: datetime) -> Seen:
        found = [
            check for check in _facts(truths)["checks"] if check["name"] in (*names, "namespace")
        ]
        return seen(
            "; ".join(check["found"] for check in found),
            (f"{check['name']}: {check['found']}" for check in found if not check["ok"]),
        )

    return look


def _storage(truths: Truths, _at: datetime) -> Seen:
    wanted = {
        found.get("metadata.name"): plain(found.get("parameters") or {})
        for found in truths.declared.of_type(STORAGE)
    }
    live = {found["name"]: found["parameters"] for found in _facts(truths)["storage"]}
    claims = _facts(truths)["claims"]
    if not claims:
        return Seen("", unknown="no disk was found in the namespace")
    there = {claim["name"] for claim in claims}
    declared = {claim.get("metadata.name") for claim in truths.declared.of_type(CLAIM)}
    return seen(
        f"{len(claims)} disks of classes that name the stack's own key",
        (
            *(f"disk {name}: declared, and not there" for name in sorted(declared - there)),
            *(
                f"disk {claim['name']} is of class {claim['class'] or 'default'}, "
                "which does not name the stack's key as declared"
                for claim in claims
                if claim["class"] not in wanted
                or live.get(claim["class"]) != wanted[claim["class"]]
            ),
        ),
    )


def _entrances(truths: Truths) -> list[Mapping[str, Any]]:
    return [each for each in _facts(truths)["listeners"] if set(each["to"]) - {OWN_STATUS}]


def _edge(truths: Truths, _at: datetime) -> Seen:
    entrances = _entrances(truths)
    if not entrances:
        return Seen("", unknown="no gateway was found in the namespace")
    names = ", ".join(each["name"] for each in entrances)
    return seen(
        f"{names}: TLS 1.3 and nothing older",
        (f"{each['name']} speaks {', '.join(each['oldest'])}"
         for each in entrances if each["oldest"] != [MODERN]),
    )  # fmt: skip


def _logged(truths: Truths, _at: datetime) -> Seen:
    entrances = _entrances(truths)
    if not entrances:
        return Seen("", unknown="no gateway was found in the namespace")
    return seen(
        "every request is logged with its time, subject, method, path and answer",
        (f"{each['name']} logs nothing" for each in entrances if not each["logged"]),
    )


def _check(name: str, title: str, look: Any) -> Check:
    return Check(
        name=name,
        title=title,
        truth=Truth.CLUSTER,
        remedy="`up` puts back what the program declares; kubectl delete what it does not know",
        look=look,
        source="cluster",
    )


CLUSTER = (
    _check("cluster-network-policies", "Every NetworkPolicy is there, as declared, and no other",
           _policies),
    _check("cluster-pod-security", "The namespace admits restricted pods only",
           _verified("pod security")),
    _check("cluster-workloads", "All workloads are ready, admitted, and lack nothing",
           _verified("workloads", "admission", "references")),
    _check("cluster-storage", "Every disk is of a class that names the stack's own key", _storage),
    _check("cluster-edge-tls", "Clients reach the gateway over TLS 1.3 only", _edge),
    _check("cluster-gateway-log", "The gateway logs every request", _logged),
)  # fmt: skip
