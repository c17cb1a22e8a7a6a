"""What an AKS cluster holds before anybody uses it: storage classes, drivers, rights, add-ons."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from local.cloud.cluster.api import Api, Object
from local.cloud.cluster.spec import SECRETS_STORE, ClusterSpec

STORAGE = "/apis/storage.k8s.io/v1"
ROLES = "/apis/rbac.authorization.k8s.io/v1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DISK_DRIVER = "disk.csi.azure.com"
SECRETS_DRIVER = "secrets-store.csi.k8s.io"
CLASSES = {"default": "StandardSSD", "managed-csi": "StandardSSD", "managed-csi-premium": "Premium"}
IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"

Rules = tuple[tuple[str, str, str], ...]
KWOK_RULES: Rules = (
    (",events.k8s.io", "events", "create,patch,update"),
    ("", "nodes,pods", "get,list,watch"),
    ("", "nodes/status,pods/status", "patch,update"),
    ("", "pods", "delete,patch,update"),
    ("coordination.k8s.io", "leases", "create,get,list,patch,update,watch"),
)
DISK_RULES: Rules = (
    ("", "persistentvolumes", "create,delete,get,list,patch,watch"),
    ("", "persistentvolumeclaims", "get,list,watch"),
    ("", "persistentvolumeclaims/status", "patch"),
    ("", "nodes", "get"),
    ("", "events", "create"),
    ("storage.k8s.io", "storageclasses", "get"),
)


def install(api: Api, spec: ClusterSpec) -> None:
    """Create what is missing and renew what we say of the rest."""
    for path, document in objects_of(spec):
        api.apply(path, document)


def objects_of(spec: ClusterSpec) -> Iterator[tuple[str, Object]]:
    """Return all objects, each with the collection that it belongs to."""
    yield from _role("kwok-controller", KWOK_RULES)
    yield from _role("disk-provisioner", DISK_RULES)
    yield f"{STORAGE}/csidrivers", _driver(DISK_DRIVER, "Persistent")
    for name, tier in CLASSES.items():
        yield f"{STORAGE}/storageclasses", _storage_class(name, f"{tier}_{redundancy(spec)}")
    if SECRETS_STORE in spec.addons:
        yield f"{STORAGE}/csidrivers", _driver(SECRETS_DRIVER, "Ephemeral")
        for definition in secrets_store_definitions():
            yield DEFINITIONS, definition


def secrets_store_definitions() -> list[Object]:
    """Return the types that the secrets store's driver is told its work with."""
    text = Path(__file__).with_name("secrets_store.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load_all(text))


def redundancy(spec: ClusterSpec) -> str:
    """Return how disks of AKS' own classes are kept: over zones where nodes are in several."""
    zones = {zone for pool in spec.pools for zone in pool.zones}
    return "ZRS" if len(zones) > 1 else "LRS"


def _storage_class(name: str, sku: str) -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": name,
            "annotations": {IS_DEFAULT: "true" if name == "default" else "false"},
        },
        "provisioner": DISK_DRIVER,
        "parameters": {"skuname": sku},
        "reclaimPolicy": "Delete",
        "allowVolumeExpansion": True,
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _driver(name: str, mode: str) -> Object:
    """Describe a driver; nothing attaches a disk here, so nothing may wait for it."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": name},
        "spec": {
            "attachRequired": False,
            "podInfoOnMount": mode == "Ephemeral",
            "volumeLifecycleModes": [mode],
        },
    }


def _role(user: str, rules: Rules) -> Iterator[tuple[str, Object]]:
    """Give a user of the cloud's own the rights that it needs, and no others."""
    version = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": user}}
    allowed = [
        {"apiGroups": groups.split(","), "resources": what.split(","), "verbs": verbs.split(",")}
        for groups, what, verbs in rules
    ]
    yield f"{ROLES}/clusterroles", {**version, "kind": "ClusterRole", "rules": allowed}
    group = "rbac.authorization.k8s.io"
    yield (
        f"{ROLES}/clusterrolebindings",
        {
            **version,
            "kind": "ClusterRoleBinding",
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        },
    )
