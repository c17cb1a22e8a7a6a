"""Everything that an erasure can refuse, within the family of the operations."""

from memory.operations.errors import Decision, OperationError


class SubjectUnclear(OperationError):  # noqa: N818 - named after what the operator sees
    """Whose memories are meant, or where they all are, cannot be told; nothing was deleted."""


class ServiceRefused(OperationError):  # noqa: N818 - named after what the operator sees
    """Zep or Graphiti is out of reach, or does not do what was asked; run again."""


class StillThere(Decision):
    """Something was found again after it had been erased."""


class Unfinished(Decision):
    """An earlier erasure was begun and has not ended."""
