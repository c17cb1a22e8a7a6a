"""Reads what the data plane wrote of itself: its sealed book, its audit, how much is encrypted.

A second witness: the seal and what counts as encrypted are restated here from their documents.
The server counts; no memory is read.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg

from assurance.errors import AssuranceError

Session = psycopg.Connection[dict[str, Any]]
Json = dict[str, Any]
MEMORIES, AUDIT, OPERATIONS = "zep_memory_vectors", "memory_audit", "memory_operations"
USUAL = ("pii", "phi", "secret")
"""Fields, and tags of content, that are sensitive where nobody says otherwise."""
CONTENT = "content"
PREFIX = "engram:v1:"
GENESIS = "0" * 64
OVER = frozenset({"done", "stopped", "failed", "interrupted"})
TOLD = ("rotate-field-keys", "rotate-cmk", "retention", "forget", "restore-drill", "revoke-drill")
"""Operations that the evidence lists."""
AT_ONCE = 1000

# Row security hides rows from all but their owner, and whoever is above it.
STATE = """
SELECT c.relname AS name, has_table_privilege(c.oid, 'SELECT') AS readable,
       c.relrowsecurity AND c.relowner <> r.oid AND NOT (r.rolsuper OR r.rolbypassrls) AS hidden
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_roles r
WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s) AND r.rolname = current_user
"""
BOOK = """
SELECT position, at, operation, actor, detail, previous, digest FROM {schema}.memory_operations
WHERE position > %(after)s ORDER BY position LIMIT %(limit)s
"""
AUDITED = "SELECT count(*) AS rows, max(at) AS last FROM {schema}.memory_audit"
COVERED = """
SELECT count(*) AS rows,
       count(*) FILTER (WHERE metadata @? ANY (%(any)s::jsonpath[]) OR {tagged}) AS sensitive,
       count(*) FILTER (WHERE metadata @? ANY (%(clear)s::jsonpath[]) OR ({tagged}
         AND NOT starts_with(content, %(prefix)s))) AS clear
FROM {schema}.zep_memory_vectors
"""
TAGGED = "(%(content)s AND sensitivity ?| %(tags)s::text[])"
BY_KEY = "SELECT key_id, count(*) AS rows FROM {schema}.zep_memory_vectors GROUP BY 1 ORDER BY 1"


def read(session: Session, schema: str, fields: Sequence[str] = USUAL) -> Json | None:
    """Return what the tables of a schema say; None where it has none of them.

    ``fields`` are the paths into metadata that are to be encrypted, and perhaps ``content``.
    """
    given = {"schema": schema, "tables": [MEMORIES, AUDIT, OPERATIONS]}
    state = {row["name"]: row for row in _rows(session, STATE, given)}
    if OPERATIONS not in state:
        return None
    session.execute("SELECT set_config('engram.tenant', '*', false)")

    def sees(table: str) -> bool:
        return table in state and state[table]["readable"] and not state[table]["hidden"]

    book = list(_entries(session, schema)) if sees(OPERATIONS) else None
    return {
        "chain": None if book is None else chain(book),
        "operations": None if book is None else list(operations(book)),
        "audit": _audit(session, schema) if sees(AUDIT) else None,
        "memories": _memories(session, schema, fields) if sees(MEMORIES) else None,
    }


def seal(entry: Mapping[str, Any]) -> str:
    """SHA-256 over an entry's canonical JSON, as docs/operations.md writes it down."""
    told = {key: entry[key] for key in ("position", "operation", "actor", "detail", "previous")}
    told["at"] = entry["at"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def chain(book: Sequence[Mapping[str, Any]]) -> Json:
    """Return how many entries there are, and the first that is not what or where it was."""
    head = GENESIS
    for number, entry in enumerate(book, 1):
        in_order = entry["position"] == number and entry["previous"] == head
        if not in_order or seal(entry) != entry["digest"]:
            return {"entries": len(book), "broken": entry["position"], "head": head}
        head = entry["digest"]
    return {"entries": len(book), "broken": None, "head": head}


def operations(book: Sequence[Mapping[str, Any]]) -> Iterator[Json]:
    """Yield each operation that began, with how it ended; ``state`` is none where it did not."""
    ends = {
        entry["detail"].get("begun"): entry
        for entry in book
        if entry["detail"].get("state") in OVER
    }
    for entry in book:
        detail = entry["detail"]
        if detail.get("state") != "begun" or entry["operation"] not in TOLD:
            continue
        end = ends.get(entry["position"])
        yield {
            "position": entry["position"],
            "operation": entry["operation"],
            "order": detail.get("order"),
            "actor": entry["actor"],
            "begun": entry["at"].isoformat(),
            "ended": end["at"].isoformat() if end else None,
            "state": end["detail"]["state"] if end else None,
            "proof": _proof(end["detail"]) if end else None,
        }


def _proof(detail: Mapping[str, Any]) -> Json | None:
    """Return the figures of an operation's own proof, where it has one."""
    found = detail.get("proof")
    names = ("ok", "rows", "rows_encrypted", "rows_left", "rows_faulty", "coverage")
    return {name: found.get(name) for name in names} if isinstance(found, dict) else None


def _entries(session: Session, schema: str) -> Iterator[Json]:
    after = 0
    while batch := _rows(session, _of(BOOK, schema), {"after": after, "limit": AT_ONCE}):
        yield from batch
        after = batch[-1]["position"]


def _audit(session: Session, schema: str) -> Json:
    (found,) = _rows(session, _of(AUDITED, schema), {})
    last: datetime | None = found["last"]
    return {"entries": found["rows"], "last": last.isoformat() if last else None}


def _memories(session: Session, schema: str, fields: Sequence[str]) -> Json:
    paths = ["$" + "".join(f".{json.dumps(n)}" for n in f.split(".")) for f in fields
             if f != CONTENT]  # fmt: skip
    given = {
        "any": paths,
        "clear": [f'{p} ? (@.type() != "string" || !(@ starts with "{PREFIX}"))' for p in paths],
        "content": CONTENT in fields,
        "tags": list(USUAL),
        "prefix": PREFIX,
    }
    (found,) = _rows(session, _of(COVERED.replace("{tagged}", TAGGED), schema), given)
    keys = _rows(session, _of(BY_KEY, schema), {})
    return {**found, "by_key": {row["key_id"]: row["rows"] for row in keys if row["key_id"]}}


def _of(query: str, schema: str) -> bytes:
    return query.replace("{schema}", '"' + schema.replace('"', '""') + '"').encode()


def _rows(session: Session, query: str | bytes, given: Mapping[str, Any]) -> list[Json]:
    text = query.encode() if isinstance(query, str) else query
    try:
        return session.execute(text, given).fetchall()
    except psycopg.Error as error:
        said = error.diag.message_primary or type(error).__name__
        raise AssuranceError(f"the books of the memory refuse to be looked at: {said}") from error
