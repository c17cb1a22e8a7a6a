"""Is every workload what it was asked to be, and did the admission let its pods in?

The API server accepts a Deployment whose pods Pod Security refuses, with a mere warning: the
object stands, and nothing runs.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from assurance.cluster.objects import Object, Snapshot, title

LEVEL = "pod-security.kubernetes.io/"
MODES = ("enforce", "warn")
"""What keeps pods out, and what says so of whatever makes pods."""


def unready(snapshot: Snapshot) -> list[str]:
    """Return, one line each, the workloads that are not as they were asked to be."""
    found: list[str] = []
    for item in snapshot.objects:
        if item["kind"] in ("Deployment", "StatefulSet", "DaemonSet"):
            found += _of_workload(item)
        elif item["kind"] == "PersistentVolumeClaim":
            phase = (item.get("status") or {}).get("phase", "Pending")
            found += [f"{title(item)}: {phase}, not Bound"] if phase != "Bound" else []
        elif item["kind"] == "Job":
            found += _of_conditions(item, "Failed")
    return found


def _of_workload(item: Object) -> Iterator[str]:
    status: Mapping[str, Any] = item.get("status") or {}
    yield from _of_conditions(item, "ReplicaFailure")
    if status.get("observedGeneration", 0) < item["metadata"].get("generation", 0):
        yield f"{title(item)}: its controller has not seen the last change yet"
    wanted, ready, updated = _numbers(item, status)
    if ready != wanted:
        yield f"{title(item)}: {ready} of {wanted} pods ready"
    elif updated != wanted:
        yield f"{title(item)}: {updated} of {wanted} pods are of the last change"


def _numbers(item: Object, status: Mapping[str, Any]) -> tuple[int, int, int]:
    if item["kind"] == "DaemonSet":
        fields = ("desiredNumberScheduled", "numberReady", "updatedNumberScheduled")
        wanted, ready, updated = (status.get(field, 0) for field in fields)
        return wanted, ready, updated
    wanted = item["spec"].get("replicas", 1)
    return wanted, status.get("readyReplicas", 0), status.get("updatedReplicas", 0)


def _of_conditions(item: Object, refused: str) -> Iterator[str]:
    for condition in (item.get("status") or {}).get("conditions") or ():
        if condition["type"] == refused and condition["status"] == "True":
            yield f"{title(item)}: {condition.get('message') or condition.get('reason')}"


def levels(namespace: Object) -> dict[str, str]:
    """Return the level of Pod Security in each mode; ``none`` without a label."""
    labels = namespace["metadata"].get("labels") or {}
    return {mode: labels.get(f"{LEVEL}{mode}", "none") for mode in MODES}
