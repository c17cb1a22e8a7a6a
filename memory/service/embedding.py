"""Vectors for the texts of a request, from the customer's model, within the time of a request.

The client is the one of the re-embedding: it retries what passes, and quotes nothing.  It waits in
threads of its own, of which there are few: a model that is slow holds up those who need it, and
nobody who brings a vector.
"""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from memory.embeddings.client import Answer, EmbeddingsClient
from memory.embeddings.errors import EmbeddingError, EndpointRefused
from memory.embeddings.limits import estimated_tokens
from memory.service.errors import Busy, Invalid, ModelRefused, ModelUnavailable
from memory.service.secret_file import SecretFile, one_line
from memory.service.settings import Settings

MINUTE = 60.0
WAITING_FOR_EACH = 4
"""Requests that may wait for each one that is under way."""
NO_KEY = "none"

Count = Callable[[str, int], None]


@dataclass
class Allowance:
    """Tokens of a minute; who asks for more is told so, and waits elsewhere."""

    tokens_a_minute: int | None
    clock: Callable[[], float] = time.monotonic
    _left: float = field(init=False)
    _seen: float = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        """Begin with a full minute's."""
        self._left, self._seen = float(self.tokens_a_minute or 0), self.clock()

    def take(self, tokens: int) -> None:
        """Set tokens aside.  Raises Busy, with the time after which there will be enough."""
        if self.tokens_a_minute is None:
            return
        with self._lock:
            now, rate = self.clock(), self.tokens_a_minute / MINUTE
            full = float(self.tokens_a_minute)
            self._left, self._seen = min(full, self._left + (now - self._seen) * rate), now
            # What is more than a minute's goes out alone, and is paid off afterwards.
            if self._left < min(tokens, full):
                refusal = Busy("the allowance of the embedding model is used up for the moment")
                refusal.retry_after_seconds = 1 + int((min(tokens, full) - self._left) / rate)
                raise refusal
            self._left -= tokens


class Embedder:
    """Asks the model's endpoint, where there is one."""

    def __init__(self, settings: Settings, count: Count) -> None:
        self._settings = settings
        self._count = count
        self._allowance = Allowance(settings.model_tokens_per_minute)
        self._threads = ThreadPoolExecutor(settings.model_requests, thread_name_prefix="model")
        self._under_way = 0
        self._client: EmbeddingsClient | None = None
        self._making = threading.Lock()

    def open(self) -> None:
        """Make the client before it is asked for: its import alone takes seconds."""
        if self._settings.model_endpoint is not None:
            self._threads.submit(self._made)

    async def vectors(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return one for each text.  Raises Invalid, Busy, ModelUnavailable, ModelRefused."""
        if not texts:
            return []
        settings = self._settings
        if settings.model_endpoint is None:
            raise Invalid("there is no model here that makes vectors: send an embedding")
        if self._under_way >= settings.model_requests * (1 + WAITING_FOR_EACH):
            self._count("refused", 0)
            raise Busy(f"{self._under_way} requests wait for the embedding model already")
        self._allowance.take(estimated_tokens(texts))
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self._threads, self._ask, list(texts))
            answer = await asyncio.wait_for(asked, settings.model_seconds)
        except TimeoutError:
            self._count("timeout", 0)
            raise ModelUnavailable(
                f"the embedding model did not answer in {settings.model_seconds:g} s"
            ) from None
        except EndpointRefused as error:
            self._count("refused", 0)
            raise _refusal(error) from None
        except EmbeddingError as error:
            self._count("failed", 0)
            raise ModelUnavailable(f"the embedding model: {error}") from None
        finally:
            self._under_way -= 1
        self._count("answered", answer.tokens or 0)
        return answer.vectors

    def close(self) -> None:
        """Let the threads end; what they wait for is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.api.close()

    def _made(self) -> EmbeddingsClient:
        with self._making:
            self._client = self._client or client(self._settings)
        return self._client

    def _ask(self, texts: list[str]) -> Answer:
        return self._made().answer(texts)


def client(settings: Settings) -> EmbeddingsClient:
    """Return a client of the endpoint; its key is read from its file at each request."""
    import openai  # noqa: PLC0415 - two seconds of import, beside which the service starts

    file = settings.model_api_key_file
    secret = None if file is None else SecretFile(file, one_line)
    roots = settings.model_ca_file
    verify = ssl.create_default_context(cafile=None if roots is None else str(roots))
    api = openai.OpenAI(
        base_url=settings.model_endpoint,
        api_key=NO_KEY if secret is None else secret.value,
        max_retries=0,
        timeout=settings.model_seconds / 2,  # so that a second try has its time
        http_client=openai.DefaultHttpxClient(verify=verify),
    )
    return EmbeddingsClient(
        api=api,
        model=settings.embedding_model or "",
        dimensions=settings.dimensions,
        retry_seconds=settings.model_seconds / 2,
    )


def _refusal(error: EndpointRefused) -> ModelRefused | ModelUnavailable:
    if error.inputs_are_at_fault:
        return ModelRefused(f"the embedding model refused the text: {error}")
    return ModelUnavailable(f"the embedding model: {error}")
