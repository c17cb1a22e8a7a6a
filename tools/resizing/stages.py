"""The deployments that lead from one size to another, in the order in which Azure bears them.

A stage is one change of the stack file and one run of the engine.  Pure: it asks neither the cloud
nor the clock, and writes nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sizing.catalogue import BURSTABLE, SKUS, STORAGE, Sku
from stacks.settings.model import ManagedPostgres
from tools.resizing.errors import ResizeError

SCALING = (
    "https://learn.microsoft.com/azure/postgresql/scale/concepts-scaling-resources (November 2025)"
)
DISKS = "https://learn.microsoft.com/azure/postgresql/compute-storage/concepts-storage-premium-ssd"
RESTORING = (
    "https://learn.microsoft.com/azure/postgresql/backup-restore/concepts-backup-restore"
    " (November 2024)"
)
RUNBOOK = "docs/runbooks/undersized-server.md"
OFFLINE_BORDER_GIB = 4096
"""A managed disk is made anew where it grows beyond this; the server is stopped for it."""
BACK = {
    "postgres.storage.auto_grow": "the disk may grow by itself again",
    "postgres.read_replicas": "the read replicas follow the server's size again",
}
"""What is put back when the server has its size."""
SLOW_BURSTABLE_VCORES = 2
"""From and to Burstable sizes of 1 or 2 vCores there is no switch-over, but a restart."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the server is to become; None leaves a thing as it is."""

    sku: str | None = None
    storage_gib: int | None = None
    storage_tier: str | None = None
    geo_redundant: bool | None = None
    zone: str | None = None
    restore: bool = False
    """Make a new server of a backup, though nothing that is fixed at creation changes."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The server to restore, and to when."""

    server_id: str
    point_in_time: str


PLANNED = Origin(
    server_id="/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/planned"
    "/providers/Microsoft.DBforPostgreSQL/flexibleServers/planned",
    point_in_time="2000-01-01T00:00:00Z",
)
"""Stands in a plan for what is known when the writers have been stopped."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One change of the stack file, and one run of the engine."""

    title: str
    changes: Mapping[str, Any]
    takes: str
    """How long, and for how long nobody is answered; Azure's figures."""
    source: str


@dataclass(frozen=True, kw_only=True)
class Way:
    """One of the three ways out of a server that is too small."""

    name: str
    needed: bool
    why: str


def needs_restore(server: ManagedPostgres, target: Target) -> list[str]:
    """Return what of the target is fixed when a server is made."""
    fixed = []
    if target.geo_redundant not in (None, server.backup.geo_redundant):
        fixed.append("backup.geo_redundant")
    if target.zone not in (None, server.high_availability.zone):
        fixed.append("high_availability.zone")
    return fixed


def stages(server: ManagedPostgres, target: Target, origin: Origin = PLANNED) -> tuple[Stage, ...]:
    """Return the deployments, first to last; none where the server is what it is to become.

    Raises ``ResizeError`` for what Azure offers no way to, and for what would lose a way back.
    """
    _refuse_impossible(server, target)
    _refuse_followed_disk(server, target)
    found: list[Stage] = []
    if target.restore or needs_restore(server, target):
        _refuse_third_generation(server)
        found += _restore(server, target, origin)
    found += _in_place(server, target)
    return tuple(found)


def ways(server: ManagedPostgres, target: Target) -> tuple[Way, ...]:
    """Return the three ways, and whether each is needed."""
    sku, size = target.sku, target.storage_gib
    fixed = needs_restore(server, target)
    return (
        Way(
            name="another SKU, in place",
            needed=sku not in (None, server.sku),
            why=f"{server.sku} -> {sku}; the data stay where they are" if sku != server.sku and sku
            else f"{server.sku} stays",
        ),
        Way(
            name="a larger disk, in place",
            needed=size not in (None, server.storage.size_gib),
            why=f"{server.storage.size_gib} -> {size} GiB; it never shrinks again"
            if size not in (None, server.storage.size_gib)
            else f"{server.storage.size_gib} GiB stay",
        ),
        Way(
            name="a new server from a backup",
            needed=bool(fixed) or target.restore,
            why=f"{', '.join(fixed)}: fixed when a server is made" if fixed
            else "asked for" if target.restore
            else "nothing that is fixed at creation changes",
        ),
    )  # fmt: skip


def _refuse_impossible(server: ManagedPostgres, target: Target) -> None:
    if target.sku is not None and target.sku not in SKUS:
        raise ResizeError(f"--sku {target.sku}: Azure sells no such size; see docs/sizing.md")
    size, present = target.storage_gib, server.storage.size_gib
    if size is None:
        return
    if size not in STORAGE:
        sizes = ", ".join(map(str, STORAGE))
        raise ResizeError(f"--storage-gib {size}: no size of a disk; allowed: {sizes}")
    if size < present:
        raise ResizeError(
            f"--storage-gib {size}: found {present} GiB, and a disk never shrinks, by no restore"
            " either; dump the data and load them into a stack with a smaller one"
        )


def _refuse_followed_disk(server: ManagedPostgres, target: Target) -> None:
    """Neither may the disk change while it grows by itself, nor that be switched with replicas."""
    if server.read_replicas and server.storage.auto_grow and _disk(server, target):
        raise ResizeError(
            f"postgres.read_replicas: found {len(server.read_replicas)}, and a disk that grows by"
            " itself gets another size or tier only without them. Remove them and bring the stack"
            " up, resize, add them again: docs/scale-out.md. The SKU alone can change with them"
        )


def _refuse_third_generation(server: ManagedPostgres) -> None:
    """The stack has two generations at the most: a third would drop the way back."""
    before = server.restore_from
    if before is None or (before.finished and not before.source_stays):
        return
    found = "source_stays: true" if before.finished else "finished: false"
    remedy = (
        "accept that server and let its source go (set source_stays to false, step 7 of «A new"
        " server from a backup»)"
        if before.finished
        else "bring that restore to its end with `apply`, or take it back («How to go back»)"
    )
    raise ResizeError(
        f"postgres.restore_from: found {found} of generation {before.generation}, and a further"
        f" restore would delete generation {before.generation - 1}; first {remedy}:"
        f" {RUNBOOK}"
    )


def _in_place(server: ManagedPostgres, target: Target) -> Iterator[Stage]:
    """Machine and disk in one deployment: the settings refuse whatever is still too small."""
    machine, disk = _machine(server, target), _disk(server, target)
    if not (machine or disk):
        return
    pinned = _pinned(server, target)
    if pinned:
        yield Stage(
            title="the read replicas, which must at no time be smaller than the server",
            changes=pinned,
            takes="2 to 10 minutes each, in which a replica does not answer",
            source=SCALING,
        )
    titles = [*_machine_words(server, machine), *_disk_words(server, disk)]
    times = [*_machine_times(server, machine), *_disk_times(server, disk)]
    yield Stage(
        title="; ".join(titles),
        changes={**machine, **disk},
        takes="; ".join(times),
        source=SCALING if machine else DISKS,
    )
    back: dict[str, Any] = {}
    if "postgres.storage.auto_grow" in disk:
        back["postgres.storage.auto_grow"] = True
    if pinned:
        back["postgres.read_replicas"] = _replicas(server)
    if back:
        yield Stage(
            title="; ".join(BACK[path] for path in back),
            changes=back,
            takes="a minute or two without an interruption; 2 to 10 minutes for a replica that"
            " shrinks"
            if pinned
            else "a minute or two, without an interruption",
            source=SCALING if pinned else DISKS,
        )


def _machine(server: ManagedPostgres, target: Target) -> dict[str, Any]:
    return {} if target.sku in (None, server.sku) else {"postgres.sku": target.sku}


def _disk(server: ManagedPostgres, target: Target) -> dict[str, Any]:
    """While a disk grows by itself the program leaves its size alone, so it may not meanwhile."""
    storage = server.storage
    size = target.storage_gib or storage.size_gib
    tier = target.storage_tier or _tier(size, storage.tier)
    if (size, tier) == (storage.size_gib, storage.tier):
        return {}
    changed = {"postgres.storage.size_gib": size, "postgres.storage.tier": tier}
    return {**changed, "postgres.storage.auto_grow": False} if storage.auto_grow else changed


def _tier(size: int, present: str) -> str:
    """A tier that was bought above the disk's own stays, as long as the new size may have it."""
    disk = STORAGE[size]
    return present if present in disk.tiers else disk.default_tier


def _machine_words(server: ManagedPostgres, machine: Mapping[str, Any]) -> Iterator[str]:
    if machine:
        yield f"{server.sku} to {machine['postgres.sku']}"


def _machine_times(server: ManagedPostgres, machine: Mapping[str, Any]) -> Iterator[str]:
    if machine:
        yield _scaling_time(SKUS[server.sku], SKUS[machine["postgres.sku"]])


def _disk_words(server: ManagedPostgres, disk: Mapping[str, Any]) -> Iterator[str]:
    if not disk:
        return
    before, after = (
        server.storage,
        (disk["postgres.storage.size_gib"], disk["postgres.storage.tier"]),
    )
    if after[0] != before.size_gib:
        yield f"disk of {before.size_gib} GiB to {after[0]} GiB"
    if after[1] != before.tier:
        yield f"performance tier {before.tier} to {after[1]}"


def _disk_times(server: ManagedPostgres, disk: Mapping[str, Any]) -> Iterator[str]:
    if not disk:
        return
    if server.storage.size_gib <= OFFLINE_BORDER_GIB < disk["postgres.storage.size_gib"]:
        yield (
            f"the disk offline: beyond {OFFLINE_BORDER_GIB} GiB it is another one. Azure names no"
            " time; rehearse it on a restored copy"
        )
    else:
        yield "the disk in minutes, without an interruption"


def _scaling_time(before: Sku, after: Sku) -> str:
    slow = any(
        sku.tier == BURSTABLE and sku.vcores <= SLOW_BURSTABLE_VCORES for sku in (before, after)
    )
    if slow:
        return "2 to 10 minutes, in which nobody is answered and open transactions are lost"
    return (
        "minutes, of which usually 40 to 60 seconds without an answer; 2 to 10 minutes where the"
        " region is short of machines. Open transactions are lost"
    )


def _restore(server: ManagedPostgres, target: Target, origin: Origin) -> Iterator[Stage]:
    """The new server has the source's size; it is resized when it stands."""
    restore = server.restore_from
    generation = 2 if restore is None else restore.generation + 1
    made = {
        "server_id": origin.server_id,
        "point_in_time": origin.point_in_time,
        "generation": generation,
        "finished": False,
        "source_stays": True,
    }
    yield Stage(
        title=f"a server of generation {generation}, from a backup, beside the present one;"
        " the workloads are pointed at it",
        changes={"postgres.restore_from": made, **_fixed(server, target)},
        takes="minutes to hours, by the log that has to be replayed. What was written after the"
        " point in time is not in it: stop the writers first",
        source=RESTORING,
    )
    yield Stage(
        title="its standby, which a restored server does not have",
        changes={"postgres.restore_from": {**made, "finished": True}},
        takes="minutes, without an interruption"
        if server.high_availability.mode != "Disabled"
        else "moments: there is none to be made",
        source=RESTORING,
    )


def _fixed(server: ManagedPostgres, target: Target) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    standby = server.high_availability
    if target.geo_redundant is not None:
        changes["postgres.backup.geo_redundant"] = target.geo_redundant
    if target.zone is not None:
        changes["postgres.high_availability.zone"] = target.zone
        if standby.standby_zone == target.zone:
            changes["postgres.high_availability.standby_zone"] = standby.zone
    return changes


def _pinned(server: ManagedPostgres, target: Target) -> dict[str, Any]:
    """Give every replica the larger of both sizes, for as long as the server is resized."""
    if not server.read_replicas:
        return {}
    sku = max(
        (SKUS[server.sku], SKUS[target.sku or server.sku]),
        key=lambda size: (size.vcores, size.memory_gib),
    )
    storage = target.storage_gib or server.storage.size_gib
    return {
        "postgres.read_replicas": [
            {"sku": sku.name, "storage_gib": storage, **replica} for replica in _replicas(server)
        ]
    }


def _replicas(server: ManagedPostgres) -> list[dict[str, Any]]:
    return [
        replica.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        for replica in server.read_replicas
    ]
