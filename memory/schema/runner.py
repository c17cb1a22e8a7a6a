"""Runs a plan so that it may be killed at any point and run again.

Short changes are transactions with a ``lock_timeout``, retried with jitter, so that nobody queues
behind them for long.  Concurrent builds have none: their waits block no one, and a time-out would
leave an INVALID index.  Every run ends by reading the catalog again and planning once more.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import psycopg
from psycopg import errors as pg

from memory.schema.catalog import Catalog, Server, read_catalog
from memory.schema.connection import Endpoint, Session, connect
from memory.schema.errors import (
    ConnectionRefused,
    LockTimeout,
    NotConverged,
    PoolerInTheWay,
    SchemaError,
    StepFailed,
)
from memory.schema.estimate import session_memory_kib
from memory.schema.lock import runner_lock
from memory.schema.model import DesiredSchema, Purpose
from memory.schema.passwords import Passwords, check_passwords, verifier
from memory.schema.plan import MINIMUM_SERVER, plan, plan_removal
from memory.schema.probe import prove
from memory.schema.progress import BuildWatch
from memory.schema.sql import name
from memory.schema.steps import Plan, Step

ROUNDS = 3
"""Plans of one run; the second heals what a deadlock or a competitor left, the third is luck."""
# A killed client must not leave a build that nobody watches: the server looks for it.  And no
# object of another schema may stand in for one of PostgreSQL's own.
SESSION = """
SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SET client_connection_check_interval = '1s'; SET lock_timeout = 0;
SET search_path = pg_catalog
"""

Report = Callable[["Event"], None]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something happened: a batch begins or ends, a build moves on, a lock is awaited."""

    kind: Literal["begin", "end", "progress", "waiting"]
    text: str
    step: int = 0


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for others."""

    lock_timeout_ms: int = 2000
    """A short change lets others pass after this, and tries again."""
    retry_seconds: float = 300
    """For all tries of one batch together."""
    runner_seconds: float = 3600
    """For another runner; its build of a large index may take that long."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The end of a run: the catalog as it is, and the steps that led there."""

    catalog: Catalog
    plan: Plan
    notes: tuple[str, ...] = ()


def silent(_: Event) -> None:
    """Report nothing."""


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
        row = session.execute("SELECT pg_backend_pid()").fetchone()
        if row is None or row[0] != session.info.backend_pid:
            raise PoolerInTheWay(
                "the connection goes through a pooler (PgBouncer), where session locks and"
                " settings leak to other clients; use the server's own port, usually 5432 instead"
                " of 6432"
            )
    except SchemaError:
        session.close()
        raise
    return session


def inspect(
    endpoint: Endpoint, desired: DesiredSchema, passwords: Passwords | None = None
) -> Catalog:
    """Read a live database; with ``passwords``, also whether each role's still logs in."""
    with open_direct(endpoint) as session:
        catalog = read_catalog(session, desired)
    return check_passwords(catalog, endpoint, desired, passwords or {})


def apply(
    endpoint: Endpoint,
    desired: DesiredSchema,
    *,
    passwords: Passwords | None = None,
    report: Report = silent,
    patience: Patience = Patience(),
) -> Applied:
    """Bring the database to ``desired``; a second call finds nothing to do.

    Without ``passwords``, existing roles keep theirs and a missing role is an error.  Raises
    PlanRefused before anything is changed; StepFailed, LockTimeout and NotConverged leave a
    state that the next call heals.
    """
    with open_direct(endpoint) as session:
        run = _Run(endpoint, session, dict(passwords or {}), report, patience)
        with run.alone():
            return run.to(desired)


def remove(endpoint: Endpoint, desired: DesiredSchema, *, report: Report = silent) -> Plan:
    """Drop the declared tables with their data, the schema and the roles."""
    with open_direct(endpoint) as session:
        run = _Run(endpoint, session, {}, report, Patience())
        with run.alone():
            removal = plan_removal(read_catalog(session, desired), desired)
            run.execute(removal)
        return removal


@dataclass
class _Run:
    """One run: its session, and what it was told."""

    endpoint: Endpoint
    session: Session
    passwords: dict[Purpose, str]
    report: Report
    patience: Patience
    server: Server = field(default_factory=Server)

    def alone(self) -> Any:
        """The runner's lock, with this session made ready for long statements."""
        self.session.execute(SESSION)
        return runner_lock(
            self.session,
            wait_seconds=self.patience.runner_seconds,
            waiting=lambda text: self.report(Event(kind="waiting", text=text)),
        )

    def to(self, desired: DesiredSchema) -> Applied:
        """Read, plan and run, until the catalog agrees."""
        done: list[Step] = []
        given: Passwords = self.passwords
        for _ in range(ROUNDS):
            catalog = read_catalog(self.session, desired)
            # What was set in an earlier round needs no second proof.
            catalog = check_passwords(catalog, self.endpoint, desired, {} if done else given)
            todo = plan(catalog, desired)
            if not todo.steps:
                return Applied(catalog=catalog, plan=Plan(steps=tuple(done)), notes=todo.notes)
            self.server = catalog.server
            done += self.execute(todo)
        raise NotConverged(
            "after every step ran, the catalog still differs: "
            + "; ".join(step.sql for step in todo.steps)
        )

    def execute(self, todo: Plan) -> list[Step]:
        """Run the batches in order; stop where a deadlock asks for another plan."""
        done: list[Step] = []
        for number, batch in enumerate(todo.batches(), start=1):
            title = f"{batch[0].batch or batch[0].sql.splitlines()[0]}"
            self.report(Event(kind="begin", text=title, step=number))
            try:
                self._patiently(batch, title)
            except (pg.DeadlockDetected, pg.UndefinedObject, pg.DuplicateTable) as error:
                self.report(Event(kind="waiting", text=f"{error}; planning again"))
                return done
            except psycopg.Error as error:
                raise StepFailed(_explained(title, error)) from error
            done += batch
            self.report(Event(kind="end", text=title, step=number))
        return done

    def _patiently(self, batch: tuple[Step, ...], title: str) -> None:
        """Retry with jitter while others hold the locks that a short change needs."""
        deadline = time.monotonic() + self.patience.retry_seconds
        while True:
            try:
                self._run(batch)
            except pg.LockNotAvailable as error:
                if time.monotonic() > deadline:
                    raise LockTimeout(
                        f"{title}: a lock was not to be had in {self.patience.retry_seconds:.0f} s;"
                        " end the long transaction that holds it, or run again later"
                    ) from error
                self.report(Event(kind="waiting", text=f"{title}: a lock is held; trying again"))
                time.sleep(secrets.SystemRandom().uniform(0.1, 1.5))
            else:
                return

    def _run(self, batch: tuple[Step, ...]) -> None:
        step = batch[0]
        if step.transactional:
            self._transaction(batch)
        elif step.probe is not None:
            prove(self.session, step.probe, role=step.role)
        else:
            self._concurrently(step)

    def _transaction(self, batch: tuple[Step, ...]) -> None:
        """One round trip: the whole transaction as the server would read it from a file."""
        statements = ["BEGIN", f"SET LOCAL lock_timeout = {self.patience.lock_timeout_ms}"]
        role: str | None = None
        for step in batch:
            if step.role != role:
                statements.append(f"SET LOCAL ROLE {name(step.role) if step.role else 'NONE'}")
                role = step.role
            statements.append(self._secret(step))
        try:
            self._execute(";\n".join([*statements, "COMMIT"]))
        finally:
            self.session.rollback()

    def _secret(self, step: Step) -> str:
        if step.password_of is None:
            return step.sql
        purpose = cast(Purpose, step.password_of)
        role = step.sql.split()[2].strip('"')
        if purpose not in self.passwords:
            raise StepFailed(f"role {role} is new: give the password of {purpose}")
        return step.sql.replace("{verifier}", verifier(self.session, role, self.passwords[purpose]))

    def _concurrently(self, step: Step) -> None:
        """Outside any transaction, without a time-out, with memory and a watcher.

        How many workers help is the server's ``max_parallel_maintenance_workers``, which a stack
        file sets beside the SKU: no SQL shows how many vCores could carry more.
        """
        role = name(step.role) if step.role else "NONE"
        settings = f"SET ROLE {role}"
        if step.cost.memory_mib:
            kib = session_memory_kib(
                step.cost.memory_mib,
                self.server.maintenance_work_mem_kib,
                self.server.shared_buffers_kib,
            )
            settings += f"; SET maintenance_work_mem = {kib}"
        self._execute(settings)
        try:
            with BuildWatch(self.session.info.backend_pid, self._second_session, self._progress):
                self._execute(step.sql)
        finally:
            if not self.session.closed:
                self._execute("RESET ROLE; RESET maintenance_work_mem")

    def _second_session(self) -> Session:
        return connect(self.endpoint, wait_seconds=0)

    def _progress(self, text: str) -> None:
        self.report(Event(kind="progress", text=text))

    def _execute(self, statement: str) -> None:
        # Built from validated names only, and without parameters: DDL takes none.
        self.session.execute(statement)


def _explained(title: str, error: psycopg.Error) -> str:
    text = f"{title}: {error.diag.message_primary or error}"
    detail = error.diag.message_detail
    if "allow-list" in text or "allowlist" in text:
        detail = "add it to the server parameter azure.extensions"
    elif "azure_pg_admin" in text:
        detail = "connect as the server's administrator"
    return f"{text} ({error.sqlstate})" + (f"; {detail}" if detail else "")
