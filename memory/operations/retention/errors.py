"""Everything that retention can refuse, within the family of the operations."""

from memory.operations.errors import Decision, OperationError


class PolicyRefused(OperationError):  # noqa: N818 - named after what the operator sees
    """The policy is none; nothing was read or deleted."""


class TooMuch(Decision):
    """So much would end at once that a person has to say so."""


class RowsBusy(Decision):
    """Rows that are due are held by others; what could be deleted is."""
