"""Proof of a live schema, one fact a line: what was found, what is wanted, whether they agree.

It writes nothing.  The nearest-neighbour query runs with sequential scans switched off: it shows
that the index can answer, not that the planner prefers it at the table's present size.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from memory.schema import sql
from memory.schema.catalog import PUBLIC, Catalog, Index
from memory.schema.catalog import Role as RoleFound
from memory.schema.catalog import Table as Found
from memory.schema.connection import Endpoint, Session
from memory.schema.errors import PlanRefused, StepFailed
from memory.schema.estimate import rows_of
from memory.schema.model import AnnIndex, DesiredSchema, Role, Table
from memory.schema.plan import plan
from memory.schema.probe import prove
from memory.schema.render import statements
from memory.schema.runner import open_reader, read
from memory.schema.steps import Probe
from memory.schema.target import NOT_LOADED, expected, managed, waits_for_its_library

USE = """
SELECT idx_scan, last_idx_scan AT TIME ZONE 'UTC'
FROM pg_stat_all_indexes WHERE schemaname = %s AND indexrelname = %s
"""
OVER = {"superuser", "bypassrls"}
"""Attributes by which a login sees every row, whatever is forced."""
TRUSTED_TLS = ("TLSv1.2", "TLSv1.3")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One fact."""

    name: str
    ok: bool
    found: str
    wanted: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All facts of one database."""

    host: str
    database: str
    server_version: str
    tls: str
    rows: int
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)

    def as_data(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {"ok": self.ok, **asdict(self)}

    def as_text(self) -> str:
        """Lines for a terminal."""
        width = max(len(check.name) for check in self.checks)
        lines = [f"{self.host}/{self.database}: PostgreSQL {self.server_version}, {self.tls}"]
        for check in self.checks:
            wanted = "" if check.ok else f"; wanted {check.wanted}"
            lines.append(f"  {'ok ' if check.ok else 'NO '} {check.name:<{width}}  "
                         f"{check.found}{wanted}")  # fmt: skip
        return "\n".join(lines) + "\n"


def verify(endpoint: Endpoint, desired: DesiredSchema) -> Report:
    """Check a live database.  Raises ConnectionRefused, PoolerInTheWay and LockTimeout."""
    with open_reader(endpoint) as session:
        catalog = read(session, endpoint, desired)
        checks = [
            *_connection_checks(catalog),
            *_extension_checks(catalog, desired),
            *_place_checks(catalog, desired),
            *(
                check
                for table in desired.tables
                for check in _table_checks(catalog, desired, table)
            ),
            *_option_checks(catalog, desired),
            *_access_checks(catalog, desired),
            *(
                _neighbour_check(session, catalog, desired, table)
                for table in desired.tables
                if table.ann_index
                and table.name in catalog.tables
                # Of rows on nodes, the plan that is seen here says nothing of their indexes.
                and catalog.tables[table.name].distributed_by is None
            ),
            *_start_checks(session, catalog, desired),
            _drift_check(catalog, desired),
        ]
    first = next((catalog.tables.get(table.name) for table in desired.tables), None)
    return Report(
        host=endpoint.host,
        database=endpoint.database,
        server_version=catalog.server.version,
        tls=catalog.server.tls or "no TLS",
        rows=rows_of(first) if first else 0,
        checks=tuple(checks),
    )


def _connection_checks(catalog: Catalog) -> Iterator[Check]:
    tls = catalog.server.tls or "none"
    yield Check(name="tls", ok=tls in TRUSTED_TLS, found=tls, wanted=" or ".join(TRUSTED_TLS))


def _extension_checks(catalog: Catalog, desired: DesiredSchema) -> Iterator[Check]:
    for extension in desired.extensions:
        found = catalog.extensions.get(extension.name)
        version = found.installed if found else None
        wanted = extension.version or "any version"
        ok = version is not None and extension.version in {None, version}
        text = version or "absent"
        if waits_for_its_library(catalog, extension):
            ok, text = True, f"left out; {NOT_LOADED}"
        yield Check(name=f"extension {extension.name}", ok=ok, found=text, wanted=wanted)


def _place_checks(catalog: Catalog, desired: DesiredSchema) -> Iterator[Check]:
    found = f"owner {catalog.schema.owner}" if catalog.schema else "absent"
    wanted = f"owner {desired.owner}"
    yield Check(
        name=f"schema {desired.schema_name}", ok=found == wanted, found=found, wanted=wanted
    )
    everybody = " ".join(catalog.database.grants.get(PUBLIC, ())) or "nothing"
    yield Check(
        name=f"what everybody may in database {catalog.database.name}",
        ok=everybody == "nothing",
        found=everybody,
        wanted="nothing",
    )


def _table_checks(catalog: Catalog, desired: DesiredSchema, table: Table) -> Iterator[Check]:
    label = f"{desired.schema_name}.{table.name}"
    found, want = catalog.tables.get(table.name), expected(desired).tables[table.name]
    yield Check(
        name=f"table {label}",
        ok=found is not None,
        found=f"present, owner {found.owner}" if found else "absent",
        wanted="present",
    )
    if found is None:
        return
    if table.distributed_by or found.distributed_by:
        live, wanted = (
            f"on nodes by {column}" if column else "on one server"
            for column in (found.distributed_by, table.distributed_by)
        )
        yield Check(name=f"rows of {label}", ok=live == wanted, found=live, wanted=wanted)
    for name, column in want.columns.items():
        if "vector" in column.type:
            there = found.columns.get(name)
            text = there.type if there else "absent"
            yield Check(
                name=f"dimension of {name}",
                ok=text == column.type,
                found=text,
                wanted=column.type,
            )
    for name, index in want.indexes.items():
        if not index.primary:
            yield _index_check(name, found.indexes.get(name), index, desired.schema_name)
    if want.policies or found.row_security:
        yield _wall_check(label, catalog, found, want)


def _wall_check(label: str, catalog: Catalog, found: Found, want: Found) -> Check:
    """Whether every login, the owner as well, sees the rows of its tenant alone."""
    through = [name for name, role in catalog.roles.items() if OVER & {*role.elevated}]
    over = f"; does not hold {', '.join(sorted(through))}" if through else ""
    text, wanted = _wall(found) + over, _wall(want)
    return Check(name=f"row security of {label}", ok=text == wanted, found=text, wanted=wanted)


def _wall(table: Found) -> str:
    if not table.row_security:
        return "none"
    policies = ", ".join(
        f"{name} ({' '.join(policy.roles)}: {policy.using})"
        for name, policy in sorted(table.policies.items())
        if policy.permissive
    )
    return f"{table.row_security}; lets through {policies or 'nothing'}"


def _option_checks(catalog: Catalog, desired: DesiredSchema) -> Iterator[Check]:
    """One for all tables; each has the same."""
    wanted = {
        name: table.options
        for name, table in expected(desired).tables.items()
        if name in catalog.tables
    }
    live = {
        name: {key: catalog.tables[name].options.get(key, "unset") for key in options}
        for name, options in wanted.items()
    }
    if wanted:
        yield Check(
            name="autovacuum options",
            ok=live == wanted,
            found=_of_tables({name: _pairs(options) for name, options in live.items()}),
            wanted=_of_tables({name: _pairs(options) for name, options in wanted.items()}),
        )


def _of_tables(words: Mapping[str, str]) -> str:
    """Said once where it is true of all."""
    if len({*words.values()}) == 1:
        return next(iter(words.values()))
    return "; ".join(f"{name}: {text}" for name, text in words.items())


def _index_check(name: str, found: Index | None, want: Index, schema: str) -> Check:
    if found is None:
        text = "absent"
    elif not found.usable:
        text = "INVALID"
    else:
        text = f"valid {_index_words(found)}"
        if found.method == "ivfflat":
            text += f"; fits the rows of its last build: REINDEX INDEX CONCURRENTLY {schema}.{name}"
            text += " after a load"
    ok = found is not None and found.usable and found.definition == want.definition
    return Check(name=f"index {name}", ok=ok, found=text, wanted=f"valid {_index_words(want)}")


def _access_checks(catalog: Catalog, desired: DesiredSchema) -> Iterator[Check]:
    have, want = managed(catalog, desired), expected(desired)
    for role in desired.roles:
        pairs = [
            _rights(source, role.name, [table.name for table in desired.tables])
            for source in (have, want)
        ]
        yield Check(
            name=f"grants of {role.name}", ok=pairs[0] == pairs[1], found=pairs[0], wanted=pairs[1]
        )
        if role.member_of is not None:
            yield _membership_check(role, catalog.roles.get(role.name, RoleFound()))


def _membership_check(role: Role, live: RoleFound) -> Check:
    """Every grant counts, whoever gave it: the widest one is in effect."""
    everyone = [live.member_grants, *live.foreign_members.values()]
    found = {(name, options) for given in everyone for name, options in given.items()}
    wanted: set[tuple[str, tuple[str, ...]]] = {(name, ()) for name in role.member_of or ()}
    return Check(
        name=f"memberships of {role.name}",
        ok=found == wanted,
        found=_memberships(found),
        wanted=_memberships(wanted),
    )


def _memberships(pairs: set[tuple[str, tuple[str, ...]]]) -> str:
    words = [f"{name} ({' '.join(options) or 'by name only'})" for name, options in sorted(pairs)]
    return ", ".join(words) or "none"


def _rights(catalog: Catalog, role: str, tables: list[str]) -> str:
    if role not in catalog.roles:
        return "no such role"
    schema = catalog.schema.grants.get(role, ()) if catalog.schema else ()
    rights = " ".join([*catalog.database.grants.get(role, ()), *schema])
    held = {name: _table_rights(catalog.tables.get(name), role) for name in tables}
    return ", ".join(filter(None, [rights or "none", _of_tables(held) if held else ""]))


def _table_rights(table: Found | None, role: str) -> str:
    owns = ("OWNER",) if table and table.owner == role else ()
    return " ".join([*owns, *(table.grants.get(role, ()) if table else ())]) or "nothing"


def _neighbour_check(
    session: Session, catalog: Catalog, desired: DesiredSchema, table: Table
) -> Check:
    index = table.ann_index
    column = table.column(index.column) if index else None
    if index is None or column is None:  # the caller asked for tables that have one
        raise AssertionError(f"{table.name} has no vector index")
    name = index.name_in(table.name)
    probe = _probe(desired, table, index)
    owner = catalog.roles.get(desired.owner)
    role = desired.owner if owner is not None and owner.settable else None
    wanted = f"answered by {name}"
    try:
        rows = prove(session, probe, role=role)
    except StepFailed as error:
        return Check(name="nearest neighbours", ok=False, found=str(error), wanted=wanted)
    except psycopg.Error as error:
        text = error.diag.message_primary or str(error)
        return Check(name="nearest neighbours", ok=False, found=text, wanted=wanted)
    found = f"answered by {name} (sequential scans off), {rows} rows; {_use(session, probe)}"
    return Check(name="nearest neighbours", ok=True, found=found, wanted=wanted)


def _use(session: Session, probe: Probe) -> str:
    """What the server has counted: for information, as statistics may have been reset."""
    schema = probe.relation.partition(".")[0].strip('"')
    row = session.execute(USE, (schema, probe.index)).fetchone()
    scans, last = row or (0, None)
    return f"{scans:,} scans counted" + (f", the last at {last:%Y-%m-%d %H:%M} UTC" if last else "")


def _probe(desired: DesiredSchema, table: Table, index: AnnIndex) -> Probe:
    column = table.column(index.column)
    vector = next((e.into for e in desired.extensions if e.name == "vector"), "public")
    return Probe(
        relation=f"{desired.schema_name}.{table.name}",
        column=index.column,
        column_type=column.type if column else "vector",
        dimensions=(column.dimensions or 0) if column else 0,
        distance=index.distance,
        vectors_in=vector,
        index=index.name_in(table.name),
    )


def _start_checks(session: Session, catalog: Catalog, desired: DesiredSchema) -> Iterator[Check]:
    """What another program asks for whenever it starts: asked in its name, and rolled back.

    A refusal is one that the program would meet too.  A server that judges by the session's user,
    and not by the role that is set, would accept here and refuse there.
    """
    owner = catalog.roles.get(desired.owner)
    if not desired.brings_its_tables or owner is None or not owner.settable:
        return
    for extension in desired.extensions:
        asked = f"CREATE EXTENSION IF NOT EXISTS {sql.name(extension.name)}"
        found = "accepted"
        try:
            with session.transaction(force_rollback=True):
                session.execute(f"SET LOCAL ROLE {sql.name(desired.owner)}")
                session.execute(f"{asked} SCHEMA {sql.name(extension.into)}")
        except psycopg.Error as error:
            found = error.diag.message_primary or str(error)
        yield Check(
            name=f"{asked} as {desired.owner}",
            ok=found == "accepted",
            found=found,
            wanted="accepted",
        )


def _drift_check(catalog: Catalog, desired: DesiredSchema) -> Check:
    try:
        todo = statements(plan(catalog, desired).steps)
    except PlanRefused as refusal:
        todo = list(refusal.reasons)
    return Check(
        name="drift", ok=not todo, found="; ".join(todo) or "none", wanted="nothing left to do"
    )


def _index_words(index: Index) -> str:
    opclasses = " ".join(filter(None, index.opclasses))
    return " ".join(
        filter(None, [index.method, f"({', '.join(index.columns)})", opclasses,
                      _pairs(index.options), *index.oddities])
    )  # fmt: skip


def _pairs(values: Any) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(values.items()))
