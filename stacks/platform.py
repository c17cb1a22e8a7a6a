"""One environment, component by component, in the order in which each needs the last.

This module wires; it declares nothing itself.  What is chosen here is chosen by the kind of a
setting (a server of ours, or one that exists), never by the name of an environment.
"""

import pulumi
from pulumi_azure_native import containerservice as aks

from components.cluster import Cluster, ClusterArgs
from components.cluster_reference import ClusterReference
from components.cluster_reference import ExistingCluster as ExistingClusterArgs
from components.foundation import Foundation, FoundationArgs
from components.key_user import KeyUser, KeyUserArgs
from components.key_vault import (
    KeyReference,
    KeyRotation,
    KeyVault,
    KeyVaultArgs,
    existing_key,
    existing_versioned_key,
)
from components.network import Network, NetworkArgs, NodesSubnet
from components.passwords import Passwords, PasswordsArgs
from components.placement import Placement
from components.postgres import PORT, Encryption
from components.private_endpoint import Entrance, PrivateService
from memory.schema.model import DesiredSchema, zep_schema
from stacks import azure_terms, cluster_terms
from stacks.databases import ZEP_DATABASE, Databases, Ground, Site
from stacks.memory_terms import desired_schema
from stacks.parts import Vault
from stacks.settings import Configuration
from stacks.settings.cluster import ManagedCluster
from stacks.settings.model import ExistingNetwork, ManagedNetwork, ManagedPostgres
from stacks.settings.vault import ExistingKeyVault, ManagedKeyVault
from stacks.workloads import Logins, Surroundings, Workloads

ZEP_LOGIN = "zep_app"
POOLER_PORT = 6432


class Platform:
    """Everything of one stack, for ``outputs`` to read."""

    def __init__(self, configuration: Configuration) -> None:
        self.settings = configuration.settings
        self.name = f"{azure_terms.PRODUCT}-{self.settings.environment}"
        self.desired: DesiredSchema = desired_schema(
            self.settings.memory, on_nodes=self.settings.nodes is not None
        )
        self.zep_desired: DesiredSchema = zep_schema(
            login=ZEP_LOGIN, extension_gate=self._extension_gate
        )
        self.foundation = self._foundation()
        self._network = self._managed_network()
        self.entrances = {service: self._entrance(service) for service in self._ports()}
        self._key_users: list[pulumi.Resource] = []
        self._made_vaults: list[KeyVault] = []
        self.vault = self._vault()
        self.passwords = self._passwords()
        self.databases = self._databases(configuration)
        self.cluster_id: pulumi.Output[str] | None = None
        self.cluster, self.kubeconfig = self._cluster(configuration)
        self.workloads = Workloads(self._surroundings())
        if self.settings.protected:
            self._lock_vaults()

    @property
    def _extension_gate(self) -> bool:
        postgres = self.settings.postgres
        return isinstance(postgres, ManagedPostgres) or postgres.azure_extension_gate

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
                alert_emails=self.settings.alerts.emails,
                alert_prefix=self.name,
                protected=self.settings.protected,
            ),
        )

    def _ports(self) -> dict[PrivateService, tuple[int, ...]]:
        postgres = self.settings.postgres
        ports: dict[PrivateService, tuple[int, ...]] = {}
        if isinstance(self.settings.key_vault, ManagedKeyVault):
            ports[PrivateService.KEY_VAULT] = (443,)
        if isinstance(postgres, ManagedPostgres):
            pooled = (PORT, POOLER_PORT) if postgres.built_in_pooler else (PORT,)
            ports[PrivateService.POSTGRES] = pooled
        return ports

    def _managed_network(self) -> Network | None:
        """Return our network; where everything in it is the customer's, there is none."""
        network, cluster = self.settings.network, self._managed_cluster
        ports = self._ports()
        if not isinstance(network, ManagedNetwork) or not (ports or cluster):
            return None
        return Network(
            self.name,
            NetworkArgs(
                placement=self._placement(),
                address_space=str(network.address_space),
                endpoints_subnet=str(network.endpoints_subnet),
                ports=ports,
                nodes=(
                    NodesSubnet(cidr=str(network.nodes_subnet), pod_cidr=str(cluster.pod_cidr))
                    if cluster
                    else None
                ),
            ),
        )

    @property
    def _managed_cluster(self) -> ManagedCluster | None:
        cluster = self.settings.cluster
        return cluster if isinstance(cluster, ManagedCluster) else None

    def _entrance(self, service: PrivateService) -> Entrance:
        """Return where a service of ours gets an address."""
        network = self.settings.network
        if self._network is not None:
            return self._network.entrances[service]
        if not isinstance(network, ExistingNetwork):
            raise AssertionError("a network of ours is made where a service needs it")
        zones = network.private_dns_zone_ids
        zone_id = zones.postgres if service is PrivateService.POSTGRES else zones.key_vault
        if zone_id is None:
            raise AssertionError("the settings refuse a service of ours without its zone")
        return Entrance(
            placement=self._placement(), subnet_id=network.endpoints_subnet_id, zone_id=zone_id
        )

    def _nodes_subnet_id(self) -> pulumi.Input[str]:
        network = self.settings.network
        found: pulumi.Input[str] | None = None
        if isinstance(network, ExistingNetwork):
            found = network.nodes_subnet_id
        elif self._network is not None:
            found = self._network.nodes_subnet_id
        if found is None:
            raise AssertionError("the settings refuse a cluster of ours without its subnet")
        return found

    def _vault(self) -> Vault:
        key_vault = self.settings.key_vault
        if isinstance(key_vault, ManagedKeyVault):
            made = self._managed_vault(
                self.name,
                key_vault,
                self._placement(),
                disks=self._managed_cluster is not None,
                fields=self.settings.field_encryption.enabled,
            )
            return Vault(
                vault=made.vault,
                key=made.key,
                disk_key=made.disk_key,
                fields_key=made.fields_key,
                made=made,
            )
        place = (key_vault.vault_id, key_vault.key_name)
        vault, key = existing_key(*place)
        disk_key = existing_versioned_key(*place) if self._managed_cluster else None
        fields_key = self._existing_fields_key(key_vault)
        return Vault(vault=vault, key=key, disk_key=disk_key, fields_key=fields_key, made=None)

    def _existing_fields_key(self, key_vault: ExistingKeyVault) -> KeyReference | None:
        if not self.settings.field_encryption.enabled:
            return None
        if key_vault.fields_key_name is None:
            raise AssertionError("the settings refuse encrypted fields without a key for them")
        return existing_key(key_vault.vault_id, key_vault.fields_key_name)[1]

    def _managed_vault(
        self,
        name: str,
        key_vault: ManagedKeyVault,
        placement: Placement,
        *,
        disks: bool = False,
        fields: bool = False,
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
                action_group_id=self.foundation.action_group_id,
                entrance=self.entrances[PrivateService.KEY_VAULT],
                protected=self.settings.protected,
                disk_key=disks,
                fields_key=fields,
            ),
        )
        self._made_vaults.append(vault)
        return vault

    def _passwords(self) -> Passwords:
        logins = [role.name for role in (*self.desired.roles, *self.zep_desired.roles)]
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

    def _databases(self, configuration: Configuration) -> Databases:
        return Databases(
            Ground(
                settings=self.settings,
                name=self.name,
                desired=self.desired,
                zep_desired=self.zep_desired,
                passwords=self.passwords,
                site=self._site(),
                existing_admin_password=configuration.existing_admin_password,
            )
        )

    def _site(self) -> Site | None:
        """Return where a server of ours stands."""
        postgres = self.settings.postgres
        if not isinstance(postgres, ManagedPostgres):
            return None
        return Site(
            placement=self._placement(),
            suffix=self.foundation.suffix,
            entrance=self.entrances[PrivateService.POSTGRES],
            workspace_id=self.foundation.workspace_id,
            action_group_id=self.foundation.action_group_id,
            encryption=self._encryption(f"{self.name}-postgres", self.vault.key, None),
            geo_encryption=self._geo_encryption(postgres),
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

    def _cluster(self, configuration: Configuration) -> tuple[ClusterReference, pulumi.Output[str]]:
        """Return the cluster and the way to it."""
        cluster = self.settings.cluster
        if isinstance(cluster, ManagedCluster):
            made = Cluster(self.name, self._cluster_args(cluster))
            self.cluster_id = made.cluster_id
            self._key_users.append(made)
            return made.reference, made.kubeconfig
        if configuration.existing_kubeconfig is None:
            raise AssertionError("the settings refuse an existing cluster without its kubeconfig")
        kubeconfig: pulumi.Output[str] = pulumi.Output.secret(configuration.existing_kubeconfig)
        existing = ExistingClusterArgs(
            kubeconfig=kubeconfig,
            oidc_issuer_url=cluster.oidc_issuer_url,
            storage_class=cluster.storage_class,
            node_selector=cluster.node_selector,
        )
        return existing.reference(self.name), kubeconfig

    def _cluster_args(self, cluster: ManagedCluster) -> ClusterArgs:
        if self.vault.disk_key is None:
            raise AssertionError("a vault for a cluster of ours has a key for its disks")
        return ClusterArgs(
            placement=self._placement(),
            subscription_id=self.settings.azure.subscription_id,
            disk_key=self.vault.disk_key,
            kubernetes_version=cluster.kubernetes_version,
            tier=aks.ManagedClusterSKUTier(cluster.tier),
            network=cluster_terms.cluster_network(cluster, self._nodes_subnet_id()),
            access=cluster_terms.cluster_access(self.settings, cluster),
            upgrades=cluster_terms.cluster_upgrades(cluster),
            system_pool=cluster_terms.system_pool(cluster),
            memory_pool=cluster_terms.memory_pool(cluster),
            host_encryption=cluster.host_encryption,
            workspace_id=self.foundation.workspace_id,
            grant_wait_seconds=self.settings.grant_wait_seconds,
            protected=self.settings.protected,
            registry_id=self.settings.images.registry_id,
        )

    def _surroundings(self) -> Surroundings:
        table = f"{self.desired.schema_name}.{self.desired.tables[0].name}"
        return Surroundings(
            settings=self.settings,
            name=self.name,
            placement=self._placement(),
            cluster=self.cluster,
            vault=self.vault.vault,
            fields_key=self.vault.fields_key,
            passwords=self.passwords,
            server=self.databases.server,
            memory_server=self.databases.memory_server,
            logins=Logins(
                zep_database=ZEP_DATABASE,
                zep=self.zep_desired.owner,
                memory=self.desired.role("app").name,
                memory_table=table,
            ),
            zep_ready=self.databases.zep_schema,
            memory_ready=self.databases.memory_ready,
        )

    def _lock_vaults(self) -> None:
        """Lock last whatever is locked: what a lock covers is deleted only when it is gone."""
        for vault in self._made_vaults:
            vault.lock(after=[*self._key_users, self.passwords, *self.workloads.vault_users])
