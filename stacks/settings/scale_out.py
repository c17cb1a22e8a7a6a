"""What stands beside the server when one server is not enough.

Replicas take reads away from it; nodes take the memory table, when no single server holds it.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.settings.base import Settings
from stacks.settings.catalogue import SKUS, Sku
from stacks.settings.types import SkuName, StorageGib, matching

MOST_REPLICAS = 5
"""Of one server.

https://learn.microsoft.com/azure/postgresql/read-replica/concepts-read-replicas
"""

NODES_VERSION = 17
"""The one version of PostgreSQL that nodes run.

https://learn.microsoft.com/azure/postgresql/elastic-clusters/concepts-elastic-clusters-limitations
"""

MOST_NODES = 10
"""Of a cluster: the largest for which Azure says how many connections it takes.

https://learn.microsoft.com/azure/postgresql/elastic-clusters/how-to-network-elastic-clusters-default-maximum-connections
"""

PartName = Annotated[
    str,
    AfterValidator(
        matching(
            r"(?!(g\d+|nodes)(-|$))[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?",
            "1 to 16 lower-case letters, digits and inner hyphens, but for `nodes` and the names"
            " g1, g2, … of restored servers, alone or before a hyphen",
            "choose a short name: it becomes part of the server's, e.g. read-1",
        )
    ),
]


class ReadReplicaSettings(Settings):
    """A server that follows the server and answers reads.

    Always a little behind, and more so under a heavy load of writes.  To resize: replicas first on
    the way up, last on the way down, each in a deployment of its own, as the server must at no
    time be the larger one.
    """

    name: PartName
    sku: SkuName | None = None
    """Its size, where it is larger than the server's; a smaller one could not keep up."""
    storage_gib: StorageGib | None = None
    """Its disk, where it is larger than the server's: before the server's grows, its own must.

    With `storage.auto_grow` it counts when the replica is made, and never again.
    """
    zone: Literal["1", "2", "3"] | None = None
    """Where it stands; another zone than the server's survives its loss."""


ReadReplicas = Annotated[
    tuple[ReadReplicaSettings, ...], Field(strict=False, max_length=MOST_REPLICAS)
]


class NodeStorageSettings(Settings):
    """The disk of each node.  It neither shrinks nor grows by itself."""

    size_gib: StorageGib
    tier: Literal["P4", "P6", "P10", "P15", "P20", "P30", "P40", "P50", "P60", "P70", "P80"]


class ElasticClusterSettings(Settings):
    """Servers that share the memory table, each with the sessions that fall to it (Citus on Azure).

    It holds one database, the memory's; Zep's own stays on the server.  Azure decides at creation
    whether a server is one, so it stands beside the other, and is never made of it.  Without a
    standby, which we have not seen Azure give to nodes, and with backups in one region only.

    Not for customers' data until Azure has confirmed that nodes take a key of the customer's, which
    its documentation denied in 2025 (docs/scale-out.md).
    """

    nodes: Annotated[int, Field(ge=2, le=MOST_NODES)]
    """How many; more can be added later, never fewer."""
    sku: SkuName
    """Size of each node."""
    storage: NodeStorageSettings

    @property
    def size(self) -> Sku:
        """What the SKU's name stands for."""
        return SKUS[self.sku]

    @property
    def user_connections(self) -> int:
        """How many clients may connect: each may need a connection to every node.

        Azure's ``citus.max_client_connections``: the share of a node's connections.
        """
        return self.size.user_connections // self.nodes
