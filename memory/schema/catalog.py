"""What a database holds, as the planner sees it: plain frozen values, no connection.

A catalog is read from a live database (``read_catalog``), taken from a stack's state
(``from_plain``) or derived from the wanted schema (``target.expected``); the planner cannot tell
the difference, which is how a preview plans with no database in reach.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import psycopg
from pydantic import BeforeValidator, TypeAdapter

from memory.schema.model import CITUS, DesiredSchema

PUBLIC = "PUBLIC"
SNAPSHOT = Path(__file__).with_name("snapshot.sql").read_text(encoding="utf-8")
# https://docs.citusdata.com/en/stable/develop/api_metadata.html, "Partition table"
SHARED_OUT = """
SELECT c.relname, pg_catalog.column_to_column_name(p.logicalrelid, p.partkey)
FROM pg_catalog.pg_dist_partition p
JOIN pg_class c ON c.oid = p.logicalrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND p.partkey IS NOT NULL
"""
# What an index has when nobody said so; an index made by hand without options is no drift.
DEFAULT_OPTIONS = {"hnsw": {"m": "16", "ef_construction": "64"}, "ivfflat": {"lists": "100"}}


# A quoted name of a column may hold blanks.
PRIVILEGE = re.compile(r'(?:"(?:[^"]|"")*"|[^\s"])+')


def _words(value: object) -> object:
    return tuple(PRIVILEGE.findall(value)) if isinstance(value, str) else value


Privileges = Annotated[tuple[str, ...], BeforeValidator(_words)]
Grants = Mapping[str, Privileges]
"""Privileges by grantee, sorted, as the owner granted them; ``PUBLIC`` is everybody.

``SELECT*`` may be passed on, as psql prints it; ``SELECT(note)`` is of one column.  An owner's own
rights are left out.
"""
Names = Mapping[str, tuple[str, ...]]
"""Names of objects by what they are, in words."""
Memberships = Mapping[str, Privileges]
"""By the name of a role that was granted, what the grant gives: ADMIN, INHERIT, SET, or nothing."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """The server and this session of it; nothing here is ever planned."""

    version: str = ""
    version_num: int = 0
    session_user: str = ""
    grantable: tuple[str, ...] = ()
    """Roles that this session may put others into."""
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
    passed_on: tuple[str, ...] = ()
    """Grants by others than the owner, in words; only who gave them can take them back."""


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An extension that the server offers; ``installed`` is its version in this database."""

    installed: str | None = None
    loaded: bool = True
    """The server has preloaded its library; says nothing of one that needs no preloading."""
    into: str | None = None
    """Schema of its objects; in a managed catalog only where it is not the wanted one."""
    default: str | None = None
    """The version that the server installs when none is asked for."""
    offered: tuple[str, ...] = ()
    """Every version that the server can install; read where one is asked for."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role's attributes and memberships, and what this session may do with it."""

    login: bool = True
    createdb: bool = False
    createrole: bool = False
    elevated: tuple[str, ...] = ()
    """superuser, replication, bypassrls: only a superuser can take these away."""
    member_grants: Memberships = field(default_factory=dict)
    """As this session's user granted them, and may change them."""
    foreign_members: Mapping[str, Memberships] = field(default_factory=dict)
    """As others granted them, by grantor: only they, or a superuser, can take them back."""
    members: tuple[str, ...] = ()
    """Others that belong to this role, and may do what it may."""
    connection_limit: int = -1
    """-1 is none; 0 lets nobody in."""
    expires: str | None = None
    """When its password stops to log in."""
    expired: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of its sessions in this database, beside search_path."""
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
    alterable: bool = True
    """This session may hand it over."""
    grants: Grants = field(default_factory=dict)
    default_grants: Grants = field(default_factory=dict)
    passed_on: tuple[str, ...] = ()
    other_defaults: tuple[str, ...] = ()
    """Grants of objects to come, in words, beside those on tables that its owner makes here."""
    objects: Names = field(default_factory=dict)
    """What is in it beside tables: view, sequence, function, type."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column; type and default as PostgreSQL prints them."""

    type: str
    not_null: bool = False
    default: str | None = None
    unproven: str | None = None
    """Name of a NOT NULL that was declared NOT VALID: earlier rows may hold none."""
    generated: str = ""
    """stored or virtual; its expression is the default."""
    identity: str = ""
    """always or by default: numbers from a sequence of its own."""
    collation: str | None = None
    """Where it is not that of the type: its name, with its schema."""
    checks: tuple[str, ...] = ()
    """Validated check constraints that speak of it."""
    views: tuple[str, ...] = ()
    """Views that show it: while they do, its type is fixed."""


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
    """partial, expression, include, ordering, collation, deferrable: what no wanted index is."""
    mentions: tuple[str, ...] = ()
    """Columns in its expressions and in its condition."""
    constraint: str | None = None
    """Name of the UNIQUE or EXCLUDE constraint that rests on it."""
    needed: tuple[str, ...] = ()
    """What it cannot be dropped for, in words: foreign keys, the replica identity."""
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
        fixed = replace(self, primary=False, valid=True, ready=True, mentions=())
        return replace(fixed, needed=(), builder=None, bytes=0)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Which rows who may see (``using``) and store (``check``), as PostgreSQL prints it."""

    command: str = "ALL"
    permissive: bool = True
    """It lets rows through; one that is not keeps some of these back."""
    roles: tuple[str, ...] = (PUBLIC,)
    using: str | None = None
    check: str | None = None
    """None is the same as ``using``."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with all that hangs on it."""

    owner: str
    alterable: bool = True
    """This session may hand it over."""
    kind: str = "table"
    """What has the name: partitioned table, foreign table, view, sequence and so on."""
    unlogged: bool = False
    """A crash or a failover empties it."""
    row_security: str = ""
    """enabled or forced."""
    policies: Mapping[str, Policy] = field(default_factory=dict)
    attached: Names = field(default_factory=dict)
    """Triggers, rules, policies, foreign keys and so on, by what they are."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    indexes: Mapping[str, Index] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, bool] = field(default_factory=dict)
    """Check constraints, and whether each is validated."""
    conditions: Mapping[str, str] = field(default_factory=dict)
    """What each check constraint demands, as PostgreSQL prints it."""
    grants: Grants = field(default_factory=dict)
    passed_on: tuple[str, ...] = ()
    empty: bool = False
    """No row was ever stored in it."""
    distributed_by: str | None = None
    """Column by which its rows are shared out over nodes; its sizes here are not theirs."""
    builder: int | None = None
    """Process id of another session that builds one of its indexes now."""
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
    row = connection.execute(SNAPSHOT, snapshot_parameters(desired)).fetchone()
    if row is None:  # a SELECT without FROM always answers one row
        raise AssertionError("the snapshot answered no row")
    catalog = from_plain(row[0])
    citus = catalog.extensions.get(CITUS.name)
    return _with_nodes(connection, catalog, desired) if citus and citus.installed else catalog


def _with_nodes(
    connection: psycopg.Connection[Any], catalog: Catalog, desired: DesiredSchema
) -> Catalog:
    """Say which tables are shared out; what they hold is not to be seen from here."""
    rows = connection.execute(SHARED_OUT, {"schema": desired.schema_name}).fetchall()
    shared = {
        name: replace(catalog.tables[name], distributed_by=column, empty=False)
        for name, column in rows
        if name in catalog.tables
    }
    return replace(catalog, tables={**catalog.tables, **shared})


def snapshot_parameters(desired: DesiredSchema) -> dict[str, Any]:
    """What the snapshot is told of the wanted schema."""
    return {
        "schema": desired.schema_name,
        "roles": [role.name for role in desired.roles],
        # Asked for always: of a table that is shared out, no size or emptiness is to be believed.
        "extensions": [*(extension.name for extension in desired.extensions), CITUS.name],
        "preloaded": [extension.name for extension in desired.extensions if extension.preloaded],
        "tables": [table.name for table in desired.tables],
        # To size a table waits for whoever has it locked: no other is asked for than is planned.
        # Who declares none looks around.
        "all_sizes": not desired.tables,
        # Listing them reads the folder of every extension.
        "versions": any(extension.version for extension in desired.extensions),
    }


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
