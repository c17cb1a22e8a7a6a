"""When an object is what it was asked to be: the judgements, of plain status objects.

Each kind answers two questions. *Is it ready?* is asked again and again, and looks at
other objects only where its own status is not enough. *What is wrong?* is asked once,
when the wait is over; its words are all that the user gets.
https://github.com/pulumi/pulumi-kubernetes/tree/master/provider/pkg/await
"""

from collections.abc import Callable
from dataclasses import dataclass

from local.cloud.arm import Body
from local.cloud.kubernetes.objects import (
    Kind,
    annotation,
    conditions,
    metadata,
    name_of,
    owned_by,
    pluck,
)

Look = Callable[[Kind, str], list[Body]]
"""Returns the objects of a kind in the same namespace, by label selector if one is given."""
REVISION = "deployment.kubernetes.io/revision"
POD = Kind("", "v1", "Pod")
CLAIM = Kind("", "v1", "PersistentVolumeClaim")
REPLICA_SET = Kind("apps", "v1", "ReplicaSet")
SLICE = Kind("discovery.k8s.io", "v1", "EndpointSlice")
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "StorageClass")
MINUTES = 60.0


@dataclass(frozen=True, kw_only=True)
class Awaiter:
    """How one kind is waited for."""

    ready: Callable[[Body, Look], bool]
    problems: Callable[[Body, Look], list[str]]
    seconds: float = 10 * MINUTES
    """How long, unless the resource says otherwise."""
    on_read: bool = True
    """Whether a refresh asks too."""
    failed: Callable[[Body], bool] = lambda _: False
    """Whether waiting longer is of no use."""


def _true(condition: Body | None) -> bool:
    return (condition or {}).get("status") == "True"


def _told(condition: Body) -> str:
    return f"[{condition.get('reason', '')}] {condition.get('message', '')}"


def _count(obj: Body, *keys: str) -> int:
    return int(pluck(obj, *keys) or 0)


def _observed(obj: Body) -> bool:
    return bool(pluck(obj, "status", "observedGeneration") == metadata(obj).get("generation"))


# -- Deployment --------------------------------------------------------------------------


def deployment_ready(obj: Body, look: Look) -> bool:
    """A rollout is complete: its replica set has all pods ready, and all claims are bound."""
    revision, told = annotation(obj, REVISION), conditions(obj)
    if not _observed(obj) or not revision or not _true(told.get("Available")):
        return False
    progressing = told.get("Progressing")
    rolled = _true(progressing) and (progressing or {}).get("reason") == "NewReplicaSetAvailable"
    if revision != "1" and not rolled:
        return False
    current = _replica_set(obj, look)
    if current is None:
        return False
    wanted = pluck(current, "spec", "replicas")
    enough = _count(current, "status", "readyReplicas") >= (1 if wanted is None else int(wanted))
    return enough and not _unbound(obj, look)


def deployment_problems(obj: Body, look: Look) -> list[str]:
    """Return what keeps a Deployment from being complete."""
    told = conditions(obj)
    found = [
        _told(told[k]) for k in ("Progressing", "Available") if k in told and not _true(told[k])
    ]
    found += [_told(told["ReplicaFailure"])] if _true(told.get("ReplicaFailure")) else []
    ready, wanted = _count(obj, "status", "readyReplicas"), _count(obj, "spec", "replicas")
    found.append(f"{ready} out of {wanted} replicas are ready")
    if claims := _unbound(obj, look):
        found.append(f"PersistentVolumeClaims that are not bound: {', '.join(claims)}")
    current = _replica_set(obj, look)
    pods = [pod for pod in look(POD, "") if current is not None and owned_by(pod, current)]
    return found + [problem for pod in pods for problem in pod_problems(pod, look)]


def _replica_set(obj: Body, look: Look) -> Body | None:
    revision = annotation(obj, REVISION)
    owned = (each for each in look(REPLICA_SET, "") if owned_by(each, obj))
    return next((each for each in owned if annotation(each, REVISION) == revision), None)


def _unbound(obj: Body, look: Look) -> list[str]:
    volumes = pluck(obj, "spec", "template", "spec", "volumes") or []
    used = {pluck(each, "persistentVolumeClaim", "claimName") for each in volumes} - {None}
    claims = look(CLAIM, "") if used else []
    waiting = (c for c in claims if pluck(c, "status", "phase") != "Bound")
    return sorted(name_of(each) for each in waiting if name_of(each) in used)


# -- StatefulSet, DaemonSet ---------------------------------------------------------------


def stateful_set_ready(obj: Body, look: Look) -> bool:
    """All replicas are ready and of the revision that was asked for."""
    del look
    wanted = _count(obj, "spec", "replicas")
    counts = ["replicas", "readyReplicas"]
    by_hand = pluck(obj, "spec", "updateStrategy", "type") == "OnDelete"
    if by_hand and metadata(obj).get("generation", 0) > 1:
        return _observed(obj) and all(_count(obj, "status", each) == wanted for each in counts)
    status = obj.get("status") or {}
    current = status.get("currentRevision")
    arrived = bool(current) and current == status.get("updateRevision")
    counts.append("currentReplicas")
    same = all(_count(obj, "status", each) == wanted for each in counts)
    return _observed(obj) and arrived and same


def stateful_set_problems(obj: Body, look: Look) -> list[str]:
    """Return what keeps a StatefulSet from being complete."""
    status = obj.get("status") or {}
    wanted = _count(obj, "spec", "replicas")
    found = [f"{_count(obj, 'status', 'readyReplicas')} out of {wanted} replicas are ready"]
    before, after = status.get("currentRevision"), status.get("updateRevision")
    if before != after:
        found.append(f"the rollout has not advanced from revision {before} to revision {after}")
    return found + _owned_pod_problems(obj, look)


def daemon_set_ready(obj: Body, look: Look) -> bool:
    """Every node that should run a pod runs one of the new kind, and it is available."""
    del look
    wanted = _count(obj, "status", "desiredNumberScheduled")
    by_hand = pluck(obj, "spec", "updateStrategy", "type") == "OnDelete"
    counts = ["numberReady", *([] if by_hand else ["updatedNumberScheduled", "numberAvailable"])]
    return _observed(obj) and all(_count(obj, "status", each) >= wanted for each in counts)


def daemon_set_problems(obj: Body, look: Look) -> list[str]:
    """Return what keeps a DaemonSet from being complete."""
    ready, wanted = (_count(obj, "status", k) for k in ("numberReady", "desiredNumberScheduled"))
    return [f"{ready} out of {wanted} pods are ready", *_owned_pod_problems(obj, look)]


# -- Pod, Job -----------------------------------------------------------------------------


def pod_ready(obj: Body, look: Look) -> bool:
    """A pod is ready, or has done its work."""
    del look
    told = conditions(obj)
    steps = (told.get("PodScheduled"), told.get("Initialized"), told.get("Ready"))
    return pluck(obj, "status", "phase") == "Succeeded" or all(_true(each) for each in steps)


def pod_problems(obj: Body, look: Look) -> list[str]:
    """Return what the scheduler and the containers say."""
    if pod_ready(obj, look):
        return []
    told = conditions(obj)
    steps = (told.get(each) for each in ("PodScheduled", "Initialized", "Ready"))
    found = [_told(each) for each in steps if each and not _true(each) and each.get("message")]
    for status in pluck(obj, "status", "initContainerStatuses") or []:
        found += _container_problems(status)
    for status in pluck(obj, "status", "containerStatuses") or []:
        found += _container_problems(status)
    return [f"pod {name_of(obj)}: {each}" for each in found]


def _container_problems(status: Body) -> list[str]:
    if status.get("ready"):
        return []
    found = []
    waiting = pluck(status, "state", "waiting") or {}
    if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
        found.append(_told(waiting))
    for state in ("state", "lastState"):
        ended = pluck(status, state, "terminated")
        if ended and ended.get("exitCode"):
            found.append(f"container {status['name']} ended with exit code {ended['exitCode']}")
    return found


def job_ready(obj: Body, look: Look) -> bool:
    """A Job has done its work."""
    del look
    return _true(conditions(obj).get("Complete"))


def job_failed(obj: Body) -> bool:
    """A Job has given up."""
    return _true(conditions(obj).get("Failed"))


def job_problems(obj: Body, look: Look) -> list[str]:
    """Return why a Job has not done its work."""
    told = conditions(obj).get("Failed")
    found = [_told(told)] if _true(told) and told is not None else []
    return found + _owned_pod_problems(obj, look)


def _owned_pod_problems(obj: Body, look: Look) -> list[str]:
    pods = (pod for pod in look(POD, "") if owned_by(pod, obj))
    return [problem for pod in pods for problem in pod_problems(pod, look)]


# -- Service, storage, quota, secret ------------------------------------------------------


def service_ready(obj: Body, look: Look) -> bool:
    """No pod behind it is unready, and a load balancer has an address; no pod at all is fine."""
    return not service_problems(obj, look)


def service_problems(obj: Body, look: Look) -> list[str]:
    """Return what keeps a Service from being of use."""
    spec = obj.get("spec") or {}
    found = []
    if spec.get("type") == "LoadBalancer" and not pluck(obj, "status", "loadBalancer", "ingress"):
        found.append(
            "Service was not allocated an IP address; does your cloud provider support it?"
        )
    headless = spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName"
    if headless or not spec.get("selector"):
        return found
    slices = look(SLICE, f"kubernetes.io/service-name={name_of(obj)}")
    endpoints = [each for part in slices for each in part.get("endpoints") or []]
    told = [each.get("conditions") or {} for each in endpoints]
    if any(each.get("ready") is False and not each.get("terminating") for each in told):
        found.append("Service targets pods that are not ready")
    return found


def claim_ready(obj: Body, look: Look) -> bool:
    """A claim is bound, or waits for its first consumer as its storage class wants it to."""
    phase = pluck(obj, "status", "phase")
    return phase == "Bound" or (phase == "Pending" and _waits_for_consumer(obj, look))


def _waits_for_consumer(obj: Body, look: Look) -> bool:
    wanted = pluck(obj, "spec", "storageClassName")
    modes = (c.get("volumeBindingMode") for c in look(STORAGE_CLASS, "") if name_of(c) == wanted)
    return "WaitForFirstConsumer" in modes


def _phase(obj: Body, look: Look) -> list[str]:
    del look
    return [f"its phase is {pluck(obj, 'status', 'phase')}"]


def volume_ready(obj: Body, look: Look) -> bool:
    """A volume can be claimed, or is."""
    del look
    return pluck(obj, "status", "phase") in {"Available", "Bound"}


def quota_ready(obj: Body, look: Look) -> bool:
    """A quota counts, with the limits asked for."""
    del look
    hard = pluck(obj, "spec", "hard")
    return bool(hard) and hard == pluck(obj, "status", "hard")


def secret_ready(obj: Body, look: Look) -> bool:
    """A service account's token has been filled in; any other secret is what it is."""
    del look
    return obj.get("type") != "kubernetes.io/service-account-token" or bool(obj.get("data"))


def _says(text: str) -> Callable[[Body, Look], list[str]]:
    def problems(_obj: Body, _look: Look) -> list[str]:
        return [text]

    return problems


AWAITERS: dict[Kind, Awaiter] = {
    Kind("apps", "v1", "Deployment"): Awaiter(ready=deployment_ready, problems=deployment_problems),
    Kind("apps", "v1", "StatefulSet"): Awaiter(
        ready=stateful_set_ready, problems=stateful_set_problems
    ),
    Kind("apps", "v1", "DaemonSet"): Awaiter(ready=daemon_set_ready, problems=daemon_set_problems),
    Kind("batch", "v1", "Job"): Awaiter(ready=job_ready, problems=job_problems, failed=job_failed),
    POD: Awaiter(ready=pod_ready, problems=pod_problems),
    Kind("", "v1", "Service"): Awaiter(ready=service_ready, problems=service_problems),
    CLAIM: Awaiter(ready=claim_ready, problems=_phase, seconds=5 * MINUTES, on_read=False),
    Kind("", "v1", "PersistentVolume"): Awaiter(
        ready=volume_ready, problems=_phase, seconds=5 * MINUTES, on_read=False
    ),
    Kind("", "v1", "ResourceQuota"): Awaiter(
        ready=quota_ready, problems=_says("it is not counted yet"), seconds=MINUTES, on_read=False
    ),
    Kind("", "v1", "Secret"): Awaiter(
        ready=secret_ready, problems=_says("it has no token yet"), seconds=5.0, on_read=False
    ),
}
UNSERVED = frozenset({"Ingress", "ReplicationController"})
"""Kinds that the real plugin waits for and this one does not know how to."""
