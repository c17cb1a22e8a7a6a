"""Does every reference of every pod lead somewhere?

A kubelet finds out one pod at a time, and fake nodes never do; here it is read from the objects.
A Secret that the Secrets Store driver will sync counts as there, if the pod mounts the class that
promises it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from assurance.cluster.objects import Object, PodTemplate, Snapshot, title
from assurance.policies.kubernetes import selects

SECRETS_STORE = "secrets-store.csi.k8s.io"
BUILT_IN_PRIORITIES = ("system-cluster-critical", "system-node-critical")
VaultSecrets = Mapping[str, frozenset[str]]
"""Names of the secrets that stand in a vault, by the vault's name."""


@dataclass(frozen=True, kw_only=True)
class Dangling:
    """A reference that leads nowhere."""

    owner: str
    """Kind and name of the object that holds it."""
    path: str
    target: str

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.owner}: {self.path} names {self.target}, which does not exist"


def dangling(snapshot: Snapshot, vaults: VaultSecrets | None = None) -> list[Dangling]:
    """Return every reference that leads nowhere.

    Without ``vaults``, what a SecretProviderClass asks of its vault is not looked at.
    """
    found: list[Dangling] = []
    for template in snapshot.templates():
        found += _of_pod(snapshot, template)
    for judge in (_of_service, _of_autoscaler, _of_selectors, _of_stateful_set, _of_claim):
        for item in snapshot.objects:
            found += judge(snapshot, item)
    if vaults is not None:
        for secret_class in snapshot.kind("SecretProviderClass"):
            found += _of_vault(secret_class, vaults)
    return found


def _of_pod(snapshot: Snapshot, pod: PodTemplate) -> Iterator[Dangling]:
    yield from _of_pod_itself(snapshot, pod)
    volumes = {volume["name"] for volume in pod.spec.get("volumes") or ()} | _claimed(pod.owner)
    for volume in pod.spec.get("volumes") or ():
        yield from _of_volume(snapshot, pod, volume)
    for container in pod.containers:
        where = f"container {container['name']}"
        for mount in container.get("volumeMounts") or ():
            if mount["name"] not in volumes:
                yield Dangling(owner=pod.name, path=where, target=f"volume {mount['name']}")
        yield from _of_environment(snapshot, pod, container, where)
        yield from _of_probes(pod, container, where)


def _of_pod_itself(snapshot: Snapshot, pod: PodTemplate) -> Iterator[Dangling]:
    account = pod.spec.get("serviceAccountName") or "default"
    if account != "default" and not snapshot.find("ServiceAccount", account):
        yield Dangling(
            owner=pod.name, path="serviceAccountName", target=f"ServiceAccount/{account}"
        )
    priority = pod.spec.get("priorityClassName")
    known = priority in BUILT_IN_PRIORITIES or snapshot.find("PriorityClass", priority)
    if priority and not known:
        yield Dangling(owner=pod.name, path="priorityClassName", target=f"PriorityClass/{priority}")
    for secret in pod.spec.get("imagePullSecrets") or ():
        yield from _needs(snapshot, pod, "imagePullSecrets", "Secret", secret)


def _of_volume(
    snapshot: Snapshot, pod: PodTemplate, volume: Mapping[str, Any]
) -> Iterator[Dangling]:
    path = f"volume {volume['name']}"
    for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
        if "configMap" in source:
            yield from _needs(snapshot, pod, path, "ConfigMap", source["configMap"])
        if "secret" in source:
            named = {**source["secret"]}
            named["name"] = named.get("secretName") or named.get("name")
            yield from _needs(snapshot, pod, path, "Secret", named)
    claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
    if claim and not snapshot.find("PersistentVolumeClaim", claim):
        yield Dangling(owner=pod.name, path=path, target=f"PersistentVolumeClaim/{claim}")
    csi = volume.get("csi") or {}
    if csi.get("driver") == SECRETS_STORE:
        name = (csi.get("volumeAttributes") or {}).get("secretProviderClass")
        if not snapshot.find("SecretProviderClass", name):
            yield Dangling(owner=pod.name, path=path, target=f"SecretProviderClass/{name}")


def _of_environment(
    snapshot: Snapshot, pod: PodTemplate, container: Mapping[str, Any], where: str
) -> Iterator[Dangling]:
    for source in container.get("envFrom") or ():
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if field in source:
                yield from _needs(snapshot, pod, f"{where}, envFrom", kind, source[field])
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if field in source:
                path = f"{where}, env {variable['name']}"
                yield from _needs(snapshot, pod, path, kind, source[field])


def _needs(
    snapshot: Snapshot, pod: PodTemplate, path: str, kind: str, reference: Mapping[str, Any]
) -> Iterator[Dangling]:
    """Judge a reference to a whole ConfigMap or Secret, or to some of its keys."""
    if reference.get("optional"):
        return
    name = reference.get("name")
    keys = _keys(snapshot, pod, kind, name)
    if keys is None:
        yield Dangling(owner=pod.name, path=path, target=f"{kind}/{name}")
        return
    wanted = [item["key"] for item in reference.get("items") or ()]
    wanted += [reference["key"]] if "key" in reference else []
    for key in wanted:
        if key not in keys:
            yield Dangling(owner=pod.name, path=path, target=f"key {key} of {kind}/{name}")


def _keys(snapshot: Snapshot, pod: PodTemplate, kind: str, name: str | None) -> set[str] | None:
    """Return the keys of a ConfigMap or Secret, or ``None`` where there is none.

    A Secret of which only the name is known has every key: nobody looked into it.
    """
    promised = _promised(snapshot, pod, name) if kind == "Secret" else None
    if promised is not None:
        return promised
    item = snapshot.find(kind, name)
    if item is None:
        return None
    parts = [item[part] for part in ("data", "binaryData", "stringData") if part in item]
    if kind == "Secret" and not parts:
        return _Everything()
    return {key for part in parts for key in part or ()}


class _Everything(set[str]):
    def __contains__(self, _key: object) -> bool:
        return True


def _promised(snapshot: Snapshot, pod: PodTemplate, secret: str | None) -> set[str] | None:
    """Return the keys that the driver will sync into a Secret while this pod mounts its class."""
    for volume in pod.spec.get("volumes") or ():
        attributes = (volume.get("csi") or {}).get("volumeAttributes") or {}
        mounted = snapshot.find("SecretProviderClass", attributes.get("secretProviderClass"))
        for promise in ((mounted or {}).get("spec") or {}).get("secretObjects") or ():
            if promise["secretName"] == secret:
                return {entry["key"] for entry in promise["data"]}
    return None


def _of_probes(pod: PodTemplate, container: Mapping[str, Any], where: str) -> Iterator[Dangling]:
    named = {port.get("name") for port in container.get("ports") or ()}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        for action in ("httpGet", "tcpSocket"):
            port = ((container.get(probe) or {}).get(action) or {}).get("port")
            if isinstance(port, str) and port not in named:
                yield Dangling(owner=pod.name, path=f"{where}, {probe}", target=f"port {port}")


def _of_service(snapshot: Snapshot, item: Object) -> Iterator[Dangling]:
    selector = (item.get("spec") or {}).get("selector")
    if item["kind"] != "Service" or not selector:
        return
    pods = [pod for pod in snapshot.templates() if selects({"matchLabels": selector}, pod.labels)]
    if not pods:
        yield Dangling(owner=title(item), path="selector", target=f"pods labelled {selector}")
    for port in item["spec"].get("ports") or ():
        target = port.get("targetPort", port["port"])
        for pod in pods:
            if not any(_listens(container, target) for container in pod.containers):
                yield Dangling(
                    owner=title(item), path="targetPort", target=f"port {target} of {pod.name}"
                )


def _listens(container: Mapping[str, Any], target: int | str) -> bool:
    return any(
        target in (port.get("containerPort"), port.get("name"))
        for port in container.get("ports") or ()
    )


def _of_autoscaler(snapshot: Snapshot, item: Object) -> Iterator[Dangling]:
    if item["kind"] == "HorizontalPodAutoscaler":
        target = item["spec"]["scaleTargetRef"]
        if not snapshot.find(target["kind"], target["name"]):
            name = f"{target['kind']}/{target['name']}"
            yield Dangling(owner=title(item), path="scaleTargetRef", target=name)


def _of_selectors(snapshot: Snapshot, item: Object) -> Iterator[Dangling]:
    """A budget or a policy that selects nothing protects nothing."""
    field = {"PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector"}.get(item["kind"])
    if field is None:
        return
    selector = item["spec"].get(field)
    if not any(selects(selector, pod.labels) for pod in snapshot.templates()):
        yield Dangling(owner=title(item), path=field, target=f"pods labelled {selector}")


def _claimed(owner: Object) -> set[str]:
    """Return the volumes that a StatefulSet claims for each of its pods."""
    claims = owner["spec"].get("volumeClaimTemplates") or ()
    return {claim["metadata"]["name"] for claim in claims}


def _of_stateful_set(snapshot: Snapshot, item: Object) -> Iterator[Dangling]:
    if item["kind"] != "StatefulSet":
        return
    service = item["spec"].get("serviceName")
    if service and not snapshot.find("Service", service):
        yield Dangling(owner=title(item), path="serviceName", target=f"Service/{service}")
    for claim in item["spec"].get("volumeClaimTemplates") or ():
        yield from _of_class(snapshot, title(item), claim["spec"])


def _of_claim(snapshot: Snapshot, item: Object) -> Iterator[Dangling]:
    if item["kind"] == "PersistentVolumeClaim":
        yield from _of_class(snapshot, title(item), item["spec"])


def _of_class(snapshot: Snapshot, owner: str, claim: Mapping[str, Any]) -> Iterator[Dangling]:
    name = claim.get("storageClassName")
    if name and not snapshot.find("StorageClass", name):
        yield Dangling(owner=owner, path="storageClassName", target=f"StorageClass/{name}")


def _of_vault(item: Object, vaults: VaultSecrets) -> Iterator[Dangling]:
    parameters = item["spec"].get("parameters") or {}
    vault = parameters.get("keyvaultName", "")
    aliases = set()
    for entry in _wanted_of_vault(parameters):
        aliases.add(entry.get("objectAlias") or entry["objectName"])
        if entry["objectName"] not in vaults.get(vault, frozenset()):
            target = f"secret {entry['objectName']} of vault {vault}"
            yield Dangling(owner=title(item), path="objects", target=target)
    for promise in item["spec"].get("secretObjects") or ():
        for entry in promise["data"]:
            if entry["objectName"] not in aliases:
                path = f"secretObjects {promise['secretName']}"
                yield Dangling(owner=title(item), path=path, target=f"object {entry['objectName']}")


def _wanted_of_vault(parameters: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the objects of a class: YAML in YAML, as the Azure provider wants it."""
    listed = (yaml.safe_load(parameters.get("objects") or "") or {}).get("array") or ()
    return [yaml.safe_load(entry) if isinstance(entry, str) else entry for entry in listed]
