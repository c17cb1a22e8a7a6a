"""components/traffic.py"""

from dataclasses import replace
from typing import Any

import pulumi_kubernetes as k8s
import pytest
from pulumi_kubernetes import meta, networking

from components.traffic import (
    Address,
    Addresses,
    Outside,
    network_paths,
    network_policies,
)
from components.workloads import Workload
from tests.deployment import deploy
from tests.manifests import manifests

ADDRESSES = Addresses(
    zep_database=Address(cidrs=("10.20.0.0/26",), port=5432),
    memory_database=Address(cidrs=("10.20.0.0/26",), port=6432),
    model=Address(cidrs=("203.0.113.0/24",), port=4000),
)
ISSUER = Address(cidrs=("198.51.100.0/24", "192.0.2.0/24"), port=8443)
SIGN_ON = replace(ADDRESSES, issuer=ISSUER)
CACHED = replace(ADDRESSES, dns_cidrs=("169.254.20.10/32", "10.0.0.10/32"))
ENCRYPTED = replace(
    ADDRESSES,
    vault=Address(cidrs=("10.20.0.0/26",), port=443),
    entra=Address(cidrs=("20.190.128.0/18",), port=443),
)
CUSTOMERS = replace(ADDRESSES, graph_store=Address(cidrs=("10.9.0.7/32",), port=7688))

WITHOUT_NAMES = {
    ("clients", "gateway", 8443, "TCP"),
    ("gateway", "zep", 8000, "TCP"),
    ("gateway", "memory-service", 8080, "TCP"),
    ("zep", "graphiti", 8003, "TCP"),
    ("zep", "PostgreSQL", 5432, "TCP"),
    ("memory-service", "PostgreSQL", 6432, "TCP"),
    ("memory-service", "model", 4000, "TCP"),
    ("graphiti", "model", 4000, "TCP"),
    ("memory-operations", "PostgreSQL", 6432, "TCP"),
    ("memory-operations", "zep", 8000, "TCP"),
    ("memory-operations", "graphiti", 8003, "TCP"),
}
OUR_GRAPH = ("graphiti", "graph-store", 7687, "TCP")
THEIR_GRAPH = ("graphiti", "graph store of the customer", 7688, "TCP")
KEYS = ("gateway", "OIDC issuer", 8443, "TCP")
FIELDS = {
    (source, target, 443, "TCP")
    for source in ("memory-service", "memory-operations")
    for target in ("Key Vault", "Entra")
}


def rows(addresses: Addresses) -> set[tuple[str, str, int, str]]:
    return {path.row[:4] for path in network_paths(addresses)}


def policies(addresses: Addresses = SIGN_ON) -> dict[str, Any]:
    """The policies' specs by name, valid and as the API server would receive them."""

    def program() -> None:
        for name, spec in network_policies(network_paths(addresses)).items():
            networking.v1.NetworkPolicy(name, metadata=meta.v1.ObjectMetaArgs(name=name), spec=spec)
        k8s.Provider("cluster", kubeconfig="{}")

    found = manifests(deploy(program), "NetworkPolicy")
    return {name: manifest["spec"] for name, manifest in found.items()}


@pytest.mark.parametrize(
    ("addresses", "added"),
    [
        (ADDRESSES, {OUR_GRAPH}),
        (SIGN_ON, {OUR_GRAPH, KEYS}),
        (CUSTOMERS, {THEIR_GRAPH}),
        (CACHED, {OUR_GRAPH}),
        (ENCRYPTED, {OUR_GRAPH, *FIELDS}),
    ],
)
def test_these_paths_and_no_other(
    addresses: Addresses, added: set[tuple[str, str, int, str]]
) -> None:
    names = {row for row in rows(addresses) if row[1] == "DNS"}
    assert rows(addresses) - names == WITHOUT_NAMES | added
    assert names == {
        (workload.label, "DNS", 53, protocol)
        for workload in Workload
        if workload is not Workload.GRAPH_STORE or addresses is not CUSTOMERS
        for protocol in ("UDP", "TCP")
    }


def test_every_path_says_why() -> None:
    assert all(path.why for path in network_paths(SIGN_ON))


def test_nothing_is_allowed_until_something_allows_it() -> None:
    assert policies()["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_names_are_asked_of_the_clusters_own_servers_and_of_no_other() -> None:
    (rule,) = policies()["dns"]["egress"]
    (peer,) = rule["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "kube-system"
    }
    assert peer["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}
    assert [(port["port"], port["protocol"]) for port in rule["ports"]] == [
        (53, "UDP"),
        (53, "TCP"),
    ]


def test_names_are_asked_of_the_nodes_caches_too_where_there_are_any() -> None:
    (usual,), (rule,) = (policies(given)["dns"]["egress"] for given in (ADDRESSES, CACHED))
    caches = [{"ipBlock": {"cidr": cidr}} for cidr in CACHED.dns_cidrs]
    assert rule == {**usual, "to": [*usual["to"], *caches]}


@pytest.mark.parametrize("workload", Workload)
def test_each_workload_has_one_policy_for_both_ways(workload: Workload) -> None:
    policy = policies()[workload.label]
    assert policy["podSelector"]["matchLabels"] == workload.selector
    assert policy["policyTypes"] == ["Ingress", "Egress"]


def test_a_policy_opens_what_the_table_says_from_both_ends() -> None:
    found = policies()
    (out,) = [rule for rule in found["zep"]["egress"] if "podSelector" in rule["to"][0]]
    into, erasure = found["graphiti"]["ingress"]
    port = [{"port": 8003, "protocol": "TCP"}]
    assert out == {
        "to": [{"podSelector": {"matchLabels": Workload.GRAPHITI.selector}}],
        "ports": port,
    }
    assert into == {
        "from": [{"podSelector": {"matchLabels": Workload.ZEP.selector}}],
        "ports": port,
    }
    assert erasure == {
        "from": [{"podSelector": {"matchLabels": Workload.MEMORY_OPERATIONS.selector}}],
        "ports": port,
    }


def test_clients_are_pods_of_namespaces_that_carry_the_label() -> None:
    (rule,) = policies()["gateway"]["ingress"]
    assert rule["from"] == [
        {"namespaceSelector": {"matchLabels": {"engram.io/memory-client": "true"}}}
    ]


def test_outside_is_reached_at_its_addresses_only() -> None:
    (rule,) = [r for r in policies()["gateway"]["egress"] if r["ports"][0]["port"] == 8443]
    assert rule["to"] == [
        {"ipBlock": {"cidr": "198.51.100.0/24"}},
        {"ipBlock": {"cidr": "192.0.2.0/24"}},
    ]


def test_a_customers_graph_store_needs_no_policy_of_ours() -> None:
    found = policies(CUSTOMERS)
    assert "graph-store" not in found
    assert {"to": [{"ipBlock": {"cidr": "10.9.0.7/32"}}], "ports": [
        {"port": 7688, "protocol": "TCP"}
    ]} in found["graphiti"]["egress"]  # fmt: skip


def test_a_destination_without_addresses_would_be_the_whole_world_and_is_refused() -> None:
    nowhere = replace(ADDRESSES, model=replace(ADDRESSES.model, cidrs=()))
    with pytest.raises(ValueError, match="memory-service calls model on port 4000, but nothing"):
        network_policies(network_paths(nowhere))


def test_the_customers_names_for_what_is_outside_never_meet_ours() -> None:
    assert not {end.label for end in Outside} & {workload.label for workload in Workload}
