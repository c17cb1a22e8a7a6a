"""A wrong cluster, image, workload or model: one line each, with path, value, allowed, remedy."""

from typing import Any

import pytest

from components import node_pools
from stacks.settings import SettingsError
from stacks.settings.rules import cluster as cluster_rules
from stacks.settings.vm_sizes import VM_SIZES, VmSize
from tests.stacks.bad import Bad, named, refused, row
from tests.stacks.files import REMOVED, changed, judged
from tests.stacks.test_bad_stack_files import EXISTING_CLUSTER, EXISTING_POSTGRES
from tests.stacks.test_network_settings import EXISTING_NETWORK

POOL = "cluster.memory_pool"
ZEP = "workloads.zep"
STORE = "workloads.graph_store"
GATEWAY = "workloads.gateway"
SIGN_ON = f"{GATEWAY}.sign_on"
EXISTING_STORE = {
    "kind": "existing",
    "uri": "neo4j+s://graph.customer.example:7687",
    "user": "neo4j",
    "password_secret": "customer-graph-password",
    "cidrs": ["192.168.8.0/28"],
}


def store(**change: object) -> dict[str, object]:
    """The customer's graph store with one value changed."""
    return {**EXISTING_STORE, **change}


NETWORK = [
    row("dev", "network.nodes_subnet", REMOVED, "nothing", "a range for the nodes", "add network"),
    row("dev", "network.nodes_subnet", "10.21.0.0/24", "'10.21.0.0/24'", "a part of 10.20.0.0/16",
        "inside network.address_space"),
    row("dev", "network.nodes_subnet", "10.20.0.0/24", "'10.20.0.0/24'", "apart from 10.20.0.0/26",
        "a range of its own"),
    row("prod", "network.nodes_subnet", "10.50.1.0/28", "'10.50.1.0/28', 16 addresses",
        "17 addresses or more: 12 nodes while both pools are upgraded", "shorter prefix"),
    row("dev", "network.peered_spaces", ["10.20.128.0/17"], "'10.20.0.0/16'",
        "apart from 10.20.128.0/17 (network.peered_spaces)", "remove the peer",
        at="network.address_space"),
    row("dev", "network.peered_spaces", ["10.244.7.0/24"], "'10.244.0.0/16'",
        "apart from 10.244.7.0/24", "choose another", at="cluster.pod_cidr"),
    Bad("dev", {"cluster.service_cidr": "10.30.0.0/16", "cluster.dns_service_ip": "10.30.0.10"},
        "cluster.service_cidr", "'10.30.0.0/16'", "apart from 10.30.0.0/16 (network.peered_spaces)",
        "never connected"),
    row("dev", "cluster.pod_cidr", "10.245.0.0/16", "'10.245.0.0/16'",
        "apart from 10.245.0.0/16 (cluster.service_cidr)", "of its own"),
    row("dev", "cluster.pod_cidr", "10.20.64.0/18", "'10.20.64.0/18'",
        "apart from 10.20.0.0/16 (network.address_space)", "of its own"),
    row("prod", "cluster.pod_cidr", "10.244.0.0/21", "'10.244.0.0/21', a /24 for 8 nodes",
        "a /24 for each of 12 nodes", "e.g. /16"),
    row("dev", "cluster.pod_cidr", "172.30.0.0/16", "'172.30.0.0/16'", "apart from 169.254.0.0/16",
        "AKS keeps these"),
    Bad("dev", {"cluster.service_cidr": "100.64.0.0/12", "cluster.dns_service_ip": "100.64.0.10"},
        "cluster.service_cidr", "'100.64.0.0/12'", "smaller than a /12", "e.g. a /16"),
    row("dev", "cluster.dns_service_ip", "10.244.0.10", "'10.244.0.10'",
        "an address of 10.245.0.0/16", "choose e.g. 10.245.0.10"),
    row("dev", "cluster.dns_service_ip", "10.245.0.1", "'10.245.0.1'", "but its first two",
        "choose e.g. 10.245.0.10"),
    row("dev", "cluster.dns_service_ip", "ten", "'ten'", "an IPv4 address", "four numbers"),
]  # fmt: skip
CLUSTER = [
    row("dev", "cluster.kind", "mine", "'mine'", "'managed', 'existing'", "say which kind"),
    row("dev", "cluster.kubernetes_version", "1.32", "'1.32'", "1.33 or newer", "get-versions"),
    row("dev", "cluster.kubernetes_version", "1.36.3", "'1.36.3'", "without the patch", "az aks"),
    row("dev", f"{POOL}.vm_size", "Standard_D8ds_v9", "'Standard_D8ds_v9'", "ds_v5, ads_v5",
        "e.g. Standard_D8ds_v5"),
    row("dev", "cluster.system_pool.vm_size", "Standard_D2ds_v5", "'Standard_D2ds_v5', 2 vCPUs",
        "4 vCPUs or more", "Standard_D4ds_v5"),
    row("dev", "cluster.node_os_upgrade_channel", "None",
        "'None', with temporary system disks in cluster.system_pool and cluster.memory_pool",
        "'NodeImage' with sizes that have a local disk", "end on an expired key"),
    Bad("dev", {"cluster.node_os_upgrade_channel": "SecurityPatch",
                "cluster.system_pool.vm_size": "Standard_D4s_v5"},
        "cluster.node_os_upgrade_channel", "disks in cluster.memory_pool", "'NodeImage'",
        "sizes without a local disk"),
    row("dev", f"{POOL}.zones", ["1", "4"], "'4'", "'1', '2' or '3'", "choose one",
        at=f"{POOL}.zones.1"),
    row("dev", f"{POOL}.zones", ["1", "1"], "['1', '1']", "each zone once", "once"),
    row("dev", f"{POOL}.zones", "1", "'1'", "a list", "square brackets"),
    row("prod", f"{POOL}.min_count", 2, "2 in 3 zones", "3 or more", "lost already"),
    row("prod", "cluster.system_pool.count", 1, "1 in 3 zones", "3 or more", "fewer zones"),
    row("dev", f"{POOL}.min_count", 4, "3 with a min_count of 4", "4 or more", "raise max_count",
        at=f"{POOL}.max_count"),
    row("dev", "cluster.admin_group_ids", [], "nothing", "a group", "az ad group show"),
    row("dev", "cluster.admin_group_ids", ["admins"], "'admins'", "a GUID", "copy the id",
        at="cluster.admin_group_ids.0"),
    row("dev", "cluster.upgrade_channel", "weekly", "'weekly'", "'patch', 'stable'", "choose one"),
    Bad("prod", {f"{POOL}.max_count": 3, f"{POOL}.vm_size": "Standard_D4ds_v5"}, POOL,
        "3 nodes Standard_D4ds_v5 with 3.36 CPU and 12.81 GiB each for pods",
        "at their maximum, 27 CPU and 51.25 GiB in all", "raise max_count"),
    row("dev", "workloads.memory_service.cpu", 8, "3 nodes Standard_D8ds_v5 with 7.32 CPU",
        "room for all pods", "choose larger nodes", at=POOL),
    Bad("dev", {"azure-native:location": "ukwest", f"{POOL}.zones": []},
        "cluster.system_pool.zones", "1 zones in ukwest", "none in a region", "write []"),
    row("dev", "cluster", {**EXISTING_CLUSTER, "oidc_issuer_url": "http://oidc.example/"},
        "'http://oidc.example/'", "https URL", "nothing travels in clear",
        at="cluster.oidc_issuer_url"),
    row("dev", "cluster", {**EXISTING_CLUSTER, "storage_class": ""}, "''", "1 to 253",
        "kubectl get storageclass", at="cluster.storage_class"),
    row("dev", "cluster", {**EXISTING_CLUSTER, "tier": "Free"}, "unknown key 'tier'",
        "oidc_issuer_url", "remove tier", at="cluster.tier"),
]  # fmt: skip
PRODUCTION = [
    row("uat", f"{POOL}.zones", ["1"], "['1']", "2 zones in uat", "when the pool is made"),
    row("prod", f"{POOL}.zones", ["1", "2"], "['1', '2']", "3 zones in prod", "name more zones"),
    row("prod", "cluster.system_pool.zones", [], "[]", "3 zones in prod", "name more zones"),
    *(
        row(stack, f"cluster.{key}", value, found, f"in {stack}", remedy)
        for stack in ("uat", "prod")
        for key, value, found, remedy in (
            ("tier", "Free", "'Free'", "choose Standard"),
            ("local_accounts", True, "True", "set it to false"),
            ("authorized_ip_ranges", [], "nothing", "offices and of CI"),
            ("host_encryption", False, "False", "when the pools are made"),
        )
    ),
    row("uat", "images.digests.zep", REMOVED, "nothing, here or in stacks/images.yaml",
        "a digest in uat", "imagetools inspect"),
    row("prod", "images.digests.memory_service", None, "nothing, here", "a digest in prod",
        "imagetools inspect"),
    row("prod", f"{ZEP}.replicas", 1, "1", "2 or more in prod", "around a single pod"),
    row("uat", f"{GATEWAY}.replicas", 1, "1", "2 or more in uat", "around a single pod"),
    row("uat", "connections.application.replicas", 1, "1", "2 or more in uat", "single pod"),
]  # fmt: skip
IMAGES = [
    row("dev", "images.digests", {"zep": "sha256:abc"}, "'sha256:abc'", "64 lower-case", "copy it",
        at="images.digests.zep"),
    row("dev", "images.digests", {"neo4j": "x"}, "unknown key 'neo4j'", "zep, pooler", "remove",
        at="images.digests.neo4j"),
    row("dev", "images.registry", "https://contoso.azurecr.io", "'https://", "contoso.azurecr.io",
        "leave out https://"),
    row("dev", "images.registry_id", "contoso.azurecr.io", "'contoso.azurecr.io'",
        "/providers/Microsoft.ContainerRegistry/registries/<name>", "az acr show --query id"),
    row("dev", "images.memory_service", "memory-service", "'memory-service'", ":<tag>", "name reg"),
]  # fmt: skip
CONNECTIONS = [
    row("dev", "connections.application.pool_size", 6,
        "37 (18 for the memory service + 2 for its jobs + 0 for Azure's pooler + 12 for Zep"
        " + 5 for operators)",
        "35 on Standard_B1ms", "smaller", at="connections"),
    row("dev", f"{ZEP}.max_replicas", 4, "38 (15 for the memory service + 2", "35 on Standard",
        "bring the replicas down", at="connections"),
    row("uat", "connections.pooler.default_pool_size", 100,
        "175 for the memory service + 2 for its jobs + 200 for Azure's pooler + 630 for Zep",
        "844 on", "smaller", at="connections"),
    row("uat", "connections.pooler.max_client_connections", 50, "50", "175 or more", "raise it"),
    row("dev", "connections.pooler.max_client_connections", 3, "1, which is 4 connections",
        "3 connections", "lower processors", at=f"{ZEP}.processors"),
    row("dev", "postgres", {**EXISTING_POSTGRES, "user_connections": 33}, "34 (15 for", "33 on db.",
        "smaller", at="connections"),
]  # fmt: skip
WORKLOADS = [
    row("test", f"{ZEP}.replicas", 5, "4 with 5 replicas", "5 or more", "raise max_replicas",
        at=f"{ZEP}.max_replicas"),
    row("test", "connections.application.replicas", 4, "3 with 4 replicas", "4 or more", "raise",
        at="workloads.memory_service.max_replicas"),
    row("test", f"{GATEWAY}.replicas", 4, "3 with 4", "4 or more", "raise max_replicas",
        at=f"{GATEWAY}.max_replicas"),
    row("dev", f"{ZEP}.cpu", "500m", "'500m'", "a number", "without quotes"),
    row("dev", f"{ZEP}.cpu", 0.0005, "0.0005", "0.01 or more", "raise it"),
    row("dev", f"{ZEP}.cpu", 0.1234, "0.1234", "steps of 0.001", "thousandths"),
    row("dev", f"{ZEP}.memory_gib", 0.3, "0.3", "steps of 1/1024", "whole MiB"),
    row("dev", f"{ZEP}.pooler", REMOVED, "nothing", "an object", "add workloads.zep.pooler"),
    row("dev", f"{STORE}.page_cache_gib", 1.5, "2 for a heap of 0.5 and a page cache of 1.5",
        "2.5 or more", "lower heap_gib", at=f"{STORE}.memory_gib"),
    row("dev", f"{STORE}.storage_gib", 4, "4", "8 or more", "at least 8"),
    row("dev", f"{STORE}.kind", "falkordb", "'falkordb'", "'managed', 'existing'", "which kind"),
    row("dev", STORE, store(uri="neo4j://graph.example:7687"), "'neo4j://", "neo4j+s://", "+s",
        at=f"{STORE}.uri"),
    row("dev", STORE, store(password_secret="hunter2!"), "not shown", "name of a secret", "never",
        at=f"{STORE}.password_secret"),
    row("dev", STORE, store(cidrs=[]), "[]", "one range or more", "name the", at=f"{STORE}.cidrs"),
    row("dev", STORE, store(cidrs=["0.0.0.0/0"]), "'0.0.0.0/0'", "/8 or longer", "whole internet",
        at=f"{STORE}.cidrs.0"),
    row("dev", f"{GATEWAY}.certificate", {"kind": "own"}, "'own'", "'issued', 'key_vault'",
        "say which kind", at=f"{GATEWAY}.certificate.kind"),
    row("dev", f"{GATEWAY}.certificate.valid_days", 900, "900", "30 to 397 days",
        "each passwords.renewed_on renews it"),
    row("dev", f"{GATEWAY}.certificate.valid_days", 398, "398", "30 to 397 days",
        "lower it to 397"),
    row("dev", f"{GATEWAY}.host_names", ["Memory"], "'Memory'", "lower-case DNS", "address cannot",
        at=f"{GATEWAY}.host_names.0"),
    row("dev", f"{SIGN_ON}.issuer", "http://sts.example", "'http://", "https URL", "in clear"),
    row("dev", f"{SIGN_ON}.audience", REMOVED, "nothing", "text", "add workloads.gateway.sign_on"),
    row("dev", f"{SIGN_ON}.roles", {"Reader": "readonly"}, "'readonly'", "'read', 'write'",
        "choose one", at=f"{SIGN_ON}.roles.Reader"),
    row("dev", f"{SIGN_ON}.roles", {}, "an object with no keys", "1 or more", "add one"),
    row("dev", "model.endpoint", "http://model.example/v1", "'http://", "https URL", "in clear"),
    row("dev", "model.embedding_model", "text-embedding-ada-002x y", "x y'", "name of a model",
        "deployment's name"),
    Bad("test", {"memory.dimensions": 1024, "model.embedding_model": "text-embedding-ada-002"},
        "model.embedding_model", "'text-embedding-ada-002' for 1024", "makes 1536",
        "another model"),
    row("test", "memory.dimensions", 1600, "'text-embedding-3-small' for 1600", "makes 1 to 1536",
        "another model", at="model.embedding_model"),
    row("dev", "model.api_key", "hunter2", "not shown", "no secret in clear", "all others"),
]  # fmt: skip
ROWS = [*NETWORK, *CLUSTER, *PRODUCTION, *IMAGES, *CONNECTIONS, *WORKLOADS]


@pytest.mark.parametrize("bad", ROWS, ids=named(ROWS))
def test_a_mistake_is_one_line_with_path_value_allowed_and_remedy(bad: Bad) -> None:
    refused(bad)


@pytest.mark.parametrize(
    ("missing", "said"),
    [("nodes_subnet_id", "with cluster.kind 'managed'"), ("endpoints_subnet", "postgres.kind")],
)
def test_a_foreign_network_names_what_the_cluster_needs_of_it(missing: str, said: str) -> None:
    network = {key: value for key, value in EXISTING_NETWORK.items() if key != missing}
    with pytest.raises(SettingsError, match=rf"network.{missing}: found nothing.*{said}"):
        judged("dev", changed("dev", {"network": network}))


def test_a_size_that_cannot_encrypt_on_the_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VM_SIZES, "Standard_D8ds_v5", VmSize(8, 32, host_encryption=False))
    with pytest.raises(SettingsError, match=rf"{POOL}.vm_size: found .*a size that encrypts"):
        judged("dev", changed("dev", {}))
    assert judged("dev", changed("dev", {"cluster.host_encryption": False})).cluster


def test_the_rule_of_temporary_disks_speaks_of_the_disk_that_is_made() -> None:
    assert cluster_rules.OS_DISK_GIB == node_pools.OS_DISK_GIB


ALLOWED: list[tuple[str, dict[str, Any]]] = [
    ("the customer's cluster", {"cluster": EXISTING_CLUSTER, "network.nodes_subnet": REMOVED}),
    ("labels for the nodes", {"cluster": {**EXISTING_CLUSTER, "node_selector": {"pool": "ai"}}}),
    ("the customer's graph store", {STORE: EXISTING_STORE}),
    ("no single sign-on", {SIGN_ON: REMOVED}),
    ("the customer's certificate", {f"{GATEWAY}.certificate": {
        "kind": "key_vault", "name": "memory-gateway"}}),
    ("a mirror with a folder", {"images.registry": "contoso.azurecr.io/mirror"}),
    ("a registry of another subscription", {"images.registry_id":
        "/subscriptions/11111111-0000-0000-0000-000000000001/resourceGroups/images"
        "/providers/Microsoft.ContainerRegistry/registries/contoso"}),
    ("a DNS cache on the nodes", {
        "cluster": {**EXISTING_CLUSTER, "dns_cidrs": ["169.254.20.10/32"]}}),
    ("a model on the premises", {
        "model.key_secret": "customers-model-key", "model.ca_file": "certs/customer.pem"}),
    ("an issuer on the premises", {f"{SIGN_ON}.ca_file": "certs/customer.pem"}),
    ("a certificate for as long as it is believed", {f"{GATEWAY}.certificate.valid_days": 397}),
    ("any image channel without temporary disks", {
        "cluster.node_os_upgrade_channel": "SecurityPatch", f"{POOL}.vm_size": "Standard_D8s_v5",
        "cluster.system_pool.vm_size": "Standard_D4s_v5"}),
    ("no zones where there are none", {
        "azure-native:location": "ukwest", f"{POOL}.zones": [], "cluster.system_pool.zones": []}),
]  # fmt: skip


@pytest.mark.parametrize("changes", [c for _, c in ALLOWED], ids=[name for name, _ in ALLOWED])
def test_what_a_customer_may_bring_is_taken(changes: dict[str, Any]) -> None:
    theirs = changes.get("cluster", {}).get("kind") == "existing"
    assert judged("dev", changed("dev", changes), has_kubeconfig=theirs).cluster


def test_a_production_in_the_customers_cluster_keeps_its_other_promises() -> None:
    changes = {"cluster": EXISTING_CLUSTER, f"{ZEP}.replicas": 1, "images.digests.zep": REMOVED}
    with pytest.raises(SettingsError, match="has 2 mistakes") as caught:
        judged("prod", changed("prod", changes), has_kubeconfig=True)
    assert [m.path for m in caught.value.mistakes] == ["images.digests.zep", f"{ZEP}.replicas"]
