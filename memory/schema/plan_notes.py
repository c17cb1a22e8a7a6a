"""What was noticed and is left alone: nobody declared it, or only somebody else can change it.

Where a re-embedding is under way, its column, trigger and index are no surprise; the note says how
to look at it.
"""

from collections.abc import Iterator

from memory.schema import model, sql
from memory.schema.catalog import PUBLIC, Catalog, Role, Schema, Table
from memory.schema.target import LEFT, NEXT, OPERATIONS, PREVIOUS, STATUS, adoptions, is_leftover


def access_notes(catalog: Catalog, managed: Catalog, desired: model.DesiredSchema) -> Iterator[str]:
    """Roles and grants."""
    wanted = {role.name: role for role in desired.roles}
    for name, role in sorted(catalog.roles.items()):
        if role.password_untested:
            yield f"role {name}: nobody could test its password; {role.password_untested}"
        if role.elevated:
            yield f"role {name} is {', '.join(role.elevated)}; only a superuser can take that away"
        yield from _membership_notes(role, wanted[name])
        yield from _login_notes(name, role)
    label = f"database {catalog.database.name}"
    if not catalog.database.managed:
        yield (
            f"{label}: {catalog.server.session_user} does not own it;"
            f" {PUBLIC}'s grants on it are left as they are"
        )
    strangers = {*catalog.database.grants} - {*managed.database.grants} - {PUBLIC}
    for stranger in sorted(strangers):
        yield f"{label}: {stranger} has grants that nobody declared"
    yield from _passed_on(label, catalog.database.passed_on)


def _membership_notes(role: Role, wanted: model.Role) -> Iterator[str]:
    """Memberships that nobody wants, where they cannot be taken back or are not judged."""
    if wanted.member_of is None and role.member_grants:
        yield f"role {wanted.name} is a member of {', '.join(sorted(role.member_grants))}"
    for grantor, granted in sorted(role.foreign_members.items()):
        for group, options in sorted(granted.items()):
            if options or group not in (wanted.member_of or ()):
                yield (
                    f"role {wanted.name} is a member of {group} ({' '.join(options) or 'in name'}),"
                    f" as {grantor} granted it; only {grantor} or a superuser can run"
                    f" REVOKE {sql.name(group)} FROM {sql.name(wanted.name)}"
                    f" GRANTED BY {sql.name(grantor)}"
                )
    for member in sorted(role.members):
        yield f"role {wanted.name} has the member {member}, which may do what it may; left alone"


def _login_notes(name: str, role: Role) -> Iterator[str]:
    if role.connection_limit > 0:
        yield f"role {name} may open {role.connection_limit} connections at once; left alone"
    if role.expires and not role.expired:
        yield (
            f"role {name}: its password stops to log in at {role.expires}; renew it before, or"
            f" say ALTER ROLE {sql.name(name)} VALID UNTIL 'infinity'"
        )
    for setting, value in sorted(role.settings.items()):
        yield f"role {name}: its sessions have {setting} = {value}; left alone"


def schema_notes(catalog: Catalog, managed: Catalog, desired: model.DesiredSchema) -> Iterator[str]:
    """The schema's grants and its objects beside tables."""
    found, label = catalog.schema, f"schema {desired.schema_name}"
    if found is None or managed.schema is None or desired.brings_its_tables:
        return
    for stranger in sorted({*found.grants} - {*managed.schema.grants}):
        yield f"{label}: {stranger} has grants that nobody declared"
    for stranger in sorted({*found.default_grants} - {*managed.schema.default_grants}):
        yield (
            f"{label}: {stranger} gets {', '.join(found.default_grants[stranger])} on every table"
            " to come; nobody declared it"
        )
    for words in sorted(found.other_defaults):
        yield f"{label}: by default {words}; nobody declared it"
    yield from _passed_on(label, found.passed_on)
    yield from _object_notes(label, found, _reembedding(desired))


def _object_notes(label: str, found: Schema, ours: set[str]) -> Iterator[str]:
    for kind, names in sorted(found.objects.items()):
        for name in sorted(names):
            if name not in ours:
                yield f"{label}: {kind} {name} is not declared; left alone"


def _reembedding(desired: model.DesiredSchema) -> set[str]:
    """Names of the triggers, and of their functions, that a re-embedding makes."""
    names = ((t.name, c.name) for t in desired.tables for c in t.columns)
    return {f"{table}_{name}{suffix}" for table, name in names for suffix in (NEXT, PREVIOUS)}


def table_notes(name: str, full: Table, managed: Table, want: Table) -> Iterator[str]:
    """A declared table: columns, constraints, options, grants and what hangs on it."""
    label = f"table {name}"
    ours = {f"{name}_{column}" for column in _reembedded(want)}
    yield from _progress_notes(label, full, want)
    for what, present, known in (
        ("column", full.columns, {*managed.columns, *_reembedded(want)}),
        ("check", full.checks, {*managed.checks}),
        ("grantee", full.grants, {*managed.grants}),
        ("option", full.options, {*managed.options}),
    ):
        for other in sorted({*present} - known):
            value = f" = {full.options[other]}" if what == "option" else ""
            yield f"{label}: {what} {other}{value} is not declared; left alone"
    for what, names in sorted(full.attached.items()):
        judged = ours | {*managed.policies} if what == "policy" else ours
        for other in sorted({*names} - judged):
            yield f"{label}: {what} {other} is not declared; left alone"
    if full.row_security and not managed.row_security:
        yield (
            f"{label}: row-level security is {full.row_security}; who is not its owner sees only"
            " what policies let through"
        )
    for column in sorted({*full.columns} & {*want.columns}):
        if full.columns[column].collation:
            yield f"{label}: column {column} has collation {full.columns[column].collation}"
    yield from _passed_on(label, full.passed_on)
    yield from _index_notes(name, full, want)


def _progress_notes(label: str, full: Table, want: Table) -> Iterator[str]:
    for column in want.columns:
        if column + NEXT in full.columns:
            yield f"{label}: a re-embedding of {column} is under way; see {STATUS}"
        if column + PREVIOUS in full.columns:
            yield (
                f"{label}: {column} was re-embedded, and {column}{PREVIOUS} waits to be dropped;"
                f" see {STATUS}"
            )


def _reembedded(want: Table) -> set[str]:
    return {column + suffix for column in want.columns for suffix in (NEXT, PREVIOUS)}


def _index_notes(table: str, full: Table, want: Table) -> Iterator[str]:
    label, adopted, theirs = f"table {table}", adoptions(full, want).values(), _reembedded(want)
    lists = {f"{table}_{column}{NEXT}{LEFT}" for column in want.columns}
    for name, index in sorted(full.indexes.items()):
        if index.primary:
            yield from (f"{label}: its primary key is {word}" for word in index.oddities)
        elif name in want.indexes or name in adopted or is_leftover(name, index, want.indexes):
            continue
        elif theirs.isdisjoint(index.columns) and name not in lists:
            state = "" if index.usable else " and INVALID"
            yield f"{label}: index {name} is not declared{state}; left alone"


def stranger_notes(catalog: Catalog, desired: model.DesiredSchema) -> Iterator[str]:
    """Tables that nobody declared."""
    known = {OPERATIONS, *(table.name for table in desired.tables)}
    for name, table in sorted(catalog.tables.items()):
        if name not in known and not desired.brings_its_tables:
            word = table.kind if table.kind.endswith("table") else "table"
            yield f"{word} {name}: not declared; left alone"


def _passed_on(label: str, words: tuple[str, ...]) -> Iterator[str]:
    for grant in sorted(words):
        privileges, _, rest = grant.partition(" to ")
        grantee, _, grantor = rest.rpartition(" by ")
        yield (
            f"{label}: {grantee} has {privileges}, as {grantor} granted it; only {grantor} can"
            f" revoke it, or the owner, who takes the grant option from {grantor} with CASCADE"
        )
