"""The wanted schema as the catalog would show it, and a catalog reduced to what is managed.

Two functions, one comparison: ``managed(catalog, desired) == expected(desired)`` exactly when the
planner has nothing to do.  Both are what a stack's state holds, so a drift shows as a difference
of these values.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from memory.schema import catalog as live
from memory.schema import model
from memory.schema.catalog import PUBLIC, Catalog, Grants
from memory.schema.model import DesiredSchema

ANY_VERSION = "any"
NOT_LOADED = (
    "the server has not loaded its library: name it in shared_preload_libraries, restart the"
    " server, refresh, and apply again"
)
NEW, OLD = "_new", "_old"
"""Suffixes of an index that will be, and of one that was, the wanted one."""
# What an interrupted REINDEX CONCURRENTLY leaves beside the index.
REINDEX_LEFTOVER = re.compile(r"_cc(new|old)\d*$")


def expected(desired: DesiredSchema) -> Catalog:
    """The managed part of the catalog once every step has run."""
    logins = {role.name: ("CONNECT",) for role in desired.roles}
    users = {r.name: tuple(sorted(r.privileges)) for r in desired.roles if r.privileges}
    path = f"{desired.schema_name}, public"
    return Catalog(
        database=live.Database(grants=logins),
        extensions={
            e.name: live.Extension(installed=e.version or ANY_VERSION) for e in desired.extensions
        },
        roles={role.name: live.Role(search_path=path) for role in desired.roles},
        schema=live.Schema(
            owner=desired.owner,
            grants=dict.fromkeys(users, ("USAGE",)),
            default_grants=users,
        ),
        tables={t.name: _expected_table(t, desired.owner, users) for t in desired.tables},
    )


def _expected_table(table: model.Table, owner: str, grants: Grants) -> live.Table:
    indexes = {index.name_in(table.name): expected_index(table, index) for index in table.indexes}
    key = live.Index(
        method="btree",
        columns=table.primary_key,
        unique=True,
        primary=True,
    )
    return live.Table(
        owner=owner,
        columns={
            c.name: live.Column(type=c.sql_type, not_null=c.not_null, default=c.default)
            for c in table.columns
        },
        indexes={key_name(table.name): key, **indexes},
        options=table.autovacuum.options(),
        grants=grants,
    )


def expected_index(table: model.Table, index: model.AnyIndex) -> live.Index:
    """The index as the catalog would show it."""
    if isinstance(index, model.Btree):
        return live.Index(method="btree", columns=index.columns)
    column = table.column(index.column)
    kind = column.type if column else "vector"
    options = (
        {"m": str(index.m), "ef_construction": str(index.ef_construction)}
        if isinstance(index, model.Hnsw)
        else {"lists": str(index.lists)}
    )
    opclass = f"{kind}_{index.distance}_ops"
    return live.Index(
        method=index.method, columns=(index.column,), opclasses=(opclass,), options=options
    )


def managed(catalog: Catalog, desired: DesiredSchema) -> Catalog:
    """The catalog without what ``desired`` does not speak of, and without what changes by itself.

    What only a superuser or an owner could repair is left out too: it is reported, and would
    otherwise be planned for ever.
    """
    target = expected(desired)
    ours = {PUBLIC, *target.roles}
    schema = catalog.schema and replace(
        catalog.schema,
        grants=_only(catalog.schema.grants, ours),
        default_grants=_only(catalog.schema.default_grants, ours),
    )
    return Catalog(
        database=_managed_database(catalog.database, target.database, ours),
        extensions={
            e.name: target.extensions[e.name]
            if waits_for_its_library(catalog, e)
            else _managed_extension(catalog.extensions[e.name], e)
            for e in desired.extensions
            if _is_installed(catalog, e) or waits_for_its_library(catalog, e)
        },
        roles={n: _managed_role(r) for n, r in catalog.roles.items() if n in target.roles},
        schema=schema,
        tables={
            t.name: _managed_table(catalog.tables[t.name], t, target.tables[t.name], ours)
            for t in desired.tables
            if t.name in catalog.tables
        },
    )


def _managed_database(
    database: live.Database, target: live.Database, ours: set[str]
) -> live.Database:
    if not database.managed:
        return target
    return replace(database, name="", managed=True, grants=_only(database.grants, ours))


def _managed_extension(extension: live.Extension, wanted: model.Extension) -> live.Extension:
    return live.Extension(installed=extension.installed if wanted.version else ANY_VERSION)


def waits_for_its_library(catalog: Catalog, wanted: model.Extension) -> bool:
    """Whether an extension cannot be made because the server has not loaded its library.

    A catalog that came from no server knows of no library, and is believed to load all.
    """
    if not wanted.preloaded or _is_installed(catalog, wanted):
        return False
    found = catalog.extensions.get(wanted.name)
    return not found.loaded if found else catalog.server.version_num > 0


def _is_installed(catalog: Catalog, wanted: model.Extension) -> bool:
    found = catalog.extensions.get(wanted.name)
    return found is not None and found.installed is not None


def _managed_role(role: live.Role) -> live.Role:
    return live.Role(
        login=role.login,
        createdb=role.createdb,
        createrole=role.createrole,
        search_path=role.search_path,
        password_current=role.password_current,
    )


def _managed_table(
    table: live.Table, wanted: model.Table, target: live.Table, ours: set[str]
) -> live.Table:
    indexes = {
        key_name(wanted.name) if index.primary else name: replace(
            index.definition, primary=index.primary, valid=index.usable
        )
        for name, index in table.indexes.items()
        if index.primary or name in target.indexes or is_leftover(name, index, target.indexes)
    }
    names = {constraint_for(wanted.name, column) for column in target.columns}
    return live.Table(
        owner=table.owner,
        columns={name: c for name, c in table.columns.items() if name in target.columns},
        indexes=indexes,
        options={name: v for name, v in table.options.items() if name in target.options},
        checks={name: valid for name, valid in table.checks.items() if name in names},
        grants=_only(table.grants, ours),
    )


def is_leftover(name: str, index: live.Index, wanted: Iterable[str]) -> bool:
    """Whether an interrupted replacement left this index, ours or REINDEX CONCURRENTLY's."""
    if name.endswith((NEW, OLD)):
        return name[: -len(NEW)] in wanted
    base = REINDEX_LEFTOVER.sub("", name)
    return base != name and base in wanted and not index.usable and index.builder is None


def key_name(table: str) -> str:
    """Name of the primary key, as PostgreSQL would choose it."""
    return f"{table}_pkey"


def constraint_for(table: str, column: str) -> str:
    """Name of the passing check by which NOT NULL is set without a long lock."""
    return f"{table}_{column}_set"[:63]


def _only(grants: Grants, ours: set[str]) -> Mapping[str, tuple[str, ...]]:
    return {grantee: grants[grantee] for grantee in sorted(grants) if grantee in ours}
