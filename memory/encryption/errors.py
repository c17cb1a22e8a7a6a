"""Everything that field encryption can refuse.  One family, one base.

No text here repeats a value, a ciphertext or a key.
"""


class EncryptionError(Exception):
    """Base of the family; its text says what was found, what is allowed, what to do."""


class Undecryptable(EncryptionError):  # noqa: N818 - named after what the operator sees
    """A ciphertext was changed, cut short, or belongs to another row, field or table."""


class UnknownKey(EncryptionError):  # noqa: N818 - named after what the operator sees
    """The ring at hand does not hold the key that a ciphertext names; a newer one may."""


class NoKeys(EncryptionError):  # noqa: N818 - named after what the operator sees
    """Encryption is off, or its ring has no key to write with yet."""


class FieldsRefused(EncryptionError):  # noqa: N818 - named after what the caller sees
    """What the caller asks for would store or search a sensitive field in the clear."""


class RingUnreadable(EncryptionError):  # noqa: N818 - named after what the operator sees
    """The document of keys is none, or contradicts itself."""


class VaultRefused(EncryptionError):  # noqa: N818 - named after what the operator sees
    """The vault is out of reach, or will not do this for this identity."""
