"""Brings a database to its wanted schema, and may be killed at any point and run again.

Every run ends by reading the catalog again and planning once more.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import Diagnostic

from memory.schema.catalog import Catalog, read_catalog
from memory.schema.connection import Endpoint, Session, connect
from memory.schema.errors import ConnectionRefused, PoolerInTheWay, SchemaError
from memory.schema.estimate import UNKNOWN_MACHINE, Machine
from memory.schema.events import PATIENT, Event, Patience, Report, silent
from memory.schema.lock import runner_lock
from memory.schema.model import DesiredSchema
from memory.schema.passwords import Passwords, check_passwords
from memory.schema.plan import MINIMUM_SERVER, plan_removal
from memory.schema.run import Applied, Run
from memory.schema.steps import Plan
from memory.schema.tries import Tries

__all__ = [
    "Applied",
    "Event",
    "Machine",
    "Patience",
    "Report",
    "Run",
    "apply",
    "inspect",
    "open_direct",
    "open_run",
    "remove",
    "silent",
]

# A killed client must not leave a build that nobody watches: the server looks for it.  No object
# of another schema may stand in for one of PostgreSQL's own.  And time-outs that a role or database
# has for its queries are not for a build of hours; PostgreSQL 16 does not know the last of them.
SESSION = """
SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SET idle_session_timeout = 0; SET lock_timeout = 0;
SET client_connection_check_interval = '1s'; SET search_path = pg_catalog;
SELECT set_config('transaction_timeout', '0', false)
WHERE current_setting('transaction_timeout', true) IS NOT NULL
"""


def open_direct(endpoint: Endpoint) -> Session:
    """Connect, and refuse what is not the server itself, or too old a server.

    A session whose backend is not the one that it was given goes through a pooler.  Raises
    PoolerInTheWay and ConnectionRefused.
    """
    session = connect(endpoint)
    try:
        if session.info.server_version < MINIMUM_SERVER:
            raise ConnectionRefused(
                f"{endpoint.host} runs PostgreSQL {session.info.server_version // 10_000};"
                f" at least {MINIMUM_SERVER // 10_000} is needed"
            )
        row = session.execute("SELECT pg_backend_pid(), inet_server_port()").fetchone()
        if row is None or row[0] != session.info.backend_pid:
            raise PoolerInTheWay(_about_the_pooler(session, row[1] if row else None))
    except SchemaError:
        session.close()
        raise
    return session


def _pass_on(notice: Diagnostic, report: Report) -> None:
    """What pgvector says of a build, such as that its graph no longer fits into memory."""
    text = notice.message_primary or ""
    if text.startswith(("hnsw", "ivfflat")):
        details = " ".join(filter(None, [notice.message_detail, notice.message_hint]))
        report(Event(kind="advice", text=f"{text}. {details}".strip()))


def _about_the_pooler(session: Session, direct: int | None) -> str:
    where = f"{session.info.host}, port {session.info.port}"
    other = f"{direct}, where the pooler itself finds the server" if direct else "usually 5432"
    return (
        f"{where}: a pooler (PgBouncer) answers there; session locks and settings would leak to"
        f" other clients, and a long build would hold one of its connections. Connect to the"
        f" server's own port: {other}; it is set by PGPORT, or by the endpoint's port"
    )


def inspect(
    endpoint: Endpoint, desired: DesiredSchema, passwords: Passwords | None = None
) -> Catalog:
    """Read a live database; with ``passwords``, also whether each role's still logs in."""
    with open_reader(endpoint) as session:
        catalog = read(session, endpoint, desired)
    return check_passwords(catalog, endpoint, desired, passwords or {})


@contextmanager
def open_reader(endpoint: Endpoint) -> Iterator[Session]:
    """Connect to look only: no time-out of a role's queries, and no long wait for a lock.

    Raises ConnectionRefused and PoolerInTheWay.
    """
    with open_direct(endpoint) as session:
        session.execute(_settings(PATIENT))
        yield session


def read(session: Session, endpoint: Endpoint, desired: DesiredSchema) -> Catalog:
    """Read the catalog in a reader's session.  Raises LockTimeout, which names the holder."""
    tries = Tries(
        session=session,
        second=lambda: connect(endpoint, wait_seconds=0),
        patience=PATIENT,
        report=silent,
    )
    return tries.of("reading the catalog", lambda: read_catalog(session, desired))


def _settings(patience: Patience) -> str:
    return f"{SESSION}; SET lock_timeout = {patience.lock_timeout_ms}"


def apply(  # noqa: PLR0913 - one optional keyword for each thing that a caller may know
    endpoint: Endpoint,
    desired: DesiredSchema,
    *,
    passwords: Passwords | None = None,
    report: Report = silent,
    patience: Patience = PATIENT,
    machine: Machine = UNKNOWN_MACHINE,
) -> Applied:
    """Bring the database to ``desired``; a second call finds nothing to do.

    Without ``passwords``, existing roles keep theirs and a missing role is an error.  Raises
    PlanRefused before anything is changed; StepFailed, LockTimeout and NotConverged leave a
    state that the next call heals.
    """
    with open_run(
        endpoint, passwords=passwords, report=report, patience=patience, machine=machine
    ) as run:
        return run.to(desired)


def remove(endpoint: Endpoint, desired: DesiredSchema, *, report: Report = silent) -> Plan:
    """Drop the declared tables with their data, the schema and the roles."""
    with open_run(endpoint, report=report) as run:
        removal = plan_removal(run.read(desired), desired)
        run.execute(removal)
        return removal


@contextmanager
def open_run(
    endpoint: Endpoint,
    *,
    passwords: Passwords | None = None,
    report: Report = silent,
    patience: Patience = PATIENT,
    machine: Machine = UNKNOWN_MACHINE,
) -> Iterator[Run]:
    """Connect, and be the only run on this database until the end of the block.

    Raises ConnectionRefused, PoolerInTheWay, and LockTimeout while another run goes on.
    """
    with open_direct(endpoint) as session:
        session.add_notice_handler(lambda notice: _pass_on(notice, report))
        session.execute(_settings(patience))
        run = Run(
            endpoint=endpoint,
            session=session,
            passwords=dict(passwords or {}),
            report=report,
            patience=patience,
            machine=machine,
        )
        with runner_lock(
            session,
            wait_seconds=patience.runner_seconds,
            waiting=lambda text: report(Event(kind="waiting", text=text)),
        ):
            yield run
