"""A reference that leads nowhere is found, whatever holds it."""

from collections.abc import Callable
from typing import Any

import pytest

from assurance.cluster.objects import Snapshot
from assurance.cluster.references import dangling
from tests.assurance.objects import VAULTS, good

Objects = dict[str, dict[str, Any]]


def test_what_is_complete_has_nothing_dangling() -> None:
    assert dangling(Snapshot.of(good().values()), VAULTS) == []


def _pod(objects: Objects) -> dict[str, Any]:
    spec: dict[str, Any] = objects["StatefulSet"]["spec"]["template"]["spec"]
    return spec


def _remove(kind: str) -> Callable[[Objects], object]:
    return lambda objects: objects.pop(kind)


BROKEN: list[tuple[str, Callable[[Objects], object], str]] = [
    ("account", _remove("ServiceAccount"), "serviceAccountName names ServiceAccount/zep"),
    ("priority", _remove("PriorityClass"), "priorityClassName names PriorityClass/memory"),
    ("config map", _remove("ConfigMap"), "volume config names ConfigMap/config"),
    (
        "key of a config map",
        lambda o: o["ConfigMap"].update(data={}),
        "volume config names key zep.yaml of ConfigMap/config",
    ),
    ("class of secrets", _remove("SecretProviderClass"), "names SecretProviderClass/zep-secrets"),
    (
        "secret that no class promises",
        lambda o: o["SecretProviderClass"]["spec"].update(secretObjects=[]),
        "container zep, env KEY names Secret/zep-secrets",
    ),
    (
        "key that the class does not promise",
        lambda o: o["SecretProviderClass"]["spec"]["secretObjects"][0]["data"].clear(),
        "env KEY names key zep-api-key of Secret/zep-secrets",
    ),
    (
        "class that is not mounted",
        lambda o: _pod(o)["volumes"].pop(),
        "container zep, env KEY names Secret/zep-secrets",
    ),
    (
        "volume of a sidecar",
        lambda o: _pod(o)["initContainers"][0]["volumeMounts"][0].update(name="lost"),
        "container pooler names volume lost",
    ),
    (
        "volume that is claimed",
        lambda o: o["StatefulSet"]["spec"].update(volumeClaimTemplates=[]),
        "container zep names volume data",
    ),
    (
        "environment of a whole map",
        lambda o: _pod(o)["containers"][0].update(envFrom=[{"configMapRef": {"name": "lost"}}]),
        "container zep, envFrom names ConfigMap/lost",
    ),
    (
        "claim",
        lambda o: _pod(o)["volumes"].append(
            {"name": "c", "persistentVolumeClaim": {"claimName": "lost"}}
        ),
        "volume c names PersistentVolumeClaim/lost",
    ),
    (
        "projected secret",
        lambda o: _pod(o)["volumes"].append(
            {"name": "p", "projected": {"sources": [{"secret": {"name": "lost"}}]}}
        ),
        "volume p names Secret/lost",
    ),
    (
        "pull secret",
        lambda o: _pod(o).update(imagePullSecrets=[{"name": "lost"}]),
        "imagePullSecrets names Secret/lost",
    ),
    (
        "port of a probe",
        lambda o: _pod(o)["containers"][0]["livenessProbe"]["httpGet"].update(port="lost"),
        "container zep, livenessProbe names port lost",
    ),
    (
        "port of a service",
        lambda o: o["Service"]["spec"]["ports"][0].update(targetPort=9999),
        "Service/zep-api: targetPort names port 9999 of StatefulSet/zep-api",
    ),
    (
        "pods of a service",
        lambda o: o["Service"]["spec"].update(selector={"a": "b"}),
        "Service/zep-api: selector names pods labelled",
    ),
    ("service of a set", _remove("Service"), "serviceName names Service/zep-api"),
    ("storage class", _remove("StorageClass"), "storageClassName names StorageClass/encrypted"),
    (
        "target of an autoscaler",
        lambda o: o["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"].update(name="lost"),
        "scaleTargetRef names StatefulSet/lost",
    ),
    (
        "budget for nobody",
        lambda o: o["PodDisruptionBudget"]["spec"]["selector"].update(matchLabels={"a": "b"}),
        "PodDisruptionBudget/zep: selector names pods labelled",
    ),
    (
        "object that the class does not fetch",
        lambda o: o["SecretProviderClass"]["spec"]["secretObjects"][0]["data"][0].update(
            objectName="lost"
        ),
        "secretObjects zep-secrets names object lost",
    ),
]


@pytest.mark.parametrize(
    ("change", "said"), [row[1:] for row in BROKEN], ids=[r[0] for r in BROKEN]
)
def test_a_reference_that_leads_nowhere_is_named(
    change: Callable[[Objects], object], said: str
) -> None:
    objects = good()
    change(objects)
    found = [str(entry) for entry in dangling(Snapshot.of(objects.values()), VAULTS)]
    assert any(said in line for line in found), found


@pytest.mark.parametrize("vaults", [{"vault-1": frozenset[str]()}, {"another": VAULTS["vault-1"]}])
def test_a_secret_that_the_vault_lacks_is_named(vaults: dict[str, frozenset[str]]) -> None:
    (found,) = dangling(Snapshot.of(good().values()), vaults)
    assert "secret engram-dev-a1b2c-zep-api-key of vault vault-1" in str(found)


def test_an_optional_reference_may_lead_nowhere() -> None:
    objects = good()
    _pod(objects)["containers"][0]["envFrom"] = [{"secretRef": {"name": "lost", "optional": True}}]
    assert dangling(Snapshot.of(objects.values()), VAULTS) == []


def test_pods_of_a_workload_say_nothing_new() -> None:
    pod = {"kind": "Pod", "metadata": {"name": "zep-api-0", "ownerReferences": [{}]}, "spec": {}}
    assert dangling(Snapshot.of([*good().values(), pod]), VAULTS) == []
