"""Reads from a live server what it says of itself; changes nothing, and reads no memory.

How many memories are encrypted, the server counts.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from assurance.compliance import books
from assurance.errors import AssuranceError

SECONDS = 10
PASSWORD_FILE = "ENGRAM_EVIDENCE_PASSWORD_FILE"  # noqa: S105 - a name
SETTINGS = (
    "server_version",
    "ssl",
    "ssl_min_protocol_version",
    "password_encryption",
    "shared_preload_libraries",
    "pgaudit.log",
    "log_connections",
    "log_disconnections",
    "log_line_prefix",
)
SETTING = "SELECT name, current_setting(name, true) AS value FROM unnest(%s::text[]) AS name"
AUDIT_OFFERED = "SELECT name FROM pg_available_extensions WHERE name = 'pgaudit'"
# Without an address, a session is the server's own: it never was on a wire. This one is ours, and
# says nothing of others.
SESSIONS = """
SELECT a.usename AS login, a.datname AS database, a.application_name AS application,
       s.ssl AS tls, s.version, s.cipher, count(*) AS number
FROM pg_stat_activity a LEFT JOIN pg_stat_ssl s USING (pid)
WHERE a.backend_type = 'client backend' AND a.client_addr IS NOT NULL
  AND a.pid <> pg_backend_pid()
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
"""
LOGINS = """
SELECT rolname AS name, rolsuper AS superuser, rolcreaterole AS creates_roles,
       rolcreatedb AS creates_databases, rolreplication AS replicates, rolbypassrls AS bypasses_rls
FROM pg_roles WHERE rolcanlogin ORDER BY rolname
"""
MEMBERSHIPS = """
SELECT DISTINCT m.rolname AS member, r.rolname AS role, a.admin_option AS admin,
       a.inherit_option AS inherits, a.set_option AS sets
FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
WHERE m.rolname !~ '^pg_' ORDER BY 1, 2, 3, 4, 5
"""
# What a role may really do, however it came to that: by a grant, a membership, or as everybody.
# A grant on one column of a table lets somebody into the table, too.
RIGHTS = """
SELECT c.relname AS relation, r.rolname AS login, array_agg(p.name ORDER BY p.name) AS privileges
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN pg_roles r CROSS JOIN unnest(%(privileges)s::text[]) AS p(name)
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND r.rolcanlogin
  AND NOT r.rolsuper AND CASE WHEN p.name = ANY (%(of_columns)s)
    THEN has_any_column_privilege(r.oid, c.oid, p.name)
    ELSE has_table_privilege(r.oid, c.oid, p.name) END
GROUP BY 1, 2 ORDER BY 1, 2
"""
OF_COLUMNS = ("SELECT", "INSERT", "UPDATE", "REFERENCES")
PRIVILEGES = (*OF_COLUMNS, "DELETE", "TRUNCATE", "TRIGGER")
RELATIONS = """
SELECT c.relname AS name, pg_get_userbyid(c.relowner) AS owner, c.relkind::text AS kind,
       c.reltablespace <> 0 AS elsewhere, pg_total_relation_size(c.oid) AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'm', 'f') ORDER BY 1
"""
INDEXES = """
SELECT t.relname AS relation, c.relname AS name, am.amname AS method, i.indisvalid AS valid,
       i.indisready AS ready, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_am am ON am.oid = c.relam JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = %(schema)s ORDER BY 1, 2
"""
COLUMNS = """
SELECT t.relname AS relation, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = %(schema)s AND t.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY 1, 2
"""
NOBODYS = "nobody"
ASKED_WHO_IT_IS = re.compile("authentication failed|no password supplied")
REFUSED = re.compile(r"no pg_hba\.conf entry for .*, (no encryption|SSL off)")
"""What PostgreSQL says where no rule lets in who comes without TLS; Azure's servers, too."""
DIRECT_TLS = 170000
"""The version of libpq that knows how to begin with TLS, and so must be told not to."""
Row = dict[str, Any]
Session = psycopg.Connection[Row]


def read(schemas: Sequence[tuple[str, str]], fields: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the server's facts, and those of the schemas, each ``(database, schema)``.

    ``fields`` are those that are to be encrypted; none: the usual ones.

    The way is libpq's environment, TLS verified in full whatever that says.  Raises
    ``AssuranceError`` where the server does not answer.
    """
    first = schemas[0][0] if schemas else os.environ.get("PGDATABASE", "postgres")
    with _session(first) as session:
        host = session.info.host
        facts: dict[str, Any] = {
            "host": host,
            "settings": {
                row["name"]: row["value"] for row in _rows(session, SETTING, [list(SETTINGS)])
            },
            "audit_offered": bool(_rows(session, AUDIT_OFFERED)),
            "plaintext": plaintext(first, host),
            "sessions": _rows(session, SESSIONS),
            "logins": _rows(session, LOGINS),
            "memberships": _rows(session, MEMBERSHIPS),
        }
    return {**facts, "schemas": [_schema(*place, host, fields) for place in schemas]}


def _schema(database: str, schema: str, host: str, fields: Sequence[str] | None) -> dict[str, Any]:
    given = {
        "schema": schema,
        "privileges": list(PRIVILEGES),
        "of_columns": list(OF_COLUMNS),
    }
    with _reader(database, host) as session:
        told = books.read(session, schema, books.USUAL if fields is None else fields)
    with _session(database, host) as session:
        return {
            "books": told,
            "database": database,
            "schema": schema,
            "rights": _rows(session, RIGHTS, given),
            "relations": _rows(session, RELATIONS, given),
            "indexes": _rows(session, INDEXES, given),
            "columns": _rows(session, COLUMNS, given),
        }


def plaintext(database: str, host: str) -> str:
    """Return what becomes of somebody without TLS; no password of ours goes over the wire.

    Only the server's own words are a refusal: a connection that was cut, or that something on the
    way did not let through, tells nothing, and is returned as ``unknown`` with what was said.
    """
    given: dict[str, Any] = {"sslmode": "disable", "gssencmode": "disable"}
    given["channel_binding"] = "disable"
    if psycopg.pq.version() >= DIRECT_TLS:
        given["sslnegotiation"] = "postgres"
    given |= {"dbname": database, "host": host, "connect_timeout": SECONDS}
    try:
        psycopg.connect(**given, password=NOBODYS).close()
    except psycopg.OperationalError as error:
        return _became(" ".join(str(error).split()))
    return "let in"


def _became(said: str) -> str:
    if REFUSED.search(said):
        return "refused"
    return "asked for a password" if ASKED_WHO_IT_IS.search(said) else f"unknown: {said}"


def _reader(database: str, host: str) -> Session:
    """Connect as who may read the books: ENGRAM_EVIDENCE_LOGIN, or the same login as ever."""
    login, file = os.environ.get("ENGRAM_EVIDENCE_LOGIN"), os.environ.get(PASSWORD_FILE)
    if not login:
        return _session(database, host)
    try:
        password = Path(file).read_text(encoding="utf-8").strip() if file else None
    except OSError as error:
        raise AssuranceError(f"{PASSWORD_FILE} cannot be read: {error.strerror}") from error
    return _session(database, host, user=login, **({"password": password} if password else {}))


def _session(database: str, host: str | None = None, **given: Any) -> Session:
    """Connect; with the host of an earlier session to that one, whatever libpq would choose."""
    try:
        return psycopg.connect(
            **given,
            dbname=database,
            host=host,
            sslmode="verify-full",
            gssencmode="disable",
            connect_timeout=SECONDS,
            application_name="engram-evidence",
            row_factory=dict_row,
            options="-c default_transaction_read_only=on",
        )
    except psycopg.OperationalError as error:
        raise AssuranceError(
            f"the database does not answer: {' '.join(str(error).split())}\nPGHOST, PGUSER, "
            "PGPASSWORD and, through a tunnel, PGHOSTADDR and PGPORT lead to it."
        ) from error


def _rows(
    session: Session, query: LiteralString, given: Mapping[str, Any] | Sequence[Any] | None = None
) -> list[Row]:
    try:
        return session.execute(query, given).fetchall()
    except psycopg.Error as error:
        raise AssuranceError(f"the database refuses to be looked at: {error}") from error
