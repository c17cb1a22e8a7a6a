"""The shape of ``key_vault`` and ``passwords``: whose keys these are, and how long each lives."""

from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import Field

from stacks.settings.base import Settings
from stacks.settings.cluster_types import EgressCidrs
from stacks.settings.types import Day, KeyName, VaultId


class KeyRotationSettings(Settings):
    """Life of one version of the key, in days.  Azure makes and adopts the next version itself.

    Read when the key is made.  Pulumi cannot change a key; a later change is
    `az keyvault key rotation-policy update`, from a machine that reaches the vault.
    """

    rotate_after_days: Annotated[int, Field(ge=7, le=730)]
    notify_before_expiry_days: Annotated[int, Field(ge=7)]
    expire_after_days: Annotated[int, Field(ge=28)]


class ManagedKeyVault(Settings):
    """A vault of the stack, with the key that encrypts the database."""

    kind: Literal["managed"]
    hsm_backed: bool
    """The key never leaves a hardware security module (RSA-HSM instead of RSA)."""
    soft_delete_retention_days: Annotated[int, Field(ge=7, le=90)]
    """Fixed when the vault is made; the vault's name stays taken that long after a delete."""
    key_rotation: KeyRotationSettings


class KeyLocation(Settings):
    """A key in a vault that is not ours."""

    vault_id: VaultId
    key_name: KeyName


class ExistingKeyVault(Settings):
    """The customer's vault and key.  Passwords are stored in it too.

    It must have purge protection, the bypass for trusted services, without which the database
    service cannot reach the key, and Azure RBAC instead of access policies.  The deployer grants
    roles on the key and on each secret, and so must be its *Owner* or *User Access Administrator*.
    """

    kind: Literal["existing"]
    vault_id: VaultId
    key_name: KeyName
    geo_key: KeyLocation | None = None
    """For geo-redundant backup: a key in a vault of the paired region."""
    fields_key_name: KeyName | None = None
    """For encrypted fields: an RSA key beside the first, which wraps and unwraps."""
    cidrs: EgressCidrs | None = None
    """For encrypted fields: where the vault answers, to which the network policy opens 443."""


KeyVaultSettings = Annotated[ManagedKeyVault | ExistingKeyVault, Field(discriminator="kind")]


class PasswordSettings(Settings):
    """Life of the machine passwords.

    The expiry date of a secret is ``renewed_on + valid_days``: a date of the file, not of the
    clock, so that a preview is the same today and tomorrow.  A later date renews every password.
    """

    renewed_on: Day
    spare_key_renewed_on: Day
    """Of the memory service's second API key, which is handed out to machines.

    Renew it on another day than the first, the gateway's: then one of the two always holds.
    """
    valid_days: Annotated[int, Field(ge=30, le=365)]

    @property
    def expire_on(self) -> date:
        """The day from which the vault calls them expired."""
        return self.renewed_on + timedelta(days=self.valid_days)
