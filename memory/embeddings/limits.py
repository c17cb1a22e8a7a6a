"""How fast an endpoint may be asked, and for how much money."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from memory.embeddings.errors import BudgetSpent

BYTES_A_TOKEN = 4
"""OpenAI's rule of thumb for English prose.  Code, JSON and other scripts have up to twice as many
tokens; what the endpoint counts corrects it after the first answers."""
MINUTE = 60.0


def estimated_tokens(texts: Iterable[str]) -> int:
    """Tokens of all texts together: a quarter of their bytes in UTF-8, at least one each."""
    return sum(max(1, -(-len(text.encode()) // BYTES_A_TOKEN)) for text in texts)


@dataclass
class RateLimit:
    """Spreads requests and tokens over the minute, without bursts; for many threads.

    Azure judges a minute's allowance in spans of one to ten seconds, so an even pace is what
    gets most through.
    """

    requests_a_minute: float | None = None
    tokens_a_minute: float | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _free_at: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def take(self, tokens: int) -> None:
        """Wait until a request of this size may go out."""
        with self._lock:
            now = self.clock()
            start = max(now, self._free_at)
            self._free_at = start + max(
                MINUTE / self.requests_a_minute if self.requests_a_minute else 0.0,
                MINUTE * tokens / self.tokens_a_minute if self.tokens_a_minute else 0.0,
            )
        if start > now:
            self.sleep(start - now)

    def hold(self, seconds: float) -> None:
        """Let nobody ask for this long: the endpoint said so."""
        with self._lock:
            self._free_at = max(self._free_at, self.clock() + seconds)


@dataclass
class Budget:
    """Tokens that were paid, tokens that are under way, and how much both may cost.

    A price is the caller's to know: none is invented.  For one thread.
    """

    price_per_million: float | None = None
    max_cost: float | None = None
    paid: int = 0
    estimated: int = 0
    """What had been estimated for the paid ones: the two together say how good estimates are."""
    reserved: int = 0

    def reserve(self, tokens: int) -> None:
        """Set aside what a request may cost.  Raises BudgetSpent before it would be too much."""
        expected = self.paid + self.corrected(self.reserved + tokens)
        if self.max_cost is not None and self.cost(expected) > self.max_cost:
            raise BudgetSpent(
                f"{self.cost(self.paid):.4f} is spent, and the next request may exceed the"
                f" {self.max_cost:g} that --max-cost allows; run again with a higher --max-cost"
            )
        self.reserved += tokens

    def settle(self, reserved: int, paid: int | None) -> None:
        """Replace what was set aside by what the endpoint counted, where it did."""
        self.reserved -= reserved
        self.estimated += reserved
        self.paid += reserved if paid is None else paid

    def release(self, reserved: int) -> None:
        """A request was not answered, and not paid."""
        self.reserved -= reserved

    def corrected(self, tokens: int) -> int:
        """An estimate in the light of what the answers so far really had."""
        return round(tokens * self.paid / self.estimated) if self.estimated else tokens

    def cost(self, tokens: int) -> float:
        """What tokens cost; nothing where no price is known."""
        return tokens * (self.price_per_million or 0.0) / 1_000_000
