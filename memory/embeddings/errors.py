"""Everything that asking for embeddings can fail with.  One family, one base.

No text here repeats what was asked or answered: an endpoint's error may quote the content.
"""


class EmbeddingError(Exception):
    """Base of the family; its text says what was found, what is allowed, what to do."""


class EndpointUnset(EmbeddingError):  # noqa: N818 - named after what the operator sees
    """The environment does not say where the endpoint is, or with which key."""


class EndpointRefused(EmbeddingError):  # noqa: N818 - named after what the operator sees
    """The endpoint answered that it will not do this; asking again changes nothing."""

    def __init__(self, text: str, *, inputs_are_at_fault: bool = False) -> None:
        super().__init__(text)
        self.inputs_are_at_fault = inputs_are_at_fault
        """Whether other texts may well be accepted."""


class EndpointBusy(EmbeddingError):  # noqa: N818 - named after what the operator sees
    """The endpoint was asked again and again, and did not answer in time."""


class WrongAnswer(EmbeddingError):  # noqa: N818 - named after what the operator sees
    """The endpoint answered, and not with one vector of the wanted length for each text."""


class BudgetSpent(EmbeddingError):  # noqa: N818 - named after what the operator sees
    """The next request could cost more than what is left."""
