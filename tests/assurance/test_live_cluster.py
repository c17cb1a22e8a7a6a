"""``python -m assurance cluster verify`` against a real API server, as an operator runs it."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from local.cloud.cluster.cluster import Cluster
from tests.kubernetes_cluster import eventually

ROOT = Path(__file__).parent.parent.parent
LEVEL = "pod-security.kubernetes.io/"
NOBODY = "https://127.0.0.1:1"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: gateway}
spec:
  selector: {matchLabels: {app: gateway}}
  template:
    metadata: {labels: {app: gateway}}
    spec:
      containers:
        - name: gateway
          image: registry.example/gateway:1
          securityContext:
            allowPrivilegeEscalation: false
            runAsNonRoot: true
            runAsUser: 10001
            capabilities: {drop: [ALL]}
            seccompProfile: {type: RuntimeDefault}
          volumeMounts: [{name: config, mountPath: /etc/gateway}]
      volumes: [{name: config, configMap: {name: gateway}}]
"""
Verify = Callable[..., tuple[int, dict[str, dict[str, Any]], str]]


def deployment(**security: object) -> dict[str, Any]:
    """A workload that Pod Security lets in, with some of it changed."""
    found: dict[str, Any] = copy.deepcopy(yaml.safe_load(DEPLOYMENT))
    (container,) = found["spec"]["template"]["spec"]["containers"]
    container["securityContext"].update(security)
    return found


@pytest.fixture
def strict(cluster: Cluster, namespace: str) -> str:
    """A namespace with the labels that ours has."""
    labels = {f"{LEVEL}{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    cluster.api.merge(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels}})
    return namespace


@pytest.fixture
def verify(cluster: Cluster, tmp_path: Path) -> Verify:
    """Run the command: exit code, checks by name, and what it says on stderr."""
    kubeconfig = tmp_path / "kubeconfig"

    def run(namespace: str, access: str = cluster.access.kubeconfig) -> Any:
        kubeconfig.write_text(access, encoding="utf-8")
        options = ("cluster", "verify", "--json", "--namespace", namespace)
        done = subprocess.run(
            [sys.executable, "-m", "assurance", *options],
            cwd=ROOT,
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
        )
        checks = json.loads(done.stdout)["checks"] if done.stdout else []
        return done.returncode, {check["name"]: check for check in checks}, done.stderr

    return run


def create(cluster: Cluster, namespace: str, given: dict[str, Any]) -> str:
    """Create a Deployment as any client would; return the server's warning."""
    known = yaml.safe_load(cluster.access.kubeconfig)
    with config.new_client_from_config_dict(known) as connection:
        api: Any = client.AppsV1Api(connection)  # typed for its own classes; it takes mappings too
        _, status, headers = api.create_namespaced_deployment_with_http_info(namespace, given)
    assert status == 201
    return str(headers.get("Warning", ""))


def give_configuration(cluster: Cluster, namespace: str) -> None:
    given = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gateway"}}
    cluster.api.create(f"/api/v1/namespaces/{namespace}/configmaps", given)


def await_pods(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/gateway"
    eventually(lambda: (cluster.api.get(path) or {}).get("status", {}).get("readyReplicas") == 1)


def await_refusal(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/gateway"

    def refused() -> bool:
        found = (cluster.api.get(path) or {}).get("status", {}).get("conditions", [])
        return any(condition["type"] == "ReplicaFailure" for condition in found)

    eventually(refused)


def wrong(checks: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, check in checks.items() if not check["ok"]}


@pytest.mark.slow
def test_a_workload_that_is_right_passes(cluster: Cluster, strict: str, verify: Verify) -> None:
    give_configuration(cluster, strict)
    assert create(cluster, strict, deployment()) == ""
    await_pods(cluster, strict)
    code, checks, _ = verify(strict)
    assert (code, wrong(checks)) == (0, set())
    assert checks["workloads"]["found"] == "1 pods of 1 workloads ready"
    assert set(checks) == {"pod security", "workloads", "admission", "references"}


@pytest.mark.slow
def test_a_workload_that_only_earned_a_warning_is_found(
    cluster: Cluster, strict: str, verify: Verify
) -> None:
    give_configuration(cluster, strict)
    warning = create(cluster, strict, deployment(privileged=True, allowPrivilegeEscalation=True))
    assert 'would violate PodSecurity \\"restricted:latest\\": privileged' in warning
    await_refusal(cluster, strict)
    code, checks, _ = verify(strict)
    assert (code, wrong(checks)) == (1, {"workloads", "admission"})
    assert "violates PodSecurity" in checks["workloads"]["found"]
    assert "Deployment/gateway: 0 of 1 pods ready" in checks["workloads"]["found"]
    assert "Deployment/gateway: would violate PodSecurity" in checks["admission"]["found"]


@pytest.mark.slow
def test_a_missing_map_that_no_fake_node_minds_is_found(
    cluster: Cluster, strict: str, verify: Verify
) -> None:
    create(cluster, strict, deployment())
    await_pods(cluster, strict)
    code, checks, _ = verify(strict)
    assert (code, wrong(checks)) == (1, {"references"})
    assert (
        "Deployment/gateway: volume config names ConfigMap/gateway, which does not exist"
        in (checks["references"]["found"])
    )


@pytest.mark.slow
def test_a_namespace_that_would_not_warn_is_found(
    cluster: Cluster, strict: str, verify: Verify
) -> None:
    labels = {f"{LEVEL}warn": None}
    cluster.api.merge(f"/api/v1/namespaces/{strict}", {"metadata": {"labels": labels}})
    code, checks, _ = verify(strict)
    assert (code, wrong(checks)) == (1, {"pod security"})
    assert checks["pod security"]["found"] == "enforce restricted, warn none"


@pytest.mark.slow
def test_a_namespace_that_is_not_there_is_found(verify: Verify) -> None:
    code, checks, _ = verify("nowhere")
    assert (code, wrong(checks)) == (1, {"namespace"})
    assert checks["namespace"]["found"] == "no namespace nowhere"


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_no_verdict(cluster: Cluster, verify: Verify) -> None:
    access = cluster.access.kubeconfig.replace(cluster.url, NOBODY)
    code, checks, said = verify("zep", access)
    assert (code, checks) == (2, {})
    assert "the cluster does not answer" in said
    assert "Point KUBECONFIG at a file whose current context reaches it." in said
    assert "Traceback" not in said
