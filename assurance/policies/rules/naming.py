"""Names and tags: whose it is, what for, and who pays."""

import re
from collections.abc import Iterator
from typing import Final

from assurance.policies.azure import (
    ALERT,
    CLUSTER,
    DISK_ENCRYPTION_SET,
    ENDPOINT,
    GROUP,
    IDENTITY,
    KEY,
    NETWORK,
    RECIPIENTS,
    SECRET,
    SECURITY_GROUP,
    SERVER,
    SUBNET,
    VAULT,
    WORKSPACE,
    ZONE,
    ZONE_LINK,
)
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import must_have, unlike

TAGGED: Final = (
    ALERT, CLUSTER, DISK_ENCRYPTION_SET, ENDPOINT, GROUP, IDENTITY, KEY, NETWORK, RECIPIENTS,
    SECRET, SECURITY_GROUP, SERVER, VAULT, WORKSPACE, ZONE, ZONE_LINK,
)  # fmt: skip
TAGS: Final = ("product", "environment", "owner", "cost-centre", "data-classification")
CLASSES: Final = frozenset({"public", "internal", "confidential", "restricted"})

NAMES: Final = {
    SERVER: ("serverName", r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
    VAULT: ("vaultName", r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,22}[A-Za-z0-9]"),
    KEY: ("keyName", r"[A-Za-z0-9-]{1,127}"),
    SECRET: ("secretName", r"[A-Za-z0-9-]{1,127}"),
    CLUSTER: ("resourceName", r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"),
    GROUP: ("resourceGroupName", r"[\w().-]{0,89}[\w()-]"),
    IDENTITY: ("resourceName", r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}"),
    NETWORK: ("virtualNetworkName", r"[A-Za-z0-9][\w.-]{0,62}\w"),
    SUBNET: ("subnetName", r"[A-Za-z0-9][\w.-]{0,78}\w"),
    SECURITY_GROUP: ("networkSecurityGroupName", r"[A-Za-z0-9][\w.-]{0,78}\w"),
    ENDPOINT: ("privateEndpointName", r"[A-Za-z0-9][\w.-]{0,62}\w"),
    WORKSPACE: ("workspaceName", r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]"),
}
"""By type, the input that names it, and what Azure takes.

https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""


@resource_rule(
    *NAMES,
    name="naming-azure",
    title="A name is one that Azure takes",
    severity=Severity.MEDIUM,
    remediation="Name it through components/naming.py.",
    ai_rmf=("GOVERN 1.6",),
    sp800_53=("CM-8",),
    psrule=("Azure.KeyVault.Name", "Azure.KeyVault.KeyName", "Azure.KeyVault.SecretName"),
)
def azure(resource: Resource) -> Iterator[str]:
    """Azure would say so in the middle of a deployment."""
    path, pattern = NAMES[resource.type]
    name = resource.get(path)
    if not re.fullmatch(pattern, str(name or ""), re.ASCII):
        yield unlike(path, name, f"what Azure takes, {pattern}")


@stack_rule(
    name="naming-says-environment",
    title="A name says which environment it belongs to",
    severity=Severity.LOW,
    remediation="Name it through components/naming.py, from the stack's name.",
    ai_rmf=("GOVERN 1.6",),
    sp800_53=("CM-8",),
)
def says_environment(stack: Stack) -> Iterator[Fault]:
    """So that nobody takes prod's for dev's in a list of both."""
    for kind, (path, _) in NAMES.items():
        for resource in stack.of_type(kind):
            name = str(resource.get(path, ""))
            if stack.environment not in re.split(r"[-_.]", name):
                yield resource, unlike(path, name, f"a name with {stack.environment} in it")


@resource_rule(
    *TAGGED,
    name="naming-tags",
    title="Tags say whose it is, what for, how confidential, and who pays",
    severity=Severity.LOW,
    remediation=f"Tag it with {', '.join(TAGS)}.",
    ai_rmf=("GOVERN 1.6", "GOVERN 2.1"),
    sp800_53=("CM-8", "RA-2"),
    psrule=("Azure.Resource.UseTags",),
)
def tags(resource: Resource) -> Iterator[str]:
    """What nobody owns nobody repairs."""
    for tag in TAGS:
        yield from must_have(resource.inputs, f"tags.{tag}", what="something")
    found = resource.get("tags.data-classification")
    if found and found not in CLASSES:
        yield unlike("tags.data-classification", found, ", ".join(sorted(CLASSES)))


@stack_rule(
    name="naming-environment-tag",
    title="The tag of the environment is the stack's name",
    severity=Severity.LOW,
    remediation="Set the tag environment to the stack's name.",
    ai_rmf=("GOVERN 1.6",),
    sp800_53=("CM-8",),
)
def environment_tag(stack: Stack) -> Iterator[Fault]:
    """Costs and alerts are sorted by it."""
    for resource in stack.of_type(*TAGGED):
        if (found := resource.get("tags.environment")) != stack.environment:
            yield resource, unlike("tags.environment", found, stack.environment)
