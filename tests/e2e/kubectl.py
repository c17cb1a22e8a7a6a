"""kubectl on a stack's cluster, as somebody uses it who has nothing but the kubeconfig."""

import json
import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.installation import Installation

NAMESPACE = "zep"
NAME = "app.kubernetes.io/name"
Object = dict[str, Any]
Share = tuple[str, str, str]
"""A container, and its CPU and memory; what it may take is what it is promised."""

MISSION: dict[Share, int] = {
    ("zep", "1", "2Gi"): 3,
    ("memory-service", "2", "4Gi"): 2,
    ("graphiti", "1", "2Gi"): 2,
}
"""Replicas of each, in every environment."""


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    """kubectl for a stack that is up."""

    installation: Installation
    stack: str = "dev"

    @property
    def kubeconfig(self) -> Path:
        """The file that the stack's last ``up`` wrote."""
        return self.installation.paths.local / "kubeconfig" / f"{self.stack}.yaml"

    def run(self, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        """Run it in the namespace of the workloads; success is the caller's to judge."""
        places = {
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.installation.folder / "kubectl"),
        }
        return subprocess.run(
            [self.installation.paths.bin / "kubectl", "--namespace", NAMESPACE, *words],
            env=os.environ | places,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def __call__(self, *words: str, given: str = "") -> str:
        """Run what must succeed, and return what it says."""
        answer = self.run(*words, given=given)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def get(self, *words: str) -> Object:
        """Return an object, or a list of objects."""
        found: Object = json.loads(self("get", *words, "--output", "json"))
        return found

    def everything(self) -> str:
        """Return every object of the whole cluster, with all that it has."""
        kinds = self("api-resources", "--verbs", "list", "--output", "name").split()
        return self(
            *("get", ",".join(kinds), "--all-namespaces"),
            *("--output", "json", "--show-managed-fields"),
        )

    def pods(self) -> dict[str, str]:
        """Return the uid of each pod that is ready."""
        return {
            pod["metadata"]["name"]: pod["metadata"]["uid"]
            for pod in self.get("pods")["items"]
            if _is_ready(pod)
        }

    def shares(self) -> Counter[Share]:
        """Count the containers that are ready, by what each was given.

        Sidecars are among them: Kubernetes keeps those with the containers that only start.
        """
        found: Counter[Share] = Counter()
        for pod in filter(_is_ready, self.get("pods")["items"]):
            for container in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]:
                given = container["resources"]
                assert given["requests"] == given["limits"], container["name"]
                found[container["name"], given["limits"]["cpu"], given["limits"]["memory"]] += 1
        return found


def _is_ready(pod: Object) -> bool:
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod["status"].get("conditions", [])
    )
