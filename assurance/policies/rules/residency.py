"""Where data may be, and whose it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from assurance.policies.azure import (
    ALERT,
    CLUSTER,
    DISK_ENCRYPTION_SET,
    ENDPOINT,
    ENTRA_ADMINISTRATOR,
    GROUP,
    IDENTITY,
    NETWORK,
    RECIPIENTS,
    SECURITY_GROUP,
    SERVER,
    VAULT,
    WORKSPACE,
    ZONE,
    ZONE_LINK,
)
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import unlike

FILE: Final = Path(__file__).parent.parent / "residency.yaml"
REGIONS: Final = frozenset(yaml.safe_load(FILE.read_text(encoding="utf-8"))["regions"])
"""Azure's names of the regions in which the tenant's data may be."""

PLACED: Final = (
    SERVER, VAULT, WORKSPACE, CLUSTER, DISK_ENCRYPTION_SET, IDENTITY, GROUP, NETWORK,
    SECURITY_GROUP, ENDPOINT,
)  # fmt: skip
EVERYWHERE: Final = (ZONE, ZONE_LINK, ALERT, RECIPIENTS)
"""What Azure has in no region: names and rules, no data."""
PROVIDER: Final = "pulumi:providers:azure-native"
TENANTS: Final = {
    VAULT: "properties.tenantId",
    SERVER: "authConfig.tenantId",
    ENTRA_ADMINISTRATOR: "tenantId",
    CLUSTER: "aadProfile.tenantID",
    PROVIDER: "tenantId",
}
"""Where each type names its tenant."""
MUST_NAME: Final = frozenset({VAULT, ENTRA_ADMINISTRATOR})
"""Of the others, their own rules ask for it where they log anybody in by Entra."""


def _region(resource: Resource) -> str:
    return str(resource.get("location", "")).replace(" ", "").casefold()


@resource_rule(
    *PLACED,
    name="residency-region",
    title="Everything is in a region in which the tenant's data may be",
    severity=Severity.CRITICAL,
    remediation="Move it to one of the regions of assurance/policies/residency.yaml.",
    ai_rmf=("GOVERN 1.1", "MAP 4.1", "MEASURE 2.10"),
    sp800_53=("SA-9(5)",),
)
def region(resource: Resource) -> Iterator[str]:
    """Why a customer hosts the product himself."""
    if _region(resource) not in REGIONS:
        yield unlike("location", resource.get("location"), ", ".join(sorted(REGIONS)))


@resource_rule(
    *EVERYWHERE,
    name="residency-no-region",
    title="What holds no data is in no region",
    severity=Severity.LOW,
    remediation="Set location to Global.",
    ai_rmf=("GOVERN 1.1",),
)
def no_region(resource: Resource) -> Iterator[str]:
    """An outage of a region must not silence its own alerts."""
    if _region(resource) != "global":
        yield unlike("location", resource.get("location"), "Global")


@stack_rule(
    name="residency-one-tenant",
    title="Vaults, databases, their administrators and the cluster are of one tenant",
    severity=Severity.CRITICAL,
    remediation="Take the tenant from azure-native:tenantId everywhere.",
    ai_rmf=("GOVERN 1.1", "MEASURE 2.10"),
    sp800_53=("AC-2", "AC-4"),
)
def one_tenant(stack: Stack) -> Iterator[Fault]:
    """A second tenant is somebody else's directory."""
    named: dict[str, list[Resource]] = {}
    for kind, path in TENANTS.items():
        for resource in stack.of_type(kind):
            tenant = resource.get(path)
            if tenant:
                named.setdefault(str(tenant).casefold(), []).append(resource)
            elif kind in MUST_NAME:
                yield resource, unlike(path, tenant, "the stack's tenant")
    most = max(named, key=lambda tenant: len(named[tenant]), default="")
    for tenant, resources in named.items():
        if tenant != most:
            yield from ((it, unlike(TENANTS[it.type], tenant, most)) for it in resources)


@stack_rule(
    name="key-of-its-region",
    title="A database's key is in its own region, and that of its backups in another one",
    severity=Severity.HIGH,
    remediation="Make the vault where the server is, and the vault of the geo key in the paired"
    " region.",
    ai_rmf=("MANAGE 2.4",),
    sp800_53=("CP-6", "SC-12"),
)
def key_of_its_region(stack: Stack) -> Iterator[Fault]:
    """The key for the backups must not be lost with the region that they are for."""
    vaults = {str(vault.get("vaultName")): vault for vault in stack.of_type(VAULT)}
    for server in stack.of_type(SERVER):
        for part, same in (("primary", True), ("geoBackup", False)):
            path = f"dataEncryption.{part}KeyURI"
            vault = vaults.get(_vault_name(server.get(path)))
            if vault is not None and (_region(vault) == _region(server)) is not same:
                allowed = "the server's region" if same else "another region"
                yield server, unlike(f"the vault of {path}", _region(vault), allowed)


def _vault_name(uri: Any) -> str:
    return str(uri or "").removeprefix("https://").split(".", maxsplit=1)[0]
