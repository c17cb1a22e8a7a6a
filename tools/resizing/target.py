"""What the sizing recommends for the workload that a stack file states."""

from sizing.catalogue import SKUS, STORAGE
from sizing.errors import SizingError
from sizing.recommend import Recommendation, recommend
from stacks.settings.model import ManagedPostgres, StackSettings
from stacks.settings.sizing import sizer_command, wish_of, workload_of
from tools.resizing.errors import ResizeError
from tools.resizing.stages import Target


def recommended(s: StackSettings, server: ManagedPostgres) -> Target:
    """Return the size for the stated workload once grown; never smaller than the present one.

    Raises ``ResizeError`` where no single server holds it.
    """
    try:
        advice = recommend(workload_of(s), wish_of(s, server))
    except SizingError as error:
        raise ResizeError(f"workload: {error}") from None
    if advice.outgrown:
        raise ResizeError(
            "no single server of Azure's holds the stated workload once grown;"
            f" `{sizer_command(s)} --explain` says what does"
        )
    return _not_smaller(server, advice)


def _not_smaller(server: ManagedPostgres, advice: Recommendation) -> Target:
    present, wanted = SKUS[server.sku], advice.sku
    larger = wanted.vcores > present.vcores or wanted.memory_gib > present.memory_gib
    storage = max(server.storage.size_gib, advice.disk.size_gib)
    tiers = STORAGE[storage].tiers
    stays = server.storage.tier if storage == server.storage.size_gib else tiers[0]
    allowed = [tier for tier in (advice.storage_tier, stays) if tier in tiers]
    tier = max(allowed, key=tiers.index, default=tiers[0])
    return Target(
        sku=wanted.name if larger else None,
        storage_gib=storage,
        storage_tier=tier,
    )
