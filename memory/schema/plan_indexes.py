"""Steps for indexes: built beside the traffic, replaced without a gap, healed after a crash.

A replacement goes through names that say how far it came: ``<name>_new`` is being built or
waits for its probe, ``<name>_old`` waits to be dropped.  A run that was killed at any point leaves
one of these states, and every one of them has its continuation here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from memory.schema import sql
from memory.schema.catalog import Index, Table
from memory.schema.estimate import build_cost, dimensions_of
from memory.schema.place import Place
from memory.schema.steps import Probe, Step
from memory.schema.target import NEW, OLD, adoptions, is_leftover, key_name

CONCURRENTLY = "SHARE UPDATE EXCLUSIVE on the table: reads and writes go on"
SWAP = "SHARE UPDATE EXCLUSIVE on both indexes, for milliseconds"
INVALID = "INVALID: an interrupted build left it; queries never use it"
VECTOR_METHODS = ("hnsw", "ivfflat")
Rivals = Mapping[str, tuple[str, ...]]
"""Columns of the usable vector indexes, by name: each could answer a probe in another's place."""


def index_steps(place: Place, found: Table, want: Table) -> Iterator[Step]:
    """Bring every index of an existing table to what is wanted; ``found`` is the whole table."""
    yield from _key_steps(place, found)
    yield from _adoption_steps(place, found, want)
    have = _adopted(found, want)
    rivals = {
        n: i.columns for n, i in have.indexes.items() if i.usable and i.method in VECTOR_METHODS
    }
    for name, target in want.indexes.items():
        if not target.primary:
            for leftover in (name + NEW, name + OLD):
                rivals.pop(leftover, None)
            yield from _one_index(place, have, name, target, rivals)
            rivals[name] = target.columns
    for name, index in sorted(have.indexes.items()):
        ours = name.endswith((NEW, OLD))
        if not ours and is_leftover(name, index, want.indexes):
            yield _drop(place, name, "an interrupted REINDEX CONCURRENTLY left it INVALID")


def _adoption_steps(place: Place, have: Table, want: Table) -> Iterator[Step]:
    """Take what is finished under another name; nothing usable is under the wanted one."""
    for name, other in adoptions(have, want).items():
        if name in have.indexes:
            yield _drop(place, name, INVALID)
        ours = other in {name + NEW, name + OLD}
        by_hand = "is what is wanted under another name, which nobody declared"
        why = "built by an interrupted replacement" if ours else by_hand
        yield _rename(place, other, name, why)


def _adopted(have: Table, want: Table) -> Table:
    names = {other: name for name, other in adoptions(have, want).items()}
    indexes = {n: i for n, i in have.indexes.items() if n not in names.values()}
    return replace(have, indexes={names.get(name, name): i for name, i in indexes.items()})


def _one_index(
    place: Place, have: Table, name: str, target: Index, rivals: Rivals
) -> Iterator[Step]:
    live, fresh = have.indexes.get(name), have.indexes.get(name + NEW)
    if live is None or not live.usable:
        if live is not None:
            yield _drop(place, name, INVALID)
        yield _create(place, have, name, target, why="absent")
    elif not _matches(live, target):
        yield from _replace(place, have, name, target, rivals)
        fresh = None
    if fresh is not None:
        yield _drop(place, name + NEW, "an interrupted replacement left it")
    if name + OLD in have.indexes and (live is None or _matches(live, target) or not live.usable):
        yield _drop(place, name + OLD, "replaced; nothing reads it any more")


def _replace(place: Place, have: Table, name: str, target: Index, rivals: Rivals) -> Iterator[Step]:
    """Build beside the old one, prove it, swap the names, and only then drop the old one."""
    old = have.indexes[name]
    fresh = have.indexes.get(name + NEW)
    if fresh is not None and not _matches(fresh, target):
        yield _drop(place, name + NEW, "left by a replacement that is no longer wanted")
    if not _matches(fresh, target):
        yield _create(place, have, name + NEW, target, why=f"is {_words(old)}")
    if name + OLD in have.indexes:
        yield _drop(place, name + OLD, "replaced earlier; its name is needed")
    if target.method in VECTOR_METHODS:
        yield _probe(place, have, name, target, rivals)
    yield _finished(place, name)
    yield _rename(place, name, name + OLD, "swap: the old steps aside", f"swap {name}")
    yield _rename(place, name + NEW, name, "swap: the new takes its name", f"swap {name}")
    yield _drop(place, name + OLD, "replaced; nothing reads it any more")


def _finished(place: Place, name: str) -> Step:
    """A script that went on after its build failed must not swap, nor drop what answers."""
    fresh = sql.qualified(place.schema, name + NEW)
    whole = f"indexrelid = to_regclass('{fresh}') AND indisvalid AND indisready"
    return place.step(
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_index WHERE {whole}) THEN"
        f" RAISE EXCEPTION '{fresh} is not finished, and {name} stays; plan again'; END IF; END $$",
        f"{name + NEW} must be whole before it takes the name",
        "none that anyone waits for",
        f"swap {name}",
    )


def _key_steps(place: Place, have: Table) -> Iterator[Step]:
    name = key_name(place.table)
    primary = next((key for key, index in have.indexes.items() if index.primary), None)
    if primary is not None:
        if primary != name:
            yield _rename(place, primary, name, "the primary key has another name")
        return
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


def _probe(place: Place, have: Table, name: str, target: Index, rivals: Rivals) -> Step:
    column = target.columns[0]
    away = sorted({name, *(rival for rival in rivals if rivals[rival] == target.columns)})
    column_type = have.columns[column].type
    probe = Probe(
        relation=place.relation,
        column=column,
        column_type=column_type.partition("(")[0],
        dimensions=dimensions_of(column_type),
        distance=place.distances[name],
        vectors_in=place.vectors_in,
        index=name + NEW,
        hidden=", ".join(sql.qualified(place.schema, rival) for rival in away),
    )
    return place.step(
        f"EXPLAIN {probe.query}",
        f"{name + NEW} must answer it without {' and '.join(away)}, which a transaction drops and"
        " takes back",
        "ACCESS EXCLUSIVE on the table, for milliseconds",
        probe=probe,
    )


def _words(index: Index) -> str:
    options = ", ".join(f"{key}={value}" for key, value in index.options.items())
    extra = f" {' '.join(index.oddities)}" if index.oddities else ""
    return f"{index.method} {' '.join(filter(None, index.opclasses))} {options}{extra}".strip()


def index_refusals(place: Place, have: Table, want: Table) -> Iterator[str]:
    """What must not be disturbed: the work of others, and what they made under our names.

    An index under a wanted name may be one that was wanted once.  It is replaced, unless somebody
    rests on it.  One beside it, ``_new`` or ``_old``, is ours only where it could be.
    """
    for name, target in want.indexes.items():
        live = have.indexes.get(name)
        if live is not None and not _stays(place, have, live, target):
            yield from _held_refusals(place, name, live, _hold_of_the_name(live, target))
        for candidate in (name + NEW, name + OLD):
            found = have.indexes.get(candidate)
            if found is not None and not target.primary:
                hold = "" if _could_be_ours(found, target) else "was not made by an apply"
                yield from _held_refusals(place, candidate, found, hold)


def _stays(place: Place, have: Table, live: Index, target: Index) -> bool:
    """Whether the index under a wanted name is the one, or becomes the primary key as it is."""
    if not target.primary or live.primary:
        return live.primary or _matches(live, target)
    key = Index(method="btree", columns=place.primary_key, unique=True)
    return _matches(live, key) and not any(index.primary for index in have.indexes.values())


def _hold_of_the_name(live: Index, target: Index) -> str:
    """Why an index under a wanted name is not dropped, where that is for what it is."""
    if not live.usable:
        return ""
    if target.primary:
        return "is not the primary key that is wanted"
    return "is UNIQUE, which nobody declared" if live.unique else ""


def _could_be_ours(index: Index, target: Index) -> bool:
    """What an interrupted build or swap leaves: a graph or a list for its kind, on its columns."""
    alike = (index.method in VECTOR_METHODS) == (target.method in VECTOR_METHODS)
    return not index.usable or (alike and not index.unique and index.columns == target.columns)


def _held_refusals(place: Place, name: str, index: Index, hold: str) -> Iterator[str]:
    """Nobody's guarantee and nobody's work is dropped for a name."""
    label = f"index {name} on {place.table}"
    if index.builder is not None:
        yield (
            f"{label} is being built by process {index.builder}; wait for it, or end it with"
            f" SELECT pg_cancel_backend({index.builder})"
        )
    elif index.constraint:
        yield (
            f"{label} carries the constraint {index.constraint}, which is not declared; give it"
            f" another name: ALTER TABLE {place.relation} RENAME CONSTRAINT"
            f" {sql.name(index.constraint)} TO {sql.name(index.constraint + '_by_hand')}"
        )
    elif hold or index.needed:
        needed = f"is needed by {', '.join(index.needed)}" if index.needed else ""
        yield (
            f"{label} {' and '.join(filter(None, (hold, needed)))}, and has a name that is needed;"
            f" rename it: ALTER INDEX {sql.qualified(place.schema, name)} RENAME TO"
            f" {sql.name(name + '_by_hand')}"
        )


def builder_refusals(place: Place, found: Table, want: Table) -> Iterator[str]:
    """A build beside ours would wait for it, or lose the index that it makes anew.

    A REINDEX CONCURRENTLY builds under a name of its own, and then takes the old index away.
    """
    if found.builder is not None and any(index_steps(place, found, want)):
        yield (
            f"table {place.table}: process {found.builder} builds an index of it, and no other is"
            f" touched until then; wait for it, or end it with SELECT"
            f" pg_cancel_backend({found.builder})"
        )
