"""All managed clusters of one local cloud.

The doors for resource types and commands: a cluster is known by its ARM id, and
everything about it is on disk, so that any process can go on where another ended.
"""

import hashlib
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from local.cloud.cluster.api import Api
from local.cloud.cluster.cluster import Cluster
from local.cloud.cluster.errors import ClusterError
from local.cloud.cluster.spec import SECRETS_STORE, Access, ClusterSpec, PoolSpec, Status
from local.errors import LocalError
from local.paths import Paths

__all__ = [
    "SECRETS_STORE",
    "Access",
    "ClusterSpec",
    "PoolSpec",
    "Status",
    "access",
    "api",
    "create",
    "delete",
    "exists",
    "start",
    "status",
    "stop_all",
    "token_key",
    "update",
]

FAULTS = (LocalError, OSError, subprocess.SubprocessError)
"""What can go wrong with one cluster, and is no reason to give up the others."""


def create(cluster_id: str, spec: ClusterSpec) -> Access:
    """Make a cluster, and return when it is ready; one that is there is brought in line.

    Raises ``ClusterError`` where the version or a machine size is unknown, or a process fails.
    """
    cluster = _cluster(cluster_id)
    cluster.create(spec)
    return cluster.access


def update(cluster_id: str, spec: ClusterSpec) -> None:
    """Bring nodes and add-ons in line; nodes that go are drained first.

    Raises ``ClusterError`` where there is no such cluster, or the version would change.
    """
    _cluster(cluster_id).update(spec)


def access(cluster_id: str) -> Access:
    """Return how to reach a cluster, running or not; ``ClusterError`` where there is none."""
    cluster = _cluster(cluster_id)
    cluster.require()
    return cluster.access


def exists(cluster_id: str) -> bool:
    """Tell whether there is such a cluster, completely created, running or not."""
    return _cluster(cluster_id).exists


def api(cluster_id: str) -> Api:
    """Return the API of a cluster, as an administrator uses it; ``ClusterError`` without one."""
    cluster = _cluster(cluster_id)
    cluster.require()
    return cluster.api


def token_key(cluster_id: str) -> bytes:
    """Return the public key, PEM, that verifies the tokens of a cluster's service accounts.

    The address that issues them publishes it on Azure. Raises ``ClusterError`` where there is none.
    """
    cluster = _cluster(cluster_id)
    cluster.require()
    return cluster.certificates.token_key.read_bytes()


def start(cluster_ids: Iterable[str]) -> Mapping[str, str]:
    """Start what does not run of these clusters; return what went wrong, by cluster id.

    One that was never completely created is left out: whoever made it makes it anew.
    """
    clusters = (_cluster(cluster_id) for cluster_id in cluster_ids)
    return _each(Cluster.start, [cluster for cluster in clusters if cluster.exists])


def stop_all() -> None:
    """Stop every cluster, even half-made ones; their objects stay.

    Raises ``ClusterError`` where some do not stop, when all others have.
    """
    if failures := _each(Cluster.stop, _all()):
        raise ClusterError("\n".join(failures.values()))


def delete(cluster_id: str) -> None:
    """Stop a cluster and remove all that belongs to it; nothing where there is none."""
    _cluster(cluster_id).remove()


def status() -> list[Status]:
    """Return all clusters, those of an interrupted creation too; looking starts nothing."""
    found = []
    for cluster in _all():
        with suppress(FileNotFoundError):  # it is being removed
            found.append(_status(cluster))
    return found


def _status(cluster: Cluster) -> Status:
    return Status(
        name=cluster.name,
        cluster_id=cluster.cluster_id,
        server=cluster.url,
        running=cluster.exists and cluster.running,
        nodes=sum(pool.count for pool in cluster.spec.pools),
    )


def _each(act: Callable[[Cluster], None], clusters: Iterable[Cluster]) -> Mapping[str, str]:
    """Do something with all clusters at once; return what went wrong, by cluster id."""
    failures: dict[str, str] = {}

    def attempt(cluster: Cluster) -> None:
        try:
            act(cluster)
        except FAULTS as error:
            failures[cluster.cluster_id] = f"cluster {cluster.name}: {error}"

    with ThreadPoolExecutor() as pool:
        list(pool.map(attempt, clusters))
    return failures


def _folder() -> Path:
    return Paths.current().services / "kubernetes" / "clusters"


def _cluster(cluster_id: str) -> Cluster:
    """Return the handle of a cluster, whether it exists or not.

    ARM ids know no case: the cluster keeps the spelling that it was created with.
    """
    lower = cluster_id.lower()
    digest = hashlib.sha256(lower.encode()).hexdigest()[:8]
    folder = _folder() / f"{lower.rpartition('/')[2]}-{digest}"
    noted = folder / "id"
    return Cluster(noted.read_text("utf-8") if noted.exists() else cluster_id, folder)


def _all() -> list[Cluster]:
    found = []
    for file in sorted(_folder().glob("*/id")):
        with suppress(FileNotFoundError):  # it is being removed
            found.append(Cluster(file.read_text(encoding="utf-8"), file.parent))
    return found
