"""One run: plans and steps carried out in one session that holds the runner's lock.

Short changes are transactions with a ``lock_timeout``, tried again after a pause, so that nobody
queues behind them for long.  Concurrent builds have none: their waits block no one, and a time-out
would leave an INVALID index.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import cast

import psycopg
from psycopg import errors as pg

from memory.schema.catalog import Catalog, read_catalog
from memory.schema.connection import Endpoint, Session, connect
from memory.schema.errors import NotConverged, StepFailed
from memory.schema.estimate import Machine
from memory.schema.events import Event, Patience, Report
from memory.schema.model import DesiredSchema, Purpose
from memory.schema.passwords import Passwords, check_passwords, verifier
from memory.schema.plan import plan
from memory.schema.preflight import (
    RESET,
    Limits,
    advice,
    allowance,
    read_limits,
    refuse_impossible,
)
from memory.schema.probe import prove
from memory.schema.progress import POLL_SECONDS, BuildProgress
from memory.schema.sql import name
from memory.schema.steps import Plan, Step
from memory.schema.tries import Tries
from memory.schema.watch import Watch

ROUNDS = 3
"""Plans of one run; the second heals what a deadlock or a competitor left, the third is luck."""
PASSING = (pg.DeadlockDetected, pg.UndefinedObject, pg.UndefinedTable, pg.DuplicateTable)
"""Somebody else was quicker, or wanted the same locks in another order."""
STOPPED = (
    "stopped; the server has ended the statement. What ran before it stands, and the next run"
    " goes on from there"
)


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The end of a run: the catalog as it is, and the steps that led there."""

    catalog: Catalog
    plan: Plan
    notes: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Run:
    """One run that holds the runner's lock: its session, and what it was told.

    Made by ``open_run``.  Every method may be called again after a failure.
    """

    endpoint: Endpoint
    session: Session
    """Autocommit, and direct; ``search_path`` is pg_catalog alone."""
    passwords: dict[Purpose, str]
    report: Report
    patience: Patience
    machine: Machine
    limits: Limits | None = field(default=None, init=False)
    """The server's own settings, asked for before the first build."""

    def read(self, desired: DesiredSchema) -> Catalog:
        """Read the catalog; its sizes wait for whoever has a table alone.  Raises LockTimeout."""
        return self._tries().of("reading the catalog", lambda: read_catalog(self.session, desired))

    def look(self, desired: DesiredSchema, *, try_passwords: bool = True) -> tuple[Catalog, Plan]:
        """Read the catalog, see whether the passwords log in, and plan.  Raises PlanRefused."""
        catalog = self.read(desired)
        given: Passwords = self.passwords if try_passwords else {}
        catalog = check_passwords(catalog, self.endpoint, desired, given)
        return catalog, plan(catalog, desired)

    def to(self, desired: DesiredSchema, seen: tuple[Catalog, Plan] | None = None) -> Applied:
        """Plan and run until the catalog agrees; ``seen`` is a look that was just taken."""
        catalog, todo = seen or self.look(desired)
        done: list[Step] = []
        for _ in range(ROUNDS):
            if not todo.steps:
                break
            done += self.execute(todo)
            # What this run has set needs no second proof.
            catalog, todo = self.look(desired, try_passwords=not done)
        if todo.steps:
            raise NotConverged(
                "after every step ran, the catalog still differs: "
                + "; ".join(step.sql for step in todo.steps)
            )
        return Applied(catalog=catalog, plan=Plan(steps=tuple(done)), notes=todo.notes)

    def execute(self, todo: Plan | Iterable[Step]) -> list[Step]:
        """Run the batches in order, and return the steps that ran.

        They are fewer than asked for where a deadlock, or a server without room for a parallel
        build, wants another look at the catalog and another plan.  Raises StepFailed, LockTimeout,
        and PlanRefused before the first step.
        """
        steps = todo if isinstance(todo, Plan) else Plan(steps=tuple(todo))
        refuse_impossible(steps.steps, self.machine)
        for step in steps.steps:
            self._refuse_without_password(step)
        done: list[Step] = []
        for number, batch in enumerate(steps.batches(), start=1):
            title = batch[0].batch or batch[0].sql.splitlines()[0]
            self.report(Event(kind="begin", text=title, step=number))
            try:
                self._patiently(batch, title)
            except psycopg.Error as error:
                self._plan_again_or_fail(title, error)
                return done
            except KeyboardInterrupt:
                text = f"{title}: {STOPPED}"
                self.report(Event(kind="stopped", text=text, step=number))
                raise KeyboardInterrupt(text) from None
            done += batch
            self.report(Event(kind="end", text=title, step=number))
        return done

    def _plan_again_or_fail(self, title: str, error: psycopg.Error) -> None:
        """Return where another plan helps; raise StepFailed where none does."""
        if _no_shared_memory(error) and self.machine.vcores != 1:
            self.machine = replace(self.machine, vcores=1)
            text = f"{error.diag.message_primary or error}; building on one core"
        elif isinstance(error, PASSING):
            text = f"{error}; planning again"
        else:
            raise StepFailed(_explained(title, error)) from error
        self.report(Event(kind="waiting", text=f"{title}: {text}"))

    def _patiently(self, batch: tuple[Step, ...], title: str) -> None:
        """Try again while others hold the locks that a short change needs."""
        if not batch[0].transactional and batch[0].probe is None:
            self._concurrently(batch[0])
            return
        self._tries().of(title, lambda: self._briefly(batch))

    def _tries(self) -> Tries:
        return Tries(
            session=self.session,
            second=self._second_session,
            patience=self.patience,
            report=self.report,
        )

    def _briefly(self, batch: tuple[Step, ...]) -> None:
        step = batch[0]
        if step.probe is not None:
            prove(self.session, step.probe, role=step.role)
        else:
            self._transaction(batch)

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
            if not self.session.closed:  # or the reason of its end would be lost
                self.session.rollback()

    def _refuse_without_password(self, step: Step) -> None:
        if step.password_of not in {None, *self.passwords}:
            raise StepFailed(
                f"role {_altered(step)} is new: give the password of {step.password_of}"
            )

    def _secret(self, step: Step) -> str:
        if step.password_of is None:
            return step.sql
        password = self.passwords[cast(Purpose, step.password_of)]
        return step.sql.replace("{verifier}", verifier(self.session, _altered(step), password))

    def _concurrently(self, step: Step) -> None:
        """Outside any transaction, without a time-out, with memory, workers and a watcher."""
        progress = BuildProgress(self.session.info.backend_pid, self.report)
        watch = Watch(
            self._second_session,
            progress.look,
            first=POLL_SECONDS,
            every=POLL_SECONDS,
            blind=self._blind,
        )
        try:
            role = name(step.role) if step.role else "NONE"
            self._execute(f"SET lock_timeout = 0; SET ROLE {role}")
            if step.cost.memory_mib:
                self._prepare_build(step)
            with watch:
                self._execute(step.sql)
        finally:
            if not self.session.closed:
                limit = f"SET lock_timeout = {self.patience.lock_timeout_ms}"
                self._execute(f"RESET ROLE; {RESET}; {limit}")

    def _prepare_build(self, step: Step) -> None:
        if self.limits is None:
            self.limits = read_limits(self.session)
        given = allowance(step.cost, self.limits, self.machine)
        self._execute(given.settings())
        if text := advice(step, given, self.machine):
            self.report(Event(kind="advice", text=text))

    def _second_session(self) -> Session:
        return connect(self.endpoint, wait_seconds=0)

    def _blind(self, reason: str) -> None:
        self.report(Event(kind="progress", text=f"progress is not visible: {reason}"))

    def _execute(self, statement: str) -> None:
        # Built from validated names only, and without parameters: DDL takes none.
        self.session.execute(statement)


def _altered(step: Step) -> str:
    """The role of an ALTER ROLE; its name needs no quotes, or has them."""
    return step.sql.split()[2].strip('"')


def _no_shared_memory(error: psycopg.Error) -> bool:
    """A parallel build reserves all of its memory at once; a container's /dev/shm is small."""
    return isinstance(error, pg.DiskFull | pg.OutOfMemory) and "shared memory" in str(error)


def _explained(title: str, error: psycopg.Error) -> str:
    text = f"{title}: {error.diag.message_primary or error}"
    detail = error.diag.message_detail
    if "allow-list" in text or "allowlist" in text:
        detail = "add it to the server parameter azure.extensions"
    elif "azure_pg_admin" in text:
        detail = "connect as the server's administrator"
    elif isinstance(error, pg.ReadOnlySqlTransaction):
        detail = "the server is a replica, or its storage is nearly full: let it grow, run again"
    return f"{text} ({error.sqlstate})" + (f"; {detail}" if detail else "")
