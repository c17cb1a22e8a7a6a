"""A local cloud of its own, with a vault, a key, an identity and a server that needs them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.cloud import control, keyring
from local.cloud.arm import Body, Record
from local.cloud.postgres import supervisor
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.server import Server
from local.cloud.resources.configuration import Configuration
from local.cloud.resources.database import Database
from local.cloud.resources.entra_administrator import EntraAdministrator
from local.cloud.resources.firewall_rule import FirewallRule
from local.cloud.resources.flexible_server import FlexibleServer
from local.cloud.resources.private_zone import LINK
from local.cloud.resources.reachability import ZONE
from local.cloud.resources.subnet import PRIVATE_ENDPOINT
from local.cloud.store import Store
from local.cloud.world import IDENTITY, ROLE_ASSIGNMENT, World
from local.paths import OVERRIDE
from tests.postgres import database, fleet, postgres_server

__all__ = ["database", "fleet", "postgres_server"]

SERVER_TYPE = FlexibleServer()
CONFIGURATION_TYPE = Configuration()
DATABASE_TYPE = Database()
ENTRA_TYPE = EntraAdministrator()
FIREWALL_TYPE = FirewallRule()
TYPES = (SERVER_TYPE, CONFIGURATION_TYPE, DATABASE_TYPE, ENTRA_TYPE, FIREWALL_TYPE)

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg"
VAULT_ID = f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv-unit"
KEY_ID = f"{VAULT_ID}/keys/cmk"
KEY_URI = "https://kv-unit.vault.azure.net/keys/cmk"
IDENTITY_ID = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-unit"
ENDPOINT_ID = f"{GROUP}/providers/Microsoft.Network/privateEndpoints/pe-unit"
ZONE_ID = f"{GROUP}/providers/Microsoft.Network/privateDnsZones/{ZONE}"
GRANT_ID = f"{VAULT_ID}/providers/Microsoft.Authorization/roleAssignments/grant"
PRINCIPAL = "11111111-0000-4000-8000-000000000001"
ENCRYPTION_USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
PASSWORD = "Unit-Test-Password-1"
ADMIN = "engramadmin"
WINDOW = {"customWindow": "Enabled", "dayOfWeek": 6, "startHour": 2, "startMinute": 0}


def server_inputs(name: str, **changed: Any) -> Body:
    """Return the inputs of a small server with a customer-managed key."""
    return {
        "resourceGroupName": "rg",
        "serverName": name,
        "location": "westeurope",
        "version": "18",
        "administratorLogin": ADMIN,
        "administratorLoginPassword": PASSWORD,
        "sku": {"name": "Standard_B1ms", "tier": "Burstable"},
        "storage": {"storageSizeGB": 32, "autoGrow": "Disabled"},
        "authConfig": {"passwordAuth": "Enabled", "activeDirectoryAuth": "Enabled"},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY_ID: {}}},
        "dataEncryption": {
            "type": "AzureKeyVault",
            "primaryKeyURI": KEY_URI,
            "primaryUserAssignedIdentityId": IDENTITY_ID,
        },
        **changed,
    }


@dataclass(frozen=True)
class Cloud:
    """A world with everything that a server with a customer-managed key needs."""

    world: World

    def furnish(self) -> None:
        """Put group, identity, vault, key and grant in place."""
        self._put(GROUP, "Microsoft.Resources/resourceGroups", {})
        self.put_identity()
        self.put_vault(enablePurgeProtection=True)
        self._put(KEY_ID, keyring.KEY, {"keyUri": KEY_URI, "kty": "RSA"})
        self.rotate()
        self.grant()

    def _put(self, arm_id: str, arm_type: str, outputs: Body) -> None:
        self.world.put(Record(arm_id, arm_type, {}, outputs))

    def put_vault(self, **properties: Any) -> None:
        always = {"enableRbacAuthorization": True, "enableSoftDelete": True}
        outputs = {"location": "West Europe", "properties": {**always, **properties}}
        self._put(VAULT_ID, keyring.VAULT, outputs)

    def put_identity(self, principal: str = PRINCIPAL, suffix: str = "") -> None:
        outputs = {"principalId": principal, "clientId": "client"}
        self._put(IDENTITY_ID + suffix, IDENTITY, outputs)

    def grant(self, principal: str = PRINCIPAL, suffix: str = "") -> None:
        role = f"/providers/Microsoft.Authorization/roleDefinitions/{ENCRYPTION_USER}"
        outputs = {"scope": KEY_ID, "principalId": principal, "roleDefinitionId": role}
        self._put(GRANT_ID + suffix, ROLE_ASSIGNMENT, outputs)

    def revoke(self) -> None:
        self.world.delete(GRANT_ID)

    def rotate(self) -> str:
        """Make a new version of the key; return its URI."""
        versions = self.world.private(KEY_ID).get("versions", [])
        fresh = keyring.new_version("RSA", 2048, None, {"enabled": True})
        self.world.set_private(KEY_ID, {"versions": [*versions, fresh]})
        return f"{KEY_URI}/{fresh['version']}"

    def enable_key(self, *, enabled: bool) -> None:
        versions = self.world.private(KEY_ID)["versions"]
        changed = [{**version, "enabled": enabled} for version in versions]
        self.world.set_private(KEY_ID, {"versions": changed})

    def create_server(self, name: str, **changed: Any) -> Record:
        return control.create(self.world, SERVER_TYPE, server_inputs(name, **changed))

    def connect_privately(self, server: Record) -> None:
        """Put a private endpoint, its record and the zone's link in place."""
        connection = {
            "privateLinkServiceId": server.arm_id,
            "privateLinkServiceConnectionState": {"status": "Approved"},
        }
        self._put(ENDPOINT_ID, PRIVATE_ENDPOINT, {"privateLinkServiceConnections": [connection]})
        configs = {"privateDnsZoneConfigs": [{"privateDnsZoneId": ZONE_ID}]}
        self._put(f"{ENDPOINT_ID}/privateDnsZoneGroups/default", "a zone group", configs)
        self._put(f"{ZONE_ID}/virtualNetworkLinks/link", LINK, {})

    def state(self, record: Record) -> Body:
        """Return what a GET of the server answers."""
        return SERVER_TYPE.read(self.world, self.world.require(record.arm_id))

    def process(self, record: Record) -> Server:
        return Fleet.current().server(record.name)

    def set_parameter(self, server: Record, name: str, value: str) -> Record:
        inputs = {"resourceGroupName": "rg", "serverName": server.name, "configurationName": name}
        return control.create(self.world, CONFIGURATION_TYPE, {**inputs, "value": value})

    def connect(self, server: Record, dbname: str = "postgres") -> psycopg.Connection:
        """Connect as the administrator, as the product does."""
        endpoint = Fleet.current().endpoint
        return psycopg.connect(
            host=server.outputs["fullyQualifiedDomainName"],
            hostaddr=endpoint.host_address,
            port=endpoint.port,
            sslmode="verify-full",
            sslrootcert=str(endpoint.ca_file),
            user=ADMIN,
            password=PASSWORD,
            dbname=dbname,
            autocommit=True,
        )


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A cloud without servers, in folders of its own."""
    folder = Path(tempfile.mkdtemp(prefix="engram-test-"))
    folder.chmod(0o755)
    before = os.environ.get(OVERRIDE)
    os.environ[OVERRIDE] = str(folder)
    store = Store(folder / "cloud")
    made = Cloud(World(store, TYPES))
    made.furnish()
    yield made
    for server in Fleet.current().servers():
        server.remove()
    supervisor.stop()
    store.close()
    shutil.rmtree(folder)
    if before is None:
        del os.environ[OVERRIDE]
    else:
        os.environ[OVERRIDE] = before


@pytest.fixture(scope="module")
def record(cloud: Cloud) -> Record:
    """The server of a module; whoever breaks it repairs it."""
    return cloud.create_server(f"psql-unit-{os.getpid()}", maintenanceWindow=WINDOW)
