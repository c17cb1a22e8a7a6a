"""What a command line may say of Azure: a mistake is told here, not minutes later by Azure."""

import argparse
import ipaddress
import re
from collections.abc import Callable

SUBNET = (
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network"
    r"/virtualNetworks/[^/]+/subnets/[^/]+"
)
OBJECT = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

WIDEST = 30
"""The longest prefix of a range that the firewall of a storage account takes."""
PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


def like(pattern: str) -> Callable[[str], str]:
    """Return a type of argument: a text that matches as a whole."""

    def checked(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"found {text!r}; allowed: {pattern}")
        return text

    return checked


def address(text: str) -> str:
    """Return what the firewall of a storage account takes as an address or a range."""
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{error}; allowed: an IPv4 address, or a range like 192.0.2.0/24"
        ) from error
    if "/" in text and network.prefixlen > WIDEST:
        bare = " and ".join(map(str, network))
        raise argparse.ArgumentTypeError(
            f"found {text!r}; storage takes no range of one or two addresses: give {bare}"
        )
    if any(network.overlaps(private) for private in PRIVATE):
        raise argparse.ArgumentTypeError(
            f"found {text!r}; storage refuses private addresses: use --allow-subnet"
        )
    return text
