"""The same with a real API server: its objects, its tokens, and Azure's own client in the pod."""

from pathlib import Path
from typing import Any

import pytest

from local.cloud.arm import Record
from local.cloud.cluster import fleet
from local.cloud.cluster.api import Object
from local.cloud.cluster.cluster import Cluster
from local.cloud.resources.managed_cluster import ManagedCluster
from local.cloud.workloads.kubelet import Kubelet
from local.cloud.workloads.pod import Surroundings
from local.cloud.workloads.vault import VaultReader
from tests.kubernetes_cluster import CONTAINER, eventually
from tests.local.cloud import declared
from tests.local.cloud.conftest import TENANT
from tests.local.cloud.door.conftest import (
    AUDIENCE,
    CLUSTER_ID,
    CREDENTIAL,
    SECRET_ID,
    SECRETS_USER,
    Azure,
)
from tests.local.cloud.workloads import conftest as given

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("believed")]

READS = """
import os, sys
from azure.identity import WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient
with WorkloadIdentityCredential() as me, SecretClient("https://kv-dev.vault.azure.net", me) as them:
    same = them.get_secret("password").value == open(os.environ["PASSWORD_FILE"]).read()
sys.exit(0 if same else 3)
"""


@pytest.fixture
def believed(
    azure: Azure, cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the identity trust this cluster, and hold what the pods ask for."""
    issuer = cluster.access.issuer_url
    body = {
        **declared.RG,
        "resourceName": "id-memory",
        "federatedIdentityCredentialResourceName": "live",
        "issuer": issuer,
        "subject": f"system:serviceaccount:{namespace}:memory-service",
        "audiences": [AUDIENCE],
    }
    azure.engine.create(CREDENTIAL, body, "live")
    profile = {"oidcIssuerProfile": {"issuerURL": issuer}, "agentPoolProfiles": []}
    azure.world.put(Record(CLUSTER_ID, ManagedCluster.type, {}, profile))
    key = cluster.certificates.token_key.read_bytes()
    monkeypatch.setattr(fleet, "token_key", lambda _: key)
    azure.grant(SECRETS_USER, SECRET_ID)
    declare(azure, cluster, namespace)


def create(cluster: Cluster, group: str, namespace: str, body: Object) -> None:
    kind = body["kind"].lower() + ("es" if body["kind"].endswith("s") else "s")
    body["metadata"]["namespace"] = namespace
    cluster.api.create(f"{group}/namespaces/{namespace}/{kind}", body)


def real(template: Object) -> Object:
    """Make a template one that the API server takes."""
    template["spec"]["containers"] = [{**CONTAINER, **template["spec"]["containers"][0]}]
    template["metadata"]["labels"]["app"] = "x"
    return template


def declare(azure: Azure, cluster: Cluster, namespace: str) -> None:
    create(cluster, "/api/v1", namespace, given.account(azure.client_id))
    create(cluster, "/api/v1", namespace, given.config_map())
    secrets = "/apis/secrets-store.csi.x-k8s.io/v1"
    create(cluster, secrets, namespace, given.secret_class(azure.client_id))


def kubelet(azure: Azure, cluster: Cluster, door: str, folder: Path) -> Kubelet:
    roots = str(azure.folder / "ca" / "ca.pem")
    variables = {"HTTPS_PROXY": door, "REQUESTS_CA_BUNDLE": roots}
    vaults = VaultReader(door, roots)
    around = Surroundings(api=cluster.api, vaults=vaults, variables=variables, tenant_id=TENANT)
    return Kubelet(folder / "workloads", around)


def test_a_job_reads_the_vault_as_the_identity_of_its_service_account(
    azure: Azure,
    door: str,
    cluster: Cluster,
    namespace: str,
    tmp_path: Path,
) -> None:
    spec: dict[str, Any] = {"restartPolicy": "Never"}
    template = real(given.template("python", "-c", READS))
    template["spec"] |= spec
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "reads", "labels": {"app.kubernetes.io/name": "memory-operations"}},
        "spec": {"backoffLimit": 0, "template": template},
    }
    create(cluster, "/apis/batch/v1", namespace, job)
    runner = kubelet(azure, cluster, door, tmp_path)
    try:

        def ended() -> bool:
            runner.look()
            assert not runner.problems
            return any(one.exit_code is not None for one in runner.jobs.values())

        eventually(ended)
        assert [one.exit_code for one in runner.jobs.values()] == [0]
    finally:
        runner.stop()


def test_a_deployment_runs_and_goes_with_its_object(
    azure: Azure,
    door: str,
    cluster: Cluster,
    namespace: str,
    tmp_path: Path,
) -> None:
    deployment = given.deployment(real(given.template()), replicas=1)
    deployment |= {"apiVersion": "apps/v1", "kind": "Deployment"}
    deployment["spec"]["selector"] = {"matchLabels": {"app": "x"}}
    create(cluster, "/apis/apps/v1", namespace, deployment)
    runner = kubelet(azure, cluster, door, tmp_path)
    try:

        def runs() -> bool:
            runner.look()
            return runner.service("memory-service").process.running

        eventually(runs)
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/memory-service"
        cluster.api.delete(path)
        eventually(lambda: not runs())
    finally:
        runner.stop()
