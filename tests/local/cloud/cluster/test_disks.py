"""Claims get the disks that Azure's driver would make, and no others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.cloud.cluster.api import Object
from local.cloud.cluster.disks import Driver, Judge, gib, judge_of, volume_for
from local.cloud.cluster.errors import ClusterError
from tests.kubernetes_cluster import CLUSTER_ID, SPEC

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups"
CLASS: Object = {
    "metadata": {"name": "memory"},
    "parameters": {"skuName": "Premium_LRS", "diskEncryptionSetID": "/sets/own"},
    "reclaimPolicy": "Retain",
}


def _claim(**spec: Any) -> Object:
    return {
        "metadata": {
            "name": "data",
            "namespace": "zep",
            "uid": "0e",
            "resourceVersion": "7",
            "annotations": {
                "volume.kubernetes.io/storage-provisioner": "disk.csi.azure.com",
                "volume.kubernetes.io/selected-node": "aks-1",
            },
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "memory",
            "resources": {"requests": {"storage": "10Gi"}},
            **spec,
        },
        "status": {"phase": "Pending"},
    }


class FakeApi:
    """An API server's answers, and what was asked of it."""

    def __init__(self, claims: list[Object], volumes: list[Object]) -> None:
        self.found = {"persistentvolumeclaims": claims, "persistentvolumes": volumes}
        self.created: list[tuple[str, Object]] = []
        self.merged: list[tuple[str, Object]] = []
        self.deleted: list[str] = []

    def items(self, path: str) -> list[Object]:
        return self.found[path.rpartition("/")[2]]

    def get(self, path: str) -> Object | None:
        if path.endswith("/nodes/aks-1"):
            labels = {"topology.disk.csi.azure.com/zone": "westeurope-2"}
            return {"metadata": {"labels": labels}}
        return CLASS if path.endswith("/storageclasses/memory") else None

    def create(self, path: str, given: Object) -> None:
        self.created.append((path.rpartition("/")[2], given))

    def merge(self, path: str, change: Object) -> None:
        self.merged.append((path, change))

    def delete(self, path: str) -> None:
        self.deleted.append(path)


def _reconciled(
    tmp_path: Path,
    *claims: Object,
    volumes: tuple[Object, ...] = (),
    times: int = 1,
    judge: Judge = lambda _set_id: None,
) -> FakeApi:
    (tmp_path / "spec.json").write_text(SPEC.to_json())
    api = FakeApi(list(claims), list(volumes))
    driver = Driver(CLUSTER_ID, api, tmp_path / "spec.json", judge)  # type: ignore[arg-type]
    for _ in range(times):
        driver.reconcile()
    return api


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        *(("10Gi", 10), ("1", 1), ("1536Mi", 2), ("1Ti", 1024), ("10G", 10), ("0.5Gi", 1)),
        *(("11G", 11), ("1Pi", 1 << 20), ("1Ei", 1 << 30), ("100m", 1), ("2e9", 2), ("1P", 931323)),
    ],
)
def test_sizes_are_rounded_up_to_whole_gibibytes(quantity: str, expected: int) -> None:
    assert gib(quantity) == expected


def test_what_is_no_size_is_said_to_be_none() -> None:
    with pytest.raises(ClusterError, match="'much' is no quantity of storage"):
        gib("much")


def test_an_odd_claim_keeps_no_other_from_its_disk(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(SPEC.to_json())
    odd = _claim(resources={})
    api = FakeApi([odd, _claim()], [_volume("Released")])
    driver = Driver(CLUSTER_ID, api, tmp_path / "spec.json", lambda _: None)  # type: ignore[arg-type]
    with pytest.raises(ClusterError, match=r"(?s)zep/data: Traceback.*KeyError: 'requests'"):
        driver.reconcile()
    assert [kind for kind, _ in api.created] == ["persistentvolumes"]
    assert api.deleted == ["/api/v1/persistentvolumes/pvc-0e"]


def test_a_foreign_volume_is_none_of_ours(tmp_path: Path) -> None:
    claim = _claim(volumeName="pvc-0e", resources={"requests": {"storage": "odd"}})
    claim["status"] = {"phase": "Bound", "capacity": {"storage": "10Gi"}}
    volume = _volume("Bound", driver="file.csi.azure.com")
    assert _reconciled(tmp_path, claim, volumes=(volume,)).merged == []


def test_a_disk_looks_like_one_of_azures() -> None:
    wish = replace(SPEC, disk_encryption_set_id="/sets/cluster")
    spec = volume_for(_claim(), CLASS, CLUSTER_ID, wish, "westeurope-2")["spec"]
    handle = f"{GROUP}/MC_rg-unit_aks-unit_westeurope/providers/Microsoft.Compute/disks/pvc-0e"
    assert spec["csi"]["volumeHandle"] == handle
    assert spec["csi"]["volumeAttributes"]["diskEncryptionSetID"] == "/sets/own"
    assert spec["capacity"] == {"storage": "10Gi"}
    assert spec["persistentVolumeReclaimPolicy"] == "Retain"
    assert spec["claimRef"]["uid"] == "0e"
    [term] = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == ["westeurope-2"]


def test_the_groups_own_name_leads_to_the_disk() -> None:
    spec = replace(SPEC, node_resource_group="rg-nodes")
    volume = volume_for(_claim(), CLASS, CLUSTER_ID, spec, "")
    assert volume["spec"]["csi"]["volumeHandle"].startswith(f"{GROUP}/rg-nodes/providers/")


def test_a_class_without_a_set_uses_the_clusters() -> None:
    spec = replace(SPEC, disk_encryption_set_id="/sets/cluster")
    volume = volume_for(_claim(), {**CLASS, "parameters": {}}, CLUSTER_ID, spec, "")
    attributes = volume["spec"]["csi"]["volumeAttributes"]
    assert attributes["diskEncryptionSetID"] == "/sets/cluster"


def test_a_zone_redundant_disk_can_be_used_in_every_zone() -> None:
    redundant = {**CLASS, "parameters": {"skuname": "Premium_ZRS"}}
    volume = volume_for(_claim(), redundant, CLUSTER_ID, SPEC, "westeurope-2")
    assert len(volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]) == 4


def test_a_claim_whose_pod_has_a_place_gets_a_disk_there(tmp_path: Path) -> None:
    [(kind, volume)] = _reconciled(tmp_path, _claim()).created
    [term] = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert kind == "persistentvolumes"
    assert term["matchExpressions"][0]["values"] == ["westeurope-2"]


@pytest.mark.parametrize(
    "changed",
    [
        {"metadata": {**_claim()["metadata"], "annotations": {}}},
        {"metadata": {**_claim()["metadata"], "deletionTimestamp": "now"}},
        {"status": {"phase": "Bound"}},
        {"spec": {**_claim()["spec"], "volumeName": "pvc-0e"}},
        {"spec": {**_claim()["spec"], "storageClassName": "gone"}},
    ],
)
def test_whatever_is_not_ours_to_provide_is_left_alone(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    api = _reconciled(tmp_path, {**_claim(), **changed})
    assert (api.created, api.merged, api.deleted) == ([], [], [])


def test_a_shared_file_system_is_refused_in_words_and_once(tmp_path: Path) -> None:
    [(kind, event)] = _reconciled(tmp_path, _claim(accessModes=["ReadWriteMany"]), times=2).created
    assert (kind, event["reason"]) == ("events", "ProvisioningFailed")
    assert event["message"] == "mount is not supported for access mode: ReadWriteMany"


def test_a_disk_is_refused_in_azures_words_while_its_key_is(tmp_path: Path) -> None:
    answers = iter(["the key is disabled", "the key is disabled", None])
    api = _reconciled(tmp_path, _claim(), times=3, judge=lambda _: next(answers))
    kinds = [(kind, given.get("message")) for kind, given in api.created]
    assert kinds == [("events", "the key is disabled"), ("persistentvolumes", None)]


def test_a_class_without_a_set_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLASS, "parameters", {})
    asked: list[str] = []
    _reconciled(tmp_path, _claim(), judge=asked.append)
    assert asked == []


def test_the_cloud_knows_which_sets_stand(tmp_path: Path) -> None:
    judge = judge_of(tmp_path / "cloud")
    assert not (tmp_path / "cloud").exists()
    assert "The Resource '/sets/own' was not found" in (judge("/sets/own") or "")


def _volume(phase: str, policy: str = "Delete", driver: str = "disk.csi.azure.com") -> Object:
    spec = {"persistentVolumeReclaimPolicy": policy, "csi": {"driver": driver}}
    return {"metadata": {"name": "pvc-0e"}, "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("volume", "goes"),
    [
        (_volume("Released"), True),
        (_volume("Bound"), False),
        (_volume("Released", policy="Retain"), False),
        (_volume("Released", driver="file.csi.azure.com"), False),
    ],
)
def test_a_released_disk_goes_unless_it_is_to_be_kept(
    tmp_path: Path, volume: Object, goes: bool
) -> None:
    deleted = _reconciled(tmp_path, volumes=(volume,)).deleted
    assert deleted == (["/api/v1/persistentvolumes/pvc-0e"] if goes else [])


def test_a_disk_grows_with_its_claim(tmp_path: Path) -> None:
    resources = {"requests": {"storage": "20Gi"}}
    claim = _claim(volumeName="pvc-0e", resources=resources)
    claim["status"] = {"phase": "Bound", "capacity": {"storage": "10Gi"}}
    merged = _reconciled(tmp_path, claim, volumes=(_volume("Bound"),)).merged
    assert merged == [
        ("/api/v1/persistentvolumes/pvc-0e", {"spec": {"capacity": {"storage": "20Gi"}}}),
        (
            "/api/v1/namespaces/zep/persistentvolumeclaims/data/status",
            {"status": {"capacity": {"storage": "20Gi"}}},
        ),
    ]
