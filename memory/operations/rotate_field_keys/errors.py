"""Everything a rotation can refuse, within the family of the operations."""

from memory.operations.errors import Decision, OperationError


class RotationError(OperationError):
    """Base; what was done so far stands, and the same command goes on from there."""


class AlreadyRunning(RotationError):  # noqa: N818 - named after what the operator sees
    """Another process rotates the keys of this installation."""


class RingChanged(RotationError):  # noqa: N818 - named after what the operator sees
    """Somebody else wrote the document of keys in between, or a key is not where it should be."""


class EncryptionIsOff(RotationError):  # noqa: N818 - named after what the operator sees
    """The environment does not say where the keys are."""


class NotProven(Decision):
    """Rows are left that cannot be brought under the new key; the old one is kept."""
