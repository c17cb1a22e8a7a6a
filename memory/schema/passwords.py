"""Passwords of roles: proven by logging in, set as SCRAM verifiers, never sent in clear.

Whether a role's password is still the one in the vault cannot be read: Azure's administrator may
not see ``pg_authid``.  A digest kept in the state would only repeat what was once set, and miss a
password that was changed in the database.  So the role logs in: one short connection tells, and
an unchanged password makes no difference in a plan.
"""

from collections.abc import Mapping
from dataclasses import replace

from memory.schema.catalog import Catalog
from memory.schema.connection import Endpoint, Session, connect
from memory.schema.errors import ConnectionRefused
from memory.schema.model import DesiredSchema, Purpose

Passwords = Mapping[Purpose, str]


def verifier(session: Session, role: str, password: str) -> str:
    """The SCRAM-SHA-256 verifier that ALTER ROLE takes instead of a password."""
    encrypted = session.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return encrypted.decode()


def check_passwords(
    catalog: Catalog, endpoint: Endpoint, desired: DesiredSchema, passwords: Passwords
) -> Catalog:
    """Note for every role that exists whether its password logs in."""
    checked = {
        role.name: replace(
            catalog.roles[role.name],
            password_current=logs_in(endpoint, role.name, passwords[role.purpose]),
        )
        for role in desired.roles
        if role.name in catalog.roles and role.purpose in passwords
    }
    return replace(catalog, roles={**catalog.roles, **checked})


def logs_in(endpoint: Endpoint, role: str, password: str) -> bool:
    """Whether the server takes the password; another refusal says nothing against it."""
    login = Endpoint(host=endpoint.host, database=endpoint.database, user=role, password=password)
    try:
        connect(login, wait_seconds=0).close()
    except ConnectionRefused as error:
        return "password authentication failed" not in str(error)
    return True
