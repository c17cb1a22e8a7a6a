"""What sizing raises."""


class SizingError(ValueError):
    """A question that has no answer: says what was found, what is allowed and what to do."""
