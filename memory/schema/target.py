"""The wanted schema as the catalog would show it, and a catalog reduced to what is managed.

Two functions, one comparison: ``managed(catalog, desired) == expected(desired)`` exactly when the
planner has nothing to do.  Both are what a stack's state holds, so a drift shows as a difference
of these values.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from memory.schema import catalog as live
from memory.schema import model, sql
from memory.schema.catalog import PUBLIC, Catalog, Grants
from memory.schema.model import DesiredSchema
from memory.schema.tables import EVERY_TENANT, TENANT_SETTING

ANY_VERSION = "any"
NEEDS = {"hnsw": "0.5.0", "halfvec": "0.7.0"}
"""The release of pgvector that brought what a wanted table may use; its CHANGELOG."""
NOT_LOADED = (
    "the server has not loaded its library: name it in shared_preload_libraries, restart the"
    " server, refresh, and apply again"
)
NEW, OLD = "_new", "_old"
"""Suffixes of an index that will be, and of one that was, the wanted one."""
NEXT, PREVIOUS = "_next", "_previous"
"""Suffixes of the column that a re-embedding fills, and of the one that it has replaced."""
LEFT = "_left"
"""Suffix of the index of the rows that a re-embedding has not come to."""
OPERATIONS = "operations"
"""The table in which a re-embedding keeps how far it came."""
TENANT_POLICY, OWNER_POLICY = POLICIES = ("engram_tenant", "engram_every_tenant")
"""Names of the policies that tell tenants apart; any other that lets rows through is a hole."""
ADDING = ("INSERT", "SELECT")
"""What leaves every row as it is."""
STATUS = "python -m memory reembed --status"
AUTOVACUUM = "autovacuum_enabled"
"""Switched off by hand, it makes nonsense of the options that say when autovacuum comes."""
TRUE = ("true", "on", "yes", "1")
DOCUMENTS = "jsonb_path_ops"
"""Operators of an index of documents: for ``@>`` alone, in half the room of the default ones.

https://www.postgresql.org/docs/18/datatype-json.html#JSON-INDEXING
"""
# What an interrupted REINDEX CONCURRENTLY leaves beside the index.
REINDEX_LEFTOVER = re.compile(r"_cc(new|old)\d*$")


def expected(desired: DesiredSchema) -> Catalog:
    """The managed part of the catalog once every step has run."""
    logins = {role.name: ("CONNECT",) for role in desired.roles}
    users = {r.name: tuple(sorted(r.privileges)) for r in desired.roles if r.privileges}
    path = f"{desired.beside or desired.schema_name}, public"
    return Catalog(
        database=live.Database(grants=logins),
        extensions={
            e.name: live.Extension(installed=e.version or ANY_VERSION) for e in desired.extensions
        },
        roles={
            role.name: live.Role(
                search_path=path, member_grants=dict.fromkeys(role.member_of or (), ())
            )
            for role in desired.roles
        },
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
        grants=table_grants(table, grants),
        row_security="forced" if table.tenant_column else "",
        policies=dict(_expected_policies(table, owner)),
        distributed_by=table.distributed_by,
    )


def _expected_policies(table: model.Table, owner: str) -> Iterator[tuple[str, live.Policy]]:
    """Whose rows are seen; only the owner can ask for everybody's, and has to say so."""
    column = table.column(table.tenant_column) if table.tenant_column else None
    if column is None:
        return
    said = f"current_setting('{TENANT_SETTING}'::text, true)"
    label = sql.name(column.name)
    whose = label if column.type == "text" else f"({label})::text"
    yield TENANT_POLICY, live.Policy(using=f"({whose} = {said})")
    yield OWNER_POLICY, live.Policy(roles=(owner,), using=f"({said} = '{EVERY_TENANT}'::text)")


def table_grants(table: model.Table, grants: Grants) -> Grants:
    """Who may do what with a table: with one that only grows, nothing that takes away."""
    if not table.append_only:
        return grants
    kept = {who: tuple(p for p in held if p in ADDING) for who, held in grants.items()}
    return {who: held for who, held in kept.items() if held}


def expected_index(table: model.Table, index: model.AnyIndex) -> live.Index:
    """The index as the catalog would show it."""
    if isinstance(index, model.Btree):
        return live.Index(method="btree", columns=index.columns)
    if isinstance(index, model.Gin):
        return live.Index(method="gin", columns=(index.column,), opclasses=(DOCUMENTS,))
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
    schema = catalog.schema and live.Schema(
        owner=catalog.schema.owner,
        alterable=catalog.schema.alterable or catalog.schema.owner == desired.owner,
        grants=_only(catalog.schema.grants, ours),
        default_grants=_only(catalog.schema.default_grants, ours),
    )
    return Catalog(
        database=_managed_database(catalog.database, target.database, ours),
        extensions={
            e.name: target.extensions[e.name]
            if waits_for_its_library(catalog, e)
            else _managed_extension(catalog.extensions[e.name], e, desired)
            for e in desired.extensions
            if _is_installed(catalog, e) or waits_for_its_library(catalog, e)
        },
        roles={
            role.name: _managed_role(catalog.roles[role.name], role)
            for role in desired.roles
            if role.name in catalog.roles
        },
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
    return live.Database(
        public_creates=database.public_creates, grants=_only(database.grants, ours)
    )


def _managed_extension(
    extension: live.Extension, wanted: model.Extension, desired: DesiredSchema
) -> live.Extension:
    oldest = max((order(NEEDS[use]) for use in needs(desired)), default=())
    too_old = wanted.name == model.VECTOR.name and () < order(extension.installed or "") < oldest
    return live.Extension(
        installed=extension.installed if wanted.version or too_old else ANY_VERSION,
        into=None if extension.into == wanted.into else extension.into,
    )


def needs(desired: DesiredSchema) -> set[str]:
    """What the wanted tables use that not every pgvector has."""
    words: set[str] = {column.type for table in desired.tables for column in table.columns}
    words |= {index.method for table in desired.tables for index in table.indexes}
    return words & {*NEEDS}


def order(version: str) -> tuple[int, ...]:
    """Compare 1.10 after 1.9; empty for what is no version."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


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


def _managed_role(role: live.Role, wanted: model.Role) -> live.Role:
    return live.Role(
        login=role.login,
        createdb=role.createdb,
        createrole=role.createrole,
        member_grants={} if wanted.member_of is None else role.member_grants,
        connection_limit=0 if role.connection_limit == 0 else -1,
        expired=role.expired,
        search_path=role.search_path,
        password_current=role.password_current,
    )


def _managed_table(
    table: live.Table, wanted: model.Table, target: live.Table, ours: set[str]
) -> live.Table:
    kept = {*target.indexes, *adoptions(table, target).values()}
    names = {constraint_for(wanted.name, column) for column in target.columns}
    return live.Table(
        owner=table.owner,
        alterable=table.alterable or table.owner == target.owner,
        kind=table.kind,
        unlogged=table.unlogged,
        columns={
            name: replace(c, collation=None, checks=(), views=())
            for name, c in table.columns.items()
            if name in target.columns
        },
        indexes={
            name: _managed_index(index)
            for name, index in table.indexes.items()
            if index.primary or name in kept or is_leftover(name, index, target.indexes)
        },
        options={
            name: v
            for name, v in table.options.items()
            if name in target.options or (name == AUTOVACUUM and v not in TRUE)
        },
        row_security=table.row_security if target.policies or has_wall(table) else "",
        policies={
            name: policy
            for name, policy in table.policies.items()
            if name in POLICIES or (target.policies and policy.permissive)
        },
        checks={name: valid for name, valid in table.checks.items() if name in names},
        grants=_only(table.grants, ours),
        distributed_by=table.distributed_by,
    )


def has_wall(table: live.Table) -> bool:
    """Whether tenants were told apart by us; what others made of row-level security is theirs."""
    return any(name in table.policies for name in POLICIES)


def _managed_index(index: live.Index) -> live.Index:
    """A key with an included column or a deferred check is a key all the same."""
    kept = replace(index.definition, primary=index.primary, valid=index.usable)
    return replace(kept, oddities=(), options={}) if index.primary else kept


def adoptions(have: live.Table, want: live.Table) -> dict[str, str]:
    """For a wanted index that is not there: the name under which it is there all the same.

    Built by hand, or declared under another name once, or left by a replacement: a rename spares
    hours of building.
    """
    free = {
        name: index
        for name, index in sorted(have.indexes.items())
        if name not in want.indexes and index.usable and not index.primary
    }
    found: dict[str, str] = {}
    for name, target in want.indexes.items():
        present = have.indexes.get(name)
        if target.primary or (present is not None and present.usable):
            continue
        own = (name + NEW, name + OLD)
        fits = [
            other
            for other, index in free.items()
            if index.definition == target.definition
            and (other in own or not is_leftover(other, index, want.indexes))
        ]
        if fits:
            found[name] = own[0] if own[0] in fits else fits[0]
            del free[found[name]]
    return found


def is_leftover(name: str, index: live.Index, wanted: Mapping[str, live.Index]) -> bool:
    """Whether this index has the name of what an interrupted replacement leaves.

    Ours, or REINDEX CONCURRENTLY's; a primary key is never replaced.
    """
    if name.endswith((NEW, OLD)):
        base = name[: -len(NEW)]
        return base in wanted and not wanted[base].primary
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
