"""Everything an operation can refuse.  One family, one base."""

from collections.abc import Sequence


class OperationError(Exception):
    """Base of the family; its text says what was found, what is allowed, what to do."""


class Decision(OperationError):  # noqa: N818 - it is no failure
    """A decision is the operator's, or a proof failed; what was done so far stands."""


class LedgerMissing(OperationError):  # noqa: N818 - named after what the operator sees
    """The table of operations is not there, or this login may not write it."""


class RecordsUnusable(OperationError):  # noqa: N818 - named after what the operator sees
    """An entry cannot be made or read in this form."""


class TenantRefused(OperationError):  # noqa: N818 - named after what the operator sees
    """The rows of this tenant are not reached like this; nothing was read or changed."""


class ZepIsAwake(OperationError):  # noqa: N818 - named after what the operator sees
    """Zep holds sessions; what it is doing at this moment could be mistaken for a leftover."""


class NotRepairable(OperationError):  # noqa: N818 - named after what the operator sees
    """A person has to decide; nothing was changed."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = tuple(reasons)


class NotZepsDatabase(OperationError):  # noqa: N818 - named after what the operator sees
    """The schema is not there, or this session may not act as its owner."""
