"""Where each tenant's memories are, and the connections that lead there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from memory.schema.connection import Endpoint, parameters
from memory.schema.model import schema_of
from memory.service.database import Database, PoolLimits
from memory.service.secret_file import SecretFile, one_line
from memory.service.settings import DEFAULT_TENANT, Isolation, Settings
from memory.service.statements import Statements

APPLICATION = "memory-service"
SILENCE_MILLISECONDS = 15_000
"""A peer that acknowledges nothing for so long is gone."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One tenant's."""

    tenant: str
    database: Database
    statements: Statements

    @property
    def table(self) -> str:
        """The qualified name."""
        return f"{self.statements.schema}.{self.statements.table}"


def places(
    settings: Settings, endpoint: Endpoint, observe: Callable[[str, float], None]
) -> Mapping[str, Place]:
    """Return every tenant's place; those in one database share its connections."""
    base = endpoint.database
    schema, _, table = settings.table.partition(".")
    tenants = (DEFAULT_TENANT, *settings.tenants)
    own = [t for t in settings.tenants if settings.isolation is Isolation.DATABASE]
    names = {tenant: f"{base}_{tenant}" if tenant in own else base for tenant in tenants}
    limits = _limits(settings, 1 + len(own))
    databases = {
        name: Database(name, _parameters(settings, replace(endpoint, database=name)), limits,
                       observe)
        for name in dict.fromkeys(names.values())
    }  # fmt: skip
    apart = settings.isolation is Isolation.SCHEMA
    schemas = {t: schema_of(t) for t in settings.tenants if apart}
    return {
        tenant: Place(
            tenant=tenant,
            database=databases[names[tenant]],
            statements=Statements(schema=schemas.get(tenant, schema), table=table),
        )
        for tenant in tenants
    }


def _limits(settings: Settings, databases: int) -> PoolLimits:
    """The pod's connections are shared out evenly: together they are never more."""
    most = max(1, settings.pool_max // databases)
    return PoolLimits(
        least=min(most, max(1, settings.pool_size // databases)),
        most=most,
        waiting=max(1, settings.waiting_max // databases),
        timeout_seconds=settings.pool_timeout_seconds,
    )


def _parameters(settings: Settings, endpoint: Endpoint) -> Callable[[], dict[str, Any]]:
    """Return what each new connection asks for: the password is the newest of its file."""
    file = settings.database_password_file
    password = None if file is None else SecretFile(file, one_line)

    def current() -> dict[str, Any]:
        known = endpoint if password is None else replace(endpoint, password=password.value())
        return {
            **parameters(known),
            "application_name": APPLICATION,
            "tcp_user_timeout": SILENCE_MILLISECONDS,
        }

    return current
