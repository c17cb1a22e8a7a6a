"""Whether a server that was resized or restored is fit for work: questions only, and a warm index.

Azure computes some parameters from the size once, when a server is made, and leaves them alone when
it is resized: https://learn.microsoft.com/azure/postgresql/server-parameters/concepts-server-parameters
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from memory.schema.connection import Endpoint, Session, connect
from memory.schema.errors import ConnectionRefused
from memory.schema.model import DesiredSchema
from memory.schema.verify import verify
from sizing.catalogue import Sku
from sizing.verdict import MEMORY_SHARE, STORAGE_SHARE
from tools.resizing.errors import ResizeError

GIB = 2**30
MIB = 2**20
PAGE = 8192
SIZED = ("max_connections", "shared_buffers", "maintenance_work_mem")
LASTING = ("password authentication failed", "certificate", "host name", "has no database")
"""What no waiting cures."""
PAUSE_SECONDS = 5.0
RESTART = "docs/runbooks/static-parameters.md"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    wanted: str
    advice: str = ""
    """What could be better though it works."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the stack file says of the server."""

    sku: Sku
    storage_gib: int
    connections_needed: int
    parameters: dict[str, int] = field(default_factory=dict)
    """Those of ``SIZED`` that the file sets itself."""
    schemas: dict[str, DesiredSchema] = field(default_factory=dict)
    """By database; the first has the vector index."""


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """All checks of one server."""

    host: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds; advice spoils nothing."""
        return all(check.ok for check in self.checks)

    def as_data(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {"ok": self.ok, **asdict(self)}

    def lines(self) -> Iterator[str]:
        """Lines for a terminal."""
        width = max(len(check.name) for check in self.checks)
        yield f"{self.host}: {'fit for work' if self.ok else 'NOT fit for work'}"
        for check in self.checks:
            mark = "NO " if not check.ok else "look" if check.advice else "ok "
            tail = f"; wanted {check.wanted}" if not check.ok else ""
            yield f"  {mark:<4} {check.name:<{width}}  {check.found}{tail}"
            if check.advice:
                yield f"       {'':<{width}}  -> {check.advice}"


def preflight(
    endpoint: Endpoint,
    wanted: Wanted,
    *,
    wait_seconds: float,
    warm: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> Preflight:
    """Look at everything.  Raises ``ConnectionRefused`` where nobody answers in time.

    ``warm`` reads the vector index into memory where the server has pg_prewarm.
    """
    started = time.monotonic()
    with _connected(endpoint, wait_seconds, sleep) as session:
        checks = [
            _answers(session, time.monotonic() - started),
            _connections(session, wanted),
            *_sized(session, wanted),
            _pending(session),
            _disk(session, wanted),
            *_index(session, wanted, warm=warm),
        ]
    for database, desired in wanted.schemas.items():
        checks += _schema(endpoint, database, desired)
    return Preflight(host=endpoint.host, checks=tuple(checks))


def _connected(endpoint: Endpoint, seconds: float, sleep: Callable[[float], None]) -> Session:
    """Wait for a server that is still being switched over; a wrong password never passes."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return connect(endpoint, wait_seconds=0, sleep=sleep)
        except ConnectionRefused as error:
            lasting = any(text in str(error) for text in LASTING)
            if lasting or time.monotonic() + PAUSE_SECONDS > deadline:
                raise
        sleep(PAUSE_SECONDS)


def _answers(session: Session, seconds: float) -> Check:
    version = _value(session, "SHOW server_version")
    return Check(
        name="connections are answered",
        ok=True,
        found=f"PostgreSQL {version}, after {seconds:.1f} s",
        wanted="an answer",
    )


def _connections(session: Session, wanted: Wanted) -> Check:
    granted = _setting(session, "max_connections") - sum(
        _setting(session, name)
        for name in ("superuser_reserved_connections", "reserved_connections")
    )
    used = int(_value(session, "SELECT coalesce(sum(numbackends), 0) FROM pg_stat_database"))
    needed = wanted.connections_needed
    return Check(
        name="connection budget",
        ok=granted >= needed,
        found=f"{granted:,} granted, {needed:,} at the busiest moment, {used:,} open now",
        wanted=f"{needed:,} or more: raise max_connections, and restart ({RESTART})",
    )


def _sized(session: Session, wanted: Wanted) -> Iterator[Check]:
    """Compare what was computed for the former size with what this size would be given."""
    of_size = {
        "max_connections": wanted.sku.max_connections,
        "shared_buffers": wanted.sku.shared_buffers_mib * MIB // PAGE,
        "maintenance_work_mem": wanted.sku.maintenance_work_mem_kib,
    }
    for name in SIZED:
        aim, live = wanted.parameters.get(name, of_size[name]), _setting(session, name)
        stated = name in wanted.parameters
        advice = ""
        if live != aim:
            whose = "the stack file's value" if stated else f"what a new {wanted.sku.name} is given"
            remedy = "pulumi refresh, then up" if stated else _set_parameter(name, aim)
            advice = f"{aim} is {whose}: {remedy}"
        yield Check(name=name, ok=True, found=str(live), wanted=str(aim), advice=advice)


def _set_parameter(name: str, value: int) -> str:
    restart = "" if name == "maintenance_work_mem" else f", then restart ({RESTART})"
    return (
        "az postgres flexible-server parameter set --resource-group <group> --server-name <server>"
        f" --name {name} --value {value}{restart}"
    )


def _pending(session: Session) -> Check:
    rows = session.execute("SELECT name FROM pg_settings WHERE pending_restart ORDER BY name")
    names = [name for (name,) in rows]
    return Check(
        name="parameters that wait for a restart",
        ok=True,
        found=", ".join(names) or "none",
        wanted="none",
        advice=RESTART if names else "",
    )


def _disk(session: Session, wanted: Wanted) -> Check:
    used = int(
        _value(
            session,
            "SELECT sum(pg_database_size(datname)) FROM pg_database"
            " WHERE has_database_privilege(datname, 'CONNECT')",
        )
    )
    room = wanted.storage_gib * STORAGE_SHARE
    return Check(
        name="data on the disk",
        ok=used <= room * GIB,
        found=f"{used / GIB:.2f} GiB without WAL, of {wanted.storage_gib} GiB",
        wanted=f"{room:.0f} GiB or less; Azure makes a full server read-only",
    )


def _index(session: Session, wanted: Wanted, *, warm: bool) -> Iterator[Check]:
    """Find the vector index by name: its schema is closed to the administrator."""
    indexed = [t for s in wanted.schemas.values() for t in s.tables if t.ann_index is not None]
    if not indexed:
        yield _not_looked_at("the memory table", "it is on the nodes, where nothing was asked")
    for desired in wanted.schemas.values():
        for table in desired.tables:
            if table.ann_index is None:
                continue
            name = table.ann_index.name_in(table.name)
            row = session.execute(
                "SELECT c.oid, pg_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n"
                " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
                (desired.schema_name, name),
            ).fetchone()
            if row is None:
                yield _not_looked_at(name, "the database that was asked has no such index")
                continue
            yield _fits_in_memory(name, row[1], wanted.sku)
            yield _warmed(session, row[0], desired.owner, warm=warm)


def _not_looked_at(name: str, why: str) -> Check:
    return Check(
        name=f"{name} against memory",
        ok=True,
        found="not looked at",
        wanted="an index within memory",
        advice=f"{why}; ask there with `python -m memory schema verify`",
    )


def _fits_in_memory(name: str, size: int, sku: Sku) -> Check:
    share = size / (sku.memory_gib * GIB)
    return Check(
        name=f"{name} against memory",
        ok=share <= MEMORY_SHARE,
        found=f"{size / GIB:.2f} GiB, {share:.0%} of {sku.memory_gib} GiB",
        wanted=f"{MEMORY_SHARE:.0%} or less: a larger SKU, or halfvec",
    )


def _warmed(session: Session, index: int, owner: str, *, warm: bool) -> Check:
    name, wanted = "the index is in memory", "read before the first search"
    if not warm:
        return Check(name=name, ok=True, found="not asked for", wanted=wanted)
    place = session.execute(
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " WHERE e.extname = 'pg_prewarm'"
    ).fetchone()
    if place is None:
        return Check(
            name=name, ok=True, found="left to the first searches, which read from the disk",
            wanted=wanted, advice="with pg_prewarm among azure.extensions, CREATE EXTENSION"
            " pg_prewarm lets this command read it beforehand",
        )  # fmt: skip
    call = sql.SQL("SELECT {}.pg_prewarm(%s::oid::regclass)").format(sql.Identifier(place[0]))
    try:
        with session.transaction():
            session.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(owner)))
            pages = session.execute(call, (index,)).fetchone()
    except psycopg.Error as error:
        found = error.diag.message_primary or str(error)
        return Check(name=name, ok=False, found=found, wanted=wanted)
    return Check(
        name=name, ok=True, found=f"{pages[0] if pages else 0:,} pages read", wanted=wanted
    )


def _schema(endpoint: Endpoint, database: str, desired: DesiredSchema) -> Iterator[Check]:
    """What ``python -m memory schema verify`` finds, each check with its database's name."""
    own = Endpoint(
        host=endpoint.host,
        database=database,
        user=endpoint.user,
        password=endpoint.password,
        port=endpoint.port,
        ca_file=endpoint.ca_file,
    )
    for check in verify(own, desired).checks:
        yield Check(
            name=f"{database}: {check.name}", ok=check.ok, found=check.found, wanted=check.wanted
        )


def _setting(session: Session, name: str) -> int:
    return int(_value(session, "SELECT setting FROM pg_settings WHERE name = %s", name))


def _value(session: Session, query: str, *arguments: str) -> Any:
    row = session.execute(query, arguments or None).fetchone()
    if row is None:
        raise ResizeError(
            f"the server answered nothing to `{query}`; is it PostgreSQL 16 or newer?"
        )
    return row[0]
