"""Only a workload that is whole counts as ready."""

from typing import Any

import pytest

from assurance.cluster.live import texts
from assurance.cluster.objects import Snapshot
from assurance.cluster.readiness import LEVEL, levels, unready

READY = {"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 3}
FORBIDDEN = {
    "type": "ReplicaFailure",
    "status": "True",
    "message": 'pods "a" is forbidden: violates PodSecurity',
}


def _workload(kind: str, status: dict[str, Any], replicas: int = 3) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": "a", "generation": 2},
        "spec": {"replicas": replicas},
        "status": status,
    }


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (_workload("Deployment", READY), []),
        (_workload("StatefulSet", READY), []),
        (_workload("Deployment", {"observedGeneration": 2}, replicas=0), []),
        (
            _workload("Deployment", {**READY, "readyReplicas": 2}),
            ["Deployment/a: 2 of 3 pods ready"],
        ),
        (_workload("StatefulSet", {"observedGeneration": 2}), ["StatefulSet/a: 0 of 3 pods ready"]),
        (
            _workload("Deployment", {**READY, "updatedReplicas": 1}),
            ["Deployment/a: 1 of 3 pods are of the last change"],
        ),
        (
            _workload("Deployment", {**READY, "observedGeneration": 1}),
            ["Deployment/a: its controller has not seen the last change yet"],
        ),
        (
            _workload("Deployment", {**READY, "conditions": [FORBIDDEN]}),
            ['Deployment/a: pods "a" is forbidden: violates PodSecurity'],
        ),
        (
            {
                "kind": "DaemonSet",
                "metadata": {"name": "a"},
                "spec": {},
                "status": {"desiredNumberScheduled": 2, "numberReady": 1},
            },
            ["DaemonSet/a: 1 of 2 pods ready"],
        ),
        (
            {
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "a"},
                "status": {"phase": "Pending"},
            },
            ["PersistentVolumeClaim/a: Pending, not Bound"],
        ),
    ],
)
def test_what_is_missing_is_said(item: dict[str, Any], said: list[str]) -> None:
    assert unready(Snapshot.of([item])) == said


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({f"{LEVEL}enforce": "restricted"}, {"enforce": "restricted", "warn": "none"}),
        ({f"{LEVEL}warn": "baseline"}, {"enforce": "none", "warn": "baseline"}),
        ({}, {"enforce": "none", "warn": "none"}),
        (None, {"enforce": "none", "warn": "none"}),
    ],
)
def test_the_level_of_each_mode_is_read(
    labels: dict[str, str] | None, found: dict[str, str]
) -> None:
    assert levels({"metadata": {"labels": labels}}) == found


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('299 - "would violate PodSecurity"', ["would violate PodSecurity"]),
        (r'299 - "a \"b\" c"', ['a "b" c']),
        ('299 - "one", 299 kube "two, three"', ["one", "two, three"]),
        ("", []),
    ],
)
def test_the_words_of_a_warning_are_read(header: str, found: list[str]) -> None:
    assert texts(header) == found
