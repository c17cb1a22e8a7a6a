"""What a cluster shall be, and how it is reached: plain data, kept in the cluster's folder."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

SECRETS_STORE = "azureKeyvaultSecretsProvider"
"""The add-on that brings Key Vault's secrets into pods, in Azure's spelling."""


@dataclass(frozen=True, kw_only=True)
class PoolSpec:
    """Machines of one size."""

    name: str
    mode: Literal["System", "User"]
    count: int
    vm_size: str
    zones: tuple[str, ...] = ()
    """``"1"``, ``"2"`` …; nodes take turns. Empty: the region's machines without a zone."""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    """``key=value:Effect``, as Azure writes them."""
    max_pods: int = 250
    """Azure's default under CNI overlay."""


@dataclass(frozen=True, kw_only=True)
class ClusterSpec:
    """What is asked of a cluster."""

    kubernetes_version: str
    """``1.36``, or one of its patches."""
    region: str
    """Short name, ``westeurope``."""
    tenant_id: str
    """Part of the address that issues the service accounts' tokens."""
    pools: tuple[PoolSpec, ...]
    addons: frozenset[str] = frozenset()
    """Azure's names of the add-ons that are on; see ``SECRETS_STORE``."""
    disk_encryption_set_id: str | None = None
    """For the disks of classes that name no set of their own."""
    node_resource_group: str | None = None
    """Where machines and disks are; Azure's usual name unless given."""
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.0.0.0/16"

    def to_json(self) -> str:
        """Return the text that ``from_json`` reads."""
        return json.dumps(asdict(self) | {"addons": sorted(self.addons)}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote, also that of a version with other fields."""
        known = _fields_of(cls, json.loads(text))
        pools = [_fields_of(PoolSpec, pool) for pool in known["pools"]]
        known["pools"] = tuple(
            PoolSpec(**{**pool, "zones": tuple(pool["zones"]), "taints": tuple(pool["taints"])})
            for pool in pools
        )
        return cls(**{**known, "addons": frozenset(known["addons"])})


def _fields_of(kind: type[PoolSpec | ClusterSpec], given: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in given.items() if name in names}


@dataclass(frozen=True, kw_only=True)
class Access:
    """How a client reaches a cluster; the same bytes after every restart."""

    kubeconfig: str
    """YAML with a client certificate; its context is the cluster's name. A secret."""
    issuer_url: str
    """Who issues the tokens of service accounts, as an identity provider knows it."""
    version: str
    """The Kubernetes version that runs, with its patch: ``1.36.3``."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """One cluster, as the commands show it."""

    name: str
    cluster_id: str
    server: str
    """The address of the API server."""
    running: bool
    """Whether it was completely created, all of its processes live and were seen to act."""
    nodes: int
    """How many it shall have."""
