"""Servers made of other servers: read replicas, and restores of a backup.

Sources: learn.microsoft.com/azure/postgresql/read-replica/concepts-read-replicas,
learn.microsoft.com/azure/postgresql/backup-restore/concepts-backup-restore, and Azure CLI
(``validate_postgres_replica``, ``pg_restore_tier_validator``), whose words are quoted. Azure's
codes for these refusals are not published; ``InvalidParameterValue`` stands for them.
"""

import datetime as dt
from collections.abc import Iterator

from local.cloud.arm import ArmError, Body, Record, Refusal, given, lookup
from local.cloud.postgres.catalogue import find_sku
from local.cloud.postgres.fleet import Fleet
from local.cloud.resources.server_admission import is_copy, region_of, storage_gib
from local.cloud.resources.server_child import SERVER, running_server
from local.cloud.resources.server_rules import INVALID, NOT_LOCAL, REPLICA, RESTORE
from local.cloud.world import World

MOST_REPLICAS = 5
TIERS = ("Burstable", "GeneralPurpose", "MemoryOptimized")
"""From the lowest; a restore must not go below its source's."""
RETENTION_DAYS = 7
"""Azure's default."""


def is_replica(body: Body) -> bool:
    """Tell whether inputs or outputs are those of a read replica."""
    return bool(lookup(body, "createMode") == REPLICA)


def is_restore(body: Body) -> bool:
    """Tell whether a server is made of a backup."""
    return bool(lookup(body, "createMode") == RESTORE)


def source_id(inputs: Body) -> str:
    """Return the id of the server that a copy is made of."""
    return str(inputs["sourceServerResourceId"])


def point_of(inputs: Body) -> dt.datetime:
    """Return the instant that a restore is as of; it was checked."""
    return dt.datetime.fromisoformat(str(inputs["pointInTimeUTC"]))


def replicas_of(world: World, arm_id: str) -> list[Record]:
    """Return the servers that follow a server."""
    return [
        record
        for record in world.of_type(SERVER)
        if is_replica(record.inputs) and source_id(record.inputs).lower() == arm_id.lower()
    ]


def origin_refusals(inputs: Body) -> Iterator[Refusal]:
    """Yield what is wrong with a copy's inputs alone."""
    if not is_copy(inputs):
        return
    if not given(inputs, "sourceServerResourceId"):
        yield _needed("sourceServerResourceId")
    if is_replica(inputs):
        yield from _replica_refusals(inputs)
    elif not given(inputs, "pointInTimeUTC"):
        yield _needed("pointInTimeUTC")
    elif (text := lookup(inputs, "pointInTimeUTC")) is not None and _instant(text) is None:
        path = "pointInTimeUTC"
        yield Refusal(path, INVALID, f"'{text}' is no instant in ISO 8601 with its offset.")


def _needed(path: str) -> Refusal:
    return Refusal(path, "MissingRequiredParameter", f"Missing value for parameter '{path}'.")


def _replica_refusals(inputs: Body) -> Iterator[Refusal]:
    if (lookup(inputs, "highAvailability.mode") or "Disabled") != "Disabled":
        path = "highAvailability.mode"
        yield Refusal(path, INVALID, "High availability is not supported on a read replica.")
    if lookup(inputs, "backup.geoRedundantBackup") == "Enabled":
        path = "backup.geoRedundantBackup"
        yield Refusal(path, INVALID, "Backups, geo-redundant ones too, are of primaries only.")
    if given(inputs, "administratorLoginPassword"):
        path = "administratorLoginPassword"
        yield Refusal(path, INVALID, "A read replica's passwords are its primary's.")
    if lookup(inputs, "sku.tier") == "Burstable":
        yield Refusal("sku.tier", INVALID, _not_burstable())


def _not_burstable() -> str:
    return (
        "Read replica is not supported for the Burstable pricing tier. Scale up the source server"
        " to General Purpose or Memory Optimized."
    )


# -- in the light of what stands ---------------------------------------------------------


def admit_copy(world: World, inputs: Body) -> None:
    """Raise what Azure refuses of a new copy."""
    source = world.require(source_id(inputs))
    if is_replica(source.inputs):
        raise _by_name("a copy of a read replica: backups are of primaries, and cascades a preview")
    if region_of(source.outputs) != region_of(inputs):
        raise _by_name("a copy in another region than its source's")
    running_server(source)
    if is_replica(inputs):
        _admit_replica(world, source, inputs)
    else:
        _admit_restore(world, source, inputs)
    if storage_gib(inputs) < lookup(source.outputs, "storage.storageSizeGB"):
        raise _invalid(f"The disk must be as large as that of '{source.name}', or larger.")


def _admit_replica(world: World, source: Record, inputs: Body) -> None:
    if lookup(source.outputs, "sku.tier") == "Burstable":
        raise _invalid(_not_burstable())
    if len(replicas_of(world, source.arm_id)) >= MOST_REPLICAS:
        raise _invalid(f"'{source.name}' has {MOST_REPLICAS} read replicas, the most there can be.")
    _refuse_weaker(lookup(inputs, "sku.name"), lookup(source.outputs, "sku.name"))
    _refuse_rigid(inputs, source.outputs)


def _admit_restore(world: World, source: Record, inputs: Body) -> None:
    tier, before = lookup(inputs, "sku.tier"), lookup(source.outputs, "sku.tier")
    if tier and TIERS.index(tier) < TIERS.index(before):
        raise _invalid(
            "The restored server must not go below the source server compute tier. The source"
            f" server compute tier is {before}."
        )
    login, kept = lookup(inputs, "administratorLogin"), source.outputs["administratorLogin"]
    if login not in (None, kept):
        raise _invalid(f"A restored server keeps its logins: the administrator is '{kept}'.")
    point, earliest = point_of(inputs), earliest_restore(world, source)
    now = dt.datetime.fromtimestamp(world.now(), dt.UTC)
    if earliest is None:
        raise _by_name(
            f"a restore of '{source.name}', which was made without an archive: make it anew"
        )
    if not earliest <= point <= now:
        raise _invalid(
            f"pointInTimeUTC '{inputs['pointInTimeUTC']}' must lie between the earliest restore"
            f" point of '{source.name}', {earliest.isoformat()}, and now."
        )


def earliest_restore(world: World, source: Record) -> dt.datetime | None:
    """Return the first instant that a server can be restored to, if there is any."""
    kept = Fleet.current().server(source.name).archive.earliest
    if kept is None:
        return None
    days = lookup(source.outputs, "backup.backupRetentionDays") or RETENTION_DAYS
    made = dt.datetime.fromisoformat(lookup(source.outputs, "systemData.createdAt"))
    limit = dt.datetime.fromtimestamp(world.now(), dt.UTC) - dt.timedelta(days=days)
    return max(kept, made, limit)


def admit_followed(world: World, record: Record, inputs: Body) -> None:
    """Raise what Azure refuses of a change to a server that others follow, or that follows."""
    if is_replica(inputs):
        source = world.require(source_id(inputs))
        _refuse_weaker(lookup(inputs, "sku.name"), lookup(source.outputs, "sku.name"))
        return
    for replica in replicas_of(world, record.arm_id):
        _refuse_weaker(lookup(replica.outputs, "sku.name"), lookup(inputs, "sku.name"))
        _refuse_rigid(replica.outputs, inputs)
        if storage_gib(inputs) > lookup(replica.outputs, "storage.storageSizeGB"):
            raise _invalid(f"First grow the disk of the read replica '{replica.name}'.")


def refuse_orphans(world: World, record: Record) -> None:
    """Raise Azure's refusal to delete a server that others follow."""
    names = ", ".join(replica.name for replica in replicas_of(world, record.arm_id))
    if names:
        raise ArmError(
            409,
            "OperationNotAllowed",
            f"The read replicas of '{record.name}' should be deleted first: {names}.",
        )


def _refuse_weaker(replica: str, primary: str) -> None:
    follower, followed = find_sku(replica), find_sku(primary)
    if follower is None or followed is None:
        raise AssertionError("check refuses unknown sizes")
    if follower.vcores < followed.vcores or follower.memory_gib < followed.memory_gib:
        raise _invalid(
            f"Compute on the primary ({primary}) must always be equal or smaller than the compute"
            f" on the smallest replica ({replica}): scale replicas up first, and down last."
        )


def _refuse_rigid(replica: Body, primary: Body) -> None:
    grows = [lookup(body, "storage.autoGrow") == "Enabled" for body in (primary, replica)]
    if grows == [True, False]:
        raise _invalid(
            "If storage autogrow is enabled on the primary server, it must also be enabled on the"
            " replicas."
        )


def _instant(text: str) -> dt.datetime | None:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else None


def _invalid(message: str) -> ArmError:
    return ArmError(400, INVALID, message)


def _by_name(what: str) -> ArmError:
    return ArmError(501, NOT_LOCAL, f"The local cloud does not make {what}.")
