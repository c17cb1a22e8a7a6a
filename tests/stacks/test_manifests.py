"""Every object that a stack sends to its cluster, held against judges that are not ours.

The judges of a container are a few lines here: Pod Security looks at the same, but says nothing of
sizes, probes, tokens and digests.
"""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest
from kubernetes.utils.quantity import parse_quantity

from assurance.cluster.objects import PodTemplate, Snapshot, name_of
from assurance.cluster.references import dangling
from tests.manifests import judge, manifests
from tests.stacks.files import STACKS
from tests.stacks.rendered import deployed, objects, snapshot

Json = Mapping[str, Any]
REFUSED = (
    kubernetes_validate.ValidationError,
    kubernetes_validate.SchemaNotFoundError,
    jsonschema.ValidationError,
)
UNKNOWN = "^$"
"""What the validator says of a kind without a schema: nothing."""
SECRET = "azure-native:keyvault:Secret"
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
JOBS = ("Job", "CronJob")
PINNED = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
MISSION = {
    ("StatefulSet", "zep-api", "zep"): (3, "1", "2Gi"),
    ("Deployment", "memory-service", "memory-service"): (2, "2", "4Gi"),
    ("Deployment", "graphiti", "graphiti"): (2, "1", "2Gi"),
}
"""By kind, name and container: pods at first, cores and memory of each; in every environment."""


# -- objects -------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", STACKS)
def test_every_object_is_one_that_the_api_server_takes(stack: str) -> None:
    found = objects(stack)
    assert len(found) > 40
    for manifest in found:
        judge(manifest)


def _first(kind: str) -> dict[str, Any]:
    return copy.deepcopy(next(m for m in objects("dev") if m["kind"] == kind))


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("Deployment", {"spec": {"replica": 3}}, "'replica' was unexpected"),
        ("Service", {"kind": "Servise"}, UNKNOWN),
        ("SecretProviderClass", {"apiVersion": "a/v1"}, UNKNOWN),
        ("SecretProviderClass", {"spec": {"vault": "kv"}}, "'vault' was unexpected"),
        ("SecretProviderClass", {"spec": {"provider": 1}}, "1 is not of type 'string'"),
    ],
)
def test_an_object_of_no_known_shape_is_refused(
    kind: str, change: dict[str, Any], said: str
) -> None:
    manifest = _first(kind)
    for key, value in change.items():
        manifest[key] = {**manifest[key], **value} if isinstance(value, dict) else value
    with pytest.raises(REFUSED, match=said):
        judge(manifest)


@pytest.mark.parametrize("stack", STACKS)
def test_every_reference_leads_somewhere_the_vaults_secrets_too(stack: str) -> None:
    vaults: dict[str, set[str]] = {}
    for secret in deployed(stack).all(SECRET).values():
        vaults.setdefault(secret["vaultName"], set()).add(secret["secretName"])
    stand = {vault: frozenset(names) for vault, names in vaults.items()}
    assert [str(fault) for fault in dangling(snapshot(stack), stand)] == []


# -- sizes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize(("workload", "numbers"), MISSION.items())
def test_the_missions_numbers_hold_everywhere(
    stack: str, workload: tuple[str, str, str], numbers: tuple[int, str, str]
) -> None:
    (kind, name, container), (replicas, cpu, memory) = workload, numbers
    spec = manifests(deployed(stack), kind)[name]["spec"]
    assert spec["replicas"] == replicas
    (found,) = [c for c in spec["template"]["spec"]["containers"] if c["name"] == container]
    amounts = {"cpu": cpu, "memory": memory}
    assert found["resources"] == {"requests": amounts, "limits": amounts}


def _most_pods(owner: Json, found: Snapshot) -> int:
    """Return the pods of a workload at its largest, while it is rolled; a job is one pod."""
    if owner["kind"] in JOBS:
        return 1
    bounds = [
        scaler["spec"]["maxReplicas"]
        for scaler in found.kind("HorizontalPodAutoscaler")
        if scaler["spec"]["scaleTargetRef"]["name"] == name_of(owner)
    ]
    surge = 1 if owner["kind"] == "Deployment" else 0
    most: int = max([owner["spec"]["replicas"], *bounds])
    return most + surge


def _taken(pod: PodTemplate, resource: str, side: str) -> Decimal:
    """Return what the scheduler counts: what runs together, or what only starts if that is more."""
    together, alone = Decimal(), Decimal()
    for container in pod.containers:
        amount = parse_quantity(container["resources"][side][resource])
        if _stays(pod.spec, container):
            together += amount
        else:
            alone = max(alone, amount)
    return max(together, alone)


def _stays(pod: Json, container: Json) -> bool:
    starting = pod.get("initContainers") or ()
    return container not in starting or container.get("restartPolicy") == "Always"


@pytest.mark.parametrize("stack", STACKS)
def test_the_quota_has_room_for_all_pods_at_their_most(stack: str) -> None:
    found = snapshot(stack)
    (quota,) = found.kind("ResourceQuota")
    hard = {key: parse_quantity(value) for key, value in quota["spec"]["hard"].items()}
    most = [(pod, _most_pods(pod.owner, found)) for pod in found.templates()]
    assert sum(count for _, count in most) <= hard["pods"]
    for side in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            taken = sum(count * _taken(pod, resource, side) for pod, count in most)
            assert taken <= hard[f"{side}.{resource}"], (side, resource)


@pytest.mark.parametrize("stack", STACKS)
def test_no_container_and_no_claim_is_above_the_limits(stack: str) -> None:
    found = snapshot(stack)
    (ranges,) = found.kind("LimitRange")
    most = {entry["type"]: entry["max"] for entry in ranges["spec"]["limits"]}
    for pod in found.templates():
        for container in pod.containers:
            for resource, largest in most["Container"].items():
                asked = container["resources"]["limits"][resource]
                assert parse_quantity(asked) <= parse_quantity(largest)
    for claim in found.kind("PersistentVolumeClaim"):
        asked = claim["spec"]["resources"]["requests"]["storage"]
        assert parse_quantity(asked) <= parse_quantity(most["PersistentVolumeClaim"]["storage"])


# -- pods ----------------------------------------------------------------------------------


def _faults(pod: Json) -> Iterator[str]:
    """Yield what is not as strict as it must be."""
    if pod.get("automountServiceAccountToken") is not False:
        yield "its token is mounted"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield key
    for container in [*(pod.get("initContainers") or ()), *pod["containers"]]:
        for fault in _faults_of(
            container,
            pod.get("securityContext") or {},
            stays=_stays(pod, container) and pod.get("restartPolicy") != "Never",
        ):
            yield f"{container['name']}: {fault}"


def _faults_of(container: Json, of_pod: Json, *, stays: bool) -> Iterator[str]:
    own = container.get("securityContext") or {}
    effective = {**of_pod, **own}
    user = effective.get("runAsUser")
    wanted = {
        "a numeric user that is not root": isinstance(user, int) and user > 0,
        "runAsNonRoot": effective.get("runAsNonRoot") is True,
        "a read-only root": own.get("readOnlyRootFilesystem") is True,
        "no capabilities": own.get("capabilities") == {"drop": ["ALL"]},
        "no escalation": own.get("allowPrivilegeEscalation") is False,
        "no privilege": not own.get("privileged"),
        "RuntimeDefault": effective.get("seccompProfile") == {"type": "RuntimeDefault"},
        "sizes": _sized(container.get("resources") or {}),
        "all probes": not stays or all(probe in container for probe in PROBES),
    }
    yield from (f"wants {name}" for name, holds in wanted.items() if not holds)


def _sized(resources: Json) -> bool:
    return all(
        {"cpu", "memory"} <= set(resources.get(side) or ()) for side in ("requests", "limits")
    )


JOB_COUNTS = {"dev": 3, "test": 3, "uat": 2, "prod": 2}
"""Where customers' memories are, none ends before the customer says so: no job for it."""


@pytest.mark.parametrize("stack", STACKS)
def test_every_container_is_hardened_sized_and_probed(stack: str) -> None:
    pods = list(snapshot(stack).templates())
    assert len(pods) == 5 + JOB_COUNTS[stack], "workloads, and the memory's jobs"
    assert [(pod.name, fault) for pod in pods for fault in _faults(pod.spec)] == []


def _strip(container: dict[str, Any], *path: str) -> None:
    for key in path[:-1]:
        container = container[key]
    del container[path[-1]]


Change = Callable[[dict[str, Any], dict[str, Any]], object]
SOFTER: list[tuple[Change, str]] = [
    (lambda pod, _: pod.update(automountServiceAccountToken=True), "its token is mounted"),
    (lambda pod, _: pod.update(hostNetwork=True), "hostNetwork"),
    (lambda pod, _: _strip(pod, "securityContext", "runAsUser"), "zep: wants a numeric user"),
    (lambda _, c: c["securityContext"].update(runAsUser=0), "zep: wants a numeric user"),
    (lambda _, c: c["securityContext"].update(runAsNonRoot=False), "zep: wants runAsNonRoot"),
    (lambda _, c: _strip(c, "securityContext", "readOnlyRootFilesystem"), "zep: wants a read-only"),
    (
        lambda _, c: c["securityContext"]["capabilities"].update(add=["NET_RAW"]),
        "zep: wants no capabilities",
    ),
    (lambda _, c: _strip(c, "securityContext", "allowPrivilegeEscalation"), "wants no escalation"),
    (lambda _, c: c["securityContext"].update(privileged=True), "zep: wants no privilege"),
    (
        lambda _, c: c["securityContext"].update(seccompProfile={"type": "Unconfined"}),
        "zep: wants RuntimeDefault",
    ),
    (lambda _, c: _strip(c, "resources", "limits", "memory"), "zep: wants sizes"),
    (lambda _, c: _strip(c, "livenessProbe"), "zep: wants all probes"),
    (lambda pod, _: _strip(pod["initContainers"][0], "startupProbe"), "pooler: wants all probes"),
]


@pytest.mark.parametrize(("change", "said"), SOFTER)
def test_a_softer_pod_is_noticed(change: Change, said: str) -> None:
    (zep,) = [pod for pod in snapshot("dev").templates() if pod.name == "StatefulSet/zep-api"]
    spec = copy.deepcopy(dict(zep.spec))
    change(spec, spec["containers"][0])
    assert any(said in fault for fault in _faults(spec))


@pytest.mark.parametrize("stack", ["uat", "prod"])
def test_where_customers_data_are_every_image_is_pinned(stack: str) -> None:
    images = {c["image"] for pod in snapshot(stack).templates() for c in pod.containers}
    assert len(images) == 6
    assert [image for image in images if not PINNED.fullmatch(image)] == []
