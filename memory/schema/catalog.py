"""What a database holds, as the planner sees it: plain frozen values, no connection.

A catalog is read from a live database (``read_catalog``), taken from a stack's state
(``from_plain``) or derived from the wanted schema (``target.expected``); the planner cannot tell
the difference, which is how a preview plans with no database in reach.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import psycopg
from pydantic import BeforeValidator, TypeAdapter

from memory.schema.model import DesiredSchema

PUBLIC = "PUBLIC"
SNAPSHOT = Path(__file__).with_name("snapshot.sql").read_text(encoding="utf-8")
# What an index has when nobody said so; an index made by hand without options is no drift.
DEFAULT_OPTIONS = {"hnsw": {"m": "16", "ef_construction": "64"}, "ivfflat": {"lists": "100"}}


def _words(value: object) -> object:
    return tuple(value.split()) if isinstance(value, str) else value


Privileges = Annotated[tuple[str, ...], BeforeValidator(_words)]
Grants = Mapping[str, Privileges]
"""Privileges by grantee, sorted; ``PUBLIC`` is everybody.  An owner's own rights are left out."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """The server and this session of it; nothing here is ever planned."""

    version: str = ""
    version_num: int = 0
    session_user: str = ""
    tls: str | None = None
    shared_buffers_kib: int = 0
    maintenance_work_mem_kib: int = 0


@dataclass(frozen=True, kw_only=True)
class Database:
    """The database; ``managed`` says whether the session may change its grants."""

    name: str = ""
    managed: bool = True
    public_creates: bool = False
    """Everybody may create objects in schema public (PostgreSQL before 15)."""
    grants: Grants = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An extension that the server offers; ``installed`` is its version in this database."""

    installed: str | None = None
    loaded: bool = True
    """The server has preloaded its library; says nothing of one that needs no preloading."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role's attributes; the last three are what this session may do with it."""

    login: bool = True
    createdb: bool = False
    createrole: bool = False
    elevated: tuple[str, ...] = ()
    """superuser, replication, bypassrls: only a superuser can take these away."""
    member_of: tuple[str, ...] = ()
    search_path: str | None = None
    manageable: bool = True
    settable: bool = True
    password_current: bool = True
    """False where the password that was asked about does not log in."""
    password_untested: str | None = None
    """Why the server let nobody try; the password may be right or wrong."""


@dataclass(frozen=True, kw_only=True)
class Schema:
    """A schema, its grants, and those that its owner's future tables will get."""

    owner: str
    grants: Grants = field(default_factory=dict)
    default_grants: Grants = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column; type and default as PostgreSQL prints them."""

    type: str
    not_null: bool = False
    default: str | None = None


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index; ``valid`` and ``ready`` are False for what an interrupted build left."""

    method: str
    columns: tuple[str, ...]
    opclasses: tuple[str, ...] = ()
    """One a column; empty where the defaults of btree apply to all."""
    options: Mapping[str, str] = field(default_factory=dict)
    unique: bool = False
    primary: bool = False
    oddities: tuple[str, ...] = ()
    """partial, expression, include, ordering: properties that no wanted index has."""
    valid: bool = True
    ready: bool = True
    builder: int | None = None
    """Process id of a build that is running now."""
    bytes: int = 0

    @property
    def usable(self) -> bool:
        """Queries may use it."""
        return self.valid and self.ready

    @property
    def definition(self) -> "Index":
        """The index without what changes by itself."""
        return replace(self, primary=False, valid=True, ready=True, builder=None, bytes=0)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with all that hangs on it."""

    owner: str
    columns: Mapping[str, Column]
    indexes: Mapping[str, Index] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, bool] = field(default_factory=dict)
    """Check constraints, and whether each is validated."""
    grants: Grants = field(default_factory=dict)
    empty: bool = False
    """No row was ever stored in it."""
    rows: int = 0
    """The planner's estimate; -1 where the table was never analysed."""
    bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """One database as one value."""

    server: Server = Server()
    database: Database = Database()
    extensions: Mapping[str, Extension] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    schema: Schema | None = None
    tables: Mapping[str, Table] = field(default_factory=dict)


_CATALOG = TypeAdapter(Catalog)


def read_catalog(connection: psycopg.Connection[Any], desired: DesiredSchema) -> Catalog:
    """Read what ``desired`` speaks of, and everything else in its schema, in one statement."""
    parameters = {
        "schema": desired.schema_name,
        "roles": [role.name for role in desired.roles],
        "extensions": [extension.name for extension in desired.extensions],
    }
    row = connection.execute(SNAPSHOT, parameters).fetchone()
    if row is None:  # a SELECT without FROM always answers one row
        raise AssertionError("the snapshot answered no row")
    return from_plain(row[0])


def from_plain(plain: Mapping[str, Any]) -> Catalog:
    """Build a catalog from nested plain data; what is left out has its default."""
    return normal(_CATALOG.validate_python(plain))


def to_plain(value: object) -> Any:
    """Turn a catalog into nested plain data without defaults: short, stable, comparable."""
    if is_dataclass(value):
        pairs = ((f, getattr(value, f.name)) for f in fields(value))
        return {
            f.name: _grants_as_text(v) if f.name.endswith("grants") else to_plain(v)
            for f, v in pairs
            if v is not None and not _is_default(f, v)
        }
    if isinstance(value, Mapping):
        return {key: to_plain(value[key]) for key in sorted(value)}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return value


def _grants_as_text(grants: Grants) -> dict[str, str]:
    """One line a grantee: a list would show as a shift of its items in a diff."""
    return {grantee: " ".join(grants[grantee]) for grantee in sorted(grants)}


def _is_default(declared: Any, value: object) -> bool:
    return bool(value == declared.default or value in ({}, ()))


def normal(catalog: Catalog) -> Catalog:
    """Spell equal things equally: types without their schema, numbers without padding."""
    return replace(catalog, tables={n: _normal_table(t) for n, t in catalog.tables.items()})


def _normal_table(table: Table) -> Table:
    columns = {n: replace(c, type=c.type.rpartition(".")[2]) for n, c in table.columns.items()}
    indexes = {n: _normal_index(i) for n, i in table.indexes.items()}
    options = {name: _normal_number(value) for name, value in table.options.items()}
    return replace(table, columns=columns, indexes=indexes, options=options)


def _normal_index(index: Index) -> Index:
    options = {**DEFAULT_OPTIONS.get(index.method, {}), **index.options}
    opclasses = index.opclasses if any(index.opclasses) else ()
    return replace(index, options=options, opclasses=opclasses)


def _normal_number(value: str) -> str:
    try:
        return f"{float(value):g}"
    except ValueError:
        return value
