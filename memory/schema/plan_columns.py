"""Steps for the columns of a table that exists.

A stored value is never rewritten: a type changes in place where PostgreSQL only edits its catalog,
and where no row was ever stored.  Everything else is refused with its ways out.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from memory.schema import sql
from memory.schema.catalog import Column, Table
from memory.schema.estimate import dimensions_of, rows_of
from memory.schema.place import BRIEFLY, Place
from memory.schema.steps import Cost, Step
from memory.schema.target import NEXT, PREVIOUS, STATUS, constraint_for, is_leftover

VARCHAR = re.compile(r"character varying(?:\((\d+)\))?$")
VECTORS = ("vector", "halfvec")
VOLATILE = ("gen_random_uuid()",)
"""Defaults that differ from row to row: to fill them in, PostgreSQL rewrites the table."""


def column_steps(place: Place, have: Table, full: Table, want: Table) -> Iterator[Step]:
    """Types, defaults and missing columns; ``have`` is the managed part of ``full``."""
    moved = refitted(have, want)
    if moved:
        yield from _without_indexes(place, full, want)
    for name, column in want.columns.items():
        if name not in have.columns:
            yield from _new_column(place, name, full, column)
        else:
            found = replace(have.columns[name], collation=full.columns[name].collation)
            yield from _one_column(place, name, found, column)
    if moved:
        for name, index in want.indexes.items():
            if not index.primary:
                yield place.step(
                    sql.create_index(name, place.relation, index, place.vectors_in, "INDEX"),
                    "no row is there: no need for CONCURRENTLY",
                    BRIEFLY,
                    place.batch,
                )


def _new_column(place: Place, name: str, full: Table, want: Column) -> Iterator[Step]:
    alter, why = f"ALTER TABLE {place.relation}", "absent; rows that are there stay as they are"
    later = want.default in VOLATILE and not full.empty
    now = replace(want, default=None) if later else want
    column = sql.column(name, now, place.vectors_in)
    yield place.step(f"{alter} ADD COLUMN {column}", why, BRIEFLY, place.batch)
    if later:
        yield place.step(
            f"{alter} ALTER COLUMN {sql.name(name)} SET DEFAULT {want.default}",
            "for new rows alone: to fill it in would rewrite the table",
            BRIEFLY,
            place.batch,
        )


def rest_on_emptiness(have: Table, full: Table, want: Table) -> bool:
    """Whether the steps for the columns would rewrite or lose rows, were there any."""
    filled_in = (c for n, c in want.columns.items() if n not in have.columns and full.empty)
    return bool(refitted(have, want)) or any(c.default in VOLATILE for c in filled_in)


def refitted(have: Table, want: Table) -> tuple[str, ...]:
    """Columns whose type can change only while the table is empty."""
    return tuple(
        name
        for name, column in want.columns.items()
        if name in have.columns and not _fits(have.columns[name].type, column.type)
    )


def settled(have: Table, full: Table, want: Table) -> Table:
    """The table as ``column_steps`` leaves it, for the steps that come next."""
    if not refitted(have, want):
        return full
    kept = {
        name: index
        for name, index in full.indexes.items()
        if index.primary or not _is_ours(name, full, want)
    }
    others = {name: index for name, index in want.indexes.items() if not index.primary}
    return replace(full, columns={**full.columns, **want.columns}, indexes={**kept, **others})


def _fits(found: str, wanted: str) -> bool:
    """Whether a value of the one type is one of the other as it is stored."""
    if found == wanted:
        return True
    have, want = VARCHAR.match(found), VARCHAR.match(wanted)
    if have is None:
        return False
    longer = want is not None and have[1] is not None and int(have[1]) <= int(want[1] or 0)
    return wanted == "text" or longer


def alone_with_an_empty_table(place: Place, *, childless: bool) -> Iterator[Step]:
    """Nobody may store a row between the look at the table and a change that would rewrite it.

    The size tells: a query would miss the rows that row-level security hides.  ``childless``
    asks for no table that inherits from it either: most changes go on to those.
    """
    yield place.step(
        f"LOCK TABLE {place.relation} IN ACCESS EXCLUSIVE MODE",
        "what follows only an empty table bears",
        BRIEFLY,
        place.batch,
    )
    table = f"'{place.relation}'"
    filled, who = f"pg_relation_size({table}) > 0", "rows"
    if childless:
        filled += f" OR EXISTS (SELECT FROM pg_inherits WHERE inhparent = {table}::regclass)"
        who = "rows or a child table"
    yield place.step(
        f"DO $$ BEGIN IF {filled} THEN RAISE EXCEPTION '{place.relation} has {who} now, and stays"
        " as it is; plan again'; END IF; END $$",
        "a row that came meanwhile stops it, and nothing is lost",
        BRIEFLY,
        place.batch,
    )


def _without_indexes(place: Place, full: Table, want: Table) -> Iterator[Step]:
    """PostgreSQL would make them again, with operators of the old type."""
    for name, index in sorted(full.indexes.items()):
        if not index.primary and _is_ours(name, full, want):
            yield place.step(
                f"DROP INDEX {sql.qualified(place.schema, name)}",
                "is made again for the new type",
                BRIEFLY,
                place.batch,
            )


def _is_ours(name: str, full: Table, want: Table) -> bool:
    return name in want.indexes or is_leftover(name, full.indexes[name], want.indexes)


def _one_column(place: Place, name: str, have: Column, want: Column) -> Iterator[Step]:
    """A plain column of the wanted type and default, whatever it was."""
    found = have.default

    def alter(action: str, why: str) -> Step:
        statement = f"ALTER TABLE {place.relation} ALTER COLUMN {sql.name(name)} {action}"
        return place.step(statement, why, BRIEFLY, place.batch)

    if have.generated:
        yield alter("DROP EXPRESSION", f"was generated as {found}; its values stay")
        found = None
    if have.identity:
        yield alter("DROP IDENTITY", "was numbered by a sequence; its values stay")
    if have.type != want.type:
        empty = not _fits(have.type, want.type)
        if empty and found is not None:
            yield alter("DROP DEFAULT", f"{found} is of the old type")
            found = None
        kept = f" COLLATE {have.collation}" if have.collation else ""
        using = " USING NULL" if empty else kept
        why = "no row was ever stored" if empty else "every value fits: nothing is rewritten"
        yield alter(
            f"TYPE {sql.type_name(want.type, place.vectors_in)}{using}", f"is {have.type}; {why}"
        )
    if found != want.default:
        action = f"SET DEFAULT {want.default}" if want.default else "DROP DEFAULT"
        yield alter(action, f"default is {found or 'absent'}")


def null_steps(place: Place, have: Table, full: Table, want: Table) -> Iterator[Step]:
    """NOT NULL of every column that was there before."""
    for name, column in want.columns.items():
        if name in have.columns:
            yield from _null_steps(place, name, have, full, column)


def _null_steps(place: Place, name: str, have: Table, full: Table, want: Column) -> Iterator[Step]:
    """SET NOT NULL through a validated check: the scan then holds no lock that blocks writers."""
    check = constraint_for(place.table, name)
    alter, label, key = f"ALTER TABLE {place.relation}", sql.name(name), sql.name(check)
    found = have.columns[name]
    drop = place.step(f"{alter} DROP CONSTRAINT {key}", "did its work", BRIEFLY, f"set {name}")
    if found.not_null == want.not_null:
        if found.unproven:
            yield _validation(place, name, full, found.unproven)
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
        yield _validation(place, name, full, check)
    yield place.step(
        f"{alter} ALTER COLUMN {label} SET NOT NULL",
        "the check spares the scan",
        BRIEFLY,
        f"set {name}",
    )
    yield drop


def _validation(place: Place, column: str, full: Table, constraint: str) -> Step:
    return place.step(
        f"ALTER TABLE {place.relation} VALIDATE CONSTRAINT {sql.name(constraint)}",
        "reads every row while others write",
        "SHARE UPDATE EXCLUSIVE on the table, for one scan",
        f"validate {column}",
        cost=Cost(rows=rows_of(full), bytes=full.bytes),
    )


def column_refusals(place: Place, have: Table, full: Table, want: Table) -> Iterator[str]:
    """What cannot be reached without a rewrite or a loss, with the ways out."""
    for name, column in want.columns.items():
        found, label = have.columns.get(name), f"table {place.table}: column {name}"
        if found is None:
            if column.not_null and column.default in (None, *VOLATILE) and not full.empty:
                given = f"with {column.default}" if column.default else "without a default"
                yield (
                    f"{label} is wanted NOT NULL and {given}, but the table holds rows, and each"
                    " would be rewritten; add it nullable first and fill it in batches, or give it"
                    " a default that is the same for all"
                )
        else:
            if found.generated == "virtual":
                yield (
                    f"{label} is generated as {found.default} and stores nothing; drop it (ALTER"
                    f" TABLE {place.relation} DROP COLUMN {sql.name(name)}), and apply adds a plain"
                    " one"
                )
            yield from _check_refusals(place, name, full)
            if found.type != column.type:
                for reason in _type_refusals(place, name, full, want):
                    yield f"{label} is {found.type}, wanted {column.type}; {reason}"


def _check_refusals(place: Place, name: str, full: Table) -> Iterator[str]:
    """A check under the name of ours that demands something else; ours is dropped in the end.

    A state does not hold what a check demands, and cannot tell.
    """
    check = constraint_for(place.table, name)
    demands = full.conditions.get(check, f"({name} IS NOT NULL)")
    if check in full.checks and demands.replace('"', "") != f"({name} IS NOT NULL)":
        yield (
            f"table {place.table}: check {check} demands {demands}, and has the name of the check"
            f" by which {name} becomes NOT NULL; rename it: ALTER TABLE {place.relation} RENAME"
            f" CONSTRAINT {sql.name(check)} TO {sql.name(check + '_by_hand')}"
        )


def _type_refusals(place: Place, name: str, full: Table, want: Table) -> Iterator[str]:
    found, column = full.columns[name], want.columns[name]
    fits = _fits(found.type, column.type)
    if not fits and not full.empty:
        yield _ways_out(place, name, full, column)
        return
    if found.views:
        yield (
            f"{', '.join(sorted(found.views))} shows it, and PostgreSQL changes no type under a"
            " view: drop the view, apply, and make it again"
        )
    if fits and not full.empty and found.checks:
        yield (
            f"check {', '.join(found.checks)} speaks of it, and PostgreSQL would try it on every"
            " row while nobody can read the table: drop the check, apply, and add it again as NOT"
            " VALID, to VALIDATE it then"
        )
    for other, index in sorted(full.indexes.items()):
        undeclared = not index.primary and not _is_ours(other, full, want)
        if undeclared and not fits and name in (*index.columns, *index.mentions):
            yield f"index {other} on it is not declared, and of the old type: drop it first"
        elif fits and not full.empty and name in index.mentions:
            yield (
                f"index {other} has it in an expression or a condition, and PostgreSQL would build"
                " that index again while nobody can read the table: drop it first, CONCURRENTLY"
            )


def _ways_out(place: Place, name: str, full: Table, want: Column) -> str:
    found = full.columns[name].type
    if want.type.startswith(VECTORS) and found.startswith(VECTORS):
        return _ways_for_vectors(place, name, full, want)
    if VARCHAR.match(want.type) and (VARCHAR.match(found) or found == "text"):
        return (
            "stored values may be longer, and every row would be rewritten: declare"
            f" {found} or longer, or a column of another name beside it"
        )
    return (
        "a type is never changed in place where rows are stored: declare a column of another name,"
        f" copy and convert the values into it, or set the type back to {found}"
    )


def _ways_for_vectors(place: Place, name: str, full: Table, want: Column) -> str:
    """Two ways on, and one back."""
    found = full.columns[name]
    if name + NEXT in full.columns:
        return (
            f"a re-embedding of it is under way: declare {found.type} until it ends; see {STATUS}"
        )
    if name + PREVIOUS in full.columns:
        return (
            f"a re-embedding has brought it there: declare {found.type} from now on; see {STATUS}"
        )
    had = dimensions_of(found.type)
    cast = " --cast" if had in {0, dimensions_of(want.type)} else ""
    reason = "every row would be rewritten" if cast else "stored vectors cannot be converted"
    back = f": set dimensions back to {had}" if had else ""
    command = f"python -m memory reembed --to '{want.type}'{cast}"
    return (
        f"{reason}. Two ways out: (1) re-embed with `{command}`: a new column is filled, indexed,"
        f" compared and swapped in, while {name} keeps answering; or (2) declare a new table beside"
        f" {place.table} and leave this one as it is. If its rows are worth nothing, TRUNCATE"
        f" {place.relation}, refresh and apply again. To change nothing, declare {found.type}{back}"
    )
