"""Steps for indexes: built beside the traffic, replaced without a gap, healed after a crash.

A replacement goes through names that say how far it came: ``<name>_new`` is being built or
waits for its probe, ``<name>_old`` waits to be dropped.  A run that was killed at any point leaves
one of these states, and every one of them has its continuation here.
"""

from collections.abc import Iterator

from memory.schema import sql
from memory.schema.catalog import Index, Table
from memory.schema.estimate import build_cost, dimensions_of
from memory.schema.plan_tables import Place
from memory.schema.steps import Probe, Step
from memory.schema.target import NEW, OLD, is_leftover, key_name

CONCURRENTLY = "SHARE UPDATE EXCLUSIVE on the table: reads and writes go on"
SWAP = "SHARE UPDATE EXCLUSIVE on both indexes, for milliseconds"


def index_steps(place: Place, have: Table, want: Table) -> Iterator[Step]:
    """Bring every index of an existing table to what is wanted; ``have`` is the whole table."""
    yield from _key_steps(place, have)
    for name, target in want.indexes.items():
        if not target.primary:
            yield from _one_index(place, have, name, target)
    for name, index in have.indexes.items():
        ours = name.endswith((NEW, OLD))
        if not ours and is_leftover(name, index, want.indexes):
            yield _drop(place, name, "an interrupted REINDEX CONCURRENTLY left it INVALID")


def _one_index(place: Place, have: Table, name: str, target: Index) -> Iterator[Step]:
    live, fresh = have.indexes.get(name), have.indexes.get(name + NEW)
    if live is None or not live.usable:
        yield from _build(place, have, name, target)
        fresh = None if _matches(fresh, target) else fresh
    elif not _matches(live, target):
        yield from _replace(place, have, name, target)
        fresh = None
    if fresh is not None:
        yield _drop(place, name + NEW, "an interrupted replacement left it")
    if name + OLD in have.indexes and (live is None or _matches(live, target) or not live.usable):
        yield _drop(place, name + OLD, "replaced; nothing reads it any more")


def _build(place: Place, have: Table, name: str, target: Index) -> Iterator[Step]:
    """There is no usable index under this name: take the finished new one, or build."""
    if name in have.indexes:
        yield _drop(place, name, "INVALID: an interrupted build left it; queries never use it")
    if _matches(have.indexes.get(name + NEW), target):
        yield _rename(place, name + NEW, name, "built by an interrupted replacement")
    else:
        yield _create(place, have, name, target, why="absent")


def _replace(place: Place, have: Table, name: str, target: Index) -> Iterator[Step]:
    """Build beside the old one, prove it, swap the names, and only then drop the old one."""
    old = have.indexes[name]
    fresh = have.indexes.get(name + NEW)
    if fresh is not None and not _matches(fresh, target):
        yield _drop(place, name + NEW, "left by a replacement that is no longer wanted")
    if not _matches(fresh, target):
        yield _create(place, have, name + NEW, target, why=f"is {_words(old)}")
    if name + OLD in have.indexes:
        yield _drop(place, name + OLD, "replaced earlier; its name is needed")
    if target.method != "btree":
        yield _probe(place, have, name, target)
    yield _rename(place, name, name + OLD, "swap: the old steps aside", f"swap {name}")
    yield _rename(place, name + NEW, name, "swap: the new takes its name", f"swap {name}")
    yield _drop(place, name + OLD, "replaced; nothing reads it any more")


def _key_steps(place: Place, have: Table) -> Iterator[Step]:
    if any(index.primary for index in have.indexes.values()):
        return
    name = key_name(place.table)
    found = have.indexes.get(name)
    target = Index(method="btree", columns=place.primary_key, unique=True)
    if found is not None and not _matches(found, target):
        yield _drop(place, name, "not the primary key that is wanted")
    if not _matches(found, target):
        yield _create(place, have, name, target, why="the primary key is absent")
    yield place.step(
        f"ALTER TABLE {place.relation} ADD CONSTRAINT {sql.name(name)}"
        f" PRIMARY KEY USING INDEX {sql.name(name)}",
        "the index becomes the primary key",
        "ACCESS EXCLUSIVE on the table, for milliseconds",
        "key",
    )


def _matches(index: Index | None, target: Index) -> bool:
    return index is not None and index.usable and index.definition == target.definition


def _create(place: Place, have: Table, name: str, target: Index, *, why: str) -> Step:
    kind = "UNIQUE INDEX" if target.unique else "INDEX"
    return place.step(
        sql.create_index(name, place.relation, target, place.vectors_in, f"{kind} CONCURRENTLY"),
        why,
        CONCURRENTLY,
        cost=build_cost(have, target),
    )


def _drop(place: Place, name: str, why: str) -> Step:
    return place.step(
        f"DROP INDEX CONCURRENTLY IF EXISTS {sql.qualified(place.schema, name)}",
        why,
        CONCURRENTLY,
    )


def _rename(place: Place, name: str, to: str, why: str, batch: str | None = None) -> Step:
    return place.step(
        f"ALTER INDEX {sql.qualified(place.schema, name)} RENAME TO {sql.name(to)}",
        why,
        SWAP,
        batch or f"rename {name}",
    )


def _probe(place: Place, have: Table, name: str, target: Index) -> Step:
    column = target.columns[0]
    column_type = have.columns[column].type
    probe = Probe(
        relation=place.relation,
        column=column,
        column_type=column_type.partition("(")[0],
        dimensions=dimensions_of(column_type),
        distance=place.distances[name],
        vectors_in=place.vectors_in,
        index=name + NEW,
        hidden=sql.qualified(place.schema, name),
    )
    return place.step(
        f"EXPLAIN {probe.query}",
        f"{name + NEW} must answer it while {name} is away, dropped in a transaction that is"
        " rolled back",
        "ACCESS EXCLUSIVE on the table, for milliseconds",
        probe=probe,
    )


def _words(index: Index) -> str:
    options = ", ".join(f"{key}={value}" for key, value in index.options.items())
    extra = f" {' '.join(index.oddities)}" if index.oddities else ""
    return f"{index.method} {' '.join(filter(None, index.opclasses))} {options}{extra}".strip()


def index_refusals(place: Place, have: Table, want: Table) -> Iterator[str]:
    """Builds by somebody else, which must not be disturbed."""
    for name in want.indexes:
        for candidate in (name, name + NEW, name + OLD):
            index = have.indexes.get(candidate)
            if index is not None and index.builder is not None:
                yield (
                    f"index {candidate} on {place.table} is being built by process"
                    f" {index.builder}; wait for it, or end it with"
                    f" SELECT pg_cancel_backend({index.builder})"
                )


def index_notes(place: Place, have: Table, want: Table) -> Iterator[str]:
    """Indexes that nobody declared."""
    for name, index in have.indexes.items():
        if name not in want.indexes and not index.primary:
            if is_leftover(name, index, want.indexes):
                continue
            state = "" if index.usable else " and INVALID"
            yield f"table {place.table}: index {name} is not declared{state}; left alone"
