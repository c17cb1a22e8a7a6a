"""What is wrong with Zep's book of migrations, and what would put it right.  Pure.

bun, the migrator inside Zep, notes two things before it runs the SQL of a migration: a row in
``bun_migration_locks``, and one in ``bun_migrations`` that says it is applied.  A pod that is
killed then leaves both, and the tables are not there.  No later Zep starts; and where only the
lock is cleared, a Zep starts that calls itself healthy and answers every request with 500.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from memory.schema import sql

MIGRATION = "000000000001"
"""The one migration of Zep 1.0.2."""
MARKS, LOCKS = "bun_migrations", "bun_migration_locks"
TABLES = ("users", "sessions", "messages")
"""What the migration makes, with the type, in one transaction: all of it is there, or nothing."""
TYPE = "role_type_enum"


@dataclass(frozen=True, kw_only=True)
class ZepSession:
    """A session of Zep's login, other than the one that looks."""

    pid: int
    application: str
    address: str | None
    state: str | None
    age_seconds: int

    def __str__(self) -> str:
        """One session, as an operator has to find it."""
        place = self.address or "this machine"
        return f"process {self.pid} ({self.state}, from {place}, for {self.age_seconds} s)"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the database shows."""

    schema: str = "zep"
    owner: str = "zep_app"
    books: tuple[str, ...] = (MARKS, LOCKS)
    """Which of bun's two tables exist."""
    locked: bool = False
    marks: tuple[str, ...] = ()
    """Migrations that are marked as applied."""
    tables: tuple[str, ...] = ()
    """Which of Zep's tables exist."""
    has_type: bool = False
    sessions: tuple[ZepSession, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong; without ``repair`` a person has to decide."""

    what: str
    repair: str | None = None
    """The statement that puts it right."""


def problems(found: Findings) -> Iterator[Problem]:
    """Everything that keeps Zep from starting, or from answering once it has."""
    if found.locked:
        yield Problem(
            what=f"{LOCKS} holds a row: every Zep that starts ends with «migrations table is"
            " already locked»",
            repair=f"DELETE FROM {_in(found, LOCKS)} WHERE table_name = '{MARKS}'",  # noqa: S608 - quoted
        )
    missing = [name for name in TABLES if name not in found.tables]
    if missing == list(TABLES):
        yield from _without_tables(found)
    elif missing:
        yield Problem(
            what=f"of {', '.join(TABLES)} only {', '.join(found.tables)} are there; a migration"
            " makes all or none, so somebody dropped the others: restore the database to a time"
            " before that"
        )
    elif MIGRATION not in found.marks:
        yield _unmarked(found)


def notes(found: Findings) -> Iterator[str]:
    """What is noticed and left alone."""
    if not found.books and not found.tables:
        yield "Zep has never migrated here; its first start will"
    for mark in sorted({*found.marks} - {MIGRATION}):
        yield f"migration {mark} is marked; Zep 1.0.2 has no such, and its mark is left alone"
    for session in found.sessions:
        yield f"Zep is connected: {session}"


def _without_tables(found: Findings) -> Iterator[Problem]:
    if found.has_type:
        yield Problem(
            what=f"type {TYPE} is there without any of its tables, and would stop the migration;"
            " somebody dropped them: restore the database to a time before that, or, where nothing"
            f" in it is to be kept, DROP TYPE {_in(found, TYPE)} and look again"
        )
    elif MIGRATION in found.marks:
        relations = (_in(found, name).replace("'", "''") for name in TABLES)
        absent = " AND ".join(f"to_regclass('{relation}') IS NULL" for relation in relations)
        mark = f"{_in(found, MARKS)} WHERE name = '{MIGRATION}'"
        yield Problem(
            what=f"migration {MIGRATION} is marked as applied, and none of its tables is there:"
            " a Zep that starts calls itself healthy and answers every request with 500",
            # The condition once more: whatever happens in between, a mark outlives no table.
            repair=f"DELETE FROM {mark} AND {absent}",  # noqa: S608 - quoted
        )


def _unmarked(found: Findings) -> Problem:
    what = f"the tables are there, and migration {MIGRATION} is not marked: a Zep that starts"
    what += f" applies it again and ends with «type {TYPE} already exists»"
    if MARKS not in found.books:
        return Problem(what=f"{what}; {MARKS} is missing: let Zep start once, it makes it anew")
    values = f"(name, group_id) VALUES ('{MIGRATION}', 1)"
    return Problem(what=what, repair=f"INSERT INTO {_in(found, MARKS)} {values}")


def _in(found: Findings, name: str) -> str:
    return sql.qualified(found.schema, name)
