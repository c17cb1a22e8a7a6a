"""What Azure demands of a Flexible Server, across its keys."""

from collections.abc import Callable, Iterator
from datetime import UTC
from functools import wraps

from stacks.settings.catalogue import REGIONS, STORAGE_TIERS
from stacks.settings.mistakes import Mistake
from stacks.settings.model import ManagedPostgres, StackSettings


def for_a_managed_server(
    rule: Callable[[StackSettings, ManagedPostgres], Iterator[Mistake]],
) -> Callable[[StackSettings], Iterator[Mistake]]:
    """Apply a rule where the server is ours; an existing one answers to its owner."""

    @wraps(rule)
    def judge(s: StackSettings) -> Iterator[Mistake]:
        if isinstance(s.postgres, ManagedPostgres):
            yield from rule(s, s.postgres)

    return judge


@for_a_managed_server
def burstable_has_no_standby(_s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """«High availability is not supported for the Burstable tier» (Azure CLI's words)."""
    mode = server.high_availability.mode
    if mode != "Disabled" and server.size.tier == "Burstable":
        yield Mistake(
            "postgres.high_availability.mode",
            f"{mode!r} on {server.sku}",
            "'Disabled' on a Burstable SKU",
            "choose a D or E series SKU, or 'Disabled'",
        )


@for_a_managed_server
def burstable_has_no_pooler(_s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """Azure hides ``pgbouncer.enabled`` on Burstable servers."""
    if server.built_in_pooler and server.size.tier == "Burstable":
        yield Mistake(
            "postgres.built_in_pooler",
            f"True on {server.sku}",
            "false on a Burstable SKU",
            "choose a D or E series SKU, or false",
        )


@for_a_managed_server
def standby_zone_follows_the_mode(_s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """A zone-redundant standby needs a zone of its own; any other mode must not name one."""
    standby = server.high_availability
    path = "postgres.high_availability.standby_zone"
    if standby.mode != "ZoneRedundant" and standby.standby_zone is not None:
        allowed = f"no standby_zone with mode {standby.mode!r}"
        yield Mistake(path, repr(standby.standby_zone), allowed, "remove it")
    elif standby.mode == "ZoneRedundant" and standby.standby_zone in (None, standby.zone):
        allowed = f"a zone other than {standby.zone!r}"
        yield Mistake(path, repr(standby.standby_zone), allowed, "name another zone: '1', '2', '3'")


@for_a_managed_server
def zone_redundancy_needs_zones(s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """Zone-redundant standby servers exist only in regions with availability zones."""
    redundant = server.high_availability.mode == "ZoneRedundant"
    if redundant and not REGIONS[s.azure.location].zones:
        yield Mistake(
            "postgres.high_availability.mode",
            f"'ZoneRedundant' in {s.azure.location}",
            "'Disabled' or 'SameZone' in a region without zones",
            "choose 'SameZone', or a region with availability zones, e.g. westeurope",
        )


@for_a_managed_server
def performance_tier_fits_the_disk(_s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """Each size of Premium SSD has a range of performance tiers."""
    storage = server.storage
    tiers = STORAGE_TIERS[storage.size_gib]
    if storage.tier not in tiers:
        yield Mistake(
            "postgres.storage.tier",
            f"{storage.tier!r} with {storage.size_gib} GiB",
            ", ".join(tiers),
            f"choose {tiers[0]}, the tier that the size brings",
        )


@for_a_managed_server
def geo_backup_needs_a_paired_region(
    s: StackSettings, server: ManagedPostgres
) -> Iterator[Mistake]:
    """Geo-redundant backups go to the paired region and nowhere else."""
    if server.backup.geo_redundant and s.azure.geo_location is None:
        yield Mistake(
            "postgres.backup.geo_redundant",
            f"True in {s.azure.location}",
            "false in a region whose pair takes no backups",
            "choose a paired region, e.g. westeurope, or false",
        )


@for_a_managed_server
def index_build_fits_the_memory(_s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """One CREATE INDEX may take maintenance_work_mem; half of the server must stay for queries."""
    wanted = server.parameters.get("maintenance_work_mem", 0)
    half = server.size.memory_gib * 2**20 // 2
    if wanted > half:
        yield Mistake(
            "postgres.parameters.maintenance_work_mem",
            f"{wanted} KiB on {server.sku}",
            f"{half} KiB or less, half of its memory",
            "lower it, or choose a larger SKU",
        )


@for_a_managed_server
def a_restore_knows_the_passwords(s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """A restored server has the passwords of its point in time; the stack knows today's only.

    Judged while the server is made: a later renewal reaches it like any other.
    """
    restore, renewed_on = server.restore_from, s.passwords.renewed_on
    if restore is None or restore.finished:
        return
    if restore.point_in_time.astimezone(UTC).date() < renewed_on:
        yield Mistake(
            "postgres.restore_from.point_in_time",
            f"{restore.utc}, before the passwords were renewed on {renewed_on}",
            f"a point after that renewal, on {renewed_on} or later",
            "choose a later point; an earlier one is restored beside the stack (az postgres"
            " flexible-server restore), and what is missing copied from there",
        )


RULES = (
    burstable_has_no_standby,
    burstable_has_no_pooler,
    standby_zone_follows_the_mode,
    zone_redundancy_needs_zones,
    performance_tier_fits_the_disk,
    geo_backup_needs_a_paired_region,
    index_build_fits_the_memory,
    a_restore_knows_the_passwords,
)
