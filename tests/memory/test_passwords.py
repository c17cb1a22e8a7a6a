"""memory/schema/passwords.py: what a login proves, and what it leaves open."""

from typing import Any

import pytest

from memory.schema import passwords
from memory.schema.catalog import Catalog, Role
from memory.schema.connection import Endpoint
from memory.schema.errors import ConnectionRefused
from memory.schema.model import memory_schema
from memory.schema.passwords import check_passwords

CUSTOMERS = Endpoint(
    host="db.customer.example",
    port=6543,
    ca_file="ca/customer.pem",
    database="memory",
    user="engram_admin",
    password="the administrator's",
)
FOUND = Catalog(roles={"memory_app": Role()})


def checked(monkeypatch: pytest.MonkeyPatch, refusal: str | None) -> tuple[Role, list[Endpoint]]:
    """The app role after a login that ended so, and where the login went."""
    tried: list[Endpoint] = []

    class Session:
        def close(self) -> None:
            """End it."""

    def connect(endpoint: Endpoint, **_: Any) -> Session:
        tried.append(endpoint)
        if refusal:
            raise ConnectionRefused(refusal)
        return Session()

    monkeypatch.setattr(passwords, "connect", connect)
    catalog = check_passwords(FOUND, CUSTOMERS, memory_schema(), {"app": "a-secret"})
    return catalog.roles["memory_app"], tried


def test_the_login_goes_where_the_administrator_went(monkeypatch: pytest.MonkeyPatch) -> None:
    _, (tried,) = checked(monkeypatch, None)
    assert (tried.host, tried.port, tried.ca_file) == (
        "db.customer.example",
        6543,
        "ca/customer.pem",
    )
    assert (tried.user, tried.password) == ("memory_app", "a-secret")


@pytest.mark.parametrize(
    ("refusal", "current", "untested"),
    [
        (None, True, False),
        ("FATAL: password authentication failed for user", False, False),
        ('FATAL: role "memory_app" is not permitted to log in', True, False),
        ('FATAL: permission denied for database "memory"', True, False),
        ("FATAL: remaining connection slots are reserved for roles with", True, False),
        ("FATAL: no pg_hba.conf entry for host", True, True),
        ("FATAL: sorry, too many clients already", True, True),
        ("connection timeout expired", True, True),
    ],
)
def test_only_an_answer_to_the_password_counts_as_one(
    monkeypatch: pytest.MonkeyPatch, refusal: str | None, current: bool, untested: bool
) -> None:
    role, _ = checked(monkeypatch, refusal)
    assert role.password_current is current
    assert role.password_untested == (refusal if untested else None)
