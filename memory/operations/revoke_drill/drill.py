"""One drill: disable the key, watch the server go, enable it, watch it come back.

What is disabled is marked in the vault, in the same request: the server's own books cannot be read
while it is gone.  Whoever looks next finds the mark and heals.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from memory.operations.azure import Azure, FlexibleServer, Heard
from memory.operations.errors import Decision
from memory.operations.tenants import endpoint
from memory.operations.vault_key import VaultKey, heal
from memory.schema.connection import connect
from memory.schema.errors import ConnectionRefused

OPERATION = "revoke-drill"
POLL_SECONDS = 15.0
ANSWER_SECONDS = 60.0
READY, INACCESSIBLE = "Ready", "Inaccessible"


@dataclass(kw_only=True)
class Outcome:
    """What was seen."""

    disabled: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """Until the server was gone, and until it was back."""
    refused: bool = False
    """Whether no new connection was answered while the key was disabled."""
    back: bool = False

    @property
    def ok(self) -> bool:
        """Whether the key decided, both ways."""
        return self.refused and self.back and {"gone", "back"} <= self.seconds.keys()

    def as_data(self) -> dict[str, Any]:
        """Plain data for records and ``--json``."""
        return {
            "ok": self.ok,
            "disabled": self.disabled,
            "refused": self.refused,
            "back": self.back,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, kw_only=True)
class Drill:
    """The server, its key, and how long to wait for Azure to notice."""

    azure: Azure
    server: FlexibleServer
    key: VaultKey
    wait_seconds: float
    heard: Heard
    poll_seconds: float = POLL_SECONDS

    def run(self, outcome: Outcome, began: str) -> None:
        """Disable, watch, enable, watch.  Whatever is raised, enabling was tried."""
        try:
            self._revoke(outcome, began)
        finally:
            heal(self.key, self.heard)
        outcome.seconds["back"] = self.await_state(READY)
        outcome.back = answers(wait_seconds=ANSWER_SECONDS)

    def await_state(self, wanted: str) -> float:
        """Return after how many seconds the server was so.  Raises Decision."""
        began = time.monotonic()
        while (seen := self.azure.server(self.server.id).state) != wanted:
            waited = time.monotonic() - began
            if waited > self.wait_seconds:
                raise Decision(
                    f"{self.server.name} is still {seen} after {waited:.0f} s, not {wanted}; Azure"
                    " says up to an hour: raise --wait-minutes, and see the vault's log"
                )
            self.heard(f"{self.server.name} is {seen}, for {waited:.0f} s")
            time.sleep(self.poll_seconds)
        return round(time.monotonic() - began, 1)

    def _revoke(self, outcome: Outcome, began: str) -> None:
        for version in self.key.versions():
            if version.enabled:
                self.key.disable(version, f"{OPERATION} {began}")
                outcome.disabled.append(version.version)
        self.heard(f"disabled: {', '.join(outcome.disabled)}")
        outcome.seconds["gone"] = self.await_state(INACCESSIBLE)
        outcome.refused = not answers()


def answers(wait_seconds: float = 0) -> bool:
    """Whether the server takes a new connection."""
    try:
        connect(endpoint(), wait_seconds=wait_seconds).close()
    except ConnectionRefused:
        return False
    return True
