"""The shape in which the strategy paper asks for field encryption: a field, and its type.

The paper's class read one key from the vault and kept it in the clear there; this one stands on the
ring.  A row is not named in this shape, so a ciphertext is bound to its field's type, and to a row
only where the caller has one.
"""

from dataclasses import dataclass
from uuid import UUID

from cryptography.fernet import InvalidToken, MultiFernet

from memory.encryption.cipher import Binding, FieldCipher, is_ciphertext
from memory.encryption.errors import Undecryptable
from memory.encryption.fields import SENSITIVE

NO_ROW = "any row"


@dataclass(frozen=True)
class MemoryFieldEncryption:
    """Encrypts the values of sensitive types; any other passes through."""

    cipher: FieldCipher
    row: UUID | None = None

    def encrypt_field(self, field_value: str, field_type: str) -> str:
        """Encrypt a value of type pii, phi or secret.  Raises NoKeys."""
        if field_type not in SENSITIVE:
            return field_value
        return self.cipher.encrypt(field_value, self._binding(field_type))

    def decrypt_field(self, encrypted_value: str, field_type: str) -> str:
        """Decrypt it; a bare Fernet token of the paper's own class is read with any key.

        Raises Undecryptable, UnknownKey.
        """
        if field_type not in SENSITIVE:
            return encrypted_value
        if is_ciphertext(encrypted_value):
            return str(self.cipher.decrypt(encrypted_value, self._binding(field_type)))
        keys = self.cipher.keys.current.usable("fields")
        try:
            return MultiFernet([key.fernet for key in keys]).decrypt(encrypted_value).decode()
        except (InvalidToken, ValueError):
            raise Undecryptable(
                f"the {field_type} field is no ciphertext, or none of the ring's keys made it"
            ) from None

    def _binding(self, field_type: str) -> Binding:
        row = NO_ROW if self.row is None else self.row
        return Binding(row=row, field=field_type, table="fields")
