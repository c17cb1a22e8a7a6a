"""One environment, component by component, in the order in which each needs the last.

This module wires; it declares nothing itself.  What is chosen here is chosen by the kind of a
setting (a server of ours, or one that exists), never by the name of an environment.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import dbforpostgresql as pg

from components.foundation import Foundation, FoundationArgs
from components.key_user import KeyUser, KeyUserArgs
from components.key_vault import (
    KeyReference,
    KeyRotation,
    KeyVault,
    KeyVaultArgs,
    VaultReference,
    existing_key,
)
from components.network import Network, NetworkArgs
from components.passwords import Passwords, PasswordsArgs
from components.placement import Placement
from components.postgres import PORT, Encryption, Postgres, PostgresArgs
from components.private_endpoint import Entrance, PrivateService
from components.vector_schema import VectorSchema, VectorSchemaArgs
from memory.schema.model import DesiredSchema
from stacks import azure_terms
from stacks.memory_terms import desired_schema
from stacks.settings import Configuration
from stacks.settings.model import (
    ExistingNetwork,
    ExistingPostgres,
    ManagedKeyVault,
    ManagedNetwork,
    ManagedPostgres,
)

ZEP_DATABASE = "zep"
"""Zep's own: it migrates and vacuums all of it."""
POOLER_PORT = 6432


@dataclass(frozen=True, kw_only=True)
class Vault:
    """Where passwords go, and the key of the database; ours or the customer's."""

    vault: VaultReference
    key: KeyReference
    made: KeyVault | None
    """The vault, where it is ours."""


@dataclass(frozen=True, kw_only=True)
class DatabaseServer:
    """Where the schema goes; ours or the customer's."""

    id: pulumi.Output[str] | None
    name: pulumi.Output[str]
    fqdn: pulumi.Output[str]
    port: int
    ca_file: str | None
    admin_login: str
    admin_password: pulumi.Output[str]
    version: int | None
    sku: str | None
    ready: list[pulumi.Resource]
    """What must stand before a connection can succeed."""
    resource: pulumi.Resource | None
    """The server, where it is ours: a new one is empty, under whatever name."""


class Platform:
    """Everything of one stack, for ``outputs`` to read."""

    def __init__(self, configuration: Configuration) -> None:
        self.settings = configuration.settings
        self.name = f"{azure_terms.PRODUCT}-{self.settings.environment}"
        self.desired: DesiredSchema = desired_schema(self.settings.memory)
        self.foundation = self._foundation()
        self.entrances = self._entrances()
        self._key_users: list[KeyUser] = []
        self._made_vaults: list[KeyVault] = []
        self.vault = self._vault()
        self.passwords = self._passwords()
        self.server = self._server(configuration)
        self.schema = self._schema()
        if self.settings.protected:
            self._lock_vaults()

    def _placement(self, location: str | None = None) -> Placement:
        return Placement(
            resource_group_name=self.foundation.resource_group_name,
            location=location or self.settings.azure.location,
            tags=azure_terms.tags(self.settings),
        )

    def _foundation(self) -> Foundation:
        return Foundation(
            self.name,
            FoundationArgs(
                location=self.settings.azure.location,
                tags=azure_terms.tags(self.settings),
                log_retention_days=self.settings.log_retention_days,
                protected=self.settings.protected,
            ),
        )

    def _entrances(self) -> dict[PrivateService, Entrance]:
        """Return where our services get an address; without one, there is no network."""
        ports = self._ports()
        network = self.settings.network
        if not ports:
            return {}
        if isinstance(network, ManagedNetwork):
            return self._managed_network(network, ports).entrances
        return {service: self._existing_entrance(network, service) for service in ports}

    def _ports(self) -> dict[PrivateService, tuple[int, ...]]:
        postgres = self.settings.postgres
        ports: dict[PrivateService, tuple[int, ...]] = {}
        if isinstance(self.settings.key_vault, ManagedKeyVault):
            ports[PrivateService.KEY_VAULT] = (443,)
        if isinstance(postgres, ManagedPostgres):
            pooled = (PORT, POOLER_PORT) if postgres.built_in_pooler else (PORT,)
            ports[PrivateService.POSTGRES] = pooled
        return ports

    def _managed_network(
        self, network: ManagedNetwork, ports: dict[PrivateService, tuple[int, ...]]
    ) -> Network:
        return Network(
            self.name,
            NetworkArgs(
                placement=self._placement(),
                address_space=str(network.address_space),
                endpoints_subnet=str(network.endpoints_subnet),
                ports=ports,
            ),
        )

    def _existing_entrance(self, network: ExistingNetwork, service: PrivateService) -> Entrance:
        zones = network.private_dns_zone_ids
        zone_id = zones.postgres if service is PrivateService.POSTGRES else zones.key_vault
        if zone_id is None:
            raise AssertionError("the settings refuse a service of ours without its zone")
        return Entrance(
            placement=self._placement(), subnet_id=network.endpoints_subnet_id, zone_id=zone_id
        )

    def _vault(self) -> Vault:
        key_vault = self.settings.key_vault
        if isinstance(key_vault, ManagedKeyVault):
            made = self._managed_vault(self.name, key_vault, self._placement())
            return Vault(vault=made.vault, key=made.key, made=made)
        vault, key = existing_key(key_vault.vault_id, key_vault.key_name)
        return Vault(vault=vault, key=key, made=None)

    def _managed_vault(
        self, name: str, key_vault: ManagedKeyVault, placement: Placement
    ) -> KeyVault:
        vault = KeyVault(
            name,
            KeyVaultArgs(
                placement=placement,
                tenant_id=self.settings.azure.tenant_id,
                suffix=self.foundation.suffix,
                soft_delete_retention_days=key_vault.soft_delete_retention_days,
                hsm_backed=key_vault.hsm_backed,
                rotation=KeyRotation(**key_vault.key_rotation.model_dump()),
                workspace_id=self.foundation.workspace_id,
                entrance=self.entrances[PrivateService.KEY_VAULT],
                protected=self.settings.protected,
            ),
        )
        self._made_vaults.append(vault)
        return vault

    def _passwords(self) -> Passwords:
        logins = [role.name for role in self.desired.roles]
        if isinstance(self.settings.postgres, ManagedPostgres):
            logins.append(self.settings.postgres.admin_login)
        return Passwords(
            self.name,
            PasswordsArgs(
                vault=self.vault.vault,
                vault_resource=self.vault.made.resource if self.vault.made else None,
                suffix=self.foundation.suffix,
                logins=logins,
                renewed_on=self.settings.passwords.renewed_on,
                valid_days=self.settings.passwords.valid_days,
                tags=azure_terms.tags(self.settings),
            ),
        )

    def _server(self, configuration: Configuration) -> DatabaseServer:
        postgres = self.settings.postgres
        if isinstance(postgres, ManagedPostgres):
            return self._managed_server(postgres)
        return _existing_server(postgres, configuration.existing_admin_password)

    def _managed_server(self, postgres: ManagedPostgres) -> DatabaseServer:
        password = self.passwords.by_login[postgres.admin_login]
        links = self.entrances[PrivateService.POSTGRES].links
        server = Postgres(self.name, self._postgres_args(postgres, password))
        return DatabaseServer(
            id=server.server_id,
            name=server.name,
            fqdn=server.fqdn,
            port=PORT,
            ca_file=None,
            admin_login=postgres.admin_login,
            admin_password=password,
            version=postgres.version,
            sku=postgres.sku,
            ready=[server.ready, *links],
            resource=server.resource,
        )

    def _postgres_args(
        self, postgres: ManagedPostgres, password: pulumi.Output[str]
    ) -> PostgresArgs:
        return PostgresArgs(
            placement=self._placement(),
            tenant_id=self.settings.azure.tenant_id,
            suffix=self.foundation.suffix,
            version=pg.PostgresMajorVersion(str(postgres.version)),
            sku=azure_terms.sku(postgres),
            storage=azure_terms.storage(postgres),
            auto_grow=postgres.storage.auto_grow,
            backup=azure_terms.backup(postgres),
            high_availability=azure_terms.high_availability(postgres),
            availability_zone=postgres.high_availability.zone,
            maintenance=azure_terms.maintenance(postgres),
            admin_login=postgres.admin_login,
            admin_password=password,
            entra_admin=azure_terms.entra_admin(postgres),
            encryption=self._encryption(f"{self.name}-postgres", self.vault.key, None),
            geo_encryption=self._geo_encryption(postgres),
            parameters=azure_terms.parameters(self.settings, postgres),
            databases=(ZEP_DATABASE, self.settings.memory.database),
            entrance=self.entrances[PrivateService.POSTGRES],
            workspace_id=self.foundation.workspace_id,
            protected=self.settings.protected,
        )

    def _encryption(self, name: str, key: KeyReference, location: str | None) -> Encryption:
        user = KeyUser(
            name,
            KeyUserArgs(
                placement=self._placement(location),
                subscription_id=self.settings.azure.subscription_id,
                key_id=key.id,
                wait_seconds=self.settings.grant_wait_seconds,
            ),
        )
        self._key_users.append(user)
        return Encryption(key_uri=key.uri, identity_id=user.identity_id, granted=user.ready)

    def _geo_encryption(self, postgres: ManagedPostgres) -> Encryption | None:
        """Return key and identity of the paired region, which Azure asks for beside the first."""
        if not postgres.backup.geo_redundant:
            return None
        location = self.settings.azure.geo_location
        return self._encryption(f"{self.name}-postgres-geo", self._geo_key(location), location)

    def _geo_key(self, location: str | None) -> KeyReference:
        key_vault = self.settings.key_vault
        if isinstance(key_vault, ManagedKeyVault):
            placement = self._placement(location)
            return self._managed_vault(f"{self.name}-geo", key_vault, placement).key
        if key_vault.geo_key is None:
            raise AssertionError("the settings refuse geo-redundant backup without a second key")
        _, key = existing_key(key_vault.geo_key.vault_id, key_vault.geo_key.key_name)
        return key

    def _schema(self) -> VectorSchema:
        return VectorSchema(
            self.name,
            VectorSchemaArgs(
                host=self.server.fqdn,
                database=self.settings.memory.database,
                admin_login=self.server.admin_login,
                admin_password=self.server.admin_password,
                role_passwords={
                    role.purpose: self.passwords.by_login[role.name] for role in self.desired.roles
                },
                desired=self.desired,
                port=self.server.port,
                ca_file=self.server.ca_file,
            ),
            pulumi.ResourceOptions(
                depends_on=self.server.ready,
                replace_with=[self.server.resource] if self.server.resource else None,
                protect=self.settings.protected,
            ),
        )

    def _lock_vaults(self) -> None:
        """Lock last whatever is locked: what a lock covers is deleted only when it is gone."""
        for vault in self._made_vaults:
            vault.lock(after=[*self._key_users, self.passwords])


def _existing_server(
    postgres: ExistingPostgres, password: pulumi.Output[str] | None
) -> DatabaseServer:
    if password is None:
        raise AssertionError("the settings refuse an existing server without its password")
    return DatabaseServer(
        id=None,
        name=pulumi.Output.from_input(postgres.host),
        fqdn=pulumi.Output.from_input(postgres.host),
        port=postgres.port,
        ca_file=postgres.ca_file,
        admin_login=postgres.admin_login,
        admin_password=pulumi.Output.secret(password),
        version=None,
        sku=None,
        ready=[],
        resource=None,
    )
