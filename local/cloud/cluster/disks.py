"""The disk driver of a cluster: claims get disks, and disks go with their claims.

Run as ``python -m local.cloud.cluster.disks <cluster id> <api> <certificates> <spec> <cloud>``.
It does what Azure's driver and its two side-cars do to objects; no disk is behind them. The
local cloud is asked whether a disk's encryption set may still use its key.
"""

import datetime as dt
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from local.cloud.cluster import certificates as who
from local.cloud.cluster.api import Api, Object
from local.cloud.cluster.certificates import Certificates
from local.cloud.cluster.errors import ClusterError
from local.cloud.cluster.objects import DISK_DRIVER, STORAGE
from local.cloud.cluster.spec import ClusterSpec
from local.cloud.quantity import amount_of

CLAIMS = "/api/v1/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
NODES = "/api/v1/nodes"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
ZONE = "topology.disk.csi.azure.com/zone"
DISK_PATH = "/providers/Microsoft.Compute/disks/"
ENCRYPTION_SET = "diskEncryptionSetID"
GIB = 1 << 30
Judge = Callable[[str], str | None]
"""Says why no disk can be made with an encryption set now, or nothing."""
RETRY_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 10.0
"""Nobody tells us of a key that may be used again."""


def gib(quantity: str) -> int:
    """Return a quantity of storage in GiB, rounded up as Azure sells it.

    Raises ``ClusterError`` where it is none; an API server lets none of these in.
    """
    amount = amount_of(quantity)
    if amount is None:
        raise ClusterError(f"{quantity!r} is no quantity of storage")
    return math.ceil(amount / GIB)


@dataclass(frozen=True)
class Driver:
    """The driver of one cluster, known by its ARM id."""

    cluster_id: str
    api: Api
    spec_file: Path
    judge: Judge
    refused: set[tuple[str, str]] = field(default_factory=set)
    """Claims, and why they were told to get no disk; once is enough."""

    def reconcile(self) -> None:
        """Do all that is to do now; a claim that cannot be served keeps none from its disk.

        Raises ``ClusterError`` in the end where something has to be tried again.
        """
        volumes = {volume["metadata"]["name"]: volume for volume in self.api.items(VOLUMES)}
        faults = []
        for claim in self.api.items(CLAIMS):
            try:
                self._serve(claim, volumes)
            except Exception:  # noqa: BLE001 - whatever is odd about it, the others must go on
                meta = claim["metadata"]
                faults.append(f"{meta['namespace']}/{meta['name']}: {traceback.format_exc()}")
        for name, volume in volumes.items():
            if _is_released(volume):
                self.api.delete(f"{VOLUMES}/{name}")
        if faults:
            raise ClusterError("\n".join(faults))

    def _serve(self, claim: Object, volumes: dict[str, Object]) -> None:
        if _wants_disk(claim):
            self._provision(claim)
        elif volume := volumes.get(claim["spec"].get("volumeName")):
            self._expand(claim, volume)

    def _provision(self, claim: Object) -> None:
        class_name = claim["spec"]["storageClassName"]
        storage_class = self.api.get(f"{STORAGE}/storageclasses/{class_name}")
        if storage_class is None:
            return
        spec = ClusterSpec.from_json(self.spec_file.read_text(encoding="utf-8"))
        volume = volume_for(claim, storage_class, self.cluster_id, spec, self._zone(claim))
        encryption_set = volume["spec"]["csi"]["volumeAttributes"].get(ENCRYPTION_SET)
        refusal = _refusal(claim) or (encryption_set and self.judge(encryption_set))
        if refusal:
            self._refuse(claim, refusal)
        else:
            self.api.create(VOLUMES, volume)

    def _zone(self, claim: Object) -> str:
        """Return where the disk must be: where the scheduler wants the pod."""
        node = claim["metadata"]["annotations"].get(SELECTED_NODE)
        found = self.api.get(f"{NODES}/{node}") if node else None
        return str(found["metadata"]["labels"].get(ZONE, "")) if found else ""

    def _expand(self, claim: Object, volume: Object) -> None:
        if volume["spec"].get("csi", {}).get("driver") != DISK_DRIVER:
            return
        wanted = gib(claim["spec"]["resources"]["requests"]["storage"])
        have = gib(claim["status"].get("capacity", {}).get("storage", "0"))
        if not 0 < have < wanted:
            return
        capacity = {"capacity": {"storage": f"{wanted}Gi"}}
        meta = claim["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/persistentvolumeclaims/{meta['name']}"
        self.api.merge(f"{VOLUMES}/{volume['metadata']['name']}", {"spec": capacity})
        self.api.merge(f"{path}/status", {"status": capacity})

    def _refuse(self, claim: Object, words: str) -> None:
        meta = claim["metadata"]
        if (meta["uid"], words) in self.refused:
            return
        self.refused.add((meta["uid"], words))
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                **{key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")},
            },
            "type": "Warning",
            "reason": "ProvisioningFailed",
            "message": words,
            "source": {"component": DISK_DRIVER},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self.api.create(f"/api/v1/namespaces/{meta['namespace']}/events", event)


def volume_for(
    claim: Object, storage_class: Object, cluster_id: str, spec: ClusterSpec, zone: str
) -> Object:
    """Return the volume of a claim, as Azure's driver describes a disk that it made."""
    meta = claim["metadata"]
    name = f"pvc-{meta['uid']}"
    size = gib(claim["spec"]["resources"]["requests"]["storage"])
    parameters = dict(storage_class.get("parameters") or {})
    if spec.disk_encryption_set_id and ENCRYPTION_SET not in parameters:
        parameters[ENCRYPTION_SET] = spec.disk_encryption_set_id
    reference = {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: DISK_DRIVER}},
        "spec": {
            "capacity": {"storage": f"{size}Gi"},
            "accessModes": claim["spec"]["accessModes"],
            "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": storage_class["metadata"]["name"],
            "mountOptions": storage_class.get("mountOptions", []),
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **reference},
            "csi": {
                "driver": DISK_DRIVER,
                "volumeHandle": f"{_node_group(cluster_id, spec)}{DISK_PATH}{name}",
                "fsType": parameters.get("csi.storage.k8s.io/fstype", "ext4"),
                "volumeAttributes": {**parameters, "requestedsizegib": str(size)},
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": _places(parameters, spec, zone)}},
        },
    }


def _node_group(cluster_id: str, spec: ClusterSpec) -> str:
    """Return the ARM id of the group that holds the cluster's machines and disks."""
    parts = cluster_id.split("/")
    subscription, group, name = parts[2], parts[4], parts[-1]
    own = spec.node_resource_group or f"MC_{group}_{name}_{spec.region}"
    return f"/subscriptions/{subscription}/resourceGroups/{own}"


def _places(parameters: Object, spec: ClusterSpec, zone: str) -> list[Object]:
    """Return where a disk can be used: in its zone, or anywhere if it is kept in all of them."""
    sku = next((parameters[key] for key in parameters if key.lower() == "skuname"), "")
    everywhere = [f"{spec.region}-{number}" for number in (1, 2, 3)] + [""]
    zones = everywhere if str(sku).upper().endswith("ZRS") else [zone]
    return [
        {"matchExpressions": [{"key": ZONE, "operator": "In", "values": [place]}]}
        for place in zones
    ]


def _wants_disk(claim: Object) -> bool:
    """Tell whether it waits for us, and its pod has a place."""
    annotations = claim["metadata"].get("annotations") or {}
    return (
        claim["status"].get("phase") == "Pending"
        and not claim["spec"].get("volumeName")
        and "deletionTimestamp" not in claim["metadata"]
        and annotations.get(PROVISIONER) == DISK_DRIVER
    )


def _is_released(volume: Object) -> bool:
    spec = volume["spec"]
    return bool(
        volume["status"].get("phase") == "Released"
        and spec["persistentVolumeReclaimPolicy"] == "Delete"
        and spec.get("csi", {}).get("driver") == DISK_DRIVER
    )


def _refusal(claim: Object) -> str | None:
    """Return why there is no such disk, if so."""
    shared = {"ReadWriteMany", "ReadOnlyMany"} & set(claim["spec"]["accessModes"])
    if shared and claim["spec"].get("volumeMode", "Filesystem") == "Filesystem":
        return f"mount is not supported for access mode: {', '.join(sorted(shared))}"
    return None


def _watch(api: Api, path: str, changed: threading.Event) -> None:
    while True:
        try:
            for _ in api.watch(path):
                changed.set()
        except (ClusterError, urllib3.exceptions.HTTPError):
            time.sleep(RETRY_SECONDS)


def judge_of(cloud: Path) -> Judge:
    """Return who asks the local cloud of a folder, which is opened with the first question."""
    # These know clusters, whose door leads here.
    from local.cloud.resources.disk_encryption_set import refusal_of  # noqa: PLC0415
    from local.cloud.store import Store  # noqa: PLC0415
    from local.cloud.world import World  # noqa: PLC0415

    def judge(set_id: str) -> str | None:
        store = Store(cloud)
        try:
            refusal = refusal_of(World(store, ()), set_id)
        finally:
            store.close()
        return None if refusal is None else str(refusal)

    return judge


def serve(driver: Driver) -> None:
    """Work until killed; what fails is tried again."""
    changed = threading.Event()
    for path in (CLAIMS, VOLUMES):
        arguments = (driver.api, path, changed)
        threading.Thread(target=_watch, args=arguments, daemon=True).start()
    while True:
        changed.wait(LOOK_AGAIN_SECONDS)
        changed.clear()
        try:
            driver.reconcile()
        except ClusterError as error:
            sys.stderr.write(f"{error}\n")
            sys.stderr.flush()
            time.sleep(RETRY_SECONDS)
            changed.set()


def main(arguments: list[str]) -> None:
    """Serve one cluster, whose parts the arguments name."""
    cluster_id, url, certificates, spec_file, cloud = arguments
    files = Certificates(Path(certificates))
    user = who.DISKS
    api = Api(url, files.certificate("ca"), files.certificate(user), files.key(user))
    serve(Driver(cluster_id, api, Path(spec_file), judge_of(Path(cloud))))


if __name__ == "__main__":
    main(sys.argv[1:])
