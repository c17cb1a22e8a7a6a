"""A real control plane: what stands in it, and what the real API server says of bad objects."""

import base64
import json
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import urllib3

from local.cloud.cluster import certificates as users
from local.cloud.cluster.api import AnswerError, Api, Object
from local.cloud.cluster.cluster import ORDER, Cluster
from local.cloud.cluster.nodes import NODES
from local.cloud.cluster.objects import DEFINITIONS
from local.cloud.postgres.account import Account
from local.paths import Paths
from tests.kubernetes_cluster import CONTAINER, SPEC, deployment, eventually
from tests.local.cloud import clusters
from tests.local.cloud.conftest import Engine
from tests.local.cloud.declared import KEY_ID

pytestmark = pytest.mark.slow

VOLUMES = "/api/v1/persistentvolumes"


def _claim(name: str, **spec: Any) -> Object:
    given = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    metadata = {"name": name}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": {**given, **spec},
    }


def _pod(name: str, claim: str) -> Object:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": claim}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [CONTAINER], "volumes": [volume]},
    }


@pytest.fixture(scope="module")
def azure(cluster: Cluster) -> Engine:
    """The cloud of the cluster, with a disk encryption set and its key."""
    engine = Engine(cluster.cloud)
    engine.create("resources:ResourceGroup", {"resourceGroupName": "rg"})
    clusters.furnish(engine)
    return engine


def _storage_class(name: str) -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "disk.csi.azure.com",
        "parameters": {"skuName": "Premium_LRS", "diskEncryptionSetID": clusters.DISKS_ID},
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }


def _kubectl(cluster: Cluster, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    config = tmp_path / "kubeconfig"
    config.write_text(cluster.access.kubeconfig)
    command = [str(Paths.current().bin / "kubectl"), "--kubeconfig", str(config), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


# -- what stands -------------------------------------------------------------------------


def test_nodes_are_ready_in_their_zones(cluster: Cluster) -> None:
    found = {node["metadata"]["name"]: node for node in cluster.api.items(NODES)}
    assert len(found) == 4
    labels = found["aks-memory-00000000-vmss000002"]["metadata"]["labels"]
    assert labels["topology.kubernetes.io/zone"] == "westeurope-3"
    system = found["aks-system-00000000-vmss000000"]
    assert [taint["key"] for taint in system["spec"]["taints"]] == ["CriticalAddonsOnly"]
    assert system["status"]["allocatable"]["cpu"] == "1900m"
    assert system["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.3"


def test_nobody_is_let_in_without_a_certificate(cluster: Cluster) -> None:
    context = ssl.create_default_context(cafile=str(cluster.certificates.certificate("ca")))
    with urllib3.PoolManager(ssl_context=context) as stranger:
        assert stranger.request("GET", f"{cluster.url}/version").status == 401


@pytest.mark.parametrize("door", ["etcd", "peer"])
@pytest.mark.parametrize("user", [None, "administrator", "apiserver"])
def test_its_store_takes_nobody_but_the_api_server(
    cluster: Cluster, user: str | None, door: str
) -> None:
    with pytest.raises(urllib3.exceptions.HTTPError, match=r"(?i)ssl|reset"):
        _ask_store(cluster, user, door)
    assert _ask_store(cluster, "etcd-client", "etcd") == 200


def _ask_store(cluster: Cluster, user: str | None, door: str) -> int:
    files = cluster.certificates
    context = ssl.create_default_context(cafile=str(files.certificate("etcd-ca")))
    if user:
        context.load_cert_chain(files.certificate(user), files.key(user))
    port = json.loads((cluster.folder / "ports.json").read_text())[door]
    with urllib3.PoolManager(ssl_context=context, retries=False) as client:
        return client.request("GET", f"https://127.0.0.1:{port}/health").status


def test_nobody_outside_of_this_machine_reaches_any_of_its_processes(cluster: Cluster) -> None:
    opened = {
        str(link.readlink())
        for name in ORDER
        for link in Path(f"/proc/{_number(cluster, name)}/fd").iterdir()
    }
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in opened]
    assert len(listening) == 4  # etcd's two doors, the API and the kubelet's
    assert {address.partition(":")[0] for address in listening} == {"0100007F"}  # 127.0.0.1


def _number(cluster: Cluster, name: str) -> int:
    return int((cluster.folder / "processes" / f"{name}.pid").read_text())


def test_a_watch_that_is_refused_says_so(cluster: Cluster) -> None:
    files = cluster.certificates
    key, certificate = files.key(users.DISKS), files.certificate(users.DISKS)
    driver = Api(cluster.url, files.certificate("ca"), certificate, key)
    with pytest.raises(AnswerError, match="WATCH /api/v1/secrets: the API server answered 403"):
        list(driver.watch("/api/v1/secrets"))


def test_processes_run_without_our_rights(cluster: Cluster) -> None:
    for name in ("etcd", "kube-apiserver", "kwok"):
        number = (cluster.folder / "processes" / f"{name}.pid").read_text().strip()
        assert Path(f"/proc/{number}").stat().st_uid == Account.choose().uid


def test_tokens_name_the_issuer_that_azure_would(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    audience = "api://AzureADTokenExchange"
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience]},
    }
    answer = cluster.api._call("POST", path, request)
    assert answer is not None
    payload = answer["status"]["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["iss"] == cluster.access.issuer_url
    assert claims["iss"].startswith(f"https://westeurope.oic.prod-aks.azure.com/{SPEC.tenant_id}/")
    assert claims["sub"] == f"system:serviceaccount:{namespace}:default"
    assert claims["aud"] == [audience]


def test_the_secrets_stores_types_refuse_what_they_do_not_know(
    cluster: Cluster, namespace: str
) -> None:
    path = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/"
    given = {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "zep"},
        "spec": {"provider": 7},
    }
    with pytest.raises(AnswerError, match=r"spec\.provider"):
        cluster.api.create(f"{path}{namespace}/secretproviderclasses", given)
    assert cluster.api.get(f"{DEFINITIONS}/secretproviderclasspodstatuses.{path.split('/')[2]}")


# -- what it judges ----------------------------------------------------------------------


def test_a_deployment_that_pod_security_refuses_says_so(cluster: Cluster, namespace: str) -> None:
    collection = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    privileged = {**CONTAINER, "securityContext": {"privileged": True}}
    cluster.api.create(collection, deployment("privileged", privileged))

    def refusal() -> Object | None:
        found = cluster.api.get(f"{collection}/privileged") or {}
        conditions = found.get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == "ReplicaFailure"), None)

    seen = eventually(refusal)
    assert isinstance(seen, dict)
    assert seen["reason"] == "FailedCreate"
    assert 'violates PodSecurity "restricted:latest": privileged' in seen["message"]


def test_a_deployment_that_complies_becomes_ready_and_has_no_logs(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    collection = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    cluster.api.create(collection, deployment("good", CONTAINER))
    eventually(
        lambda: (cluster.api.get(f"{collection}/good") or {})["status"].get("readyReplicas") == 1
    )
    logs = _kubectl(cluster, tmp_path, "logs", "-n", namespace, "deployment/good")
    assert "no logs found" in logs.stderr


# -- disks -------------------------------------------------------------------------------


@pytest.mark.usefixtures("azure")
def test_a_claim_gets_a_disk_where_its_pod_runs_and_takes_it_along(
    cluster: Cluster, namespace: str
) -> None:
    core = f"/api/v1/namespaces/{namespace}"
    claim = f"{core}/persistentvolumeclaims/data"
    name = f"{namespace}-local"
    cluster.api.create("/apis/storage.k8s.io/v1/storageclasses", _storage_class(name))
    cluster.api.create(f"{core}/persistentvolumeclaims", _claim("data", storageClassName=name))
    cluster.api.create(f"{core}/pods", _pod("user", "data"))
    pod = eventually(lambda: _if_phase(cluster.api.get(f"{core}/pods/user"), "Running"))
    bound = eventually(lambda: _if_phase(cluster.api.get(claim), "Bound"))
    assert isinstance(bound, dict)
    assert isinstance(pod, dict)
    node = cluster.api.get(f"{NODES}/{pod['spec']['nodeName']}")
    volume = cluster.api.get(f"{VOLUMES}/{bound['spec']['volumeName']}")
    assert node is not None
    assert volume is not None
    [term] = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    zone = node["metadata"]["labels"]["topology.kubernetes.io/zone"]
    assert term["matchExpressions"][0]["values"] == [zone]
    attributes = volume["spec"]["csi"]["volumeAttributes"]
    assert attributes["diskEncryptionSetID"] == clusters.DISKS_ID

    cluster.api.merge(claim, {"spec": {"resources": {"requests": {"storage": "20Gi"}}}})
    grown = {"storage": "20Gi"}
    eventually(lambda: (cluster.api.get(claim) or {})["status"]["capacity"] == grown)

    cluster.api.delete(f"{core}/pods/user")
    cluster.api.delete(claim)
    eventually(lambda: cluster.api.get(f"{VOLUMES}/{volume['metadata']['name']}") is None)


def _if_phase(found: Object | None, phase: str) -> Object | None:
    return found if found and found["status"].get("phase") == phase else None


def test_a_disk_waits_for_its_key(cluster: Cluster, namespace: str, azure: Engine) -> None:
    core, name = f"/api/v1/namespaces/{namespace}", f"{namespace}-key"
    known = azure.world.private(KEY_ID)["versions"]
    disabled = [{**version, "enabled": False} for version in known]
    azure.world.set_private(KEY_ID, {"versions": disabled})
    cluster.api.create("/apis/storage.k8s.io/v1/storageclasses", _storage_class(name))
    claim = _claim("data", storageClassName=name)
    cluster.api.create(f"{core}/persistentvolumeclaims", claim)
    cluster.api.create(f"{core}/pods", _pod("user", "data"))
    eventually(lambda: bool(_refusals(cluster, core)))
    assert "KeyVaultAccessForbidden" in _refusals(cluster, core)[0]
    path = f"{core}/persistentvolumeclaims/data"
    assert _if_phase(cluster.api.get(path), "Pending")

    azure.world.set_private(KEY_ID, {"versions": known})
    eventually(lambda: _if_phase(cluster.api.get(path), "Bound"))


def _refusals(cluster: Cluster, core: str) -> list[str]:
    events = cluster.api.items(f"{core}/events")
    return [event["message"] for event in events if event["reason"] == "ProvisioningFailed"]


def test_a_claim_that_no_disk_can_serve_keeps_its_pod_waiting(
    cluster: Cluster, namespace: str
) -> None:
    core = f"/api/v1/namespaces/{namespace}"
    shared = _claim("shared", accessModes=["ReadWriteMany"])
    cluster.api.create(f"{core}/persistentvolumeclaims", shared)
    cluster.api.create(f"{core}/pods", _pod("user", "shared"))
    eventually(lambda: bool(_refusals(cluster, core)))
    words = ["mount is not supported for access mode: ReadWriteMany"]
    assert _refusals(cluster, core) == words
    assert _if_phase(cluster.api.get(f"{core}/pods/user"), "Pending")
