"""The exception family of this room."""


class BenchError(Exception):
    """What was to be measured did not work; the text says what failed, and how."""
