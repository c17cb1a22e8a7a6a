"""What a stack exports: the contract with the summary, the drills and the next stack.

Plain values only.  The one secret is marked as such, so that ``pulumi stack output`` hides
it and the state holds it encrypted.
"""

from typing import TypedDict

import pulumi

from stacks.memory_terms import search_settings
from stacks.platform import ZEP_DATABASE, Platform


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


class RolesOutput(TypedDict):
    """Login names of the least-privilege roles; their passwords are secrets of the vault."""

    migrator: str
    app: str
    reader: str


class MemoryOutput(TypedDict):
    """The memory schema, as it is wanted; ``table`` is qualified with its schema."""

    database: str
    schema: str
    table: str
    dimensions: int
    index_method: str
    search_settings: dict[str, str]
    """What a session sets before it asks for nearest neighbours."""
    roles: RolesOutput


class StackOutputs(TypedDict):
    """Every export of a stack, by the name under which it is exported."""

    resource_group: pulumi.Output[str]
    key_vault: KeyVaultOutput
    encryption_key: EncryptionKeyOutput
    postgres: PostgresOutput
    postgres_admin_password: pulumi.Output[str]
    """Secret: shown by ``pulumi stack output --show-secrets`` only."""
    passwords_expire_on: str
    """ISO date on which the secrets of the vault expire; a later ``renewed_on`` makes new ones."""
    databases: list[str]
    memory: MemoryOutput


def outputs(platform: Platform) -> StackOutputs:
    """Return the exports of a platform."""
    vault, server = platform.vault, platform.server
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
        postgres=PostgresOutput(
            id=server.id,
            name=server.name,
            fqdn=server.fqdn,
            port=server.port,
            admin_login=server.admin_login,
            version=server.version,
            sku=server.sku,
        ),
        postgres_admin_password=pulumi.Output.secret(server.admin_password),
        passwords_expire_on=platform.settings.passwords.expire_on.isoformat(),
        databases=[ZEP_DATABASE, platform.settings.memory.database],
        memory=_memory(platform),
    )


def export(platform: Platform) -> None:
    """Export everything that the contract names."""
    for name, value in outputs(platform).items():
        pulumi.export(name, value)


def _memory(platform: Platform) -> MemoryOutput:
    memory, schema = platform.settings.memory, platform.desired
    return MemoryOutput(
        database=memory.database,
        schema=schema.schema_name,
        table=f"{schema.schema_name}.{schema.tables[0].name}",
        dimensions=memory.dimensions,
        index_method=memory.index.method,
        search_settings=search_settings(memory),
        roles=RolesOutput(
            migrator=schema.role("migrator").name,
            app=schema.role("app").name,
            reader=schema.role("reader").name,
        ),
    )
