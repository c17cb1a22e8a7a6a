"""Steps for tables.  Nothing here rewrites a stored row or drops what it did not make."""

from collections.abc import Iterator

from memory.schema import sql
from memory.schema.catalog import Catalog, Grants, Table
from memory.schema.place import BRIEFLY, Place
from memory.schema.plan_access import Grantable, grant_steps
from memory.schema.plan_columns import (
    alone_with_an_empty_table,
    column_refusals,
    column_steps,
    null_steps,
    rest_on_emptiness,
)
from memory.schema.plan_tenants import first_wall_steps, wall_down_steps, wall_up_steps
from memory.schema.steps import CATALOG_LOCK, Step
from memory.schema.target import AUTOVACUUM, key_name


def create_table_steps(place: Place, want: Table, given: Grants) -> Iterator[Step]:
    """A new table with everything on it, in one transaction; no one can wait for it yet.

    ``given`` are the privileges that every new table of the schema comes with.
    """
    lines = [sql.column(name, c, place.vectors_in) for name, c in want.columns.items()]
    key = sql.name(key_name(place.table))
    lines.append(f"CONSTRAINT {key} PRIMARY KEY ({sql.names(place.primary_key)})")
    body = ",\n  ".join(lines)
    yield place.step(
        f"CREATE TABLE {place.relation} (\n  {body}\n) WITH {sql.options(want.options)}",
        "absent",
        "none that anyone waits for",
        place.batch,
    )
    for name, index in want.indexes.items():
        if not index.primary:
            yield place.step(
                sql.create_index(name, place.relation, index, place.vectors_in, "INDEX"),
                "the table is new and empty: no need for CONCURRENTLY",
                "SHARE on the new table",
                place.batch,
            )
    too_much = {who: _beyond(held, want.grants.get(who, ())) for who, held in given.items()}
    yield from grant_steps(too_much, want.grants, _grantable(place))
    yield from first_wall_steps(place, want)


def _beyond(held: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(privilege for privilege in held if privilege not in wanted)


def alter_table_steps(place: Place, have: Table, full: Table, want: Table) -> Iterator[Step]:
    """Owner, columns, options and grants of a table that exists.

    ``have`` is its managed part, ``full`` all of it.
    """
    if have.owner != want.owner:
        yield from _owner_steps(place, have.owner)
    emptiness = rest_on_emptiness(have, full, want)
    if have.unlogged or emptiness:
        yield from alone_with_an_empty_table(place, childless=emptiness)
    if have.unlogged:
        yield place.step(
            f"ALTER TABLE {place.relation} SET LOGGED",
            "a crash or a failover would empty it; no row was stored, so none is rewritten",
            BRIEFLY,
            place.batch,
        )
    yield from wall_down_steps(place, have, want)
    yield from column_steps(place, have, full, want)
    yield from wall_up_steps(place, have, want)
    yield from _option_steps(place, have, want)
    yield from grant_steps(have.grants, want.grants, _grantable(place))
    yield from null_steps(place, have, full, want)


def _owner_steps(place: Place, found: str) -> Iterator[Step]:
    """Hand a table over; the administrator gave the schema away and needs to look in once more."""
    usage, batch = f"USAGE ON SCHEMA {sql.name(place.schema)}", place.batch
    yield place.step(
        f"GRANT {usage} TO SESSION_USER", "to hand the table over", CATALOG_LOCK, batch
    )
    yield Step(
        sql=f"ALTER TABLE {place.relation} OWNER TO {sql.name(place.owner)}",
        why=f"belongs to {found}",
        lock=BRIEFLY,
        batch=batch,
    )
    yield place.step(f"REVOKE {usage} FROM SESSION_USER", "handed over", CATALOG_LOCK, batch)


def _grantable(place: Place) -> Grantable:
    return Grantable(on=f"TABLE {place.relation}", role=place.owner, batch=place.batch)


def _option_steps(place: Place, have: Table, want: Table) -> Iterator[Step]:
    changed = {k: v for k, v in want.options.items() if have.options.get(k) != v}
    if changed:
        found = ", ".join(f"{key} = {have.options.get(key, 'unset')}" for key in changed)
        yield place.step(
            f"ALTER TABLE {place.relation} SET {sql.options(changed)}",
            f"found {found}",
            "SHARE UPDATE EXCLUSIVE on the table, for milliseconds",
            place.batch,
        )
    if AUTOVACUUM in have.options:
        yield place.step(
            f"ALTER TABLE {place.relation} RESET ({AUTOVACUUM})",
            f"found {AUTOVACUUM} = {have.options[AUTOVACUUM]}: dead rows would pile up",
            "SHARE UPDATE EXCLUSIVE on the table, for milliseconds",
            place.batch,
        )


def table_refusals(place: Place, have: Table, full: Table, want: Table) -> Iterator[str]:
    """What cannot be reached without a rewrite or a loss, with the ways out."""
    label = f"table {place.table}"
    if have.kind != "table":
        yield _kind_refusal(place, have.kind)
        return
    if not have.alterable:
        yield (
            f"{label}: belongs to {have.owner}, wanted {want.owner}, and this session may not hand"
            f" it over; let {have.owner} or a superuser run ALTER TABLE {place.relation} OWNER TO"
            f" {sql.name(want.owner)}"
        )
    if have.unlogged and not full.empty:
        yield (
            f"{label}: is UNLOGGED, so a crash or a failover empties it, and no replica has its"
            f" rows. ALTER TABLE {place.relation} SET LOGGED rewrites it and builds its indexes"
            f" again ({full.bytes / 2**30:.1f} GiB without them) while nobody can read it: run it"
            " by hand in a maintenance window"
        )
    yield from column_refusals(place, have, full, want)
    yield from _child_refusals(place, have, full, want)
    primary = next((index for index in have.indexes.values() if index.primary), None)
    if primary and primary.columns != place.primary_key:
        yield (
            f"{label}: primary key is ({', '.join(primary.columns)}), wanted"
            f" ({', '.join(place.primary_key)}); change it by hand in a maintenance window"
        )


def _child_refusals(place: Place, have: Table, full: Table, want: Table) -> Iterator[str]:
    """PostgreSQL changes the columns of child tables with those of their parent, rows and all."""
    changes = (*column_steps(place, have, full, want), *null_steps(place, have, full, want))
    for child in full.attached.get("child table", ()) if changes else ():
        yield (
            f"table {place.table}: {child} inherits from it, and a change of its columns would"
            f" change, scan or empty those of {child} as well: run ALTER TABLE {child} NO INHERIT"
            f" {place.relation}, apply, bring {child} along by hand, and run ALTER TABLE {child}"
            f" INHERIT {place.relation}"
        )


def _kind_refusal(place: Place, kind: str) -> str:
    if kind == "partitioned table":
        return (
            f"table {place.table}: is partitioned, and its indexes and keys are made one partition"
            " at a time, which is not done here: copy its rows into a plain table of this name, or"
            " declare another name"
        )
    article = "an" if kind == "index" else "a"
    rename = f"ALTER {kind.upper()} {place.relation} RENAME TO {sql.name(place.table + '_before')}"
    return (
        f"table {place.table}: the name is taken by {article} {kind}; rename that"
        + (f" ({rename})" if kind != "type" else "")
        + ", or declare another name"
    )


def taken_refusals(place: Place, catalog: Catalog, want: Table) -> Iterator[str]:
    """Names of wanted indexes that another relation of the schema has."""
    there = catalog.tables.get(place.table)
    taken = {
        name: f"an index of table {other}"
        for other, table in sorted(catalog.tables.items())
        if other != place.table
        for name in table.indexes
    }
    taken |= {name: f"a {table.kind}" for name, table in catalog.tables.items()}
    objects = catalog.schema.objects if catalog.schema else {}
    relations = ("view", "materialized view", "sequence", "foreign table", "composite type")
    taken |= {name: f"a {kind}" for kind in relations for name in objects.get(kind, ())}
    for name in want.indexes:
        if name in taken and (there is None or name not in there.indexes):
            yield (
                f"index {name} on {place.table}: the name is taken by {taken[name]}; rename that,"
                " or give the wanted index another name"
            )
