"""Whose memories an operation works on, and where they are.

``ENGRAM_ISOLATION`` says how tenants are kept apart: ``shared`` not at all, ``row`` by row
security, ``schema`` and ``database`` by a place of their own.  ``ENGRAM_TENANTS`` names those
beside ``default``.  Without ``--tenant`` an operation visits them all, one after the other.
"""

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from memory.operations.errors import TenantRefused
from memory.schema import sql
from memory.schema.connection import Endpoint, Session, from_environment
from memory.schema.errors import ConnectionRefused
from memory.schema.runner import open_direct

Isolation = Literal["shared", "row", "schema", "database"]
KINDS: dict[str, Isolation] = {
    "shared": "shared",
    "row": "row",
    "schema": "schema",
    "database": "database",
}
DEFAULT, EVERY = "default", "*"
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
TABLE = "zep_memory_vectors"
BASE = "memory"

# Row security that is forced binds the owner, too; only the migrator has a policy for «*».
HIDDEN = """
SELECT c.relrowsecurity AND c.relowner <> r.oid AND NOT (r.rolsuper OR r.rolbypassrls)
FROM pg_class c, pg_roles r WHERE c.oid = to_regclass(%s) AND r.rolname = current_user
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the rows of a tenant are."""

    tenant: str
    """``*`` where the rows of all are meant."""
    database: str | None = None
    """Another database than the environment's."""
    schema: str = BASE

    @property
    def table(self) -> str:
        """The table of memories, as SQL writes it."""
        return sql.qualified(self.schema, TABLE)

    def __str__(self) -> str:
        """The place, as an operator reads it."""
        where = self.table if self.database is None else f"{self.database}: {self.table}"
        return where if self.tenant == EVERY else f"{where} ({self.tenant})"


def add_tenants(parser: argparse.ArgumentParser) -> None:
    """Add ``--tenant``."""
    parser.add_argument(
        "--tenant",
        action="append",
        metavar="NAME",
        help="only this tenant's rows; may be repeated. Default: all of ENGRAM_TENANTS, and"
        " default",
    )


def chosen(arguments: argparse.Namespace) -> list[Place]:
    """The places that the arguments and the environment name.  Raises TenantRefused."""
    return places(arguments.tenant or ())


def places(wanted: Sequence[str] = ()) -> list[Place]:
    """The places of these tenants, or of all.  Raises TenantRefused."""
    kind, known = isolation(), (DEFAULT, *_listed())
    unknown = sorted({*wanted} - {*known, EVERY})
    if unknown:
        raise TenantRefused(
            f"no tenant {', '.join(unknown)}; ENGRAM_ISOLATION is {kind}, and the tenants are"
            f" {', '.join(known)}"
        )
    if kind == "shared":
        return [Place(tenant=EVERY)]
    if kind == "row" and EVERY in wanted:
        return [Place(tenant=EVERY)]
    names = known if not wanted or EVERY in wanted else tuple(dict.fromkeys(wanted))
    return [_place(kind, name) for name in names]


def isolation() -> Isolation:
    """How tenants are kept apart here.  Raises TenantRefused."""
    found = os.environ.get("ENGRAM_ISOLATION") or "shared"
    kind = KINDS.get(found)
    if kind is None:
        raise TenantRefused(f"ENGRAM_ISOLATION is {found!r}; allowed are {', '.join(KINDS)}")
    return kind


def endpoint() -> Endpoint:
    """Where libpq's environment leads, with the password of ENGRAM_DATABASE_PASSWORD_FILE."""
    found, file = from_environment(), os.environ.get("ENGRAM_DATABASE_PASSWORD_FILE")
    if not file or os.environ.get("PGPASSWORD"):
        return found
    try:
        return replace(found, password=Path(file).read_text(encoding="utf-8").strip())
    except OSError as error:
        raise ConnectionRefused(
            f"ENGRAM_DATABASE_PASSWORD_FILE cannot be read: {error.strerror}; name the file with"
            " the login's password, or set PGPASSWORD"
        ) from error


@contextmanager
def open_base() -> Iterator[Session]:
    """A direct session with the database that has the books of operations and of audits."""
    with open_direct(endpoint()) as session:
        session.execute("SET application_name = 'engram-operations'")
        yield session


@contextmanager
def open_place(place: Place) -> Iterator[Session]:
    """A direct session that sees the rows of a place, each and all.  Raises TenantRefused."""
    found = endpoint()
    target = replace(found, database=place.database) if place.database else found
    with open_direct(target) as session:
        session.execute("SET application_name = 'engram-operations'")
        session.execute("SELECT set_config('engram.tenant', %s, false)", (place.tenant,))
        refuse_blindness(session, place)
        yield session


def refuse_blindness(session: Session, place: Place) -> None:
    """Refuse to look where row security would hide rows, and call it clean.

    Raises TenantRefused.
    """
    row = session.execute(HIDDEN, (place.table,)).fetchone()
    if row is None:
        raise TenantRefused(
            f"{place}: there is no such table here; is ENGRAM_ISOLATION right, and the schema"
            " brought up to date?"
        )
    if row[0] and place.tenant == EVERY:
        raise TenantRefused(
            f"{place}: rows are kept apart by tenant, and only the tables' owner sees all of them:"
            " name tenants by --tenant or ENGRAM_ISOLATION and ENGRAM_TENANTS, or connect as"
            " memory_migrator"
        )


def _listed() -> tuple[str, ...]:
    names = [name.strip() for name in os.environ.get("ENGRAM_TENANTS", "").split(",")]
    wrong = [name for name in names if name and not NAME.fullmatch(name)]
    if wrong:
        raise TenantRefused(f"ENGRAM_TENANTS: {', '.join(wrong)} is no name of a tenant")
    return tuple(dict.fromkeys(name for name in names if name and name != DEFAULT))


def _place(kind: Isolation, tenant: str) -> Place:
    if kind == "row" or tenant == DEFAULT:
        return Place(tenant=tenant)
    if kind == "schema":
        return Place(tenant=tenant, schema=f"{BASE}_{tenant}")
    return Place(tenant=tenant, database=f"{from_environment().database}_{tenant}")
