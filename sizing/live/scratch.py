"""A database of its own on a live server, with roles of its own; gone when the work is done.

Nothing else on the server is touched.  What a killed run left behind is removed by the next one.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg import sql
from pydantic import ValidationError

from memory.schema import runner
from memory.schema.connection import Endpoint, Session, connect
from memory.schema.events import Report
from memory.schema.model import (
    VECTOR,
    AnnIndex,
    DesiredSchema,
    Hnsw,
    IvfFlat,
    Purpose,
    Table,
    memory_schema,
    mistakes,
)
from sizing.errors import SizingError
from sizing.workload import Hnsw as Graph
from sizing.workload import Workload

PREFIX = "engram_sizing_"
LEFT_BEHIND = """
SELECT datname FROM pg_database d WHERE starts_with(datname, %(prefix)s)
AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)
"""
ROLES = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %(prefix)s)"


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """The database, the schema that it is to have, and who may enter."""

    endpoint: Endpoint
    """As the administrator who made it."""
    desired: DesiredSchema
    passwords: Mapping[Purpose, str] = field(repr=False)

    @property
    def table(self) -> sql.Identifier:
        """The memory table."""
        return sql.Identifier(self.desired.schema_name, self.desired.tables[0].name)

    def apply(self, report: Report, *, vector_index: bool) -> None:
        """Let the schema engine make what is missing, with the vector index or yet without."""
        desired = self.desired
        if not vector_index:
            desired = desired.model_copy(update={"tables": (_bare(desired.tables[0]),)})
        runner.apply(self.endpoint, desired, passwords=self.passwords, report=report)

    @contextmanager
    def session(self, purpose: Purpose | None = None) -> Iterator[Session]:
        """Connect as one of the roles; without a purpose, as the administrator."""
        endpoint = self.endpoint
        if purpose:
            name, password = self.desired.role(purpose).name, self.passwords[purpose]
            endpoint = replace(endpoint, user=name, password=password)
        with connect(endpoint) as session:
            yield session


@contextmanager
def scratch(server: Endpoint, workload: Workload) -> Iterator[Scratch]:
    """Make an empty database; afterwards remove it and its roles.

    ``server`` names any database of the server; nothing is written into that.  Raises SizingError
    for a shape that no database can have.
    """
    name = PREFIX + secrets.token_hex(4)
    desired = wanted(workload, name)
    with connect(server) as session:
        _sweep(session)
        _run(session, "CREATE DATABASE {}", name)
        try:
            yield Scratch(
                endpoint=replace(server, database=name),
                desired=desired,
                passwords={role.purpose: secrets.token_urlsafe() for role in desired.roles},
            )
        finally:
            _remove(session, name)


def wanted(workload: Workload, prefix: str) -> DesiredSchema:
    """The mission's schema in the workload's shape, with roles that are nobody else's."""
    try:
        desired = memory_schema(
            dimensions=workload.dimensions,
            column_type=workload.element_type,
            index=_index(workload),
        )
    except ValidationError as error:
        raise SizingError("; ".join(mistakes(error))) from error
    roles = tuple(r.model_copy(update={"name": f"{prefix}_{r.purpose}"}) for r in desired.roles)
    plain: dict[str, Any] = {"roles": roles, "extensions": (VECTOR,)}
    if workload.index is None:
        plain["tables"] = (_bare(desired.tables[0]),)
    return desired.model_copy(update=plain)


def _index(workload: Workload) -> Hnsw | IvfFlat | None:
    index = workload.index
    if index is None:
        return None
    if isinstance(index, Graph):
        return Hnsw(column="embedding", m=index.m, ef_construction=index.ef_construction)
    return IvfFlat(column="embedding", lists=index.lists)


def _bare(table: Table) -> Table:
    others = tuple(index for index in table.indexes if not isinstance(index, AnnIndex))
    return table.model_copy(update={"indexes": others})


def _sweep(session: Session) -> None:
    for (name,) in session.execute(LEFT_BEHIND, {"prefix": PREFIX}).fetchall():
        _remove(session, name)


def _remove(session: Session, name: str) -> None:
    _run(session, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
    for (role,) in session.execute(ROLES, {"prefix": f"{name}_"}).fetchall():
        _run(session, "DROP ROLE {}", role)


def _run(session: Session, template: Any, name: str) -> None:
    session.execute(sql.SQL(template).format(sql.Identifier(name)))
