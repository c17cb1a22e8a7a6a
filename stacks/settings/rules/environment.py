"""What an environment promises, and the network it stands in."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from stacks.settings.mistakes import Mistake
from stacks.settings.model import HnswSettings, ManagedPostgres, StackSettings

SMALLEST_SUBNET = 29
"""Prefix length; Azure keeps 5 addresses of each subnet, so a /29 has 3 left."""

PRIVATE_RANGES = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


def subnet_lies_in_the_network(s: StackSettings) -> Iterator[Mistake]:
    """Azure refuses a subnet outside the network, and one without free addresses."""
    space, subnet = s.network.address_space, s.network.endpoints_subnet
    if not any(space.subnet_of(private) for private in PRIVATE_RANGES):
        yield Mistake(
            "network.address_space",
            f"'{space}'",
            ", ".join(map(str, PRIVATE_RANGES)),
            "use a private range (RFC 1918)",
        )
    if not subnet.subnet_of(space):
        yield Mistake(
            "network.endpoints_subnet",
            f"'{subnet}'",
            f"a part of {space}",
            "choose a range inside network.address_space",
        )
    if subnet.prefixlen > SMALLEST_SUBNET:
        yield Mistake(
            "network.endpoints_subnet",
            f"'{subnet}'",
            f"a /{SMALLEST_SUBNET} or larger",
            "Azure keeps 5 addresses of each subnet; choose a shorter prefix",
        )


def production_survives(s: StackSettings) -> Iterator[Mistake]:
    """What prod promises: a zone, a region or a mistaken command may be lost, the data not."""
    if s.environment != "prod":
        return
    if not s.protected:
        yield Mistake("protected", "False", "true in prod", "set it to true")
    if not isinstance(s.memory.index, HnswSettings):
        method = repr(s.memory.index.method)
        remedy = "choose hnsw; ivfflat answers slower and must be rebuilt as data grow"
        yield Mistake("memory.index.method", method, "'hnsw' in prod", remedy)
    yield from _server_survives(s)


def _server_survives(s: StackSettings) -> Iterator[Mistake]:
    if not isinstance(s.postgres, ManagedPostgres):
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


RULES = (subnet_lies_in_the_network, production_survives)
