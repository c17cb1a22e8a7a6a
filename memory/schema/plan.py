"""From what is to what is wanted: steps.  Pure and deterministic; no database in reach.

Dimension and type changes are refused with their ways out, unexpected objects are reported, and
nothing is ever dropped but what an interrupted run of this engine left behind.
"""

from collections.abc import Iterator
from dataclasses import replace

from memory.schema import model, sql
from memory.schema.catalog import PUBLIC, Catalog, Database, Table
from memory.schema.errors import PlanRefused
from memory.schema.place import Place
from memory.schema.plan_access import (
    access_refusals,
    lend_step,
    namespace_steps,
    role_steps,
    schema_steps,
)
from memory.schema.plan_columns import settled
from memory.schema.plan_extensions import extension_notes, extension_refusals, extension_steps
from memory.schema.plan_indexes import builder_refusals, index_refusals, index_steps
from memory.schema.plan_nodes import sharing_refusals, sharing_steps
from memory.schema.plan_notes import access_notes, schema_notes, stranger_notes, table_notes
from memory.schema.plan_tables import (
    alter_table_steps,
    create_table_steps,
    table_refusals,
    taken_refusals,
)
from memory.schema.steps import ACCESS, Plan, Step
from memory.schema.target import OPERATIONS, expected, managed

MINIMUM_SERVER = 160_000
"""PostgreSQL 16 separates SET from INHERIT in memberships, on which the roles here rest."""


def empty_catalog(database: str) -> Catalog:
    """A database as CREATE DATABASE leaves it."""
    return Catalog(database=Database(name=database, grants={PUBLIC: ("CONNECT", "TEMPORARY")}))


def plan(catalog: Catalog, desired: model.DesiredSchema) -> Plan:
    """Return the steps from ``catalog`` to ``desired``; none when they agree.

    Raises PlanRefused, with every reason at once, where no safe way exists.
    """
    target, ours = expected(desired), managed(catalog, desired)
    places = {table.name: _place(table, desired) for table in desired.tables}
    refusals = [
        *extension_refusals(catalog, desired),
        *access_refusals(catalog, ours, target, desired),
        *_table_refusals(catalog, ours, target, places),
    ]
    if refusals:
        raise PlanRefused(refusals)
    if target.schema is None:  # ``expected`` always has one
        raise AssertionError("a wanted schema without a schema")
    first = [*extension_steps(catalog, desired), *role_steps(catalog, target, desired)]
    then = [
        *schema_steps(catalog, ours, target),
        *namespace_steps(ours.schema, target.schema, desired.schema_name),
        *_table_steps(catalog, ours, target, places),
    ]
    owner = catalog.roles.get(desired.owner)
    acts_as_owner = desired.owner in {step.role for step in then} or ours.schema is None
    lent = owner is not None and owner.settable
    steps = [*first, *([lend_step(desired.owner)] if acts_as_owner and not lent else []), *then]
    return Plan(steps=tuple(steps), notes=tuple(_notes(catalog, ours, desired)))


def plan_removal(catalog: Catalog, desired: model.DesiredSchema) -> Plan:
    """Drop the declared tables, the schema and the roles; the data with them.

    The extension stays: other tables of the database may use it.  The schema is dropped without
    CASCADE, so that an object which nobody declared stops the removal; where another program
    brings its tables, none is declared and all of them go.
    """
    steps = [
        _removal(f"DROP TABLE {sql.qualified(desired.schema_name, t.name)}", desired.owner)
        for t in desired.tables
        if t.name in catalog.tables
    ]
    if OPERATIONS in catalog.tables and not desired.brings_its_tables:
        drop = f"DROP TABLE {sql.qualified(desired.schema_name, OPERATIONS)}"
        steps.append(_removal(drop, desired.owner))
    if catalog.schema is not None:
        cascade = " CASCADE" if desired.brings_its_tables else ""
        drop = f"DROP SCHEMA {sql.name(desired.schema_name)}{cascade}"
        steps.append(_removal(drop, catalog.schema.owner))
    for role in desired.roles:
        if role.name in catalog.roles:
            revoke = f"REVOKE ALL ON DATABASE {sql.name(catalog.database.name)} FROM"
            steps.append(_removal(f"{revoke} {sql.name(role.name)}"))
            steps.append(_removal(f"DROP ROLE {sql.name(role.name)}"))
    return Plan(steps=tuple(steps))


def _removal(statement: str, role: str | None = None) -> Step:
    return Step(
        sql=statement,
        why="delete_data is true",
        lock="ACCESS EXCLUSIVE",
        batch="removal",
        role=role,
        destructive=True,
    )


def _place(table: model.Table, desired: model.DesiredSchema) -> Place:
    vector = next((e for e in desired.extensions if e.name == "vector"), None)
    return Place(
        schema=desired.schema_name,
        table=table.name,
        owner=desired.owner,
        vectors_in=vector.into if vector else "public",
        primary_key=table.primary_key,
        distances={
            index.name_in(table.name): index.distance
            for index in table.indexes
            if isinstance(index, model.AnnIndex)
        },
    )


def _table_refusals(
    catalog: Catalog, ours: Catalog, target: Catalog, places: dict[str, Place]
) -> Iterator[str]:
    for name, want in target.tables.items():
        yield from taken_refusals(places[name], catalog, want)
        if name in ours.tables:
            full = catalog.tables[name]
            have = ours.tables[name]
            reasons = [
                *table_refusals(places[name], have, full, want),
                *index_refusals(places[name], full, want),
                *sharing_refusals(
                    places[name], full, want, _changes(places[name], have, full, want)
                ),
            ]
            yield from reasons or builder_refusals(places[name], settled(have, full, want), want)


def _table_steps(
    catalog: Catalog, ours: Catalog, target: Catalog, places: dict[str, Place]
) -> Iterator[Step]:
    for name, want in target.tables.items():
        place = places[name]
        if name not in ours.tables:
            # With the schema new as well, everything is one transaction.
            given = target.schema.default_grants if target.schema else {}
            for step in create_table_steps(place, want, given):
                yield replace(step, batch=ACCESS) if ours.schema is None else step
        else:
            yield from _changes(place, ours.tables[name], catalog.tables[name], want)
    for name, want in target.tables.items():
        yield from sharing_steps(places[name], ours.tables.get(name), want)


def _changes(place: Place, have: Table, full: Table, want: Table) -> Iterator[Step]:
    """Steps of a table that exists; ``have`` is its managed part."""
    yield from alter_table_steps(place, have, full, want)
    yield from index_steps(place, settled(have, full, want), want)


def _notes(catalog: Catalog, ours: Catalog, desired: model.DesiredSchema) -> Iterator[str]:
    target = expected(desired)
    yield from extension_notes(catalog, desired)
    yield from access_notes(catalog, ours, desired)
    yield from schema_notes(catalog, ours, desired)
    for name, have in ours.tables.items():
        yield from table_notes(name, catalog.tables[name], have, target.tables[name])
    yield from stranger_notes(catalog, desired)
