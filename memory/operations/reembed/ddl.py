"""The statements of each phase, from what the catalog shows.  Pure; nothing runs here.

The guard is the trigger that keeps a derived column honest while rows change under the backfill.
Without a way to compute the value it takes a stale one away, and the backfill fills it anew; a cast
it computes itself.  A value that a writer gives along with the new content stays: that is how a
program that knows both models may write for both.
"""

from collections.abc import Iterator, Sequence

from memory.operations.reembed import ledger
from memory.operations.reembed.found import INSERT, UPDATE, Found
from memory.operations.reembed.goal import Goal, Subject, without_oddities
from memory.operations.reembed.ledger import Entry, Progress
from memory.operations.reembed.rows import needs
from memory.schema import catalog as live
from memory.schema import sql
from memory.schema.estimate import build_cost
from memory.schema.steps import Cost, Step

BRIEFLY = "ACCESS EXCLUSIVE on the table, for milliseconds"
CONCURRENTLY = "SHARE UPDATE EXCLUSIVE on the table: reads and writes go on"

FORGETS = """
BEGIN
  -- A value that the writer gave along with the rest stays.
  IF NOT (new.{derived} OPERATOR({vectors}.<>) old.{derived})
    AND (new.{content} IS DISTINCT FROM old.{content}
         OR (new.{source} IS NULL) <> (old.{source} IS NULL)
         OR new.{source} OPERATOR({vectors}.<>) old.{source}) THEN
    new.{derived} := NULL;
  END IF;
  RETURN new;
END
"""
COMPUTES = """
BEGIN
  IF new.{source} IS NULL THEN
    new.{derived} := NULL;
  ELSIF TG_OP = 'INSERT' OR old.{derived} IS NULL OR old.{source} IS NULL
    OR new.{source} OPERATOR({vectors}.<>) old.{source} THEN
    BEGIN
      new.{derived} := new.{source}::{type};
    EXCEPTION WHEN numeric_value_out_of_range THEN
      -- The writer's vector is fine where it is; that it cannot be cast is the backfill's to say.
      new.{derived} := NULL;
    END;
  END IF;
  RETURN new;
END
"""


def guard_source(found: Found, derived: str, cast_to: str | None) -> str:
    """The body of a guard's function."""
    subject, vectors = found.subject, sql.name(found.place.vectors_in)
    return (COMPUTES if cast_to else FORGETS).format(
        derived=sql.name(derived),
        source=sql.name(subject.column),
        content=sql.name(subject.content),
        vectors=vectors,
        type=f"{vectors}.{cast_to}",
    )


def guard_statements(found: Found, derived: str, cast_to: str | None) -> Sequence[str]:
    """Set a guard up, or set it right."""
    subject = found.subject
    name = subject.guard_of(derived)
    function = f"{sql.qualified(subject.schema, name)}()"
    events = "INSERT OR UPDATE" if cast_to else "UPDATE"
    return (
        f"CREATE OR REPLACE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql"
        f" SET search_path = pg_catalog AS $guard${guard_source(found, derived, cast_to)}$guard$",
        f"CREATE OR REPLACE TRIGGER {sql.name(name)} BEFORE {events} ON {subject.relation}"
        f" FOR EACH ROW EXECUTE FUNCTION {function}",
        # CREATE OR REPLACE leaves a disabled trigger disabled.
        f"ALTER TABLE {subject.relation} ENABLE TRIGGER {sql.name(name)}",
    )


def guards_rightly(found: Found, derived: str, cast_to: str | None) -> bool:
    """Whether the catalog shows the guard as it should be."""
    guard = found.triggers.get(found.subject.guard_of(derived))
    events = INSERT | UPDATE if cast_to else UPDATE
    return (
        guard is not None
        and guard.enabled
        and guard.function == found.subject.guard_of(derived)
        and guard.source == guard_source(found, derived, cast_to)
        and guard.type & (INSERT | UPDATE) == events
    )


def drop_guard(found: Found, derived: str) -> Sequence[str]:
    """Take a guard away, with its function."""
    subject = found.subject
    name = subject.guard_of(derived)
    return (
        f"DROP TRIGGER IF EXISTS {sql.name(name)} ON {subject.relation}",
        f"DROP FUNCTION IF EXISTS {sql.qualified(subject.schema, name)}()",
    )


def expand_steps(found: Found, goal: Goal, entry: Entry | None, begun: Progress) -> Iterator[Step]:
    """The new column and its guard, in one transaction with the entry in the ledger."""
    place, subject = found.place, found.subject
    if entry is None:
        yield from ledger.create_steps(found)
        yield ledger.begin_step(found, goal, begun)
    if found.column_type(subject.next) is None:
        yield place.step(
            f"ALTER TABLE {subject.relation} ADD COLUMN {sql.name(subject.next)}"
            f" {sql.name(place.vectors_in)}.{goal.to}",
            "the new vectors; nullable, so nothing is rewritten",
            BRIEFLY,
            "expand",
        )
    cast_to = cast_type(goal)
    if not guards_rightly(found, subject.next, cast_to):
        for statement in guard_statements(found, subject.next, cast_to):
            yield place.step(statement, "a changed row loses its stale value", BRIEFLY, "expand")


def cast_type(goal: Goal) -> str | None:
    """The type that the guard itself can compute, if it can."""
    return goal.to if goal.source == "cast" else None


def finds_what_is_left(found: Found, derived: str) -> bool:
    """Whether the index of the rows without this value is there and may be used."""
    index = found.table.indexes.get(found.subject.left_index)
    return index is not None and index.usable and derived in index.mentions


def left_index_steps(found: Found, derived: str) -> Iterator[Step]:
    """An index of the rows without this value: empty when all is done, and read in no time."""
    subject = found.subject
    if finds_what_is_left(found, derived):
        return
    if subject.left_index in found.table.indexes:
        yield _drop_index(found, subject.left_index, "INVALID: an interrupted build left it")
    yield found.place.step(
        f"CREATE INDEX CONCURRENTLY {sql.name(subject.left_index)} ON {subject.relation}"
        f" ({sql.names(found.keys)}) WHERE {needs(subject, derived)}",
        "finds the rows that are left, also under the lock of the swap",
        CONCURRENTLY,
        cost=Cost(rows=max(0, found.table.rows)),
    )


def index_steps(found: Found, goal: Goal) -> Iterator[Step]:
    """The vector index on the new column, once the rows are there.

    Before them, every row of the backfill would be inserted into it one by one, which takes many
    times as long as a build, and could not be a HOT update of the table.
    """
    subject = found.subject
    name, want = subject.index_of(subject.next), goal.wanted_index(subject.next)
    have = found.table.indexes.get(name)
    if have is not None and (want is None or not same_index(have, want)):
        yield _drop_index(found, name, "INVALID, or no longer what is wanted")
        have = None
    if have is None and want is not None:
        yield found.place.step(
            sql.create_index(
                name, subject.relation, want, found.place.vectors_in, "INDEX CONCURRENTLY"
            ),
            "answers searches after the swap",
            CONCURRENTLY,
            cost=build_cost(found.table, want),
        )


def same_index(have: live.Index, want: live.Index) -> bool:
    """Whether an index is usable, and the wanted one."""
    return have.usable and without_oddities(have) == without_oddities(want)


def swap_statements(found: Found, entry: Entry) -> Iterator[str]:
    """Old and new change their names; whoever asks for the column gets the new one."""
    subject = found.subject
    yield from drop_guard(found, subject.next)
    yield _drop_left_index(subject)
    yield from _rename(found, {subject.column: subject.previous, subject.next: subject.column})
    yield from guard_statements(found, subject.previous, back_type(found, entry.goal))
    yield ledger.turn(subject, entry, "swapped")


def back_statements(found: Found, entry: Entry) -> Iterator[str]:
    """The swap the other way round; the new column stays, filled and indexed."""
    subject = found.subject
    yield from drop_guard(found, subject.previous)
    yield _drop_left_index(subject)
    yield from _rename(found, {subject.column: subject.next, subject.previous: subject.column})
    yield from guard_statements(found, subject.next, cast_type(entry.goal))
    yield ledger.turn(subject, entry, "ready")


def back_type(found: Found, goal: Goal) -> str | None:
    """The type of the old column, where a cast leads back to it."""
    subject = found.subject
    old = subject.column if found.stage == "expanded" else subject.previous
    return found.column_type(old) if goal.source == "cast" else None


def contract_steps(found: Found, entry: Entry) -> Iterator[Step]:
    """The old column goes, and its index before it, so that the lock is short."""
    yield from _gone(found, entry, found.subject.previous, "contracted")


def abort_steps(found: Found, entry: Entry) -> Iterator[Step]:
    """All that the operation made goes, and the table is as it was."""
    yield from _gone(found, entry, found.subject.next, "aborted")


def _gone(found: Found, entry: Entry, column: str, phase: ledger.Phase) -> Iterator[Step]:
    subject = found.subject
    for name, index in found.table.indexes.items():
        if index.columns == (column,) or name == subject.left_index:
            yield _drop_index(found, name, f"{column} goes")
    for statement in drop_guard(found, column):
        yield found.place.step(statement, f"{column} goes", BRIEFLY, phase)
    if found.column_type(column) is not None:
        yield found.place.step(
            f"ALTER TABLE {subject.relation} DROP COLUMN {sql.name(column)}",
            phase,
            BRIEFLY,
            phase,
            destructive=True,
        )
    yield ledger.turn_step(found, entry, phase, phase)


def _rename(found: Found, columns: dict[str, str]) -> Iterator[str]:
    """Rename columns in this order, and their vector indexes so that no name is taken twice.

    The old index's name, whatever it is, becomes the new one's: it is the one that is declared.
    """
    subject = found.subject
    aside, into = columns
    relation = subject.relation
    for column, to in columns.items():
        yield f"ALTER TABLE {relation} RENAME COLUMN {sql.name(column)} TO {sql.name(to)}"
    leaving, coming = found.index_on(aside), found.index_on(into)
    if leaving is not None:
        yield _rename_index(subject, leaving[0], subject.index_of(columns[aside]))
    if coming is not None:
        declared = leaving[0] if leaving else subject.index_of(subject.column)
        yield _rename_index(subject, coming[0], declared)


def _drop_left_index(subject: Subject) -> str:
    return f"DROP INDEX IF EXISTS {sql.qualified(subject.schema, subject.left_index)}"


def _rename_index(subject: Subject, name: str, to: str) -> str:
    return f"ALTER INDEX {sql.qualified(subject.schema, name)} RENAME TO {sql.name(to)}"


def _drop_index(found: Found, name: str, why: str) -> Step:
    return found.place.step(
        f"DROP INDEX CONCURRENTLY IF EXISTS {sql.qualified(found.subject.schema, name)}",
        why,
        CONCURRENTLY,
    )
