"""Passwords of roles: proven by logging in, set as SCRAM verifiers, never sent in clear.

Whether a role's password is still the one in the vault cannot be read: Azure's administrator may
not see ``pg_authid``.  A digest kept in the state would only repeat what was once set, and miss a
password that was changed in the database.  So the role logs in: one short connection tells, and
an unchanged password makes no difference in a plan.
"""

from collections.abc import Mapping
from dataclasses import replace

from memory.schema.catalog import Catalog, Role
from memory.schema.connection import Endpoint, Session, connect
from memory.schema.errors import ConnectionRefused
from memory.schema.model import DesiredSchema, Purpose

Passwords = Mapping[Purpose, str]

WRONG = "password authentication failed"
# PostgreSQL asks for the password before it says one of these: it was right.
AFTER_THE_PASSWORD = (
    "is not permitted to log in",
    "permission denied for database",
    "remaining connection slots are reserved",
)


def verifier(session: Session, role: str, password: str) -> str:
    """The SCRAM-SHA-256 verifier that ALTER ROLE takes instead of a password."""
    encrypted = session.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return encrypted.decode()


def check_passwords(
    catalog: Catalog, endpoint: Endpoint, desired: DesiredSchema, passwords: Passwords
) -> Catalog:
    """Note for every role that exists whether its password logs in, or that nobody could tell."""
    checked = {
        role.name: _checked(catalog.roles[role.name], endpoint, role.name, passwords[role.purpose])
        for role in desired.roles
        if role.name in catalog.roles and role.purpose in passwords
    }
    return replace(catalog, roles={**catalog.roles, **checked})


def _checked(role: Role, endpoint: Endpoint, name: str, password: str) -> Role:
    refusal = login_refusal(endpoint, name, password)
    wrong = refusal is not None and WRONG in refusal
    told = refusal is None or wrong or any(text in refusal for text in AFTER_THE_PASSWORD)
    return replace(role, password_current=not wrong, password_untested=None if told else refusal)


def login_refusal(endpoint: Endpoint, role: str, password: str) -> str | None:
    """What the server said when it turned this role away; None where it let it in."""
    try:
        connect(replace(endpoint, user=role, password=password), wait_seconds=0).close()
    except ConnectionRefused as error:
        return str(error)
    return None
