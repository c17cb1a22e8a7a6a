"""What the database servers of a stack cost a month, before and after."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from assurance.policies.state import plain
from assurance.review.holdings import SERVER, bare
from assurance.review.recording import Recording
from sizing.catalogue import SKUS, disk_of
from sizing.prices import UNKNOWN, Cost, PriceBook, Unpriced, monthly_cost, together

GONE = frozenset({"delete", "delete-replaced"})
"""Steps after which what they are about is not there."""
NONE = Unpriced("no server of ours")


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of one stack; servers with their standby and their disk, and nothing else."""

    before: Cost | Unpriced
    after: Cost | Unpriced

    @property
    def why(self) -> str:
        """Why it is not known; nothing where it is, and where there is no server."""
        sides = (self.after, self.before)
        unknown = [c.why for c in sides if isinstance(c, Unpriced) and c is not NONE]
        return unknown[0] if unknown else ""

    @property
    def in_short(self) -> str:
        """The later cost and what it is more than the earlier."""
        if self.why:
            return UNKNOWN
        if isinstance(self.after, Unpriced):
            return NONE.why
        earlier = self.before.amount if isinstance(self.before, Cost) else Decimal(0)
        delta, now = self.after.amount - earlier, f"{self.after.amount:,} {self.after.currency}"
        return f"{now} ({delta:+,})" if delta else f"{now} (unchanged)"


UNCHANGED = Costs(before=NONE, after=NONE)
"""Of a stack without a server of ours."""


def costs(recording: Recording, book: PriceBook, currency: str, on: date) -> Costs:
    """Price the servers of a stack; what is not known says why."""
    sides = (
        [_price(state, book, currency, on) for state in _servers(recording, side)]
        for side in ("oldState", "newState")
    )
    before, after = (together(prices) if prices else NONE for prices in sides)
    return Costs(before=before, after=after)


def _servers(recording: Recording, side: str) -> Iterator[Mapping[str, Any]]:
    """Yield each server once; a replacement is told in three steps."""
    found: dict[str, Mapping[str, Any]] = {}
    for step in recording.steps:
        state = step.get(side) or {}
        gone = step["op"] in GONE and side == "newState"
        if bare(state.get("type", "")) == SERVER and not gone:
            found[step["urn"]] = state
    yield from (plain(state.get("inputs") or {}) for state in found.values())


def _price(server: Mapping[str, Any], book: PriceBook, currency: str, on: date) -> Cost | Unpriced:
    storage, region = server.get("storage") or {}, server.get("location")
    name, size = (server.get("sku") or {}).get("name"), storage.get("storageSizeGB")
    if name not in SKUS or not isinstance(size, int):
        return Unpriced(f"a server of size {name} with a disk of {size} GiB is in no catalogue")
    disk = disk_of(size)
    standby = (server.get("highAvailability") or {}).get("mode", "Disabled") != "Disabled"
    nodes = (server.get("cluster") or {}).get("clusterSize", 1)
    return monthly_cost(
        book,
        sku=SKUS[name],
        disk=disk,
        storage_tier=storage.get("tier", disk.default_tier),
        servers=nodes * (2 if standby else 1),
        region=region if isinstance(region, str) else None,
        currency=currency,
        today=on,
    )
