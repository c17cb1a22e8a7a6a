"""What Azure demands of the network that the stack stands in."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from stacks.settings.mistakes import Mistake
from stacks.settings.model import (
    ExistingNetwork,
    ManagedNetwork,
    ManagedPostgres,
    StackSettings,
)
from stacks.settings.vault import ManagedKeyVault

SMALLEST_SUBNET = 29
"""Prefix length; Azure keeps 5 addresses of each subnet, so a /29 has 3 left."""

PRIVATE_RANGES = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


def subnet_lies_in_the_network(s: StackSettings) -> Iterator[Mistake]:
    """Azure refuses a subnet outside the network, and one without free addresses."""
    if not isinstance(s.network, ManagedNetwork):
        return
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


def zones_resolve_what_is_made(s: StackSettings) -> Iterator[Mistake]:
    """A private endpoint without a record in a zone is found by nobody."""
    if not isinstance(s.network, ExistingNetwork):
        return
    zones = s.network.private_dns_zone_ids
    if isinstance(s.postgres, ManagedPostgres) and zones.postgres is None:
        yield _missing_zone("postgres")
    if isinstance(s.key_vault, ManagedKeyVault) and zones.key_vault is None:
        yield _missing_zone("key_vault")


def _missing_zone(service: str) -> Mistake:
    return Mistake(
        f"network.private_dns_zone_ids.{service}",
        f"nothing, with {service}.kind 'managed'",
        "the id of a private DNS zone",
        "copy the id from `az network private-dns zone show --query id`",
    )


RULES = (subnet_lies_in_the_network, zones_resolve_what_is_made)
