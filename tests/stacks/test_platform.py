"""stacks/platform.py: what each environment is made of, in which order, how guarded."""

from typing import Any

import pulumi
import pytest

from stacks.outputs import StackOutputs, export, outputs
from stacks.platform import Platform
from stacks.settings import Configuration
from tests.deployment import KUBECONFIG, PASSWORD, Deployment, deploy
from tests.stacks.files import STACKS, changed, config_of, configuration_of, judged
from tests.stacks.rendered import deployed
from tests.stacks.test_bad_cluster_settings import EXISTING_STORE
from tests.stacks.test_bad_stack_files import (
    EXISTING_CLUSTER,
    EXISTING_POSTGRES,
    EXISTING_VAULT,
    GEO_KEY,
)
from tests.stacks.test_network_settings import EXISTING_NETWORK, SUBNET_ID, ZONE_IDS

SERVER = "azure-native:dbforpostgresql:Server"
LOCK = "azure-native:authorization:ManagementLockByScope"
SECRET = "azure-native:keyvault:Secret"
ALERT = "azure-native:monitor:MetricAlert"
SCHEMA = "pulumi-python:dynamic/memory:VectorSchema"

EVERYWHERE = {
    # keys 2, nodes' subnet, disks; 16 secrets of 6 workloads, the writer of one, 2 users of a key
    "authorization:RoleAssignment": 23,
    "compute:DiskEncryptionSet": 1,
    "containerservice:AgentPool": 1,
    "containerservice:ManagedCluster": 1,
    "dbforpostgresql:AdministratorsMicrosoftEntra": 1,
    "dbforpostgresql:Configuration": 21,
    "dbforpostgresql:Database": 2,
    "dbforpostgresql:Server": 1,
    "keyvault:Key": 3,
    "keyvault:Secret": 15,
    "keyvault:Vault": 1,
    "kubernetes:apps/v1:Deployment": 3,
    "kubernetes:apps/v1:StatefulSet": 2,
    "kubernetes:autoscaling/v2:HorizontalPodAutoscaler": 3,
    "kubernetes:batch/v1:CronJob": 2,
    "kubernetes:batch/v1:Job": 1,
    "kubernetes:core/v1:ConfigMap": 6,
    "kubernetes:core/v1:LimitRange": 1,
    "kubernetes:core/v1:Namespace": 1,
    "kubernetes:core/v1:PersistentVolumeClaim": 1,
    "kubernetes:core/v1:ResourceQuota": 1,
    "kubernetes:core/v1:Service": 6,
    "kubernetes:core/v1:ServiceAccount": 6,
    "kubernetes:networking.k8s.io/v1:NetworkPolicy": 8,
    "kubernetes:policy/v1:PodDisruptionBudget": 4,  # none for the one pod of the graph store
    "kubernetes:scheduling.k8s.io/v1:PriorityClass": 1,
    "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass": 6,
    "kubernetes:storage.k8s.io/v1:StorageClass": 1,
    "managedidentity:FederatedIdentityCredential": 6,
    "managedidentity:UserAssignedIdentity": 9,
    "monitor:ActionGroup": 1,
    "monitor:DiagnosticSetting": 3,
    "monitor:MetricAlert": 4,  # the server's 3, the vault's 1
    "network:NetworkSecurityGroup": 2,
    "network:PrivateDnsZoneGroup": 2,
    "network:PrivateEndpoint": 2,
    "network:Subnet": 2,
    "network:VirtualNetwork": 1,
    "operationalinsights:Workspace": 1,
    "privatedns:PrivateZone": 2,
    "privatedns:VirtualNetworkLink": 2,
    "pulumi-python:dynamic/azure:Propagation": 9,
    "pulumi-python:dynamic/memory:VectorSchema": 2,
    "pulumi-python:dynamic/security:ServingCertificate": 2,
    "pulumi:providers:kubernetes": 1,
    "random:index/randomPassword:RandomPassword": 10,
    "random:index/randomString:RandomString": 1,
    "resources:ResourceGroup": 1,
}
FIXED_NUMBERS = {"kubernetes:autoscaling/v2:HorizontalPodAutoscaler": 1}
LOCKED = {
    "authorization:ManagementLockByScope": 3,
    "dbforpostgresql:Configuration": 28,
    "kubernetes:batch/v1:CronJob": 1,  # no memory ends before the customer says when
}
SECOND_REGION = {
    "authorization:ManagementLockByScope": 4,
    "authorization:RoleAssignment": 24,
    "keyvault:Key": 4,
    "keyvault:Vault": 2,
    "managedidentity:UserAssignedIdentity": 10,
    "monitor:DiagnosticSetting": 4,
    "monitor:MetricAlert": 5,
    "network:PrivateDnsZoneGroup": 3,
    "network:PrivateEndpoint": 3,
    "pulumi-python:dynamic/azure:Propagation": 10,
}
DECLARED = {
    "dev": {**EVERYWHERE, **FIXED_NUMBERS},
    "test": {**EVERYWHERE, "dbforpostgresql:Configuration": 22},
    "uat": {**EVERYWHERE, **LOCKED},
    "prod": {**EVERYWHERE, **LOCKED, **SECOND_REGION},
}


def deployed_with(stack: str, changes: dict[str, object]) -> Deployment:
    """Run the program with some settings replaced, and whatever secret they ask for."""
    has = {"has_password": "postgres" in changes, "has_kubeconfig": "cluster" in changes}
    settings = judged(stack, changed(stack, changes), **has)

    def program() -> None:
        password = pulumi.Output.secret(PASSWORD) if has["has_password"] else None
        kubeconfig = pulumi.Output.secret(KUBECONFIG) if has["has_kubeconfig"] else None
        configuration = Configuration(
            settings=settings, existing_admin_password=password, existing_kubeconfig=kubeconfig
        )
        export(Platform(configuration))

    return deploy(program, stack=stack)


@pytest.mark.parametrize("stack", STACKS)
def test_an_environment_declares_this_and_nothing_else(stack: str) -> None:
    assert deployed(stack).counts() == DECLARED[stack]


@pytest.mark.parametrize("stack", STACKS)
def test_no_secret_leaves_the_program_in_clear(stack: str) -> None:
    secrets = (PASSWORD, KUBECONFIG)
    texts = deployed(stack).clear_texts()
    assert [(name, text) for name, text in texts if any(s in text for s in secrets)] == []


@pytest.mark.parametrize("stack", ["dev", "test"])
def test_a_throw_away_stack_can_be_destroyed(stack: str) -> None:
    assert deployed(stack).protected() == set()


GUARDED = (
    "group", "vault", "key", "disk-key", "disks", "server", "zep", "memory", "cluster", "namespace",
    "graph-store-data",
)  # fmt: skip


@pytest.mark.parametrize("stack", ["uat", "prod"])
def test_a_protected_stack_guards_whatever_holds_data_or_keys(stack: str) -> None:
    deployment, name = deployed(stack), f"engram-{stack}"
    assert deployment.protected() >= {f"{name}-{part}" for part in GUARDED} | {name}
    locked = {lock["scope"] for lock in deployment.all(LOCK).values()}
    assert locked >= {f"/mock/{name}-{part}" for part in ("server", "vault", "cluster")}


@pytest.mark.parametrize("stack", STACKS)
def test_the_schema_comes_when_the_server_can_be_reached_by_name(stack: str) -> None:
    name = f"engram-{stack}"
    waited = deployed(stack).after(name)
    assert {f"{name}-server-endpoint", f"{name}-memory", f"{name}-postgres-link"} <= waited


@pytest.mark.parametrize("stack", STACKS)
def test_the_schema_goes_with_the_server_it_was_made_in(stack: str) -> None:
    (server,) = deployed(stack).options(f"engram-{stack}").replace_with
    assert server.endswith(f"::engram-{stack}-server")


@pytest.mark.parametrize("stack", ["uat", "prod"])
def test_a_lock_comes_after_everything_it_covers_and_so_goes_first(stack: str) -> None:
    deployment = deployed(stack)
    locked = {
        lock: args["scope"].removeprefix("/mock/") for lock, args in deployment.all(LOCK).items()
    }
    for lock, scope in locked.items():
        beside = {lock, *deployment.all(ALERT)}  # alerts are not below what they watch
        missed = deployment.below(scope) - beside - deployment.after(lock)
        assert missed == set(), f"{lock} stands when these are deleted"
    grants = deployment.all("azure-native:authorization:RoleAssignment").keys()
    covered = {name for scope in locked.values() for name in deployment.below(scope)}
    cluster = f"engram-{stack}-cluster"
    assert grants - covered == {f"{cluster}-subnet-grant", f"{cluster}-disks-grant"}
    assert deployment.all(SECRET).keys() <= covered


@pytest.mark.parametrize("stack", STACKS)
def test_pods_come_when_what_they_open_with_stands(stack: str) -> None:
    deployment, name = deployed(stack), f"engram-{stack}"
    rules = {f"{name}-{rule}" for rule in ("quota", "limits", "default-deny-traffic")}
    first = {
        "zep": {f"{name}-zep", f"{name}-graphiti-pods", f"{name}-postgres-ca"},
        "memory-service": {name, f"{name}-postgres-ca"},
        "graphiti": {f"{name}-graph-store-pods"},
        "graph-store": {f"{name}-storage"},
        "gateway": {f"{name}-zep-pods"},
    }
    for workload, before in first.items():
        granted = f"{name}-{workload}-grants-known"
        waited = deployment.after(f"{name}-{workload}-pods")
        assert before | rules | {granted} <= waited, workload


def test_production_has_a_second_key_and_identity_in_the_paired_region() -> None:
    deployment = deployed("prod")
    encryption = deployment.one(SERVER)["dataEncryption"]
    assert encryption["geoBackupKeyURI"] != encryption["primaryKeyURI"]
    identities = deployment.one(SERVER)["identity"]["userAssignedIdentities"]
    assert set(identities) == {
        encryption["primaryUserAssignedIdentityId"],
        encryption["geoBackupUserAssignedIdentityId"],
    }
    vaults = deployment.all("azure-native:keyvault:Vault")
    assert vaults["engram-prod-geo-vault"]["location"] == "northeurope"
    known = deployment.all("azure-native:managedidentity:UserAssignedIdentity")
    assert known["engram-prod-postgres-geo-identity"]["location"] == "northeurope"


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_that_can_carry_tags_carries_ours(stack: str) -> None:
    untagged = {
        name
        for name, args in deployed(stack).seen.items()
        if args.typ in TAGGED and args.inputs.get("tags", {}).get("environment") != stack
    }
    assert untagged == set()


TAGGED = {
    f"azure-native:{typ}"
    for typ in (
        "resources:ResourceGroup", "keyvault:Vault", "keyvault:Key", "keyvault:Secret",
        "managedidentity:UserAssignedIdentity", "network:VirtualNetwork",
        "network:NetworkSecurityGroup", "network:PrivateEndpoint", "privatedns:PrivateZone",
        "privatedns:VirtualNetworkLink", "operationalinsights:Workspace", "dbforpostgresql:Server",
    )
}  # fmt: skip


def test_an_existing_server_needs_no_azure_server() -> None:
    deployment = deployed_with("dev", {"postgres": EXISTING_POSTGRES})
    assert not [t for t in deployment.counts() if t.startswith("dbforpostgresql:")]
    schema = deployment.all(SCHEMA)["engram-dev"]
    assert {key: schema[key] for key in ("host", "port", "ca_file")} == {
        key: EXISTING_POSTGRES[key] for key in ("host", "port", "ca_file")
    }
    assert deployment.counts()["keyvault:Secret"] == EVERYWHERE["keyvault:Secret"] - 1
    zones = deployment.all("azure-native:privatedns:PrivateZone").values()
    assert [zone["privateZoneName"] for zone in zones] == ["privatelink.vaultcore.azure.net"]


def test_an_existing_vault_keeps_passwords_and_key_and_no_vault_is_made() -> None:
    deployment = deployed_with("prod", {"key_vault": {**EXISTING_VAULT, "geo_key": GEO_KEY}})
    assert "keyvault:Vault" not in deployment.counts()
    secrets = deployment.all("azure-native:keyvault:Secret").values()
    assert {(s["resourceGroupName"], s["vaultName"]) for s in secrets} == {
        ("rg-customer", "kv-customer")
    }
    encryption = deployment.one(SERVER)["dataEncryption"]
    assert encryption["primaryKeyURI"] == "https://kv-customer.vault.azure.net/keys/engram"
    assert encryption["geoBackupKeyURI"] == "https://kv-customer-geo.vault.azure.net/keys/engram"
    grants = deployment.all("azure-native:authorization:RoleAssignment").values()
    keys = [g["scope"] for g in grants if "/keys/" in g["scope"]]
    assert {scope.rsplit("/", 3)[-3] for scope in keys} == {"kv-customer", "kv-customer-geo"}
    assert len(keys) == 5, "database, its copy, disks, and two users of the fields' own"


def test_an_existing_network_gets_endpoints_and_nothing_else() -> None:
    deployment = deployed_with("prod", {"network": EXISTING_NETWORK})
    made = {typ for typ in deployment.counts() if typ.startswith(("network:", "privatedns:"))}
    assert made == {"network:PrivateEndpoint", "network:PrivateDnsZoneGroup"}
    endpoints = deployment.all("azure-native:network:PrivateEndpoint").values()
    assert {endpoint["subnet"]["id"] for endpoint in endpoints} == {SUBNET_ID}
    zones = {
        name: record["privateDnsZoneConfigs"][0]["privateDnsZoneId"]
        for name, record in deployment.all("azure-native:network:PrivateDnsZoneGroup").items()
    }
    assert zones == {
        "engram-prod-vault-record": ZONE_IDS["key_vault"],
        "engram-prod-geo-vault-record": ZONE_IDS["key_vault"],
        "engram-prod-server-record": ZONE_IDS["postgres"],
    }


@pytest.mark.parametrize("network", [config_of("dev")["engram:settings"]["network"], None])
def test_without_anything_of_ours_to_reach_there_is_no_network(network: object) -> None:
    changes = {
        "postgres": EXISTING_POSTGRES,
        "key_vault": {
            **EXISTING_VAULT,
            "vault_id": str(EXISTING_VAULT["vault_id"]).replace("4", "1"),
        },
        "cluster": EXISTING_CLUSTER,
        "network": network or EXISTING_NETWORK,
    }
    made = deployed_with("dev", changes).counts()
    assert not [typ for typ in made if typ.startswith(("network:", "privatedns:"))]


def test_an_existing_servers_vault_is_locked_all_the_same() -> None:
    deployment = deployed_with("uat", {"postgres": {**EXISTING_POSTGRES, "user_connections": 400}})
    assert set(deployment.all(LOCK)) == {"engram-uat-vault-lock", "engram-uat-cluster-lock"}


def test_an_existing_cluster_gets_the_same_workloads_and_nothing_else() -> None:
    deployment = deployed_with("prod", {"cluster": EXISTING_CLUSTER})
    made, usual = deployment.counts(), deployed("prod").counts()
    assert not [t for t in made if t.startswith(("containerservice:", "compute:"))]
    own = {t: number for t, number in usual.items() if t.startswith("kubernetes:")}
    del own["kubernetes:storage.k8s.io/v1:StorageClass"]
    assert {t: number for t, number in made.items() if t.startswith("kubernetes:")} == own
    provider = deployment.one("pulumi:providers:kubernetes")
    assert provider["kubeconfig"]["value"] == KUBECONFIG
    assert KUBECONFIG not in {text for _, text in deployment.clear_texts()}
    trusts = deployment.all("azure-native:managedidentity:FederatedIdentityCredential").values()
    assert {trust["issuer"] for trust in trusts} == {EXISTING_CLUSTER["oidc_issuer_url"]}
    claim = deployment.one("kubernetes:core/v1:PersistentVolumeClaim")
    assert claim["spec"]["storageClassName"] == EXISTING_CLUSTER["storage_class"]


def test_an_existing_graph_store_gets_no_pod_and_no_secret_of_ours() -> None:
    deployment = deployed_with("dev", {"workloads.graph_store": EXISTING_STORE})
    named = {name for name in deployment.seen if "graph-store" in name}
    assert named == {"engram-dev-graphiti-graph-store-password-grant"}
    grant = deployment.seen["engram-dev-graphiti-graph-store-password-grant"].inputs
    assert grant["scope"].endswith(f"/secrets/{EXISTING_STORE['password_secret']}")


def test_the_exports_are_those_of_the_contract() -> None:
    exported: list[dict[str, Any]] = []

    def program() -> pulumi.Output[None]:
        values = outputs(Platform(configuration_of("dev")))
        return pulumi.Output.unsecret(pulumi.Output.from_input(dict(values))).apply(exported.append)

    deploy(program, stack="dev")
    (known,) = exported
    assert set(known) == set(StackOutputs.__annotations__)
    assert known["postgres"]["fqdn"] == "psql-engram-dev-a1b2c.postgres.database.azure.com"
    assert known["key_vault"]["uri"] == "https://kv-engram-dev-a1b2c.vault.azure.net/"
    assert known["databases"] == ["zep", "memory"]
    assert known["memory"]["table"] == "memory.zep_memory_vectors"
    assert known["memory"]["search_settings"] == {"ivfflat.probes": "3"}
