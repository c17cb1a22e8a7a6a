"""Vectors for texts from OpenAI, Azure OpenAI, or whatever speaks the same protocol.

``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` say where and with which key; ``AZURE_OPENAI_ENDPOINT``,
``AZURE_OPENAI_API_KEY`` and ``OPENAI_API_VERSION`` do for a deployment on Azure, whose name is then
the model's.  The official package asks; how often is decided here, because a wait that one thread
is told to keep is one for all.  Contents are neither logged nor quoted in an error.
"""

import email.utils
import logging
import math
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from memory.embeddings.errors import (
    EndpointBusy,
    EndpointRefused,
    EndpointUnset,
    WrongAnswer,
)
from memory.embeddings.limits import RateLimit, estimated_tokens

if TYPE_CHECKING:
    import openai

REQUEST_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 60.0
BUSY, SERVER_ERROR = 429, 500
RETRIED = frozenset({408, 409, BUSY})
ABOUT_INPUTS = frozenset({400, 413, 422})
NEVER_RETRIED = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes of a 429 that no waiting ends."""

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts in, one vector for each out, in the same order."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Vectors in the order of the texts, and what they were charged for."""

    vectors: Sequence[Sequence[float]]
    tokens: int | None = None
    """As the endpoint counted them; None where it did not say."""


def checked(vectors: Sequence[Sequence[float]], texts: int, dimensions: int) -> None:
    """Raise WrongAnswer unless there is one finite vector of that length for each text."""
    if len(vectors) != texts:
        raise WrongAnswer(f"{texts} texts were sent and {len(vectors)} vectors came back")
    for vector in vectors:
        if len(vector) != dimensions:
            raise WrongAnswer(
                f"a vector has {len(vector)} dimensions, {dimensions} are wanted: name the model"
                " that gives as many, or ask for a shorter vector where the model can (--shorten)"
            )
        if not all(map(math.isfinite, vector)):
            raise WrongAnswer("a vector holds a number that is not finite")


@dataclass(kw_only=True)
class EmbeddingsClient:
    """Asks one model; any number of threads may call it at once.  Its block closes connections."""

    api: "openai.OpenAI"
    model: str
    dimensions: int
    shorten: bool = False
    """Whether to ask for ``dimensions``: the text-embedding-3 models can, older ones refuse it."""
    limit: RateLimit = field(default_factory=RateLimit)
    retry_seconds: float = 600
    """For all tries of one request together."""
    waiting: Callable[[str], None] = lambda _: None

    def __enter__(self) -> Self:
        """Open nothing: the first question does."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections to the endpoint."""
        self.api.close()

    def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return the vectors alone."""
        return self.answer(texts).vectors

    def answer(self, texts: Sequence[str]) -> Answer:
        """Ask until there is an answer.

        Raises EndpointRefused for what no repetition mends, EndpointBusy when the patience ends,
        WrongAnswer for vectors that are not the wanted ones.
        """
        deadline, attempt = time.monotonic() + self.retry_seconds, 0
        while True:
            self.limit.take(estimated_tokens(texts))
            outcome = self._once(texts)
            if isinstance(outcome, Answer):
                checked(outcome.vectors, len(texts), self.dimensions)
                return outcome
            why, told = outcome
            pause = _backoff(attempt) if told is None else told
            if time.monotonic() + pause > deadline:
                raise EndpointBusy(
                    f"{why}; tried {attempt + 1} times in {self.retry_seconds:.0f} s."
                    " Run again later, or with fewer --requests-per-minute"
                )
            self.waiting(f"{why}; asking again in {pause:.1f} s")
            self.limit.hold(pause)
            time.sleep(pause)
            attempt += 1

    def _once(self, texts: Sequence[str]) -> "Answer | tuple[str, float | None]":
        """One request: its answer, or why it is worth another and how long to wait before."""
        import openai  # noqa: PLC0415 - two seconds of import that most commands do without

        dimensions = self.dimensions if self.shorten else openai.omit
        try:
            response = self.api.embeddings.create(
                model=self.model, input=list(texts), dimensions=dimensions
            )
            ordered = sorted(response.data, key=lambda item: item.index)
            tokens = response.usage.total_tokens if response.usage else None
            return Answer(vectors=[item.embedding for item in ordered], tokens=tokens)
        except openai.APIStatusError as error:
            why = _described(error)
            if not _worth_another(error):
                at_fault = error.status_code in ABOUT_INPUTS
                raise EndpointRefused(why, inputs_are_at_fault=at_fault) from None
            return why, _retry_after(error.response.headers)
        except openai.APITimeoutError:
            return f"the endpoint did not answer in {REQUEST_SECONDS:.0f} s", None
        except openai.APIConnectionError:
            return "the endpoint is out of reach", None
        except (openai.OpenAIError, ValueError, AttributeError, TypeError):
            # What is not of the protocol's form fails at any depth of the package.
            raise WrongAnswer(
                "the answer is not of the embeddings protocol; is the base URL the one that ends"
                " before /embeddings?"
            ) from None


def client_from_environment(
    model: str, dimensions: int, *, shorten: bool = False, limit: RateLimit | None = None
) -> EmbeddingsClient:
    """Return a client of the endpoint that the environment names.  Raises EndpointUnset."""
    import openai  # noqa: PLC0415 - two seconds of import that most commands do without

    # The package prints whole requests when OPENAI_LOG asks for it.
    logging.getLogger("openai").setLevel(logging.WARNING)
    on_azure = "AZURE_OPENAI_ENDPOINT" in os.environ
    try:
        api = (
            openai.AzureOpenAI(max_retries=0, timeout=REQUEST_SECONDS)
            if on_azure
            else openai.OpenAI(max_retries=0, timeout=REQUEST_SECONDS)
        )
    except (openai.OpenAIError, ValueError):
        wanted = (
            "AZURE_OPENAI_API_KEY and OPENAI_API_VERSION beside AZURE_OPENAI_ENDPOINT"
            if on_azure
            else "OPENAI_API_KEY, and OPENAI_BASE_URL where it is not OpenAI's own; or"
            " AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY and OPENAI_API_VERSION"
        )
        raise EndpointUnset(f"no endpoint for embeddings: set {wanted}") from None
    return EmbeddingsClient(
        api=api, model=model, dimensions=dimensions, shorten=shorten, limit=limit or RateLimit()
    )


def _worth_another(error: "openai.APIStatusError") -> bool:
    if error.code in NEVER_RETRIED:
        return False
    return error.status_code in RETRIED or error.status_code >= SERVER_ERROR


def _described(error: "openai.APIStatusError") -> str:
    """Status, code and request id; never the body, which may quote what was sent."""
    words = [f"the endpoint answered {error.status_code}"]
    if error.code:
        words.append(f"code {error.code[:60]}")
    if error.request_id:
        words.append(f"request {error.request_id[:60]}")
    return ", ".join(words)


def _retry_after(headers: "openai.BaseModel | object") -> float | None:
    """What the endpoint told us to wait: milliseconds, seconds, or a date."""
    get = getattr(headers, "get", lambda _: None)
    try:
        if milliseconds := get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        text = get("retry-after")
        if not text:
            return None
        if text.strip().replace(".", "", 1).isdigit():
            return float(text)
        moment = email.utils.parsedate_to_datetime(text)
        return max(0.0, moment.timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _backoff(attempt: int) -> float:
    longest = min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS)
    return secrets.SystemRandom().uniform(longest / 2, longest)
