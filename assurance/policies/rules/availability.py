"""Workloads that survive a node, a zone, a rollout and a busy day."""

from collections.abc import Iterator, Mapping
from typing import Any

from assurance.policies.kubernetes import (
    AUTOSCALER,
    BUDGET,
    DEPLOYMENT,
    STATEFUL_SET,
    Pod,
    name_of,
    namespace_of,
    pod_of,
    selects,
)
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import at, unlike

FEWEST = 2
"""Pods of what must not stop."""
SPREAD_OVER = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
ANTI_AFFINITY = "affinity.podAntiAffinity"
TERMS = {
    "requiredDuringSchedulingIgnoredDuringExecution": "",
    "preferredDuringSchedulingIgnoredDuringExecution": "podAffinityTerm",
}
"""The lists of terms of an anti-affinity, and where each entry has its term."""


def _is_number(found: object) -> bool:
    return isinstance(found, int | float)


@resource_rule(
    DEPLOYMENT,
    STATEFUL_SET,
    name="pod-two-replicas",
    title=f"What serves has {FEWEST} pods or more",
    severity=Severity.MEDIUM,
    remediation="Set replicas of the workload to 2 or more.",
    ai_rmf=("MANAGE 2.2",),
)
def two_replicas(workload: Resource) -> Iterator[str]:
    """One pod means a gap at every rollout and every repair of a node."""
    replicas = workload.get("spec.replicas")
    if not _is_number(replicas) or replicas < FEWEST:
        yield unlike("spec.replicas", replicas, f"{FEWEST} or more")


@resource_rule(
    DEPLOYMENT,
    STATEFUL_SET,
    name="pod-spread",
    title="Pods of a workload are spread over zones and over nodes",
    severity=Severity.MEDIUM,
    remediation=f"Add topologySpreadConstraints for {' and '.join(SPREAD_OVER)}.",
    ai_rmf=("MANAGE 2.2",),
    azure_policy=("34c88cd4-5d72-4dbb-bf77-12c3cafe8791",),
)
def spread(resource: Resource) -> Iterator[str]:
    """Two pods on one node are one pod, when it fails."""
    if resource.get("spec.replicas") == 1:
        return
    pod = pod_of(resource)
    held = set(_spread_over(pod))
    for key in SPREAD_OVER:
        if key not in held:
            yield f"its pods are not spread over {key}; a constraint that selects them is wanted"


def _spread_over(pod: Pod) -> Iterator[str]:
    """Yield the keys over which constraints, or an anti-affinity, spread the pod's own kind."""
    terms: list[Mapping[str, Any]] = list(pod.spec.get("topologySpreadConstraints") or ())
    for kind, inside in TERMS.items():
        listed = at(pod.spec, f"{ANTI_AFFINITY}.{kind}") or ()
        terms += [(term.get(inside) or {}) if inside else term for term in listed]
    for term in terms:
        selector = term.get("labelSelector") or {}
        if any(selector.values()) and selects(selector, pod.labels):
            yield str(term.get("topologyKey"))


@stack_rule(
    name="pod-disruption-budget",
    title="A repair of nodes takes one pod of a workload after the other",
    severity=Severity.MEDIUM,
    remediation="Declare one PodDisruptionBudget for the workload, with maxUnavailable: 1.",
    ai_rmf=("MANAGE 2.2",),
    azure_policy=("d9e8f2c1-4c5a-4f5c-8b5a-2abf1e9f7b4d",),
)
def disruption_budget(stack: Stack) -> Iterator[Fault]:
    """Without one all go at once; with one that allows nothing the repair never ends."""
    for owner in stack.of_type(DEPLOYMENT, STATEFUL_SET):
        replicas = owner.get("spec.replicas", 1)
        pod = pod_of(owner)
        budgets = [budget for budget in stack.of_type(BUDGET) if _covers(budget, pod)]
        if replicas != 1 and len(budgets) != 1:
            yield owner, f"{len(budgets)} PodDisruptionBudgets cover its pods; allowed: one"
        for budget in budgets:
            yield from _sensible(budget, replicas)


def _covers(budget: Resource, pod: Pod) -> bool:
    own = namespace_of(budget) == pod.namespace
    return own and selects(budget.get("spec.selector"), pod.labels)


def _sensible(budget: Resource, replicas: int) -> Iterator[Fault]:
    most, least = budget.get("spec.maxUnavailable"), budget.get("spec.minAvailable")
    lets_go = most == 1 if most is not None else _is_number(least) and 0 < least < replicas
    if not lets_go:
        found = most if most is not None else least
        allowed = "maxUnavailable: 1, or minAvailable below the replicas"
        yield budget, unlike("what it allows", found, allowed)


@stack_rule(
    name="pod-autoscaler-bounds",
    title="An autoscaler keeps a workload of the stack between two bounds",
    severity=Severity.LOW,
    remediation=f"Set minReplicas to {FEWEST} or more, maxReplicas above it, and a metric.",
    ai_rmf=("MANAGE 2.2",),
    sp800_53=("SC-5",),
)
def autoscaler_bounds(stack: Stack) -> Iterator[Fault]:
    """Too few fail together; without an end they take the connections of everybody."""
    targets = {
        (namespace_of(owner), owner.type.rsplit(":", 1)[-1], name_of(owner))
        for owner in stack.of_type(DEPLOYMENT, STATEFUL_SET)
    }
    for scaler in stack.of_type(AUTOSCALER):
        kind, name = (scaler.get(f"spec.scaleTargetRef.{key}") for key in ("kind", "name"))
        if (namespace_of(scaler), kind, name) not in targets:
            yield scaler, unlike("spec.scaleTargetRef", f"{kind}/{name}", "a workload of the stack")
        least, most = scaler.get("spec.minReplicas"), scaler.get("spec.maxReplicas")
        if not _is_number(least) or least < FEWEST:
            yield scaler, unlike("spec.minReplicas", least, f"{FEWEST} or more")
        elif not _is_number(most) or most <= least:
            yield scaler, unlike("spec.maxReplicas", most, f"more than {least}")
        if not scaler.get("spec.metrics"):
            yield scaler, unlike("spec.metrics", scaler.get("spec.metrics"), "a metric or more")
