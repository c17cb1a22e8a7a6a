"""Passwords of roles: proven by logging in, set as SCRAM verifiers, never sent in clear.

Whether a role's password is still the one in the vault cannot be read: Azure's administrator may
not see ``pg_authid``.  A digest kept in the state would only repeat what was once set, and miss a
password that was changed in the database.  So the role logs in: one short connection tells, and
an unchanged password makes no difference in a plan.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import get_args

from memory.schema.catalog import Catalog, Role
from memory.schema.connection import Endpoint, Session, connect
from memory.schema.errors import ConnectionRefused, PasswordsUnreadable
from memory.schema.model import DesiredSchema, Purpose

Passwords = Mapping[Purpose, str]

WRONG = "password authentication failed"
# PostgreSQL asks for the password before it says one of these: it was right.
AFTER_THE_PASSWORD = (
    "is not permitted to log in",
    "permission denied for database",
    "remaining connection slots are reserved",
)


def read_passwords(text: str, source: str) -> Passwords:
    """Passwords by purpose from a JSON object.  Raises PasswordsUnreadable, and quotes none."""
    form = '{"migrator": "…", "app": "…", "reader": "…"}'
    try:
        given = json.loads(text)
    except ValueError as error:
        raise PasswordsUnreadable(f"{source}: no JSON; wanted {form}") from error
    if not isinstance(given, dict) or not all(v and isinstance(v, str) for v in given.values()):
        raise PasswordsUnreadable(f"{source}: wanted an object of texts that are not empty, {form}")
    strangers = sorted({*given} - {*get_args(Purpose)})
    if strangers:
        raise PasswordsUnreadable(
            f"{source}: {', '.join(strangers)} is no purpose of a role; allowed are"
            f" {', '.join(get_args(Purpose))}"
        )
    return given


def verifier(session: Session, role: str, password: str) -> str:
    """The SCRAM-SHA-256 verifier that ALTER ROLE takes instead of a password."""
    encrypted = session.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return encrypted.decode()


def check_passwords(
    catalog: Catalog, endpoint: Endpoint, desired: DesiredSchema, passwords: Passwords
) -> Catalog:
    """Note for every role that exists whether its password logs in, or that nobody could tell."""
    given = {
        role.name: passwords[role.purpose]
        for role in desired.roles
        if role.name in catalog.roles and role.purpose in passwords
    }

    def checked(name: str) -> Role:
        return _checked(catalog.roles[name], endpoint, name, given[name])

    # At the same time: a login is made of round trips, and most of a run that changes nothing.
    with ThreadPoolExecutor(max_workers=len(given) or 1) as pool:
        roles = dict(zip(given, pool.map(checked, given), strict=True))
    return replace(catalog, roles={**catalog.roles, **roles})


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
