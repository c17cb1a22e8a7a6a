"""What can go wrong below a Flexible Server."""

from local.errors import LocalError


class PostgresError(LocalError):
    """A server process of the local cloud cannot do what it was asked."""
