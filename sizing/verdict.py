"""Whether a server holds a workload as it is today, with which headroom, and until when.

The recommendation asks more of a server than this: it is for the workload as it will have grown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from sizing import needs
from sizing.catalogue import DISK_IOPS, GIB, disk_of
from sizing.growth import months_until
from sizing.latency import cached_bytes
from sizing.predict import predict
from sizing.prediction import Prediction
from sizing.workload import Workload

What = Literal["storage", "memory", "connections", "iops"]

MEMORY_SHARE = 0.8
"""Of RAM that the vector index may take: the mission's critical alert."""
STORAGE_SHARE = 0.8
"""Of the disk that may be in use.  Azure makes a server read-only at 95 %, and grows a disk of up
to 320 GiB when a fifth of it is left.

https://learn.microsoft.com/azure/postgresql/compute-storage/concepts-storage-premium-ssd
"""


class Server(Protocol):
    """What is judged of a machine; every ``Sku`` has it."""

    @property
    def memory_gib(self) -> int:
        """RAM."""

    @property
    def iops(self) -> int:
        """At most, whatever the disk could do."""

    @property
    def user_connections(self) -> int:
        """What the server leaves to its users."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a server has too little or enough of."""

    what: What
    needed: float
    available: float
    """The part that may be used, not the whole."""
    unit: Literal["GiB", "connections", "IOPS"]
    due: int | None
    """Months of growth after which it no longer fits, 0 if it does not today.

    None if it fits for ten years.
    """
    why: str

    @property
    def fits(self) -> bool:
        """Whether what is needed is there."""
        return self.needed <= self.available

    @property
    def headroom(self) -> float:
        """Share of what is available that is free; negative where it does not fit."""
        if self.available <= 0:
            return 0.0 if self.needed <= 0 else -1.0
        return 1 - self.needed / self.available


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All findings on one server."""

    findings: tuple[Finding, ...]

    @property
    def fits(self) -> bool:
        """Whether everything does."""
        return all(finding.fits for finding in self.findings)

    @property
    def due_in_months(self) -> int | None:
        """When the first thing is full; 0 where one is, None if not within ten years."""
        dues = [finding.due for finding in self.findings if finding.due is not None]
        return min(dues, default=None)

    def of(self, what: What) -> Finding:
        """The finding on one thing."""
        return next(finding for finding in self.findings if finding.what == what)


Need = Callable[[Workload, Prediction], float]


@dataclass(frozen=True, kw_only=True)
class _Measure:
    """One thing that grows with the rows, and how much of it there is."""

    what: What
    unit: Literal["GiB", "IOPS"]
    need: Need
    available: float
    why: str

    def finding(self, workload: Workload, prediction: Prediction) -> Finding:
        """Judge it today, and at the stated growth."""
        return Finding(
            what=self.what,
            needed=self.need(workload, prediction),
            available=self.available,
            unit=self.unit,
            due=months_until(workload, lambda w: self.need(w, predict(w)) <= self.available),
            why=self.why,
        )


def judge(  # noqa: PLR0913 - the two sides of a comparison, each part by its name
    workload: Workload,
    prediction: Prediction,
    *,
    sku: Server,
    storage_gib: int,
    connections_needed: int,
    storage_tier: str | None = None,
) -> Verdict:
    """Compare what ``workload`` takes with what the server has.

    ``prediction`` is the workload's own; ``storage_tier`` is the disk's default where None.
    """
    storage, memory, iops = (
        measure.finding(workload, prediction)
        for measure in (
            _storage(storage_gib),
            _memory(sku),
            _iops(sku, disk_operations(storage_gib, storage_tier)),
        )
    )
    return Verdict(findings=(storage, memory, _connections(sku, connections_needed), iops))


def _storage(size_gib: int) -> _Measure:
    return _Measure(
        what="storage",
        unit="GiB",
        need=lambda w, p: needs.total(needs.disk(w, p, size_gib)) / GIB,
        available=size_gib * STORAGE_SHARE,
        why=f"{STORAGE_SHARE:.0%} of {size_gib} GiB; at 95 % Azure makes it read-only",
    )


def _memory(sku: Server) -> _Measure:
    return _Measure(
        what="memory",
        unit="GiB",
        need=lambda _, p: p.vector_index_bytes / GIB,
        available=sku.memory_gib * MEMORY_SHARE,
        why=f"the vector index within {MEMORY_SHARE:.0%} of {sku.memory_gib} GiB of RAM",
    )


def _iops(sku: Server, of_disk: int) -> _Measure:
    return _Measure(
        what="iops",
        unit="IOPS",
        need=lambda w, p: needs.total(needs.iops(w, p, cached_bytes(sku.memory_gib))),
        available=min(sku.iops, of_disk),
        why=f"the lesser of the machine's {sku.iops:,} and the disk's {of_disk:,}",
    )


def disk_operations(storage_gib: int, tier: str | None = None) -> int:
    """IOPS of a disk; that of the next smaller size where Azure sells none of this one."""
    if tier is not None:
        return DISK_IOPS[tier]
    return disk_of(storage_gib).iops


def _connections(sku: Server, needed: int) -> Finding:
    """Rows bring no connections: pods do."""
    available = sku.user_connections
    return Finding(
        what="connections",
        needed=needed,
        available=available,
        unit="connections",
        due=None if needed <= available else 0,
        why=f"every autoscaler at its bound, of the {available:,} that Azure leaves",
    )
