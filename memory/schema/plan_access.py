"""Steps for extensions, roles, grants and the schema itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from memory.schema import model, sql
from memory.schema.catalog import PUBLIC, Catalog, Grants, Role, Schema
from memory.schema.steps import ACCESS, Step
from memory.schema.target import NOT_LOADED, waits_for_its_library

CATALOG_LOCK = "rows of the system catalog"


@dataclass(frozen=True, kw_only=True)
class Grantable:
    """Something that carries grants: how SQL calls it, and who may grant on it."""

    on: str
    prefix: str = ""
    role: str | None = None
    batch: str = ACCESS


def grant_steps(have: Grants, want: Grants, thing: Grantable) -> Iterator[Step]:
    """Grant what is missing and revoke what is too much, for everybody and our own roles.

    ``have`` and ``want`` hold no other grantee: a stranger's grant is not ours to judge.
    """
    for grantee in sorted({*have, *want}):
        missing = sorted({*want.get(grantee, ())} - {*have.get(grantee, ())})
        surplus = sorted({*have.get(grantee, ())} - {*want.get(grantee, ())})
        for verb, way, privileges in (("GRANT", "TO", missing), ("REVOKE", "FROM", surplus)):
            if privileges:
                yield Step(
                    sql=f"{thing.prefix}{verb} {', '.join(privileges)} ON {thing.on}"
                    f" {way} {sql.grantee(grantee)}",
                    why=f"{grantee} {'needs' if verb == 'GRANT' else 'must not have'} it",
                    lock=CATALOG_LOCK,
                    batch=thing.batch,
                    role=thing.role,
                )


def extension_steps(catalog: Catalog, desired: model.DesiredSchema) -> Iterator[Step]:
    """Create what is absent, update what has another version than asked for."""
    for wanted in desired.extensions:
        found = catalog.extensions.get(wanted.name)
        installed = found.installed if found else None
        if waits_for_its_library(catalog, wanted):
            continue
        if installed is None:
            version = f" VERSION '{wanted.version}'" if wanted.version else ""
            statement = (
                f"CREATE EXTENSION {sql.name(wanted.name)} SCHEMA {sql.name(wanted.into)}{version}"
            )
            why = "absent; on Azure it must also be in azure.extensions"
        elif wanted.version and installed != wanted.version:
            statement = f"ALTER EXTENSION {sql.name(wanted.name)} UPDATE TO '{wanted.version}'"
            why = f"installed is {installed}"
        else:
            continue
        yield Step(sql=statement, why=why, lock=CATALOG_LOCK, batch=ACCESS)


def role_steps(catalog: Catalog, target: Catalog, desired: model.DesiredSchema) -> Iterator[Step]:
    """Roles with their attributes, passwords and search_path."""
    database = sql.name(catalog.database.name)
    for wanted in desired.roles:
        found = catalog.roles.get(wanted.name)
        for statement, why in _attributes(wanted.name, found):
            yield _access(statement, why)
        if found is None or not found.password_current:
            yield Step(
                sql=f"ALTER ROLE {sql.name(wanted.name)} PASSWORD '{{verifier}}'",
                why="new, or another than the one in the vault; sent as a SCRAM verifier only",
                lock=CATALOG_LOCK,
                batch=ACCESS,
                password_of=wanted.purpose,
            )
        path = target.roles[wanted.name].search_path
        if found is None or found.search_path != path:
            yield _access(
                f"ALTER ROLE {sql.name(wanted.name)} IN DATABASE {database}"
                f" SET search_path = {path}",
                "poolers reset sessions; only a role's own setting lasts",
            )


def lend_step(owner: str) -> Step:
    """Let this session act as the owner of the tables, and not inherit its rights."""
    return _access(
        f"GRANT {sql.name(owner)} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE",
        "the tables belong to the migrator; since PostgreSQL 16 an administrator must be allowed"
        " to act as it",
    )


def _attributes(name: str, found: Role | None) -> Iterator[tuple[str, str]]:
    role = sql.name(name)
    if found is None:
        yield f"CREATE ROLE {role} LOGIN", "absent"
        return
    flags = [
        ("LOGIN", not found.login),
        ("NOCREATEDB", found.createdb),
        ("NOCREATEROLE", found.createrole),
    ]
    words = " ".join(word for word, needed in flags if needed)
    if words:
        yield f"ALTER ROLE {role} {words}", "least privilege: logs in, and creates nothing"


def schema_steps(catalog: Catalog, managed: Catalog, target: Catalog) -> Iterator[Step]:
    """The database's grants, the schema, and who may use it."""
    if catalog.database.managed:
        yield from grant_steps(
            managed.database.grants,
            target.database.grants,
            Grantable(on=f"DATABASE {sql.name(catalog.database.name)}"),
        )
        if catalog.database.public_creates:
            yield _access("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "everybody may create")


def namespace_steps(have: Schema | None, want: Schema, schema_name: str) -> Iterator[Step]:
    """The schema, its owner, its grants, and those of tables to come."""
    label, owner = sql.name(schema_name), sql.name(want.owner)
    if have is None:
        yield _access(f"CREATE SCHEMA {label} AUTHORIZATION {owner}", "absent")
    elif have.owner != want.owner:
        yield _access(f"ALTER SCHEMA {label} OWNER TO {owner}", f"belongs to {have.owner}")
    same_owner = have is not None and have.owner == want.owner
    yield from grant_steps(
        have.grants if have else {},
        want.grants,
        Grantable(on=f"SCHEMA {label}", role=want.owner),
    )
    yield from grant_steps(
        have.default_grants if have and same_owner else {},
        want.default_grants,
        Grantable(on="TABLES", prefix=_default_prefix(owner, label), role=want.owner),
    )


def _default_prefix(owner: str, schema: str) -> str:
    return f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} "


def access_refusals(
    catalog: Catalog, managed: Catalog, target: Catalog, desired: model.DesiredSchema
) -> Iterator[str]:
    """What a live server cannot give, in words that say who can."""
    for extension in desired.extensions:
        absent = catalog.server.version_num > 0 and extension.name not in catalog.extensions
        if absent and not extension.preloaded:
            yield (
                f"extension {extension.name}: the server does not offer it; on Azure add it to the"
                " server parameter azure.extensions, elsewhere install its package"
            )
    for name, role in catalog.roles.items():
        alters = managed.roles[name] != target.roles[name]
        if alters and not role.manageable:
            yield (
                f"role {name}: exists, and {catalog.server.session_user} may not alter it;"
                f" let its creator run GRANT {name} TO {catalog.server.session_user}"
                " WITH ADMIN OPTION, or choose another role name"
            )


def access_notes(catalog: Catalog, managed: Catalog, desired: model.DesiredSchema) -> Iterator[str]:
    """What is noticed and left alone."""
    for extension in desired.extensions:
        if waits_for_its_library(catalog, extension):
            yield f"extension {extension.name}: left out; {NOT_LOADED}"
    for name, role in catalog.roles.items():
        if role.password_untested:
            yield f"role {name}: nobody could test its password; {role.password_untested}"
        if role.elevated:
            yield f"role {name} is {', '.join(role.elevated)}; only a superuser can take that away"
        if role.member_of:
            yield f"role {name} is a member of {', '.join(role.member_of)}"
    if not catalog.database.managed:
        yield (
            f"database {catalog.database.name}: {catalog.server.session_user} does not own it;"
            f" {PUBLIC}'s grants on it are left as they are"
        )
    strangers = {*catalog.database.grants} - {*managed.database.grants} - {PUBLIC}
    for stranger in sorted(strangers):
        yield f"database {catalog.database.name}: {stranger} has grants that nobody declared"


def _access(statement: str, why: str) -> Step:
    return Step(sql=statement, why=why, lock=CATALOG_LOCK, batch=ACCESS)
