"""Everything a re-embedding can refuse, within the family of the operations."""

from memory.operations.errors import Decision, OperationError


class ReembedError(OperationError):
    """Base; what was done so far stands, and the same command goes on from there."""


class GoalRefused(ReembedError):  # noqa: N818 - named after what the operator sees
    """What is asked for cannot be, or is not what is under way; nothing was changed."""


class AlreadyRunning(ReembedError):  # noqa: N818 - named after what the operator sees
    """Another process works on this column."""


class NotInThisPhase(ReembedError):  # noqa: N818 - named after what the operator sees
    """What is asked for comes earlier or later."""


class RowsLeft(ReembedError):  # noqa: N818 - named after what the operator sees
    """Rows have no new value, and none can be given to them."""


class Stop(ReembedError, Decision):  # noqa: N818 - it is no failure
    """A decision is the operator's: a confirmation, a budget, a recall that is too low."""
