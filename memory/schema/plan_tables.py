"""Steps for tables and columns.  Nothing here rewrites a table or drops what it did not make."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from memory.schema import sql
from memory.schema.catalog import Column, Table
from memory.schema.estimate import dimensions_of, rows_of
from memory.schema.plan_access import Grantable, grant_steps
from memory.schema.steps import Cost, Step
from memory.schema.target import constraint_for, key_name

BRIEFLY = "ACCESS EXCLUSIVE on the table, for milliseconds"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a table is, and as whom its DDL runs."""

    schema: str
    table: str
    owner: str
    vectors_in: str
    """Schema of pgvector's types and operators."""
    primary_key: tuple[str, ...] = ()
    distances: dict[str, str] = field(default_factory=dict)
    """Distance of each vector index, by its name."""

    @property
    def relation(self) -> str:
        """The qualified name."""
        return sql.qualified(self.schema, self.table)

    def step(self, statement: str, why: str, lock: str, batch: str = "", **more: object) -> Step:
        """A step that runs as the owner."""
        return Step(sql=statement, why=why, lock=lock, batch=batch, role=self.owner, **more)  # type: ignore[arg-type]  # more is Step's own keywords

    @property
    def batch(self) -> str:
        """The transaction of this table's short changes."""
        return f"table {self.table}"


def create_table_steps(place: Place, want: Table) -> Iterator[Step]:
    """A new table with everything on it, in one transaction; no one can wait for it yet."""
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
    yield from grant_steps({}, want.grants, _grantable(place))


def alter_table_steps(place: Place, have: Table, full: Table, want: Table) -> Iterator[Step]:
    """Owner, columns, options and grants of a table that exists.

    ``have`` is its managed part, ``full`` all of it.
    """
    if have.owner != want.owner:
        yield from _owner_steps(place, have.owner)
    for name, column in want.columns.items():
        if name not in have.columns:
            yield place.step(
                f"ALTER TABLE {place.relation}"
                f" ADD COLUMN {sql.column(name, column, place.vectors_in)}",
                "absent; nullable or with a default, so nothing is rewritten",
                BRIEFLY,
                place.batch,
            )
        else:
            yield from _default_steps(place, name, have.columns[name], column)
    yield from _option_steps(place, have, want)
    yield from grant_steps(have.grants, want.grants, _grantable(place))
    for name, column in want.columns.items():
        if name in have.columns:
            yield from _null_steps(place, name, have, full, column)


def _owner_steps(place: Place, found: str) -> Iterator[Step]:
    """Hand a table over; the administrator gave the schema away and needs to look in once more."""
    usage, batch = f"USAGE ON SCHEMA {sql.name(place.schema)}", place.batch
    lock = "rows of the system catalog"
    yield place.step(f"GRANT {usage} TO SESSION_USER", "to hand the table over", lock, batch)
    yield Step(
        sql=f"ALTER TABLE {place.relation} OWNER TO {sql.name(place.owner)}",
        why=f"belongs to {found}",
        lock=BRIEFLY,
        batch=batch,
    )
    yield place.step(f"REVOKE {usage} FROM SESSION_USER", "handed over", lock, batch)


def _grantable(place: Place) -> Grantable:
    return Grantable(on=f"TABLE {place.relation}", role=place.owner, batch=place.batch)


def _default_steps(place: Place, name: str, have: Column, want: Column) -> Iterator[Step]:
    if have.default == want.default:
        return
    action = f"SET DEFAULT {want.default}" if want.default else "DROP DEFAULT"
    yield place.step(
        f"ALTER TABLE {place.relation} ALTER COLUMN {sql.name(name)} {action}",
        f"default is {have.default or 'absent'}",
        BRIEFLY,
        place.batch,
    )


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


def _null_steps(place: Place, name: str, have: Table, full: Table, want: Column) -> Iterator[Step]:
    """SET NOT NULL through a validated check: the scan then holds no lock that blocks writers."""
    check = constraint_for(place.table, name)
    alter, label, key = f"ALTER TABLE {place.relation}", sql.name(name), sql.name(check)
    drop = place.step(f"{alter} DROP CONSTRAINT {key}", "did its work", BRIEFLY, f"set {name}")
    if have.columns[name].not_null == want.not_null:
        if check in have.checks:
            yield drop
        return
    if not want.not_null:
        yield place.step(
            f"{alter} ALTER COLUMN {label} DROP NOT NULL", "may be null", BRIEFLY, place.batch
        )
        return
    if check not in have.checks:
        yield place.step(
            f"{alter} ADD CONSTRAINT {key} CHECK ({label} IS NOT NULL) NOT VALID",
            "new rows first; nothing is scanned",
            BRIEFLY,
            f"check {name}",
        )
    if not have.checks.get(check):
        yield place.step(
            f"{alter} VALIDATE CONSTRAINT {key}",
            "reads every row while others write",
            "SHARE UPDATE EXCLUSIVE on the table, for one scan",
            f"validate {name}",
            cost=Cost(rows=rows_of(full), bytes=full.bytes),
        )
    yield place.step(
        f"{alter} ALTER COLUMN {label} SET NOT NULL",
        "the check spares the scan",
        BRIEFLY,
        f"set {name}",
    )
    yield drop


def table_refusals(place: Place, have: Table, full: Table, want: Table) -> Iterator[str]:
    """What cannot be reached without a rewrite or a loss, with the ways out."""
    for name, column in want.columns.items():
        found = have.columns.get(name)
        if found is None:
            if column.not_null and column.default is None and not full.empty:
                yield (
                    f"table {place.table}: column {name} is wanted NOT NULL and without a default,"
                    " but the table holds rows; give it a default, or add it nullable first"
                )
        elif found.type != column.type:
            yield _type_refusal(place, name, found, column)
    primary = [index for index in have.indexes.values() if index.primary]
    if primary and primary[0].columns != place.primary_key:
        yield (
            f"table {place.table}: primary key is ({', '.join(primary[0].columns)}), wanted"
            f" ({', '.join(place.primary_key)}); change it by hand in a maintenance window"
        )


def _type_refusal(place: Place, name: str, found: Column, want: Column) -> str:
    text = f"table {place.table}: column {name} is {found.type}, wanted {want.type}"
    if not dimensions_of(want.type):
        return f"{text}; a type is never changed in place: add a column of another name instead"
    return (
        f"{text}; stored vectors cannot be converted. Two ways out: (1) re-embed: add a column of"
        f" the new type, backfill it with the new model and swap it in, while {name} keeps"
        f" answering; or (2) declare a new table beside {place.table} and leave this one as it is."
        f" To change nothing, set dimensions back to {dimensions_of(found.type)}"
    )


def table_notes(place: Place, full: Table, have: Table) -> Iterator[str]:
    """Columns, constraints and grants that nobody declared; they are left alone."""
    for what, present, ours in (
        ("column", full.columns, have.columns),
        ("check", full.checks, have.checks),
        ("grantee", full.grants, have.grants),
    ):
        for name in sorted({*present} - {*ours}):
            yield f"table {place.table}: {what} {name} is not declared; left alone"
