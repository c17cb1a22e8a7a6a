"""Everything that starting, running or asking a workflow can refuse.  One family, one base."""

from memory.operations.errors import OperationError


class WorkflowError(OperationError):
    """Base of the family; its text says what was found, what is allowed, what to do."""


class NoServer(WorkflowError):  # noqa: N818 - named after what the operator sees
    """Temporal is not configured, not allowed like this, or out of reach."""


class AlreadyStarted(WorkflowError):  # noqa: N818 - named after what the operator sees
    """A workflow with this id is under way; a second one would do the same work twice."""


class NotStarted(WorkflowError):  # noqa: N818 - named after what the operator sees
    """There is no workflow with this id."""
