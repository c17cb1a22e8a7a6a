"""Steps for roles, grants and the schema itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from memory.schema import model, sql
from memory.schema.catalog import Catalog, Grants, Memberships, Role, Schema
from memory.schema.steps import ACCESS, CATALOG_LOCK, Step


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
        held, wanted = {*have.get(grantee, ())}, {*want.get(grantee, ())}
        plain = {privilege.removesuffix("*") for privilege in held}
        for verb, way, privileges, why in (
            (
                "REVOKE GRANT OPTION FOR",
                f"FROM {sql.grantee(grantee)} CASCADE",
                {privilege.removesuffix("*") for privilege in held if privilege.endswith("*")},
                "may pass it on; what it passed on goes with it",
            ),
            ("GRANT", f"TO {sql.grantee(grantee)}", wanted - plain, "needs it"),
            ("REVOKE", f"FROM {sql.grantee(grantee)}", plain - wanted, "must not have it"),
        ):
            if privileges:
                yield Step(
                    sql=f"{thing.prefix}{verb} {', '.join(sorted(privileges))} ON {thing.on} {way}",
                    why=f"{grantee} {why}",
                    lock=CATALOG_LOCK,
                    batch=thing.batch,
                    role=thing.role,
                )


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
        if wanted.member_of is not None:
            yield from membership_steps(wanted.name, found.member_grants if found else {}, wanted)
        path = target.roles[wanted.name].search_path
        if found is None or found.search_path != path:
            yield _access(
                f"ALTER ROLE {sql.name(wanted.name)} IN DATABASE {database}"
                f" SET search_path = {path}",
                "poolers reset sessions; only a role's own setting lasts",
            )


def membership_steps(member: str, have: Memberships, wanted: model.Role) -> Iterator[Step]:
    """Memberships in name alone, and none beside them.

    All options are said: a grant that exists keeps those that are not.
    """
    names = wanted.member_of or ()
    for role in names:
        if have.get(role) != ():
            yield _access(
                f"GRANT {sql.name(role)} TO {sql.name(member)}"
                " WITH ADMIN FALSE, INHERIT FALSE, SET FALSE",
                f"gives {' '.join(have[role])}"
                if role in have
                else "must be a member, by name only",
            )
    for role in sorted({*have} - {*names}):
        yield _access(f"REVOKE {sql.name(role)} FROM {sql.name(member)}", "must not be a member")


def lend_step(owner: str) -> Step:
    """Let this session act as the owner of the tables, and not inherit its rights."""
    return _access(
        f"GRANT {sql.name(owner)} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE",
        f"the tables belong to {owner}; since PostgreSQL 16 an administrator must be allowed"
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
        ("CONNECTION LIMIT -1", found.connection_limit == 0),
        ("VALID UNTIL 'infinity'", found.expired),
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
    yield from _ungrantable(catalog, managed, desired)
    for name, role in catalog.roles.items():
        alters = managed.roles[name] != target.roles[name]
        if alters and not role.manageable:
            yield (
                f"role {name}: exists, and {catalog.server.session_user} may not alter it;"
                f" let its creator run GRANT {name} TO {catalog.server.session_user}"
                " WITH ADMIN OPTION, or choose another role name"
            )
    schema = managed.schema
    if schema and not schema.alterable:
        yield (
            f"schema {desired.schema_name}: belongs to {schema.owner}, wanted {desired.owner}, and"
            f" {catalog.server.session_user} may not hand it over; let {schema.owner} or a"
            f" superuser run ALTER SCHEMA {sql.name(desired.schema_name)} OWNER TO"
            f" {sql.name(desired.owner)}, or choose another schema name"
        )


def _ungrantable(catalog: Catalog, managed: Catalog, desired: model.DesiredSchema) -> Iterator[str]:
    live, user = catalog.server.version_num > 0, catalog.server.session_user
    for role in desired.roles:
        found = managed.roles.get(role.name)
        have = found.member_grants if found else {}
        for group in role.member_of or ():
            if live and have.get(group) != () and group not in catalog.server.grantable:
                yield (
                    f"role {role.name}: {user} may not grant it {group}, or the server has no such"
                    " role; on a Flexible Server connect as its administrator, on any other say"
                    " that it asks for no such membership"
                )


def _access(statement: str, why: str) -> Step:
    return Step(sql=statement, why=why, lock=CATALOG_LOCK, batch=ACCESS)
