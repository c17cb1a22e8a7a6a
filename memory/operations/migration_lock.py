"""Look at Zep's book of migrations, and repair what a killed Zep left in it.

A repair is one transaction.  It locks both of bun's tables first and looks for sessions of Zep
only then: a Zep that came before is seen, one that comes later waits at its own first INSERT and
goes on when the book is in order.  Killed at any point, a repair has changed nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.rows import class_row

from memory.operations.errors import NotRepairable, NotZepsDatabase, ZepIsAwake
from memory.operations.migration_diagnosis import (
    LOCKS,
    MARKS,
    TABLES,
    TYPE,
    Findings,
    Problem,
    ZepSession,
    notes,
    problems,
)
from memory.schema import sql
from memory.schema.connection import Endpoint, Session
from memory.schema.runner import open_direct

LOCK_TIMEOUT_MS = 2000
SCALE_DOWN = "kubectl scale statefulset zep-api --replicas=0 -n zep"

OWNER = """
SELECT pg_get_userbyid(nspowner), pg_has_role(nspowner, 'SET'), session_user
FROM pg_namespace WHERE nspname = %s
"""
PRESENT = """
SELECT coalesce(array_agg(name), '{}') FROM unnest(%s::text[]) name
WHERE to_regclass(format('%%I.%%I', %s::text, name)) IS NOT NULL
"""
SESSIONS = """
SELECT pid, application_name AS application, host(client_addr) AS address, state,
       extract(epoch FROM now() - backend_start)::int AS age_seconds
FROM pg_stat_activity
WHERE datname = current_database() AND usename = %s AND pid <> pg_backend_pid()
ORDER BY pid
"""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found, and what was done about it."""

    host: str
    database: str
    found: Findings
    problems: tuple[Problem, ...]
    """As they were before the repair."""
    notes: tuple[str, ...]
    done: tuple[str, ...] = ()
    """Statements that ran."""

    @property
    def ok(self) -> bool:
        """Whether Zep can start and answer."""
        return all(problem.repair in self.done for problem in self.problems)

    def as_data(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {"ok": self.ok, **asdict(self)}

    def as_text(self) -> str:
        """Lines for a terminal."""
        verdict = "Zep can start" if self.ok else "Zep cannot start, or could not answer"
        lines = [f"{self.host}/{self.database}, schema {self.found.schema}: {verdict}"]
        for problem in self.problems:
            lines.append(f"  {problem.what}")
            if problem.repair:
                verb = "done" if problem.repair in self.done else "a repair would run"
                lines.append(f"    {verb}: {problem.repair}")
            else:
                lines.append("    no repair: decide by hand")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + "\n"


def status(endpoint: Endpoint, schema: str = "zep") -> Report:
    """Look, and change nothing.  Raises NotZepsDatabase and ConnectionRefused."""
    with open_direct(endpoint) as session, _as_owner(session, schema) as owner:
        session.execute("SET TRANSACTION READ ONLY")
        return _report(endpoint, _look(session, schema, owner))


def repair(
    endpoint: Endpoint, schema: str = "zep", *, said: Callable[[str], None] = lambda _: None
) -> Report:
    """Put the book of migrations right; a second call finds nothing to do.

    ``said`` hears each statement after it ran and before all of them are committed.  Raises
    ZepIsAwake while Zep is connected and NotRepairable where a person has to decide; then, as
    after any other error, nothing was changed.
    """
    with open_direct(endpoint) as session:
        with _as_owner(session, schema) as owner:
            _keep_zep_out(session, schema, owner)
            report = _report(endpoint, _look(session, schema, owner))
            done = _statements(report)
            for statement in done:
                _execute(session, statement)
                said(statement)
        return replace(report, done=done)


@contextmanager
def _as_owner(session: Session, schema: str) -> Iterator[str]:
    """A transaction in the name of the schema's owner, as the tables and the sessions are its."""
    row = session.execute(OWNER, [schema]).fetchone()
    if row is None:
        raise NotZepsDatabase(
            f"database {session.info.dbname} has no schema {schema}: set PGDATABASE to Zep's"
            " database, or give --schema"
        )
    owner, settable, user = row
    if not settable:
        raise NotZepsDatabase(
            f"schema {schema} belongs to {owner}, and {user} may not act as it: connect as"
            f" {owner}, or let an administrator run GRANT {sql.name(owner)} TO {sql.name(user)}"
            " WITH SET TRUE, INHERIT FALSE"
        )
    with session.transaction():
        _execute(session, f"SET LOCAL ROLE {sql.name(owner)}")
        _execute(session, "SET LOCAL search_path = pg_catalog")
        yield owner


def _keep_zep_out(session: Session, schema: str, owner: str) -> None:
    """Lock bun's tables, where there are any."""
    books = _present(session, schema, (MARKS, LOCKS))
    if not books:
        return
    names = ", ".join(sql.qualified(schema, name) for name in sorted(books))
    try:
        with session.transaction():
            _execute(session, f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
            _execute(session, f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
    except pg.LockNotAvailable as error:
        sessions = _sessions(session, owner)
        raise ZepIsAwake(
            f"{names} are in use: {_listed(sessions)}; let another repair finish, or bring Zep to"
            f" rest: {SCALE_DOWN}"
        ) from error


def _statements(report: Report) -> tuple[str, ...]:
    """What a repair runs; it stops where Zep is at work, or where a statement would not do."""
    found = report.found
    if report.problems and found.sessions:
        pids = ", ".join(str(session.pid) for session in found.sessions)
        raise ZepIsAwake(
            f"{found.owner} is connected, so what looks like a leftover may be at work:"
            f" {_listed(found.sessions)}. Bring Zep to rest: {SCALE_DOWN}. A session that stays"
            f" although no pod is left: SELECT pg_terminate_backend(pid), for {pids}"
        )
    if by_hand := [problem.what for problem in report.problems if not problem.repair]:
        raise NotRepairable(by_hand)
    return tuple(problem.repair for problem in report.problems if problem.repair)


def _look(session: Session, schema: str, owner: str) -> Findings:
    books = _present(session, schema, (MARKS, LOCKS))
    relation = {name: sql.qualified(schema, name) for name in books}
    marks: list[tuple[Any, ...]] = []
    locks: list[tuple[Any, ...]] = []
    if MARKS in books:
        marks = _execute(session, f"SELECT name FROM {relation[MARKS]} ORDER BY name").fetchall()  # noqa: S608 - a validated name
    if LOCKS in books:
        query = f"SELECT id FROM {relation[LOCKS]} WHERE table_name = '{MARKS}'"  # noqa: S608 - a validated name
        locks = _execute(session, query).fetchall()
    kind = session.execute(
        "SELECT to_regtype(format('%%I.%%I', %s::text, %s::text)) IS NOT NULL", [schema, TYPE]
    ).fetchone()
    return Findings(
        schema=schema,
        owner=owner,
        books=books,
        locked=bool(locks),
        marks=tuple(name for (name,) in marks),
        tables=_present(session, schema, TABLES),
        has_type=bool(kind and kind[0]),
        sessions=_sessions(session, owner),
    )


def _report(endpoint: Endpoint, found: Findings) -> Report:
    return Report(
        host=endpoint.host,
        database=endpoint.database,
        found=found,
        problems=tuple(problems(found)),
        notes=tuple(notes(found)),
    )


def _present(session: Session, schema: str, names: tuple[str, ...]) -> tuple[str, ...]:
    row = session.execute(PRESENT, [list(names), schema]).fetchone()
    there = set(row[0]) if row else set()
    return tuple(name for name in names if name in there)


def _sessions(session: Session, owner: str) -> tuple[ZepSession, ...]:
    with session.cursor(row_factory=class_row(ZepSession)) as cursor:
        return tuple(cursor.execute(SESSIONS, [owner]).fetchall())


def _listed(sessions: tuple[ZepSession, ...]) -> str:
    return "; ".join(str(one) for one in sessions) or "by nobody of Zep's login"


def _execute(session: Session, statement: str) -> psycopg.Cursor[Any]:
    return session.execute(statement)
