"""A namespace to declare workloads in, for the tests of their components."""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.trust import PostgresTrust, PostgresTrustArgs
from components.workloads import PodIdentity, Workspace
from tests.deployment import Deployment
from tests.manifests import manifests


class Stands(pulumi.CustomResource):
    """Stands for something that must be there first."""

    def __init__(self, name: str) -> None:
        super().__init__("test:index:Stands", name)


def workspace() -> Workspace:
    return Workspace(
        provider=k8s.Provider("cluster", kubeconfig="{}"),
        namespace="zep",
        priority_class="memory",
        storage_class="encrypted",
        ready=[Stands("quota")],
        node_selector={"pool": "memory"},
    )


def identity(name: str) -> PodIdentity:
    return PodIdentity(
        service_account=name, secret_class=name, synced_secret=name, ready=[Stands("grant")]
    )


def trust(place: Workspace, root: str = "root") -> PostgresTrust:
    return PostgresTrust("postgres", PostgresTrustArgs(workspace=place, roots=(root,)))


def pod(deployment: Deployment, name: str, kind: str = "Deployment") -> Any:
    """Return the specification of a workload's pods."""
    return manifests(deployment, kind)[name]["spec"]["template"]["spec"]


def environment(container: Any) -> dict[str, Any]:
    """Return the variables of a container: a text, or where the secret is."""
    return {
        entry["name"]: entry.get("value", entry.get("valueFrom", {}).get("secretKeyRef"))
        for entry in container["env"]
    }


def mounts(container: Any) -> dict[str, bool]:
    """Return where a container may look, and whether for reading only."""
    return {m["mountPath"]: m.get("readOnly", False) for m in container["volumeMounts"]}


def assert_hardened(spec: Any) -> None:
    """What Pod Security ``restricted`` asks for, and a read-only root beside it."""
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["priorityClassName"] == "memory"
    assert spec["nodeSelector"] == {"pool": "memory"}
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"] == container["resources"]["requests"]
        volumes = {volume["name"] for volume in spec["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


def assert_placed(deployment: Deployment) -> None:
    """Every object is in the namespace, and goes through its provider."""
    for name, recorded in deployment.seen.items():
        if not recorded.typ.startswith("kubernetes:"):
            continue
        assert recorded.inputs["metadata"]["namespace"] == "zep", name
        assert "::cluster::" in deployment.options(name).provider, name
        assert "quota" in deployment.after(name), name
