"""Proves that what runs in the namespace is what was meant to run there."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from assurance.cluster.live import ADMITTED, Cluster
from assurance.cluster.objects import Snapshot, title
from assurance.cluster.readiness import levels, unready
from assurance.cluster.references import VaultSecrets, dangling

STRICTEST = "restricted"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    wanted: str

    def as_dict(self) -> dict[str, object]:
        """Return plain data for ``--json``."""
        return asdict(self)


def verify(cluster: Cluster, vaults: VaultSecrets | None = None) -> tuple[Check, ...]:
    """Look at everything; ``vaults`` are the secrets that stand, where the caller knows them."""
    namespace = cluster.namespace_object()
    if namespace is None:
        missing = f"no namespace {cluster.namespace}"
        return (Check(name="namespace", ok=False, found=missing, wanted="a namespace"),)
    snapshot = cluster.snapshot()
    return (
        _level(levels(namespace)),
        _none("workloads", unready(snapshot), _counted(snapshot), "all pods ready"),
        _none("admission", _refused(cluster, snapshot), "no warning", "no warning"),
        _references(snapshot, vaults),
    )


def _level(found: Mapping[str, str]) -> Check:
    """Without the warnings, the check of the admission would have nothing to go by."""
    return Check(
        name="pod security",
        ok=set(found.values()) == {STRICTEST},
        found=", ".join(f"{mode} {level}" for mode, level in found.items()),
        wanted=", ".join(f"{mode} {STRICTEST}" for mode in found),
    )


def _counted(snapshot: Snapshot) -> str:
    ready = sum(
        (item.get("status") or {}).get("readyReplicas", 0)
        for kind in ("Deployment", "StatefulSet")
        for item in snapshot.kind(kind)
    )
    workloads = len(snapshot.kind("Deployment")) + len(snapshot.kind("StatefulSet"))
    return f"{ready} pods of {workloads} workloads ready"


def _refused(cluster: Cluster, snapshot: Snapshot) -> list[str]:
    return [
        f"{title(item)}: {warning}"
        for item in snapshot.objects
        if item["kind"] in ADMITTED and not item["metadata"].get("ownerReferences")
        for warning in cluster.warnings_about(dict(item))
    ]


def _references(snapshot: Snapshot, vaults: VaultSecrets | None) -> Check:
    how_far = "all resolve" if vaults is not None else "all resolve; the vault was not looked at"
    return _none("references", map(str, dangling(snapshot, vaults)), how_far, "all resolve")


def _none(name: str, faults: Iterable[str], fine: str, wanted: str) -> Check:
    listed = list(faults)
    return Check(name=name, ok=not listed, found="; ".join(listed) or fine, wanted=wanted)
