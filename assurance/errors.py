"""The one family of errors of this room."""


class AssuranceError(Exception):
    """Something could not be judged; the text says what, and what to do."""
