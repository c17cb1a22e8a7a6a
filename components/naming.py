"""Names: one form for all, and never longer than Azure allows.

A name reads ``<abbreviation>-<component>[-<part>…]``.  Where it would be too long, the middle
gives way to a hash and the tail stays, because the tail is what tells siblings apart.
"""

import hashlib
import re
import uuid
from enum import Enum

import pulumi

DIGEST_LENGTH = 6
WORD = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
NAMESPACE = uuid.UUID("6f1f2a52-52a1-5d0e-9f3b-3f7a1d1c9b11")
"""Ours alone, so that names derived from it meet nobody else's."""


class Kind(Enum):
    """A type of resource: Microsoft's abbreviation for it, and the longest name it may have.

    https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
    https://learn.microsoft.com/azure/cloud-adoption-framework/ready/azure-best-practices/resource-abbreviations
    """

    RESOURCE_GROUP = ("rg", 90)
    VIRTUAL_NETWORK = ("vnet", 64)
    SUBNET = ("snet", 80)
    SECURITY_GROUP = ("nsg", 80)
    PRIVATE_ENDPOINT = ("pep", 64)
    ZONE_LINK = ("link", 80)
    KEY_VAULT = ("kv", 24)
    KEY = ("key", 127)
    IDENTITY = ("id", 128)
    POSTGRES = ("psql", 63)
    WORKSPACE = ("log", 63)
    DIAGNOSTICS = ("diag", 260)
    LOCK = ("lock", 260)
    ACTION_GROUP = ("ag", 260)
    METRIC_ALERT = ("ma", 260)
    CLUSTER = ("aks", 63)
    DISK_ENCRYPTION_SET = ("des", 80)
    FEDERATED_CREDENTIAL = ("fic", 120)

    def __init__(self, abbreviation: str, longest: int) -> None:
        self.abbreviation = abbreviation
        self.longest = longest


def azure_name(kind: Kind, *parts: str) -> str:
    """Return the Azure name of a resource: lower-case letters, digits and single hyphens.

    Raises ``ValueError`` for a part that some resource type would refuse.
    """
    for part in parts:
        if WORD.fullmatch(part) is None:
            raise ValueError(
                f"{part!r} cannot be part of a name: use lower-case letters, digits and hyphens"
            )
    name = "-".join((kind.abbreviation, *parts))
    if len(name) <= kind.longest:
        return name
    head = f"{kind.abbreviation}-{hashlib.sha256(name.encode()).hexdigest()[:DIGEST_LENGTH]}-"
    return head + name[-(kind.longest - len(head)) :].lstrip("-")


def unique_name(kind: Kind, name: str, suffix: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return a name that is unique in all of Azure, by a suffix kept in the stack's state."""
    return pulumi.Output.from_input(suffix).apply(lambda tail: azure_name(kind, name, tail))


def assignment_name(scope: str, principal_id: str, role_id: str) -> str:
    """Return a role assignment's GUID: the same grant has the same name, on every run."""
    return str(uuid.uuid5(NAMESPACE, "|".join((scope, principal_id, role_id)).lower()))
