"""Everything the schema engine can refuse or fail with.  One family, one base."""

from collections.abc import Sequence


class SchemaError(Exception):
    """Base of the family; its text says what was found, what is allowed, what to do."""


class ConnectionRefused(SchemaError):  # noqa: N818 - named after what the operator sees
    """No session: name, network, TLS or password is wrong, or the server is too old."""


class PoolerInTheWay(SchemaError):  # noqa: N818 - named after what the operator sees
    """The connection ends at a pooler, where session locks and settings leak."""


class PlanRefused(SchemaError):  # noqa: N818 - named after what the operator sees
    """The wanted schema cannot be reached without losing data; nothing was changed."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = tuple(reasons)


class LockTimeout(SchemaError):  # noqa: N818 - named after what the operator sees
    """Another runner, or a transaction in the way, did not give up its lock in time."""


class StepFailed(SchemaError):  # noqa: N818 - named after what the operator sees
    """PostgreSQL refused a step; what ran before it stands, and the next run goes on."""


class NotConverged(SchemaError):  # noqa: N818 - named after what the operator sees
    """All steps ran, and the catalog still differs: something changes it at the same time."""


class PasswordsUnreadable(SchemaError):  # noqa: N818 - named after what the operator sees
    """What was given as the roles' passwords is none."""


class DatabaseMissing(ConnectionRefused):
    """The server answers, and has no such database."""


class StateUnreadable(SchemaError):  # noqa: N818 - named after what the operator sees
    """The document is no export of a stack, or holds none of our schemas."""


class WishUnclear(SchemaError):  # noqa: N818 - named after what the operator sees
    """One argument would silently be ignored beside another."""
