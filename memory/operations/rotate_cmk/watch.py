"""Watching a server while its key is another one: what was seen, and for how long."""

import time
from dataclasses import dataclass, field
from typing import Any

from memory.operations.azure import Azure, FlexibleServer, Heard
from memory.operations.revoke_drill.drill import ANSWER_SECONDS, READY, answers


@dataclass(kw_only=True)
class Seen:
    """What a watch has seen."""

    seconds: float = 0.0
    looks: int = 0
    states: dict[str, int] = field(default_factory=dict)
    """How often each state was seen."""
    key_status: str | None = None
    """Azure's own word at the last look."""
    refused: int = 0
    """Looks at which no new connection was answered."""

    @property
    def ok(self) -> bool:
        """Whether the server was there at every look."""
        return self.looks > 0 and set(self.states) == {READY} and not self.refused

    def as_data(self) -> dict[str, Any]:
        """Plain data for records and ``--json``."""
        return {
            "waited_seconds": round(self.seconds, 1),
            "looks": self.looks,
            "states": self.states,
            "key_status": self.key_status,
            "refused": self.refused,
        }

    def __str__(self) -> str:
        """One sentence."""
        states = ", ".join(f"{state} {count} times" for state, count in self.states.items())
        return (
            f"watched for {self.seconds:.0f} s: {states}; its key is"
            f" {self.key_status or 'not spoken of'}; {self.refused} of {self.looks} connections"
            " were refused"
        )


@dataclass(frozen=True, kw_only=True)
class Watch:
    """One server, looked at again and again."""

    azure: Azure
    server: FlexibleServer
    poll_seconds: float
    heard: Heard

    def run(self, seconds: float, *, until_lost: bool = False) -> Seen:
        """Look once, and for so long; ``until_lost`` ends at the first look that is not well."""
        seen, began = Seen(), time.monotonic()
        while True:
            self._look(seen)
            seen.seconds = time.monotonic() - began
            if seen.seconds >= seconds or (until_lost and not seen.ok):
                return seen
            self.heard(str(seen))
            time.sleep(max(0.0, min(self.poll_seconds, seconds - seen.seconds)))

    def _look(self, seen: Seen) -> None:
        now = self.azure.server(self.server.id)
        seen.looks += 1
        seen.states[now.state] = seen.states.get(now.state, 0) + 1
        seen.key_status = now.key_status
        if now.state == READY and not answers(wait_seconds=min(ANSWER_SECONDS, 5.0)):
            seen.refused += 1

    def until_back(self, seconds: float) -> float:
        """Return after how many seconds the server was Ready again, or the patience was over."""
        began = time.monotonic()
        while (state := self.azure.server(self.server.id).state) != READY:
            waited = time.monotonic() - began
            if waited > seconds:
                break
            self.heard(f"{self.server.name} is {state}, for {waited:.0f} s")
            time.sleep(self.poll_seconds)
        return round(time.monotonic() - began, 1)
