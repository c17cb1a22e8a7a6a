"""When an object is what it was asked to be, judged from plain status objects."""

from collections.abc import Callable

import pytest

from local.cloud.arm import Body
from local.cloud.kubernetes.errors import UnsupportedError
from local.cloud.kubernetes.objects import Kind
from local.cloud.kubernetes.readiness import AWAITERS, Look
from local.cloud.kubernetes.waiting import annotated_seconds, awaiter_of

DEPLOYMENT = Kind("apps", "v1", "Deployment")
STATEFUL_SET = Kind("apps", "v1", "StatefulSet")
AVAILABLE = {"type": "Available", "status": "True"}
ROLLED_OUT = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
REVISION = "deployment.kubernetes.io/revision"


def looking(**objects: list[Body]) -> Look:
    return lambda kind, _selector: objects.get(kind.name, [])


def rollout(revision: str = "2", *, observed: int = 5, **status: object) -> Body:
    return {
        "metadata": {"uid": "d", "generation": 5, "annotations": {REVISION: revision}},
        "spec": {"replicas": 2, "template": {"spec": {"volumes": [CLAIMED]}}},
        "status": {"observedGeneration": observed, "conditions": [AVAILABLE, ROLLED_OUT], **status},
    }


CLAIMED = {"persistentVolumeClaim": {"claimName": "disk"}}
OWNER = {"ownerReferences": [{"uid": "d"}]}


def replica_set(revision: str = "2", ready: int = 2) -> Body:
    return {
        "metadata": {**OWNER, "uid": "r", "annotations": {REVISION: revision}},
        "spec": {"replicas": 2},
        "status": {"readyReplicas": ready},
    }


def claim(phase: str) -> Body:
    return {"metadata": {"name": "disk"}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("obj", "sets", "phase", "ready"),
    [
        (rollout(), [replica_set()], "Bound", True),
        (rollout(observed=4), [replica_set()], "Bound", False),
        (rollout(conditions=[ROLLED_OUT]), [replica_set()], "Bound", False),
        (rollout(conditions=[AVAILABLE]), [replica_set()], "Bound", False),
        (rollout("1", conditions=[AVAILABLE]), [replica_set("1")], "Bound", True),
        (rollout(), [replica_set("1")], "Bound", False),
        (rollout(), [replica_set(ready=1)], "Bound", False),
        (rollout(), [replica_set()], "Pending", False),
    ],
)
def test_a_deployment_is_ready(obj: Body, sets: list[Body], phase: str, ready: bool) -> None:
    look = looking(ReplicaSet=sets, PersistentVolumeClaim=[claim(phase)])
    assert AWAITERS[DEPLOYMENT].ready(obj, look) is ready


def test_a_deployment_says_what_is_wrong_with_its_pods() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
    obj = rollout(conditions=[{**failure, "message": "forbidden"}], readyReplicas=1)
    waiting = {"name": "c", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
    crashed = {"name": "c", "lastState": {"terminated": {"exitCode": 2}}}
    pods: list[Body] = [
        {
            "metadata": {"name": name, "ownerReferences": [{"uid": "r"}]},
            "status": {"containerStatuses": [status]},
        }
        for name, status in (("one", waiting), ("two", crashed))
    ]
    look = looking(ReplicaSet=[replica_set()], Pod=pods, PersistentVolumeClaim=[claim("Lost")])
    assert AWAITERS[DEPLOYMENT].problems(obj, look) == [
        "[FailedCreate] forbidden",
        "1 out of 2 replicas are ready",
        "PersistentVolumeClaims that are not bound: disk",
        "pod one: [ErrImagePull] no",
        "pod two: container c ended with exit code 2",
    ]


def counted(**status: object) -> Body:
    meta = {"generation": 2, "name": "s"}
    return {
        "metadata": meta,
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 2, **status},
    }


ALL_TWO = {"replicas": 2, "readyReplicas": 2, "currentReplicas": 2}


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({**ALL_TWO, "currentRevision": "b", "updateRevision": "b"}, True),
        ({**ALL_TWO, "currentRevision": "a", "updateRevision": "b"}, False),
        ({**ALL_TWO, "readyReplicas": 1, "currentRevision": "b", "updateRevision": "b"}, False),
        ({"replicas": 2, "readyReplicas": 2, "currentRevision": "b", "updateRevision": "b"}, False),
        (ALL_TWO, False),
        (
            {**ALL_TWO, "currentRevision": "b", "updateRevision": "b", "observedGeneration": 1},
            False,
        ),
    ],
)
def test_a_stateful_set_is_ready(status: Body, ready: bool) -> None:
    assert AWAITERS[STATEFUL_SET].ready(counted(**status), looking()) is ready


@pytest.mark.parametrize(
    ("kind", "obj", "ready"),
    [
        ("apps/v1:DaemonSet", {"desiredNumberScheduled": 2, "numberReady": 1}, False),
        (
            "apps/v1:DaemonSet",
            {"desiredNumberScheduled": 1, "numberReady": 1}
            | {"updatedNumberScheduled": 1, "numberAvailable": 1},
            True,
        ),
        ("batch/v1:Job", {"conditions": [{"type": "Complete", "status": "True"}]}, True),
        ("batch/v1:Job", {"active": 1}, False),
        ("v1:Pod", {"phase": "Succeeded"}, True),
        ("v1:Pod", {"phase": "Running", "conditions": []}, False),
        ("v1:PersistentVolume", {"phase": "Available"}, True),
        ("v1:PersistentVolume", {"phase": "Pending"}, False),
        ("v1:PersistentVolumeClaim", {"phase": "Bound"}, True),
        ("v1:PersistentVolumeClaim", {"phase": "Pending"}, False),
    ],
)
def test_by_its_own_status(kind: str, obj: Body, ready: bool) -> None:
    api_version, _, name = kind.partition(":")
    group, _, version = api_version.rpartition("/")
    awaiter = AWAITERS[Kind(group, version, name)]
    whole = {"metadata": {"generation": 1}, "status": {"observedGeneration": 1, **obj}}
    assert awaiter.ready(whole, looking()) is ready


def test_a_claim_may_wait_for_its_first_consumer() -> None:
    awaiter = AWAITERS[Kind("", "v1", "PersistentVolumeClaim")]
    obj = {"spec": {"storageClassName": "later"}, "status": {"phase": "Pending"}}
    classes: Callable[[str], Look] = lambda mode: looking(  # noqa: E731 - a table of two
        StorageClass=[{"metadata": {"name": "later"}, "volumeBindingMode": mode}]
    )
    assert awaiter.ready(obj, classes("WaitForFirstConsumer"))
    assert not awaiter.ready(obj, classes("Immediate"))


def slices(*told: Body) -> Look:
    return looking(EndpointSlice=[{"endpoints": [{"conditions": each} for each in told]}])


@pytest.mark.parametrize(
    ("spec", "endpoints", "ready"),
    [
        ({"selector": {"a": "b"}}, ({"ready": True},), True),
        ({"selector": {"a": "b"}}, (), True),
        ({"selector": {"a": "b"}}, ({"ready": True}, {"ready": False}), False),
        ({"selector": {"a": "b"}}, ({"ready": False, "terminating": True},), True),
        ({}, ({"ready": False},), True),
        ({"selector": {"a": "b"}, "clusterIP": "None"}, ({"ready": False},), True),
        ({"selector": {"a": "b"}, "type": "ExternalName"}, ({"ready": False},), True),
        ({"selector": {"a": "b"}, "type": "LoadBalancer"}, (), False),
    ],
)
def test_a_service_has_no_unready_pod_behind_it(
    spec: Body, endpoints: tuple[Body, ...], ready: bool
) -> None:
    awaiter = AWAITERS[Kind("", "v1", "Service")]
    assert awaiter.ready({"metadata": {"name": "s"}, "spec": spec}, slices(*endpoints)) is ready


def test_a_job_that_failed_is_not_waited_for() -> None:
    failed = {"type": "Failed", "status": "True", "reason": "Deadline", "message": "late"}
    obj: Body = {"metadata": {"uid": "j"}, "status": {"conditions": [failed]}}
    awaiter = AWAITERS[Kind("batch", "v1", "Job")]
    assert awaiter.failed(obj)
    assert awaiter.problems(obj, looking()) == ["[Deadline] late"]


def annotated(**annotations: str) -> Body:
    notes = {f"pulumi.com/{key}": value for key, value in annotations.items()}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"annotations": notes}}


def test_annotations_decide_whether_and_how_long() -> None:
    assert awaiter_of(annotated()) is AWAITERS[DEPLOYMENT]
    assert awaiter_of(annotated(skipAwait="true")) is None
    assert annotated_seconds(annotated(timeoutSeconds="7")) == 7.0
    assert annotated_seconds(annotated(timeoutSeconds="soon")) == 0.0


@pytest.mark.parametrize(
    ("expression", "ready"),
    [
        ("condition=Synced", True),
        ("condition=Synced=false", False),
        ("jsonpath={.status.phase}=Done", True),
        ("jsonpath=.status.phase=Doing", False),
        ("jsonpath={.status.phase}", True),
        ("jsonpath={.status.nothing}", False),
        ('["condition=Synced", "jsonpath={.status.nothing}"]', False),
    ],
)
def test_an_annotation_says_what_to_wait_for(expression: str, ready: bool) -> None:
    awaiter = awaiter_of(annotated(waitFor=expression))
    synced = {"type": "Synced", "status": "True"}
    assert awaiter is not None
    assert awaiter.ready({"status": {"phase": "Done", "conditions": [synced]}}, looking()) is ready


@pytest.mark.parametrize("expression", ["ready", "jsonpath={.items[0]}"])
def test_what_cannot_be_waited_for_is_named(expression: str) -> None:
    with pytest.raises(UnsupportedError, match="allowed: condition=TYPE"):
        awaiter_of(annotated(waitFor=expression))


def test_an_ingress_is_refused_rather_than_taken_for_ready() -> None:
    obj = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {}}
    with pytest.raises(UnsupportedError, match="readiness of Ingress is not judged locally"):
        awaiter_of(obj)
