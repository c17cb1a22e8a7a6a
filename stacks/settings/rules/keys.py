"""What Azure and the auditor demand of vaults, keys and passwords."""

from collections.abc import Iterator

from stacks.settings.mistakes import Mistake
from stacks.settings.model import ManagedPostgres, StackSettings
from stacks.settings.rules.server import for_a_managed_server
from stacks.settings.vault import ExistingKeyVault, ManagedKeyVault

ROTATION_MARGIN_DAYS = 7
"""Azure's least distance between a rotation or a notice and the expiry."""

HALF_A_YEAR = 180
"""Days."""


@for_a_managed_server
def geo_backup_needs_a_second_key(s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """Azure refuses it otherwise: CMKInvalidEncryptionParameters."""
    if not isinstance(s.key_vault, ExistingKeyVault):
        return
    geo_redundant, geo_key = server.backup.geo_redundant, s.key_vault.geo_key
    if geo_redundant and geo_key is None:
        yield Mistake(
            "key_vault.geo_key",
            "nothing, with postgres.backup.geo_redundant",
            "vault_id and key_name of a key in the paired region",
            "add geo_key, or set postgres.backup.geo_redundant to false",
        )
    if geo_key is not None and not geo_redundant:
        yield Mistake(
            "key_vault.geo_key",
            f"key {geo_key.key_name!r} without geo-redundant backup",
            "no geo_key while postgres.backup.geo_redundant is false",
            "remove geo_key, or set postgres.backup.geo_redundant to true",
        )
    if geo_key is not None and geo_key.vault_id.lower() == s.key_vault.vault_id.lower():
        yield Mistake(
            "key_vault.geo_key.vault_id",
            "the vault of the first key",
            "a vault in the paired region",
            "name another vault; a region that is lost takes its vault with it",
        )


def existing_vaults_are_in_the_subscription(s: StackSettings) -> Iterator[Mistake]:
    """Secrets are written through the stack's own provider, which knows one subscription."""
    if not isinstance(s.key_vault, ExistingKeyVault):
        return
    vaults = {"key_vault.vault_id": s.key_vault.vault_id}
    if s.key_vault.geo_key is not None:
        vaults["key_vault.geo_key.vault_id"] = s.key_vault.geo_key.vault_id
    for path, vault_id in vaults.items():
        subscription = vault_id.split("/")[2]
        if subscription.lower() != s.azure.subscription_id.lower():
            yield Mistake(
                path,
                f"a vault of subscription {subscription}",
                f"subscription {s.azure.subscription_id}",
                "name a vault of the stack's subscription, or change azure-native:subscriptionId",
            )


def key_versions_overlap(s: StackSettings) -> Iterator[Mistake]:
    """Azure wants a week from birth to notice, and from rotation to expiry, of each version."""
    if not isinstance(s.key_vault, ManagedKeyVault):
        return
    life = s.key_vault.key_rotation
    if life.rotate_after_days > life.expire_after_days - ROTATION_MARGIN_DAYS:
        yield Mistake(
            "key_vault.key_rotation.expire_after_days",
            f"{life.expire_after_days} with rotation after {life.rotate_after_days}",
            f"{life.rotate_after_days + ROTATION_MARGIN_DAYS} or more",
            "let a version live on for a week after its successor; an expired key stops the server",
        )
    if life.notify_before_expiry_days > life.expire_after_days - ROTATION_MARGIN_DAYS:
        yield Mistake(
            "key_vault.key_rotation.notify_before_expiry_days",
            f"{life.notify_before_expiry_days} of {life.expire_after_days} days",
            f"{life.expire_after_days - ROTATION_MARGIN_DAYS} or less",
            "notify at least 7 days after a version was made",
        )


def confidential_data_have_young_passwords(s: StackSettings) -> Iterator[Mistake]:
    """Our own rule: what guards people's conversations is renewed twice a year."""
    confidential = s.tags.data_classification in {"confidential", "restricted"}
    if confidential and s.passwords.valid_days > HALF_A_YEAR:
        yield Mistake(
            "passwords.valid_days",
            f"{s.passwords.valid_days} for {s.tags.data_classification} data",
            f"{HALF_A_YEAR} or less for confidential and restricted data",
            "renew the passwords at least twice a year",
        )


RULES = (
    geo_backup_needs_a_second_key,
    existing_vaults_are_in_the_subscription,
    key_versions_overlap,
    confidential_data_have_young_passwords,
)
