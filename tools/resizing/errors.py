"""What resizing raises."""


class ResizeError(Exception):
    """Cannot be done: says what was found, what is allowed and what to do."""
