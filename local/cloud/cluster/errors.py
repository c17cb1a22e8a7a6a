"""What can go wrong below a managed cluster."""

from local.errors import LocalError


class ClusterError(LocalError):
    """A cluster of the local cloud cannot do what it was asked."""
