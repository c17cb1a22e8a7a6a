"""A private server with a customer's key, the memory in it, and Azure's own clients led to it.

Import ``deployed`` in the tests that drill: a local cloud of its own behind a real door, so that
azure-identity and the management and vault SDKs speak to it as they would to Azure.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from azure.keyvault.keys._shared.http_challenge_cache import clear as forget_challenges

from local.cloud import control
from local.cloud.arm import Body, Record
from local.cloud.door import directory
from local.cloud.door.certificates import Certificates
from local.cloud.door.server import Door, Listener
from local.cloud.postgres import supervisor
from local.cloud.postgres.authority import Authority
from local.cloud.postgres.fleet import Fleet
from local.cloud.resources import TYPES
from local.cloud.store import Store
from local.cloud.world import Client, World
from local.paths import OVERRIDE, Paths
from memory.schema.connection import Endpoint
from memory.schema.model import Purpose, memory_schema
from memory.schema.runner import apply
from tests.local.cloud import declared
from tests.local.cloud.conftest import SUBSCRIPTION, TENANT
from tests.memory.passwords import PASSWORDS

ADMIN, PASSWORD = "engramadmin", "Unit-Test-Password-1"
ZONE = "privatelink.postgres.database.azure.com"
SERVERS = "Microsoft.DBforPostgreSQL/flexibleServers"
DIMENSIONS = 3


@dataclass(frozen=True)
class Deployed:
    """What stands, and helpers to look behind everybody's back."""

    world: World
    server: Record

    @property
    def server_id(self) -> str:
        return self.server.arm_id

    @property
    def host(self) -> str:
        return str(self.server.outputs["fullyQualifiedDomainName"])

    def servers(self) -> list[str]:
        return [record.name for record in self.world.of_type(SERVERS)]

    def state(self) -> str:
        record = self.world.require(self.server_id)
        return str(self.world.type_of(record).read(self.world, record)["state"])

    def make(self, token: str, inputs: Body) -> Record:
        return make(self.world, token, inputs)

    def sql(self, *statements: str, purpose: Purpose = "migrator") -> list[tuple[Any, ...]]:
        """Run statements as one of the memory's logins; return the last rows."""
        rows: list[tuple[Any, ...]] = []
        with psycopg.connect(
            host=self.host, dbname="memory", user=f"memory_{purpose}",
            password=PASSWORDS[purpose], sslmode="verify-full", autocommit=True,
        ) as session:  # fmt: skip
            session.execute("SELECT set_config('engram.tenant', '*', false)")
            for statement in statements:
                cursor = session.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows


def make(world: World, token: str, inputs: Body) -> Record:
    """Create a resource as the program would."""
    type_ = next(t for t in TYPES if t.token == f"azure-native:{token}")
    located = {"location": "westeurope", **inputs} if "location" not in inputs else inputs
    return control.create(world, type_, located)


def _furnish(world: World) -> Record:
    make(world, "resources:ResourceGroup", {"resourceGroupName": "rg"})
    identity = make(world, "managedidentity:UserAssignedIdentity", declared.identity())
    make(world, "keyvault:Vault", declared.vault())
    make(world, "keyvault:Key", declared.key())
    grant = declared.assignment(str(identity.outputs["principalId"]))
    make(world, "authorization:RoleAssignment", grant)
    make(world, "network:VirtualNetwork", declared.network())
    make(world, "network:Subnet", declared.subnet())
    zone = make(world, "privatedns:PrivateZone", declared.zone(ZONE))
    make(world, "privatedns:VirtualNetworkLink", declared.link(privateZoneName=ZONE))
    server = make(world, "dbforpostgresql:Server", _server(identity.arm_id))
    link = {"name": "c", "privateLinkServiceId": server.arm_id, "groupIds": ["postgresqlServer"]}
    make(world, "network:PrivateEndpoint", declared.endpoint(privateLinkServiceConnections=[link]))
    make(world, "network:PrivateDnsZoneGroup", declared.zone_group(zone.arm_id))
    parameter = {**declared.RG, "serverName": server.name, "configurationName": "azure.extensions"}
    allowed = "vector,pg_stat_statements"
    make(world, "dbforpostgresql:Configuration", {**parameter, "value": allowed})
    return server


def _server(identity: str) -> Body:
    return {
        **declared.RG,
        "serverName": f"psql-drill-{os.getpid()}",
        "version": "18",
        "administratorLogin": ADMIN,
        "administratorLoginPassword": PASSWORD,
        "sku": {"name": "Standard_B1ms", "tier": "Burstable"},
        "storage": {"storageSizeGB": 32, "autoGrow": "Disabled"},
        "authConfig": {"passwordAuth": "Enabled"},
        "network": {"publicNetworkAccess": "Disabled"},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}},
        "dataEncryption": {
            "type": "AzureKeyVault",
            "primaryKeyURI": declared.KEY_URI,
            "primaryUserAssignedIdentityId": identity,
        },
        "tags": {"environment": "test"},
    }


def _lead_clients(world: World, patch: pytest.MonkeyPatch) -> Listener:
    """Start a door, and let the environment lead every client to it and to the servers."""
    authority = Authority(Paths.current().cloud / "ca").ensure()
    listener = Listener(Door(world, Certificates(authority)), 0)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    known = directory.owner(world)
    url = f"http://127.0.0.1:{listener.server_address[1]}"
    for name, value in {
        "HTTPS_PROXY": url,
        "https_proxy": url,
        "REQUESTS_CA_BUNDLE": str(authority.ca_file),
        "SSL_CERT_FILE": str(authority.ca_file),
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": known.client_id,
        "AZURE_CLIENT_SECRET": known.secret,
        **Fleet.current().endpoint.environment,
        "PGDATABASE": "memory",
        "PGUSER": "memory_app",
        "PGPASSWORD": PASSWORDS["app"],
    }.items():
        patch.setenv(name, value)
    forget_challenges()
    return listener


def _furnish_memory(server: Record, patch: pytest.MonkeyPatch) -> None:
    host = str(server.outputs["fullyQualifiedDomainName"])
    patch.setenv("PGHOST", host)
    with psycopg.connect(
        host=host, user=ADMIN, password=PASSWORD, dbname="postgres",
        sslmode="verify-full", autocommit=True,
    ) as session:  # fmt: skip
        session.execute("CREATE DATABASE memory")
    endpoint = Endpoint(host=host, database="memory", user=ADMIN, password=PASSWORD)
    apply(endpoint, memory_schema(dimensions=DIMENSIONS), passwords=PASSWORDS)


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    """The cloud of a module; whoever breaks it repairs it."""
    folder = Path(tempfile.mkdtemp(prefix="engram-test-"))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ENGRAM_")]:
            patch.delenv(name)
        patch.setenv(OVERRIDE, str(folder))
        store = Store(folder / "cloud")
        world = World(store, TYPES, Client(SUBSCRIPTION, TENANT, "westeurope"))
        try:
            server = _furnish(world)
            listener = _lead_clients(world, patch)
            _furnish_memory(server, patch)
            yield Deployed(world, server)
            listener.shutdown()
            listener.server_close()
        finally:
            for each in Fleet.current().servers():
                each.remove()
            supervisor.stop()
            store.close()
            shutil.rmtree(folder)
