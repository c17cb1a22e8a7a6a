"""The workloads of one environment, from the namespace to the gateway.

Wiring only, like ``platform``; each workload gets its own identity and its own secrets.
"""

from dataclasses import dataclass

import pulumi

from components.cluster_reference import ClusterReference
from components.gateway import Gateway, GatewayArgs
from components.gateway import host_names as gateway_names
from components.graph_store import GraphAccess, GraphStore, GraphStoreArgs
from components.graph_store import host_names as graph_store_names
from components.graphiti import Graphiti, GraphitiArgs
from components.key_vault import KeyReference, VaultReference
from components.memory_access import Database, EncryptedFields
from components.memory_namespace import NAMESPACE, MemoryNamespace, MemoryNamespaceArgs
from components.memory_operations import MemoryOperations, MemoryOperationsArgs
from components.memory_service import MemoryService, MemoryServiceArgs
from components.passwords import Passwords
from components.placement import Placement
from components.secret_shelf import VaultSecret, named_secret
from components.serving_certificate import LONGEST_DAYS, ServingCertificate
from components.traffic import network_paths
from components.trust import PostgresTrust, PostgresTrustArgs, trusted_roots
from components.vault_secrets import (
    MEMORY_FIELD_KEYS,
    VARIABLES,
    VaultSecrets,
    VaultSecretsArgs,
)
from components.workload_identity import WorkloadIdentity, WorkloadIdentityArgs
from components.workloads import PodIdentity, Workload, Workspace
from components.zep import Zep, ZepArgs
from stacks import cluster_terms
from stacks.images import images
from stacks.parts import DatabaseServer
from stacks.settings.model import StackSettings
from stacks.settings.workloads import ExistingGraphStore, IssuedCertificate, ManagedGraphStore

WRAPPING = (Workload.MEMORY_SERVICE, Workload.MEMORY_OPERATIONS)
"""Whose programs unwrap the keys of encrypted fields."""


@dataclass(frozen=True, kw_only=True)
class Logins:
    """Who the pods are to PostgreSQL, and what they find there."""

    zep_database: str
    zep: str
    memory: str
    memory_table: str
    """Qualified with its schema."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What stands before the first pod."""

    settings: StackSettings
    name: str
    placement: Placement
    cluster: ClusterReference
    vault: VaultReference
    fields_key: KeyReference | None
    """None where no field of a memory is encrypted."""
    passwords: Passwords
    server: DatabaseServer
    memory_server: DatabaseServer
    """Where the memory table is; the server itself, or nodes beside it."""
    logins: Logins
    zep_ready: pulumi.Resource
    """Zep's login and schema."""
    memory_ready: pulumi.Resource
    """The memory table and its logins."""


class Workloads:
    """Everything in the namespace."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._settings = around.settings
        self._images = images(around.settings.images)
        self.vault_users: list[pulumi.Resource] = []
        """Everything with a secret in the vault, or a grant on one."""
        self.workspace = self._workspace()
        self.gateway_certificate = self._gateway_certificate()
        self._graph_certificate = self._graph_store_certificate()
        self._secrets = self._vault_secrets()
        self._trust = self._postgres_trust()
        self.zep = self._zep(self._graphiti(self._graph()))
        self.encrypted = self._encrypted_fields()
        self.memory_service = self._memory_service(self._memory_operations())
        self.gateway = self._gateway()

    def _named(self, workload: Workload) -> str:
        return f"{self._around.name}-{workload.label}"

    # -- what all of them share --------------------------------------------------------

    def _workspace(self) -> Workspace:
        addresses = cluster_terms.addresses(self._settings, self._around.server.port)
        return MemoryNamespace(
            self._around.name,
            MemoryNamespaceArgs(
                cluster=self._around.cluster,
                shares=cluster_terms.shares(self._settings),
                paths=network_paths(addresses),
                spread_strictly=self._settings.protected,
                disks_in_every_zone=cluster_terms.disks_in_every_zone(self._settings),
                protected=self._settings.protected,
            ),
        ).workspace

    def _gateway_certificate(self) -> ServingCertificate | None:
        gateway = self._settings.workloads.gateway
        if not isinstance(gateway.certificate, IssuedCertificate):
            return None
        return ServingCertificate(
            f"{self._named(Workload.GATEWAY)}-certificate",
            names=[*gateway.host_names, *gateway_names(NAMESPACE)],
            renewed_on=self._settings.passwords.renewed_on,
            valid_days=gateway.certificate.valid_days,
        )

    def _graph_store_certificate(self) -> ServingCertificate | None:
        if not isinstance(self._settings.workloads.graph_store, ManagedGraphStore):
            return None
        return ServingCertificate(
            f"{self._named(Workload.GRAPH_STORE)}-certificate",
            names=graph_store_names(NAMESPACE),
            renewed_on=self._settings.passwords.renewed_on,
            # Neo4j does not start with one that has ended: a renewal that is late must not be it.
            valid_days=LONGEST_DAYS,
        )

    def _vault_secrets(self) -> VaultSecrets:
        graph = self._graph_certificate
        secrets = VaultSecrets(
            self._around.name,
            VaultSecretsArgs(
                passwords=self._around.passwords,
                zep_login=self._around.logins.zep,
                memory_login=self._around.logins.memory,
                spare_key_renewed_on=self._settings.passwords.spare_key_renewed_on,
                model_key=self._customers(self._settings.model.key_secret),
                certificate=self._certificate_of_the_gateway(),
                graph_store_key=graph.private_key if graph else None,
                graph_store_password=self._password_of_the_customers_graph_store(),
                tenants=self._settings.memory.isolation.tenants,
                field_keys=self._around.fields_key is not None,
                protected=self._settings.protected,
            ),
        )
        self.vault_users.append(secrets)
        return secrets

    def _certificate_of_the_gateway(self) -> VaultSecret | pulumi.Output[str]:
        certificate = self._settings.workloads.gateway.certificate
        if isinstance(certificate, IssuedCertificate):
            if self.gateway_certificate is None:
                raise AssertionError("an issued certificate is declared above")
            return self.gateway_certificate.bundle
        return named_secret(self._around.vault, certificate.name)

    def _password_of_the_customers_graph_store(self) -> VaultSecret | None:
        store = self._settings.workloads.graph_store
        return self._customers(
            store.password_secret if isinstance(store, ExistingGraphStore) else None
        )

    def _customers(self, name: str | None) -> VaultSecret | None:
        """Return a secret that the customer keeps in the vault, where one is named."""
        return None if name is None else named_secret(self._around.vault, name)

    def _postgres_trust(self) -> PostgresTrust:
        roots = trusted_roots(self._around.server.ca_path)
        return PostgresTrust(
            f"{self._around.name}-postgres",
            PostgresTrustArgs(workspace=self.workspace, roots=roots),
        )

    def _encrypted_fields(self) -> EncryptedFields | None:
        around, keys = self._around, self._secrets.by_alias.get(MEMORY_FIELD_KEYS)
        return cluster_terms.encrypted_fields(self._settings, around.vault, around.fields_key, keys)

    def _identity(self, workload: Workload) -> PodIdentity:
        azure = self._settings.azure
        identity = WorkloadIdentity(
            self._named(workload),
            WorkloadIdentityArgs(
                workload=workload,
                workspace=self.workspace,
                oidc_issuer_url=self._around.cluster.oidc_issuer_url,
                placement=self._around.placement,
                subscription_id=azure.subscription_id,
                tenant_id=azure.tenant_id,
                vault=self._around.vault,
                secrets=self._secrets.of(workload),
                variables=VARIABLES.get(workload, ()),
                revision=f"{self._settings.passwords.renewed_on:%Y%m%d}",
                grant_wait_seconds=self._settings.grant_wait_seconds,
                wraps_with=self._around.fields_key if workload in WRAPPING else None,
                writes=self._secrets.written_by(workload),
            ),
        )
        self.vault_users.append(identity)
        return identity.pod

    # -- the workloads, each after what it calls ---------------------------------------

    def _graph(self) -> GraphAccess:
        store = self._settings.workloads.graph_store
        if isinstance(store, ExistingGraphStore):
            return GraphAccess(uri=store.uri, user=store.user)
        certificate = self._graph_certificate
        if certificate is None:
            raise AssertionError("a graph store of ours has a certificate")
        return GraphStore(
            self._named(Workload.GRAPH_STORE),
            GraphStoreArgs(
                workspace=self.workspace,
                identity=self._identity(Workload.GRAPH_STORE),
                image=self._images.graph_store,
                size=cluster_terms.size(store),
                heap_gib=store.heap_gib,
                page_cache_gib=store.page_cache_gib,
                volume_gib=store.storage_gib,
                protected=self._settings.protected,
                certificate=certificate.certificate,
                authority=certificate.authority,
            ),
        ).access

    def _graphiti(self, graph: GraphAccess) -> Graphiti:
        settings = self._settings.workloads.graphiti
        return Graphiti(
            self._named(Workload.GRAPHITI),
            GraphitiArgs(
                workspace=self.workspace,
                identity=self._identity(Workload.GRAPHITI),
                image=self._images.graphiti,
                graph=graph,
                model=cluster_terms.chat_model(self._settings),
                replicas=settings.replicas,
                size=cluster_terms.size(settings),
            ),
        )

    def _zep(self, graphiti: Graphiti) -> Zep:
        settings, logins = self._settings.workloads.zep, self._around.logins
        return Zep(
            self._named(Workload.ZEP),
            ZepArgs(
                workspace=self.workspace,
                identity=self._identity(Workload.ZEP),
                trust=self._trust,
                image=self._images.zep,
                pooler=cluster_terms.pooler(self._settings, self._images.pooler),
                host=self._around.server.fqdn,
                port=self._around.server.port,
                login=cluster_terms.zep_login(logins.zep_database, logins.zep),
                scale=cluster_terms.zep_scale(self._settings),
                size=cluster_terms.size(settings),
                processors=settings.processors,
                ready=[self._around.zep_ready, graphiti.pods],
            ),
        )

    @property
    def _memory_image_is_named(self) -> bool:
        """Without a name there is no image yet: its pods wait for one, and nobody for them."""
        return self._settings.images.memory_service is not None

    def _memory_database(self) -> Database:
        around = self._around
        return cluster_terms.memory_database(
            self._settings,
            around.memory_server.fqdn,
            around.memory_server.port,
            around.logins.memory,
        )

    def _memory_operations(self) -> MemoryOperations:
        settings = self._settings
        return MemoryOperations(
            self._named(Workload.MEMORY_OPERATIONS),
            MemoryOperationsArgs(
                workspace=self.workspace,
                identity=self._identity(Workload.MEMORY_OPERATIONS),
                trust=self._trust,
                image=self._images.memory_service,
                database=self._memory_database(),
                table=cluster_terms.memory_table(settings, self._around.logins.memory_table),
                encrypted=self.encrypted,
                rotation_schedule=settings.field_encryption.rotation_schedule,
                retention=cluster_terms.retention(settings),
                backup_retention_days=cluster_terms.backup_retention_days(settings),
                size=cluster_terms.size(settings.workloads.memory_operations),
                awaited=self._memory_image_is_named,
                ready=[self._around.memory_ready],
            ),
        )

    def _memory_service(self, operations: MemoryOperations) -> MemoryService:
        around = self._around
        return MemoryService(
            self._named(Workload.MEMORY_SERVICE),
            MemoryServiceArgs(
                workspace=self.workspace,
                identity=self._identity(Workload.MEMORY_SERVICE),
                trust=self._trust,
                image=self._images.memory_service,
                database=self._memory_database(),
                table=cluster_terms.memory_table(self._settings, around.logins.memory_table),
                model=cluster_terms.embedding_model(self._settings),
                encrypted=self.encrypted,
                scale=cluster_terms.memory_scale(self._settings),
                size=cluster_terms.size(self._settings.workloads.memory_service),
                awaited=self._memory_image_is_named,
                ready=[around.memory_ready, *operations.ready],
            ),
        )

    def _gateway(self) -> Gateway:
        settings = self._settings.workloads.gateway
        return Gateway(
            self._named(Workload.GATEWAY),
            GatewayArgs(
                workspace=self.workspace,
                identity=self._identity(Workload.GATEWAY),
                image=self._images.gateway,
                sign_on=cluster_terms.sign_on(settings.sign_on),
                scale=cluster_terms.gateway_scale(self._settings),
                size=cluster_terms.size(settings),
                ready=[self.zep.pods],
            ),
        )
