"""What an environment promises."""

from collections.abc import Iterator

from stacks.settings.mistakes import Mistake
from stacks.settings.model import HnswSettings, ManagedPostgres, StackSettings


def customers_data_are_protected(s: StackSettings) -> Iterator[Mistake]:
    """Customers accept on uat and live on prod: no mistaken command deletes their data."""
    if s.environment in {"uat", "prod"} and not s.protected:
        yield Mistake("protected", "False", f"true in {s.environment}", "set it to true")


def only_dev_has_lists(s: StackSettings) -> Iterator[Mistake]:
    """Load tests and acceptance mean something only on the index of production."""
    if s.environment != "dev" and not isinstance(s.memory.index, HnswSettings):
        method = repr(s.memory.index.method)
        remedy = "choose hnsw; ivfflat answers slower and must be rebuilt as data grow"
        yield Mistake("memory.index.method", method, f"'hnsw' in {s.environment}", remedy)


def production_survives(s: StackSettings) -> Iterator[Mistake]:
    """What prod promises: a zone or a region may be lost, the data not."""
    if s.environment != "prod" or not isinstance(s.postgres, ManagedPostgres):
        return
    if s.postgres.high_availability.mode != "ZoneRedundant":
        yield Mistake(
            "postgres.high_availability.mode",
            repr(s.postgres.high_availability.mode),
            "'ZoneRedundant' in prod",
            "set it to 'ZoneRedundant' and name a standby_zone",
        )
    if not s.postgres.backup.geo_redundant:
        yield Mistake(
            "postgres.backup.geo_redundant",
            "False",
            "true in prod",
            "set it to true; it can only be chosen when the server is made",
        )


RULES = (customers_data_are_protected, only_dev_has_lists, production_survives)
