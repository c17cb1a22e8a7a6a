"""stacks/platform.py: what each environment is made of, in which order, how guarded."""

from functools import cache
from typing import Any

import pulumi
import pytest

from stacks.outputs import StackOutputs, export, outputs
from stacks.platform import Platform
from stacks.settings import Configuration
from tests.deployment import PASSWORD, Deployment, deploy
from tests.stacks.files import STACKS, changed, config_of, configuration_of, judged
from tests.stacks.test_bad_stack_files import EXISTING_POSTGRES, EXISTING_VAULT, GEO_KEY
from tests.stacks.test_network_settings import EXISTING_NETWORK, SUBNET_ID, ZONE_IDS

SERVER = "azure-native:dbforpostgresql:Server"
LOCK = "azure-native:authorization:ManagementLockByScope"
SCHEMA = "pulumi-python:dynamic/memory:VectorSchema"

EVERYWHERE = {
    "authorization:RoleAssignment": 1,
    "dbforpostgresql:AdministratorsMicrosoftEntra": 1,
    "dbforpostgresql:Configuration": 17,
    "dbforpostgresql:Database": 2,
    "dbforpostgresql:Server": 1,
    "keyvault:Key": 1,
    "keyvault:Secret": 4,
    "keyvault:Vault": 1,
    "managedidentity:UserAssignedIdentity": 1,
    "monitor:DiagnosticSetting": 2,
    "network:NetworkSecurityGroup": 1,
    "network:PrivateDnsZoneGroup": 2,
    "network:PrivateEndpoint": 2,
    "network:Subnet": 1,
    "network:VirtualNetwork": 1,
    "operationalinsights:Workspace": 1,
    "privatedns:PrivateZone": 2,
    "privatedns:VirtualNetworkLink": 2,
    "pulumi-python:dynamic/azure:Propagation": 1,
    "pulumi-python:dynamic/memory:VectorSchema": 1,
    "random:index/randomPassword:RandomPassword": 4,
    "random:index/randomString:RandomString": 1,
    "resources:ResourceGroup": 1,
}
LOCKED = {"authorization:ManagementLockByScope": 2, "dbforpostgresql:Configuration": 24}
SECOND_REGION = {
    "authorization:ManagementLockByScope": 3,
    "authorization:RoleAssignment": 2,
    "keyvault:Key": 2,
    "keyvault:Vault": 2,
    "managedidentity:UserAssignedIdentity": 2,
    "monitor:DiagnosticSetting": 3,
    "network:PrivateDnsZoneGroup": 3,
    "network:PrivateEndpoint": 3,
    "pulumi-python:dynamic/azure:Propagation": 2,
}
DECLARED = {
    "dev": EVERYWHERE,
    "test": {**EVERYWHERE, "dbforpostgresql:Configuration": 18},
    "uat": {**EVERYWHERE, **LOCKED},
    "prod": {**EVERYWHERE, **LOCKED, **SECOND_REGION},
}


@cache
def deployed(stack: str) -> Deployment:
    configuration = configuration_of(stack)
    return deploy(lambda: export(Platform(configuration)), stack=stack)


def deployed_with(stack: str, changes: dict[str, object]) -> Deployment:
    existing = "postgres" in changes
    settings = judged(stack, changed(stack, changes), has_password=existing)

    def program() -> None:
        password = pulumi.Output.secret(PASSWORD) if existing else None
        export(Platform(Configuration(settings=settings, existing_admin_password=password)))

    return deploy(program, stack=stack)


@pytest.mark.parametrize("stack", STACKS)
def test_an_environment_declares_this_and_nothing_else(stack: str) -> None:
    assert deployed(stack).counts() == DECLARED[stack]


@pytest.mark.parametrize("stack", STACKS)
def test_no_secret_leaves_the_program_in_clear(stack: str) -> None:
    clear = [(name, text) for name, text in deployed(stack).clear_texts() if PASSWORD in text]
    assert clear == []


@pytest.mark.parametrize("stack", ["dev", "test"])
def test_a_throw_away_stack_can_be_destroyed(stack: str) -> None:
    assert deployed(stack).protected() == set()


@pytest.mark.parametrize("stack", ["uat", "prod"])
def test_a_protected_stack_guards_whatever_holds_data_or_keys(stack: str) -> None:
    deployment, name = deployed(stack), f"engram-{stack}"
    guarded = ("group", "vault", "key", "server", "zep", "memory")
    assert deployment.protected() >= {f"{name}-{part}" for part in guarded} | {name}
    locked = {lock["scope"] for lock in deployment.all(LOCK).values()}
    assert locked >= {f"/mock/{name}-server", f"/mock/{name}-vault"}


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
        missed = deployment.below(scope) - {lock} - deployment.after(lock)
        assert missed == set(), f"{lock} stands when these are deleted"
    grants = deployment.all("azure-native:authorization:RoleAssignment").keys()
    covered = {name for scope in locked.values() for name in deployment.below(scope)}
    assert grants <= covered


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
    schema = deployment.one(SCHEMA)
    assert {key: schema[key] for key in ("host", "port", "ca_file")} == {
        key: EXISTING_POSTGRES[key] for key in ("host", "port", "ca_file")
    }
    assert deployment.counts()["keyvault:Secret"] == 3
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
    assert {g["scope"].rsplit("/", 3)[-3] for g in grants} == {"kv-customer", "kv-customer-geo"}


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
        "key_vault": {**EXISTING_VAULT, "vault_id": EXISTING_VAULT["vault_id"].replace("4", "1")},
        "network": network or EXISTING_NETWORK,
    }
    made = deployed_with("dev", changes).counts()
    assert not [typ for typ in made if typ.startswith(("network:", "privatedns:"))]


def test_an_existing_servers_vault_is_locked_all_the_same() -> None:
    deployment = deployed_with("uat", {"postgres": EXISTING_POSTGRES})
    assert set(deployment.all(LOCK)) == {"engram-uat-vault-lock"}


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
