"""Proof of a live schema, one fact a line: what was found, what is wanted, whether they agree.

It writes nothing.  The nearest-neighbour query runs with sequential scans switched off: it shows
that the index can answer, not that the planner prefers it at the table's present size.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from memory.schema.catalog import Catalog, Index, read_catalog
from memory.schema.connection import Endpoint, Session
from memory.schema.errors import PlanRefused, StepFailed
from memory.schema.estimate import rows_of
from memory.schema.model import AnnIndex, DesiredSchema, Table
from memory.schema.plan import plan
from memory.schema.probe import prove
from memory.schema.render import statements
from memory.schema.runner import open_direct
from memory.schema.steps import Probe
from memory.schema.target import NOT_LOADED, expected, managed, waits_for_its_library

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
    """Check a live database.  Raises ConnectionRefused and PoolerInTheWay."""
    with open_direct(endpoint) as session:
        catalog = read_catalog(session, desired)
        checks = [
            *_connection_checks(catalog),
            *_extension_checks(catalog, desired),
            *(
                check
                for table in desired.tables
                for check in _table_checks(catalog, desired, table)
            ),
            *_access_checks(catalog, desired),
            *(
                _neighbour_check(session, catalog, desired, table)
                for table in desired.tables
                if table.ann_index and table.name in catalog.tables
            ),
            _drift_check(catalog, desired),
        ]
    first = catalog.tables.get(desired.tables[0].name)
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
    for name, column in want.columns.items():
        if "vector" in column.type:
            live = found.columns.get(name)
            text = live.type if live else "absent"
            yield Check(
                name=f"dimension of {name}",
                ok=text == column.type,
                found=text,
                wanted=column.type,
            )
    for name, index in want.indexes.items():
        if not index.primary:
            yield _index_check(name, found.indexes.get(name), index, desired.schema_name)
    options = {key: found.options.get(key, "unset") for key in want.options}
    yield Check(
        name="autovacuum options",
        ok=options == dict(want.options),
        found=_pairs(options),
        wanted=_pairs(want.options),
    )


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


def _rights(catalog: Catalog, role: str, tables: list[str]) -> str:
    if role not in catalog.roles:
        return "no such role"
    schema = catalog.schema.grants.get(role, ()) if catalog.schema else ()
    rights = [*catalog.database.grants.get(role, ()), *schema]
    for name in tables:
        table = catalog.tables.get(name)
        owns = ("OWNER",) if table and table.owner == role else ()
        rights += [*owns, *(table.grants.get(role, ()) if table else ())]
    return " ".join(rights) or "none"


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
    found = f"answered by {name} (sequential scans off), {rows} rows"
    return Check(name="nearest neighbours", ok=True, found=found, wanted=wanted)


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
