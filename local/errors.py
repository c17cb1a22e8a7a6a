"""The exception family of this room."""


class LocalError(Exception):
    """Something on this machine stands in the way.

    The text says what was found, what is allowed and what to do, and is shown
    as it is: a user never needs the traceback.
    """


class BusyError(LocalError):
    """Another command is at work on the stack."""
