"""The clusters of a stack: started with its commands, and forgotten where they are lost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.cloud.resources import TYPES, managed_cluster
from local.cloud.store import Store
from local.cloud.world import World


def start(cloud: Path, stack: str) -> Mapping[str, str]:
    """Start the clusters of a stack and no others; return what went wrong, by cluster id.

    Those of other stacks stay down until these are worked on: each takes half a GiB.
    """
    with opened(cloud) as world:
        return managed_cluster.start_of(stack, world)


def remove_strays(cloud: Path) -> list[str]:
    """Remove the control planes of clusters whose creation never ended; return their ids."""
    with opened(cloud) as world:
        return managed_cluster.remove_strays(world)


def forget_lost(cloud: Path, deployment: Mapping[str, Any]) -> list[str]:
    """Let the cloud forget clusters of a state whose control plane is gone; return their ids."""
    known = [
        entry["id"]
        for entry in deployment.get("resources") or []
        if entry["type"] == managed_cluster.ManagedCluster.token and entry.get("id")
    ]
    if not known:
        return []
    with opened(cloud) as world:
        return managed_cluster.forget_lost(world, known)


@contextmanager
def opened(cloud: Path) -> Iterator[World]:
    """Open the local cloud for a moment, with all of its types."""
    store = Store(cloud)
    try:
        yield World(store, TYPES)
    finally:
        store.close()
