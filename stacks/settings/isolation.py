"""How the customers' own customers, here called tenants, are kept apart.

The tenant ``default`` is always there: what is stored in nobody's name is its.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.settings.base import Settings
from stacks.settings.types import matching, refusal

MOST_TENANTS = 100
"""Beyond, every preview and every operation would walk through too many places."""

TenantName = Annotated[
    str,
    AfterValidator(
        matching(
            r"(?!default$)[a-z][a-z0-9_]{0,39}",
            "1 to 40 lower-case letters, digits and underscores, starting with a letter, but for"
            " `default`, which is always there",
            "choose a short name: it becomes part of a schema's or a database's, e.g. acme",
        )
    ),
]


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if not 1 <= len(names) <= MOST_TENANTS or len({*names}) < len(names):
        raise refusal(
            f"1 to {MOST_TENANTS} tenants, each once",
            "name each tenant, e.g. [acme], or set kind to shared",
        )
    return names


class SharedIsolation(Settings):
    """All memories are everybody's: one customer, or a program above that tells users apart."""

    kind: Literal["shared"]

    @property
    def tenants(self) -> tuple[str, ...]:
        """Nobody but the default."""
        return ()

    def databases(self, _shared: str) -> tuple[str, ...]:
        """None: all are in the shared one."""
        return ()


class TenantIsolation(Settings):
    """Each tenant's memories are its own: by row, in a schema, or in a database of its own.

    By row, the database shows every session the rows of the tenant that it names, the tables'
    owner included; all share one index.  A schema or a database of its own has its own tables,
    indexes, audit and records, and is made before its tenant is served; what a tenant has stored
    stays when its name is taken out here, and is removed by hand.
    """

    kind: Literal["row", "schema", "database"]
    tenants: Annotated[tuple[TenantName, ...], Field(strict=False), AfterValidator(_each_once)]
    """Beside `default`."""

    def databases(self, shared: str) -> tuple[str, ...]:
        """Names of the databases that tenants have to themselves, beside the shared one."""
        own = self.tenants if self.kind == "database" else ()
        return tuple(f"{shared}_{tenant}" for tenant in own)


IsolationSettings = Annotated[SharedIsolation | TenantIsolation, Field(discriminator="kind")]
