"""What a stack exports: the contract with the summary, the drills and the next stack.

Plain values only.  The one secret is marked as such, so that ``pulumi stack output`` hides
it and the state holds it encrypted.
"""

from typing import TypedDict

import pulumi

from components.gateway import host_names as gateway_names
from stacks.databases import ZEP_DATABASE
from stacks.headroom import SizingOutput, sizing_output
from stacks.memory_terms import (
    DEFAULT_TENANT,
    TenantPlace,
    search_settings,
    tenant_places,
)
from stacks.platform import Platform
from stacks.settings.budget import connection_budget


class KeyVaultOutput(TypedDict):
    """The vault that holds the encryption key and the passwords."""

    name: pulumi.Output[str]
    uri: pulumi.Output[str]


class EncryptionKeyOutput(TypedDict):
    """The customer's key; ``uri`` carries no version, because Azure follows rotations."""

    uri: pulumi.Output[str]
    name: pulumi.Output[str]


class PostgresOutput(TypedDict):
    """Where the database server answers.  ``id`` and ``sku`` are null for an existing server."""

    id: pulumi.Output[str] | None
    name: pulumi.Output[str]
    fqdn: pulumi.Output[str]
    port: int
    admin_login: str
    version: int | None
    sku: str | None


class FieldKeysOutput(TypedDict):
    """Where the keys of encrypted fields are, and what wraps them; both without a version."""

    key_uri: pulumi.Output[str]
    secret_uri: pulumi.Output[str]


class ReplicaOutput(TypedDict):
    """A server that answers reads, a little behind; logins and databases are the server's."""

    id: pulumi.Output[str]
    name: pulumi.Output[str]
    fqdn: pulumi.Output[str]


class NodesOutput(TypedDict):
    """The elastic cluster that holds the memory table."""

    id: pulumi.Output[str] | None
    name: pulumi.Output[str]
    fqdn: pulumi.Output[str]
    count: int


class RolesOutput(TypedDict):
    """Login names of the least-privilege roles; their passwords are secrets of the vault."""

    migrator: str
    app: str
    reader: str


class PlaceOutput(TypedDict):
    """Where the memories of a tenant are."""

    database: str
    table: str


class IsolationOutput(TypedDict):
    """How tenants are kept apart; ``default`` is always there, and first."""

    kind: str
    places: dict[str, PlaceOutput]
    """By tenant, those who share a table included."""


class MemoryOutput(TypedDict):
    """The memory schema, as it is wanted; ``table`` is qualified with its schema."""

    database: str
    schema: str
    table: str
    dimensions: int
    index_method: str
    isolation: IsolationOutput
    search_settings: dict[str, str]
    """What a transaction sets, in this order, before it asks for nearest neighbours."""
    roles: RolesOutput


class ClusterOutput(TypedDict):
    """Where the workloads run.  ``id`` is null for an existing cluster."""

    id: pulumi.Output[str] | None
    namespace: pulumi.Output[str]
    oidc_issuer_url: pulumi.Output[str]


class GatewayOutput(TypedDict):
    """The one way in, from pods whose namespace is labelled ``engram.io/memory-client: "true"``."""

    url: pulumi.Output[str]
    authority: pulumi.Output[str] | None
    """PEM that a client trusts; null where the certificate is the customer's."""


class StackOutputs(TypedDict):
    """Every export of a stack, by the name under which it is exported."""

    resource_group: pulumi.Output[str]
    key_vault: KeyVaultOutput
    encryption_key: EncryptionKeyOutput
    field_keys: FieldKeysOutput | None
    """Null where no field of a memory is encrypted."""
    postgres: PostgresOutput
    replicas: dict[str, ReplicaOutput]
    """By the names that the settings give them."""
    nodes: NodesOutput | None
    """Null where the memory table is on the server."""
    postgres_admin_password: pulumi.Output[str]
    """Secret: shown by ``pulumi stack output --show-secrets`` only."""
    passwords_expire_on: str
    """ISO date on which the secrets of the vault expire; a later ``renewed_on`` makes new ones."""
    databases: list[str]
    memory: MemoryOutput
    cluster: ClusterOutput
    kubeconfig: pulumi.Output[str]
    """Secret: how the cluster is reached."""
    gateway: GatewayOutput
    connections: dict[str, int]
    """Who opens how many connections to the server, their sum, and what it grants."""
    sizing: SizingOutput | None
    """Null where the server is the customer's: its size is not in the file."""


def outputs(platform: Platform) -> StackOutputs:
    """Return the exports of a platform."""
    vault, server = platform.vault, platform.databases.server
    return StackOutputs(
        resource_group=platform.foundation.resource_group_name,
        key_vault=KeyVaultOutput(
            name=pulumi.Output.from_input(vault.vault.name),
            uri=pulumi.Output.from_input(vault.vault.uri),
        ),
        encryption_key=EncryptionKeyOutput(
            uri=pulumi.Output.from_input(vault.key.uri),
            name=pulumi.Output.from_input(vault.key.name),
        ),
        field_keys=_field_keys(platform),
        postgres=PostgresOutput(
            id=server.id,
            name=server.name,
            fqdn=server.fqdn,
            port=server.port,
            admin_login=server.admin_login,
            version=server.version,
            sku=server.sku,
        ),
        replicas=_replicas(platform),
        nodes=_nodes(platform),
        postgres_admin_password=pulumi.Output.secret(server.admin_password),
        passwords_expire_on=platform.settings.passwords.expire_on.isoformat(),
        databases=[
            ZEP_DATABASE,
            platform.settings.memory.database,
            *platform.settings.memory.isolation.databases(platform.settings.memory.database),
        ],
        memory=_memory(platform),
        cluster=ClusterOutput(
            id=platform.cluster_id,
            namespace=pulumi.Output.from_input(platform.workloads.workspace.namespace),
            oidc_issuer_url=pulumi.Output.from_input(platform.cluster.oidc_issuer_url),
        ),
        kubeconfig=pulumi.Output.secret(platform.kubeconfig),
        gateway=_gateway(platform),
        connections=connection_budget(platform.settings),
        sizing=sizing_output(platform.settings),
    )


def export(platform: Platform) -> None:
    """Export everything that the contract names."""
    for name, value in outputs(platform).items():
        pulumi.export(name, value)


def _field_keys(platform: Platform) -> FieldKeysOutput | None:
    encrypted = platform.workloads.encrypted
    if encrypted is None:
        return None
    return FieldKeysOutput(
        key_uri=pulumi.Output.from_input(encrypted.key_uri),
        secret_uri=pulumi.Output.from_input(encrypted.secret_uri),
    )


def _replicas(platform: Platform) -> dict[str, ReplicaOutput]:
    return {
        name: ReplicaOutput(id=made.server_id, name=made.name, fqdn=made.fqdn)
        for name, made in platform.databases.replicas.items()
    }


def _nodes(platform: Platform) -> NodesOutput | None:
    cluster, server = platform.settings.nodes, platform.databases.memory_server
    if cluster is None:
        return None
    return NodesOutput(id=server.id, name=server.name, fqdn=server.fqdn, count=cluster.nodes)


def _gateway(platform: Platform) -> GatewayOutput:
    workloads = platform.workloads
    certificate = workloads.gateway_certificate
    return GatewayOutput(
        url=pulumi.Output.from_input(workloads.workspace.namespace).apply(
            lambda namespace: f"https://{gateway_names(namespace)[0]}"
        ),
        authority=certificate.authority if certificate else None,
    )


def _isolation(platform: Platform) -> IsolationOutput:
    memory, shared = platform.settings.memory, platform.desired
    named = [TenantPlace(tenant=name, database=memory.database, desired=shared)
             for name in (DEFAULT_TENANT, *memory.isolation.tenants)]  # fmt: skip
    return IsolationOutput(
        kind=memory.isolation.kind,
        places={
            place.tenant: PlaceOutput(
                database=place.database,
                table=f"{place.desired.schema_name}.{place.desired.tables[0].name}",
            )
            for place in (*named, *tenant_places(memory))
        },
    )


def _memory(platform: Platform) -> MemoryOutput:
    memory, schema = platform.settings.memory, platform.desired
    return MemoryOutput(
        database=memory.database,
        schema=schema.schema_name,
        table=f"{schema.schema_name}.{schema.tables[0].name}",
        dimensions=memory.dimensions,
        index_method=memory.index.method,
        isolation=_isolation(platform),
        search_settings=search_settings(memory, on_nodes=platform.settings.nodes is not None),
        roles=RolesOutput(
            migrator=schema.role("migrator").name,
            app=schema.role("app").name,
            reader=schema.role("reader").name,
        ),
    )
