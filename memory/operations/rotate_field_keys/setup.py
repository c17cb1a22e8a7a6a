"""What a rotation needs to know, from the environment of its pod."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from memory.encryption.cipher import FieldCipher
from memory.encryption.fields import Policy
from memory.encryption.ring import Ring
from memory.encryption.vault import AzureVault, Vault
from memory.operations.rotate_field_keys.errors import EncryptionIsOff, RotationError
from memory.operations.rotate_field_keys.keys import KeyStore

KEY_VARIABLE, SECRET_VARIABLE = "ENGRAM_FIELD_KEY_URI", "ENGRAM_FIELD_KEYS_SECRET_URI"
GRACE_VARIABLE = "ENGRAM_FIELD_KEYS_GRACE_SECONDS"
RETENTION_VARIABLE = "ENGRAM_BACKUP_RETENTION_DAYS"
# The driver that mounts secrets looks every two minutes (AKS: rotationPollInterval); twice that,
# and a reserve for a vault that is throttled.
GRACE_SECONDS = 600.0
ENVIRONMENT = (
    f"{KEY_VARIABLE} and {SECRET_VARIABLE} name the vault's key and secret, without versions;"
    f" {GRACE_VARIABLE} (default {GRACE_SECONDS:.0f}) how long services may take to follow the"
    f" secret, {RETENTION_VARIABLE} how long backups are kept; ENGRAM_ENCRYPTED_FIELDS and"
    " ENGRAM_BLIND_INDEXES are the service's own. "
)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Where the keys are, and how rows ought to be."""

    keys: KeyStore
    policy: Policy
    grace_seconds: float = GRACE_SECONDS
    retention_days: int | None = None
    """How long the server keeps backups; None where nobody said so."""

    def cipher(self, known: Ring | None = None) -> FieldCipher:
        """A cipher with the newest keys of the vault.  Raises VaultRefused, RingUnreadable."""
        return FieldCipher(Ring.open(self.keys.read(), self.keys.vault, known))


def from_environment(
    environment: Mapping[str, str] = os.environ, vault: Vault | None = None
) -> Setup:
    """Read the environment.  Raises EncryptionIsOff, RotationError, FieldsRefused."""
    missing = [name for name in (KEY_VARIABLE, SECRET_VARIABLE) if not environment.get(name)]
    if missing:
        raise EncryptionIsOff(
            f"{', '.join(missing)} not set: field encryption is off here; turn it on by"
            " field_encryption in the stack's settings"
        )
    retention = _number(environment, RETENTION_VARIABLE, None)
    return Setup(
        keys=KeyStore(
            vault=vault or AzureVault(),
            key_uri=environment[KEY_VARIABLE],
            secret_uri=environment[SECRET_VARIABLE],
        ),
        policy=Policy.from_environment(environment),
        grace_seconds=_number(environment, GRACE_VARIABLE, GRACE_SECONDS) or 0.0,
        retention_days=None if retention is None else int(retention),
    )


def _number(environment: Mapping[str, str], name: str, default: float | None) -> float | None:
    text = environment.get(name)
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise RotationError(f"{name} is {text!r}; a number of 0 or more is allowed")
    return number
