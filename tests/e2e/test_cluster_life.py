"""The cluster half of a stack: as the mission has it, at hand, unbreakable, and not fooled."""

import json
import os
import signal
from typing import Any

import pytest

from tests.e2e.installation import Installation
from tests.e2e.kubectl import MISSION, NAMESPACE, Kubectl

pytestmark = pytest.mark.e2e

PROCESSES = {
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "disks",
}
REFUSED = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "refused"},
    "spec": {
        "selector": {"matchLabels": {"app": "refused"}},
        "template": {
            "metadata": {"labels": {"app": "refused"}},
            "spec": {
                "containers": [
                    {
                        "name": "refused",
                        "image": "example.com/refused",
                        "securityContext": {"privileged": True},
                    }
                ]
            },
        },
    },
}
"""Pod Security ``restricted`` lets no such pod in."""


def failed(report: dict[str, Any]) -> dict[str, str]:
    """Return what each check that failed has found."""
    return {check["name"]: check["found"] for check in report["checks"] if not check["ok"]}


def serving(pods: list[dict[str, Any]]) -> list[str]:
    """Return the names of those that stay; a Job's pod ends, and is removed some time later."""
    owners = {pod["metadata"]["name"]: pod["metadata"]["ownerReferences"][0] for pod in pods}
    return [name for name, owner in owners.items() if owner["kind"] != "Job"]


@pytest.fixture
def kubectl(shared: Installation) -> Kubectl:
    """kubectl on the cluster of the stack that is up."""
    return Kubectl(installation=shared)


def test_all_pods_are_ready_in_the_missions_sizes(kubectl: Kubectl) -> None:
    assert len(kubectl.pods()) == len(kubectl.get("pods")["items"])
    assert len(serving(kubectl.get("pods")["items"])) == 9
    assert kubectl.shares().items() >= MISSION.items()


def test_the_namespace_lets_in_only_what_restricted_allows(kubectl: Kubectl) -> None:
    labels = kubectl.get("namespace", NAMESPACE)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    answer = kubectl.run("run", "stranger", "--image", "example.com/stranger")
    assert answer.returncode == 1
    assert 'violates PodSecurity "restricted:' in answer.stderr


@pytest.mark.parametrize("dashes", [(), ("--",)], ids=["plain", "after dashes"])
def test_the_command_kubectl_is_kubectl(shared: Installation, dashes: tuple[str, ...]) -> None:
    words = ("get", "pods", "-n", NAMESPACE, "-o", "json")
    answer = shared.run("kubectl", "--stack", "dev", *dashes, *words)
    assert answer.returncode == 0, answer.stderr
    assert len(serving(json.loads(answer.stdout)["items"])) == 9


def test_a_control_plane_that_was_killed_comes_back_as_it_was(
    shared: Installation, kubectl: Kubectl
) -> None:
    before = kubectl.pods()
    numbers = {
        file.stem: int(file.read_text(encoding="utf-8"))
        for file in shared.paths.services.glob("kubernetes/clusters/*/processes/*.pid")
    }
    assert numbers.keys() == PROCESSES
    for number in numbers.values():
        os.kill(number, signal.SIGKILL)
    assert [cluster["running"] for cluster in shared.succeed("status")["clusters"]] == [False]

    report = shared.succeed("up")
    assert set(report["changes"]) == {"same"}
    assert failed(report) == {}
    assert [cluster["running"] for cluster in shared.succeed("status")["clusters"]] == [True]
    assert kubectl.pods() == before


def test_up_says_no_to_what_the_cluster_took_with_a_mere_warning(
    shared: Installation, kubectl: Kubectl
) -> None:
    accepted = kubectl.run("create", "--filename", "-", given=json.dumps(REFUSED))
    try:
        assert accepted.returncode == 0
        assert "Warning: would violate PodSecurity" in accepted.stderr
        kubectl("delete", "configmap", "zep-config")
        answer = shared.run("up", "--json")
    finally:
        kubectl("delete", "deployment", "refused")
    assert answer.returncode == 1
    found = failed(json.loads(answer.stdout))
    assert found.keys() == {"workloads", "admission", "references"}
    assert "Deployment/refused" in found["workloads"]
    assert "Deployment/refused: would violate PodSecurity" in found["admission"]
    assert "names ConfigMap/zep-config, which does not exist" in found["references"]

    assert shared.succeed("refresh")["changes"].get("delete") == 1
    repaired = shared.succeed("up")
    assert repaired["changes"].get("create") == 1
    assert failed(repaired) == {}
