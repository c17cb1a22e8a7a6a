"""What the parts of a platform hand to each other, whether they are ours or the customer's."""

from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.key_vault import KeyReference, KeyVault, VaultReference, VersionedKey
from memory.schema.estimate import UNKNOWN_MACHINE, Machine
from stacks.settings.model import ExistingPostgres


@dataclass(frozen=True, kw_only=True)
class Vault:
    """Where passwords go, and the keys of database, disks and fields; ours or the customer's."""

    vault: VaultReference
    key: KeyReference
    disk_key: VersionedKey | None
    """None where no cluster of ours has disks."""
    fields_key: KeyReference | None
    """None where no field of a memory is encrypted."""
    made: KeyVault | None
    """The vault, where it is ours."""


@dataclass(frozen=True, kw_only=True)
class DatabaseServer:
    """Where the schemas go; ours or the customer's."""

    id: pulumi.Output[str] | None
    name: pulumi.Output[str]
    fqdn: pulumi.Output[str]
    port: int
    ca_file: str | None
    admin_login: str
    admin_password: pulumi.Output[str]
    version: int | None
    sku: str | None
    machine: Machine
    """Its size, as far as the settings say it."""
    ready: list[pulumi.Resource]
    """What must stand before a connection can succeed."""
    resource: pulumi.Resource | None
    """The server, where it is ours: a new one is empty, under whatever name."""

    @property
    def ca_path(self) -> Path | None:
        """The file with the authority behind its certificate, where the settings name one."""
        return None if self.ca_file is None else Path(self.ca_file)


def existing_server(
    postgres: ExistingPostgres, password: pulumi.Output[str] | None
) -> DatabaseServer:
    """Return the customer's server."""
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
        machine=UNKNOWN_MACHINE,
        ready=[],
        resource=None,
    )
