"""What the live server says, against what the program wants of it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from assurance.compliance.checks.model import Check, Seen, seen
from assurance.compliance.model import Truth
from assurance.compliance.truths import Facts, Truths
from assurance.policies.model import Resource, Stack

SERVER = "azure-native:dbforpostgresql:Server"
ENTRA = "azure-native:dbforpostgresql:AdministratorsMicrosoftEntra"
SCHEMA = "pulumi-python:dynamic/memory:VectorSchema"
AZURES = {
    "azuresu": {"superuser", "creates_roles", "creates_databases", "replicates", "bypasses_rls"},
    "azure_pg_admin": set(),
    "replication": {"replicates"},
}
"""What Azure itself makes on each server, by these names and no others, and what each may.
https://github.com/MicrosoftDocs/azure-docs/issues/116607"""
BUILT_IN = "pg_"
"""What only PostgreSQL may call a role."""
PLAINTEXT = {"asked for a password", "let in"}
MODERN = "TLSv1.3"
AUDITED = {"role", "ddl", "misc"}
ADDING = frozenset({"SELECT", "INSERT"})
EVERYTHING = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
OWNERS = {"owner", "migrator"}
"""Purposes of roles that own what they make."""
Table = tuple[str, str, str]
"""Database, schema and name."""
Rights = Mapping[tuple[str, str], frozenset[str]]
"""Privileges on the tables of a schema, by schema and login."""


def _facts(truths: Truths) -> Facts:
    if truths.database is None:
        raise AssertionError("a check of the database runs only where there is one")
    return truths.database


def schemas(stack: Stack) -> list[tuple[str, str, Resource]]:
    """Return database, schema and resource of each schema of ours."""
    return [
        (found.get("database"), found.get("desired.schema_name"), found)
        for found in stack.of_type(SCHEMA)
    ]


def administrators(stack: Stack) -> set[str]:
    """Return the logins that may administer the server."""
    own = {server.get("administratorLogin") for server in stack.of_type(SERVER)}
    own |= {schema.get("admin_login") for schema in stack.of_type(SCHEMA)}
    return (own | {entra.get("principalName") for entra in stack.of_type(ENTRA)}) - {None}


def declared_logins(stack: Stack) -> set[str]:
    """Return every login that the program makes."""
    return {role["name"] for _, _, schema in schemas(stack) for role in schema.get("desired.roles")}


def _tls_required(truths: Truths, _at: datetime) -> Seen:
    facts = _facts(truths)
    faults = []
    if facts["settings"]["ssl"] != "on":
        faults.append(f"ssl is {facts['settings']['ssl']}")
    if facts["plaintext"] in PLAINTEXT:
        faults.append(f"without TLS one is {facts['plaintext']}")
    unknown = "" if facts["plaintext"] == "refused" else facts["plaintext"]
    return Seen("a connection without TLS was tried, and refused", tuple(faults), unknown)


def _tls_version(truths: Truths, _at: datetime) -> Seen:
    oldest = _facts(truths)["settings"]["ssl_min_protocol_version"]
    words = f"ssl_min_protocol_version is {oldest}"
    return seen(words, [] if oldest == MODERN else [f"{words}; it should be {MODERN}"])


def _sessions(truths: Truths, _at: datetime) -> Seen:
    sessions = _facts(truths)["sessions"]
    if any(session["tls"] is None for session in sessions):
        return Seen("", unknown="this login may not see others' connections; it needs pg_monitor")
    if not sessions:
        return Seen("", unknown="nobody else is connected at this moment: look while Zep runs")
    number = sum(session["number"] for session in sessions)
    return seen(
        f"{number} connections at this moment, all {MODERN}",
        (
            f"{session['number']} connections of {session['login']} "
            f"({session['application'] or 'unnamed'}) with {session['version'] or 'no TLS'}"
            for session in sessions
            if session["version"] != MODERN
        ),
    )


def _passwords(truths: Truths, _at: datetime) -> Seen:
    method = _facts(truths)["settings"]["password_encryption"]
    words = f"password_encryption is {method}"
    return seen(words, [] if method == "scram-sha-256" else [words])


def _audit(truths: Truths, _at: datetime) -> Seen:
    settings = _facts(truths)["settings"]
    if not _facts(truths)["audit_offered"]:
        return Seen("", unknown="this server does not offer pgaudit; Azure's do")
    return seen(f"pgaudit.log is {settings['pgaudit.log']}", _audit_faults(settings))


def _audit_faults(settings: Mapping[str, str | None]) -> Iterator[str]:
    if "pgaudit" not in _words(settings["shared_preload_libraries"]):
        yield "pgaudit is not loaded; static parameters take effect with a restart"
    missing = AUDITED - _words(settings["pgaudit.log"])
    if missing and "all" not in _words(settings["pgaudit.log"]):
        yield f"pgaudit.log leaves out {', '.join(sorted(missing))}"
    for name in ("log_connections", "log_disconnections"):
        if settings[name] in (None, "", "off"):
            yield f"{name} is {settings[name] or 'empty'}"


def _words(listed: str | None) -> set[str]:
    return {word.strip().lower() for word in (listed or "").split(",")}


def _logins(truths: Truths, _at: datetime) -> Seen:
    logins = _facts(truths)["logins"]
    return seen(f"{len(logins)} logins, all of them known", _login_faults(logins, truths.declared))


def _login_faults(logins: Iterable[Mapping[str, Any]], stack: Stack) -> Iterator[str]:
    mighty, known = administrators(stack), declared_logins(stack)
    for login in logins:
        name = login["name"]
        elevated = {key for key, value in login.items() if value is True}
        if name in mighty and not login["superuser"]:
            continue
        if name not in known and name not in AZURES:
            yield f"login {name} is nobody's"
        elif more := elevated - AZURES.get(name, set()):
            yield f"login {name}: {', '.join(sorted(more))}"


def _memberships(truths: Truths, _at: datetime) -> Seen:
    listed = _facts(truths)["memberships"]
    given = {
        (role["name"], other)
        for _, _, schema in schemas(truths.declared)
        for role in schema.get("desired.roles")
        for other in role.get("member_of") or ()
    }
    trusted = administrators(truths.declared)
    return seen(
        f"{len(listed)} memberships, all of them known",
        (
            f"{entry['member']} belongs to {entry['role']}{_extent(entry)}"
            for entry in listed
            if entry["member"] not in trusted
            and not _azures(entry)
            and ((entry["member"], entry["role"]) not in given or _extent(entry))
        ),
    )


def _azures(entry: Mapping[str, Any]) -> bool:
    """Return whether Azure's own role belongs to a built-in one."""
    return entry["member"] in AZURES and (
        entry["role"].startswith(BUILT_IN) or entry["role"] in AZURES
    )


def _extent(entry: Mapping[str, Any]) -> str:
    extent = [word for word in ("admin", "inherits", "sets") if entry[word]]
    return f" ({', '.join(extent)})" if extent else ""


def append_only(stack: Stack) -> set[tuple[str, str]]:
    """Return schema and name of tables to which rows are only ever added."""
    return {
        (name, table["name"])
        for _, name, schema in schemas(stack)
        for table in schema.get("desired.tables") or ()
        if table.get("append_only")
    }


def declared_rights(stack: Stack) -> Rights:
    """Return what each login of ours may do with the tables of its schema."""
    return {
        (name, role["name"]): frozenset(role.get("privileges") or ())
        for _, name, schema in schemas(stack)
        for role in schema.get("desired.roles")
        if role["purpose"] not in OWNERS
    }


def declared_owners(stack: Stack) -> set[tuple[str, str]]:
    """Return schema and login of those who own its tables."""
    return {
        (name, role["name"])
        for _, name, schema in schemas(stack)
        for role in schema.get("desired.roles")
        if role["purpose"] in OWNERS
    }


def _access(truths: Truths, _at: datetime) -> Seen:
    live = _facts(truths)["schemas"]
    allowed, owners = declared_rights(truths.declared), declared_owners(truths.declared)
    books = append_only(truths.declared)
    number = sum(len(schema["rights"]) for schema in live)
    without = _tables(truths.declared) - {
        (schema["database"], schema["schema"], right["relation"])
        for schema in live
        for right in schema["rights"]
    }
    return Seen(
        f"{number} pairs of login and table, none may more than was declared",
        unknown=f"nobody may anything with {_named(without)}: is it there?" if without else "",
        faults=tuple(
            f"{right['login']} may {', '.join(sorted(more))} on {schema['schema']}"
            f".{right['relation']}"
            for schema in live
            for right in schema["rights"]
            if (schema["schema"], right["login"]) not in owners
            and (
                more := {*right["privileges"]}
                - (
                    allowed.get((schema["schema"], right["login"]), frozenset())
                    & (ADDING if (schema["schema"], right["relation"]) in books else EVERYTHING)
                )
            )
        ),
    )


def _tables(stack: Stack) -> set[Table]:
    return {
        (database, name, table["name"])
        for database, name, schema in schemas(stack)
        for table in schema.get("desired.tables") or ()
    }


def _named(tables: Iterable[Table]) -> str:
    return ", ".join(f"{database}/{schema}.{table}" for database, schema, table in sorted(tables))


def _storage(truths: Truths, _at: datetime) -> Seen:
    live = {
        (schema["database"], schema["schema"], relation["name"]): relation
        for schema in _facts(truths)["schemas"]
        for relation in schema["relations"]
    }
    wanted = _tables(truths.declared)
    if not wanted:
        return Seen("", unknown="the program declares no table with memories")
    elsewhere = [
        f"{schema}.{name} is kept elsewhere"
        for (_, schema, name), relation in live.items()
        if relation["elsewhere"] or relation["kind"] == "f"
    ]
    missing = wanted - live.keys()
    return seen(
        f"all {len(live)} tables with memories are on the server's own encrypted storage",
        [*elsewhere, *([f"{_named(missing)}: declared, and not there"] if missing else ())],
    )


def _vector_index(truths: Truths, _at: datetime) -> Seen:
    live = {(found["database"], found["schema"]): found for found in _facts(truths)["schemas"]}
    wanted = [
        (live.get((database, name), {}), table)
        for database, name, schema in schemas(truths.declared)
        for table in schema.get("desired.tables") or ()
    ]
    if not wanted:
        return Seen("", unknown="the program declares no table with memories")
    found = ", ".join(table["name"] for _, table in wanted)
    return seen(
        f"index valid and dimension as declared: {found}",
        (fault for schema, table in wanted for fault in _index_faults(schema, table)),
    )


def _index_faults(live: Facts, table: Mapping[str, Any]) -> Iterator[str]:
    name = table["name"]
    methods = {index["method"] for index in table["indexes"]} & {"hnsw", "ivfflat"}
    usable = {
        index["method"]
        for index in live.get("indexes", ())
        if index["relation"] == name and index["valid"] and index["ready"]
    }
    yield from (f"{name} has no valid {method} index" for method in sorted(methods - usable))
    types = {c["name"]: c["type"] for c in live.get("columns", ()) if c["relation"] == name}
    for column in table["columns"]:
        if dimensions := column.get("dimensions"):
            wanted, there = f"{column['type']}({int(dimensions)})", types.get(column["name"])
            if there != wanted:
                yield f"{name}.{column['name']} is {there or 'absent'}; declared is {wanted}"


def at_server(name: str, title: str, remedy: str, look: Any) -> Check:
    """Return a check of what the stack's own server says."""

    def at_home(truths: Truths, at: datetime) -> Seen:
        """Look, where it is the stack's own server that answered."""
        unknown = elsewhere(truths)
        return Seen("", unknown=unknown) if unknown else look(truths, at)

    return Check(
        name=name, title=title, truth=Truth.SQL, remedy=remedy, look=at_home, source="database"
    )


def elsewhere(truths: Truths) -> str:
    """Return why what the database says is not of this deployment; nothing where it is.

    The host is proven by the server's certificate: each session verifies it in full.
    """
    servers = [each for each in truths.deployed.of_type(SERVER) if not _copy(each)]
    names = [str(each.outputs.get("fullyQualifiedDomainName") or "") for each in servers]
    if not truths.declared.of_type(SERVER):  # somebody else's server: the program says which
        names = [each.get("host") or "" for _, _, each in schemas(truths.deployed)]
    own, host = {name.casefold() for name in names} - {""}, _facts(truths)["host"]
    if host.casefold() in own:
        return ""
    return (
        f"another server: {host} answered; this deployment's is {', '.join(sorted(own)) or 'gone'}"
    )


def _copy(server: Resource) -> bool:
    return bool(server.get("createMode") == "Replica")


PARAMETERS = "`up` sets the parameter again; see docs/runbooks/static-parameters.md"
GRANTS = "`up` repairs grants in the schemas; REVOKE or DROP ROLE what the program does not know"
DATABASE = (
    at_server(
        "sql-tls-required", "The server refuses who comes without TLS", PARAMETERS, _tls_required
    ),
    at_server(
        "sql-tls-version", "The server speaks nothing older than TLS 1.3", PARAMETERS, _tls_version
    ),
    at_server(
        "sql-tls-sessions",
        "Every connection at this moment is TLS 1.3",
        "end the session, and find out how it came in",
        _sessions,
    ),
    at_server(
        "sql-passwords",
        "The server makes SCRAM-SHA-256 verifiers of new passwords",
        PARAMETERS,
        _passwords,
    ),
    at_server(
        "sql-audit-settings",
        "The server logs connections, roles, DDL and what is odd",
        PARAMETERS,
        _audit,
    ),
    at_server("sql-logins", "Every login is one that the program or Azure made", GRANTS, _logins),
    at_server(
        "sql-memberships",
        "Nobody was made a member of a role beside those declared",
        GRANTS,
        _memberships,
    ),
    at_server(
        "sql-access", "No login may do more with memories than was declared", GRANTS, _access
    ),
    at_server(
        "sql-storage",
        "All tables with memories are on the server's own storage",
        "move the table back into the server's default tablespace",
        _storage,
    ),
    at_server(
        "sql-vector-index",
        "The vector index is valid, and the dimension the declared one",
        "`up` rebuilds an invalid index; docs/schema-engine.md",
        _vector_index,
    ),
)
