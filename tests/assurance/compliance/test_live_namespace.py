"""The checks of the cluster against a real API server, and the gateway's own configuration."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes.config import kube_config

from assurance.cluster.objects import Snapshot
from assurance.compliance import namespace as live
from assurance.compliance.checks import CHECKS
from assurance.compliance.checks.cluster import POLICY
from assurance.compliance.model import Observation, Outcome
from assurance.policies.model import Resource, Stack
from local.cloud.cluster.cluster import Cluster
from tests.assurance.compliance.truths import AT, clean
from tests.stacks.rendered import snapshot

POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
DENY = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
ALLOW = {
    "podSelector": {"matchLabels": {"app": "zep"}},
    "policyTypes": ["Ingress"],
    "ingress": [{"ports": [{"port": 8000}]}],
}


def policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


def declared(**specs: dict[str, Any]) -> Stack:
    resources = tuple(
        Resource(type=POLICY, name=name, urn=f"{POLICY}::{name}", raw=policy(name, spec))
        for name, spec in specs.items()
    )
    return Stack(resources=resources, environment="dev")


@pytest.fixture
def reached(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(cluster.access.kubeconfig, encoding="utf-8")
    # The client reads KUBECONFIG when it is imported.
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(file))


def observe(namespace: str, stack: Stack, check: str) -> Observation:
    truths = replace(clean("dev"), declared=stack, cluster=live.read(namespace))
    return CHECKS[check].observe(truths, AT)


@pytest.mark.slow
@pytest.mark.usefixtures("reached")
def test_a_policy_that_is_removed_added_or_widened_by_hand_is_found(
    cluster: Cluster, namespace: str
) -> None:
    wanted = declared(deny=DENY, zep=ALLOW)
    place = POLICIES.format(namespace)
    for name, spec in (("deny", DENY), ("zep", ALLOW)):
        cluster.api.create(place, policy(name, spec))
    seen = observe(namespace, wanted, "cluster-network-policies")
    assert (seen.outcome, seen.found) == (Outcome.HOLDS, "2 NetworkPolicies, each as declared")

    cluster.api.delete(f"{place}/deny")
    cluster.api.create(place, policy("mine", {"podSelector": {}, "ingress": [{}]}))
    cluster.api.merge(f"{place}/zep", {"spec": {"ingress": [{}]}})
    seen = observe(namespace, wanted, "cluster-network-policies")
    assert seen.outcome is Outcome.FAILS
    assert seen.found == "deny is missing; mine is not of the program; zep is not as declared"


@pytest.mark.slow
@pytest.mark.usefixtures("reached")
def test_a_namespace_that_would_let_anything_in_is_found(cluster: Cluster, namespace: str) -> None:
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    cluster.api.merge(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels}})
    assert observe(namespace, declared(), "cluster-pod-security").outcome is Outcome.HOLDS
    weaker = {"pod-security.kubernetes.io/enforce": "privileged"}
    cluster.api.merge(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": weaker}})
    seen = observe(namespace, declared(), "cluster-pod-security")
    assert (seen.outcome, "enforce privileged" in seen.found) == (Outcome.FAILS, True)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_programs_own_gateway_is_read(stack: str) -> None:
    found = {each["name"]: each for each in live.listeners(snapshot(stack))}
    entrance = found["gateway/entrance"]
    assert (entrance["oldest"], entrance["logged"]) == (["TLSv1_3"], True)
    assert {"zep", "memory-service"} <= set(entrance["to"])
    assert found["gateway/status"]["to"] == ["admin"]


def test_a_listener_that_says_nothing_of_tls_speaks_envoys_default() -> None:
    chains = [{"filters": []}, {"transport_socket": {"typed_config": {}}}]
    listener = {
        "name": "entrance",
        "address": {"socket_address": {"port_value": 8443}},
        "filter_chains": chains,
    }
    data = {"envoy.json": json.dumps({"static_resources": {"listeners": [listener]}}), "x": "{"}
    map_ = {"kind": "ConfigMap", "metadata": {"name": "gateway"}, "data": data}
    (found,) = live.listeners(Snapshot.of([map_]))
    assert (found["oldest"], found["logged"]) == (["TLSv1_2", "plain"], False)
