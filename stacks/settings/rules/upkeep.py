"""What encrypted fields demand of each other, of the vault and of the network."""

from collections.abc import Iterator

from stacks.settings.mistakes import Mistake
from stacks.settings.model import ExistingNetwork, StackSettings
from stacks.settings.vault import ExistingKeyVault

CONTENT = "content"
"""The one field that is no path into the metadata."""


def _holds(path: str, other: str) -> bool:
    """Tell whether a path is the other, or above it."""
    return f"{other}.".startswith(f"{path}.")


def blind_indexes_are_of_encrypted_fields(s: StackSettings) -> Iterator[Mistake]:
    """What is not encrypted is searched as it is; and a text is never asked for by equality."""
    paths = [path for path in s.field_encryption.fields if path != CONTENT]
    for index in s.field_encryption.blind_indexes:
        if not any(_holds(path, index) for path in paths):
            yield Mistake(
                "field_encryption.blind_indexes",
                repr(index),
                f"one of field_encryption.fields ({', '.join(paths)}), or a part of one",
                "add it to field_encryption.fields, or remove it here",
            )


def existing_vaults_have_a_key_for_fields(s: StackSettings) -> Iterator[Mistake]:
    """Whoever may use the database's key could read its backups; pods get one of their own."""
    vault = s.key_vault
    if not s.field_encryption.enabled or not isinstance(vault, ExistingKeyVault):
        return
    if vault.fields_key_name is None:
        yield Mistake(
            "key_vault.fields_key_name",
            "nothing, with field_encryption.enabled",
            "the name of a key in the vault",
            "make an RSA key there that wraps and unwraps, and name it",
        )
    elif vault.fields_key_name.lower() == vault.key_name.lower():
        yield Mistake(
            "key_vault.fields_key_name",
            f"{vault.fields_key_name!r}, the database's own",
            f"another key than {vault.key_name!r} (key_vault.key_name)",
            "make a second key: pods may use it, and never the database's",
        )
    if vault.cidrs is None:
        yield Mistake(
            "key_vault.cidrs",
            "nothing, with field_encryption.enabled",
            "the addresses of the vault's private endpoint",
            "copy them from `az network private-endpoint show`",
        )


def pods_reach_the_vault(s: StackSettings) -> Iterator[Mistake]:
    """The network policy opens the vault's port to known addresses only."""
    ours = not isinstance(s.key_vault, ExistingKeyVault)
    unknown = isinstance(s.network, ExistingNetwork) and s.network.endpoints_subnet is None
    if s.field_encryption.enabled and ours and unknown:
        yield Mistake(
            "network.endpoints_subnet",
            "nothing, with network.kind 'existing' and key_vault.kind 'managed'",
            "the range of the subnet that endpoints_subnet_id names",
            "copy it from `az network vnet subnet show --query addressPrefix`",
        )


RULES = (
    blind_indexes_are_of_encrypted_fields,
    existing_vaults_have_a_key_for_fields,
    pods_reach_the_vault,
)
