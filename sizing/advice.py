"""What else would do: half the bytes a dimension, servers for reads, or many servers for one table.

Each with the numbers for this workload and with the settings that declare it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from sizing import needs
from sizing.catalogue import BURSTABLE, GIB
from sizing.growth import grown
from sizing.predict import predict
from sizing.prices import Bought
from sizing.recommend import CPU_AIM, Load, Recommendation, candidates, disks, recommend
from sizing.workload import Hnsw, Ivfflat

MOST_REPLICAS = 5
"""https://learn.microsoft.com/azure/postgresql/read-replica/concepts-read-replicas"""
MOST_NODES = 10
"""The largest cluster for which Azure says how many connections it takes.

https://learn.microsoft.com/azure/postgresql/elastic-clusters/how-to-network-elastic-clusters-default-maximum-connections
"""
NODES_VERSION = 17
"""https://learn.microsoft.com/azure/postgresql/elastic-clusters/concepts-elastic-clusters-limitations"""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One way, and what it takes."""

    what: Literal["halfvec", "read replicas", "elastic cluster", "ivfflat", "split"]
    text: str
    settings: Mapping[str, object] = field(default_factory=dict)
    """What a stack file says then, by dotted paths."""
    bought: tuple[Bought, ...] = ()
    """What is on the bill then, all of it."""


def advise(recommendation: Recommendation) -> tuple[Advice, ...]:
    """Everything worth saying of this recommendation, the cheapest first."""
    return tuple(
        advice
        for ways in (_halfvec, _read_replicas, _elastic_cluster, _lists)
        for advice in ways(recommendation)
    )


def _halfvec(r: Recommendation) -> Iterator[Advice]:
    """Two bytes a dimension instead of four; only where it saves a size."""
    if r.workload.element_type == "halfvec" or r.workload.index is None:
        return
    half = recommend(replace(r.workload, element_type="halfvec"), r.wish)
    if half.outgrown or (half.sku, half.disk) == (r.sku, r.disk):
        return
    now, then = (p.vector_index_bytes / GIB for p in (r.grown, half.grown))
    yield Advice(
        what="halfvec",
        text=f"halfvec({r.workload.dimensions}) makes the grown vector index {then:,.1f} GiB"
        f" instead of {now:,.1f}: {half.sku.name} with {half.disk.size_gib:,} GiB holds it."
        " Compare recall on your own data first; a table that has rows is moved, while it"
        f" serves, by `python -m memory reembed --to 'halfvec({r.workload.dimensions})' --cast`."
        f" Until that is done, the disk holds the second column and its index, too:"
        f" {_cast_bytes(r) / GIB:,.1f} GiB for today's rows",
        settings={"memory.element_type": "halfvec"},
        bought=(half.bought,),
    )


def _cast_bytes(r: Recommendation) -> int:
    """What today's table takes more while it has both columns."""
    half = predict(replace(r.workload, element_type="halfvec"))
    return half.vector_index_bytes + r.workload.rows * (8 + 2 * r.workload.dimensions)


def _read_replicas(r: Recommendation) -> Iterator[Advice]:
    """They take searches away, and no memory: each holds the whole index."""
    if not r.outgrown:
        return
    searches, *writes = (term.value for term in needs.cpu(r.load.workload))
    left = CPU_AIM * r.sku.vcores - sum(writes)
    if r.load.cores <= CPU_AIM * r.sku.vcores:
        yield Advice(
            what="read replicas",
            text="read replicas do not help here: each would hold the whole vector index,"
            f" {r.grown.vector_index_bytes / GIB:,.0f} GiB, and what is short is not cores",
        )
        return
    wanted = math.ceil((searches - max(left, 0)) / (CPU_AIM * r.sku.vcores))
    if left < 0 or wanted > MOST_REPLICAS:
        return
    yield Advice(
        what="read replicas",
        text=f"{wanted} read replicas of {r.sku.name} take the searches that its cores have no"
        f" time for: {searches:,.0f} busy cores over {wanted + 1} servers",
        settings={"postgres.read_replicas": [{"name": f"read-{n + 1}"} for n in range(wanted)]},
        bought=(replace(r.bought, servers=r.servers + wanted),),
    )


def _elastic_cluster(r: Recommendation) -> Iterator[Advice]:
    """The fewest nodes on which an equal share of the sessions fits, and a server for Zep."""
    if not r.outgrown:
        return
    zep = recommend(replace(r.workload, facts=0, embeds_messages=False), r.wish)
    node = None if zep.outgrown else _nodes(r)
    if node is None:
        short = (
            "Zep's own database outgrows every server, too, and nodes do not hold it"
            if zep.outgrown
            else f"{MOST_NODES} nodes of the largest size do not hold it either"
        )
        yield Advice(
            what="split",
            text=f"{short}: keep fewer days or fewer facts, or give each region or tenant a stack"
            " of its own",
        )
        return
    count, size, disk = node.servers, node.sku.name, node.disk.size_gib
    yield Advice(
        what="elastic cluster",
        text=f"{count} nodes of {size} with {disk:,} GiB each hold the memory table, distributed by"
        f" session_id: a search in one session asks one node, a search over all asks {count}."
        f" PostgreSQL {NODES_VERSION}; it holds one database, so Zep's own stays on a server,"
        f" {zep.sku.name} with {zep.disk.size_gib:,} GiB. Nodes have no standby: with one that"
        " fails, its sessions wait until Azure has replaced it",
        settings={
            "postgres.version": NODES_VERSION,
            "postgres.sku": zep.sku.name,
            "postgres.storage.size_gib": zep.disk.size_gib,
            "postgres.storage.tier": zep.storage_tier,
            "postgres.elastic_cluster": {
                "nodes": count,
                "sku": size,
                "storage": {"size_gib": disk, "tier": node.storage_tier},
            },
        },
        bought=(node, zep.bought),
    )


def _nodes(r: Recommendation) -> Bought | None:
    """As few as do; the connections are the cluster's own matter."""
    wish = replace(r.wish, connections_needed=0)
    sizes = [sku for sku in candidates(wish) if sku.tier != BURSTABLE]
    for nodes in range(2, MOST_NODES + 1):
        share = grown(r.workload, r.workload.growth_factor / nodes)
        load = Load(share, predict(share), wish)
        sku = next((sku for sku in sizes if load.machine_fits(sku)), None)
        disk = next((disk for disk in disks(wish) if load.disk_fits(disk)), None)
        tier = load.tier(disk) if disk else None
        if sku and disk and tier:
            return Bought(sku, disk, tier, nodes)
    return None


def _lists(r: Recommendation) -> Iterator[Advice]:
    """IVFFlat's lists follow the rows, which a build sees; a graph does not ask for that."""
    index = r.workload.index
    if not isinstance(index, Ivfflat):
        return
    rows = r.workload.rows
    fitting = suitable_lists(rows)
    default = Hnsw()
    if index.lists != fitting:
        yield Advice(
            what="ivfflat",
            text=f"{fitting:,} lists suit {rows:,} rows, not {index.lists:,}, and they are chosen"
            f" anew at each rebuild; hnsw (m {default.m}, ef_construction"
            f" {default.ef_construction}) needs none of that",
            settings={"memory.index.lists": fitting},
        )


FEW_ROWS = 1_000_000


def suitable_lists(rows: int) -> int:
    """Rows / 1000 up to a million, their square root above; pgvector's README, "IVFFlat"."""
    return max(10, round(rows / 1000) if rows <= FEW_ROWS else round(math.sqrt(rows)))
