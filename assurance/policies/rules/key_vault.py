"""Vaults: who gets in, and what can be lost for good."""

from collections.abc import Iterator
from typing import Final

from assurance.policies.azure import VAULT, is_number
from assurance.policies.model import Resource, Severity, resource_rule
from assurance.policies.words import must_be, must_be_off, must_be_on, unlike

LONGEST_SOFT_DELETE_DAYS: Final = 90
"""Azure's most, and what it recommends for a key that a database needs."""


@resource_rule(
    VAULT,
    name="vault-purge-protection",
    title="Nobody can remove a key for good before its days are over",
    severity=Severity.CRITICAL,
    remediation="Set enablePurgeProtection to true.",
    ai_rmf=("MANAGE 2.4", "MEASURE 2.7"),
    sp800_53=("CP-9", "SC-12"),
    azure_policy=("0b60c0b2-2dc2-4e1c-b5c9-abbed971de53",),
    checkov=("CKV_AZURE_110", "CKV_AZURE_42"),
    trivy=("AZU-0016",),
    psrule=("Azure.KeyVault.PurgeProtect",),
)
def purge_protection(vault: Resource) -> Iterator[str]:
    """With the key goes every byte that it encrypts."""
    yield from must_be_on(vault.inputs, "properties.enablePurgeProtection")


@resource_rule(
    VAULT,
    name="vault-soft-delete",
    title="What was deleted from a vault comes back for 90 days",
    severity=Severity.HIGH,
    remediation="Set enableSoftDelete to true and softDeleteRetentionInDays to 90.",
    ai_rmf=("MANAGE 2.4",),
    sp800_53=("CP-9",),
    azure_policy=("1e66c121-a66a-4b1f-9b83-0fd99bf0fc2d",),
    checkov=("CKV_AZURE_111",),
    psrule=("Azure.KeyVault.SoftDelete",),
)
def soft_delete(vault: Resource) -> Iterator[str]:
    """Azure refuses a database's key in a vault without it."""
    yield from must_be_on(vault.inputs, "properties.enableSoftDelete")
    path = "properties.softDeleteRetentionInDays"
    if not is_number(vault.get(path), LONGEST_SOFT_DELETE_DAYS):
        yield unlike(path, vault.get(path), str(LONGEST_SOFT_DELETE_DAYS))


@resource_rule(
    VAULT,
    name="vault-roles",
    title="Azure's roles decide who may do what with a vault's keys and secrets",
    severity=Severity.HIGH,
    remediation="Set enableRbacAuthorization to true, and remove accessPolicies.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-3", "AC-6"),
    azure_policy=("12d4fa5e-1f9f-4c21-97a9-b99b3c6611b5",),
    psrule=("Azure.KeyVault.AccessPolicy", "Azure.KeyVault.RBAC"),
)
def roles(vault: Resource) -> Iterator[str]:
    """An access policy is for the whole vault; a role is for one secret."""
    yield from must_be_on(vault.inputs, "properties.enableRbacAuthorization")
    if policies := vault.get("properties.accessPolicies"):
        yield f"{len(policies)} access policies are set; allowed: none"


@resource_rule(
    VAULT,
    name="vault-private",
    title="No address of the internet leads to a vault",
    severity=Severity.HIGH,
    remediation="Set publicNetworkAccess to disabled; clients come through the endpoint.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("SC-7",),
    azure_policy=("405c5871-3e91-4644-8a63-58e19d68ff5b",),
    checkov=("CKV_AZURE_189",),
)
def private(vault: Resource) -> Iterator[str]:
    """Azure spells it without a capital here."""
    path = "properties.publicNetworkAccess"
    if str(vault.get(path)).casefold() != "disabled":
        yield unlike(path, vault.get(path), "disabled")


@resource_rule(
    VAULT,
    name="vault-firewall",
    title="A vault's firewall denies whoever is not Azure's own service",
    severity=Severity.HIGH,
    remediation="Set networkAcls: defaultAction Deny, bypass AzureServices, and no addresses.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7(5)",),
    azure_policy=(
        "55615ac9-af46-4a59-874e-391cc3dfb490",
        "ac673a9a-f77d-4846-b2d8-a57f8e1c01dc",
    ),
    checkov=("CKV_AZURE_109",),
    trivy=("AZU-0013",),
    psrule=("Azure.KeyVault.Firewall",),
)
def firewall(vault: Resource) -> Iterator[str]:
    """The database fetches its key as one of Azure's services."""
    yield from must_be(vault.inputs, "properties.networkAcls.defaultAction", "Deny")
    yield from must_be(vault.inputs, "properties.networkAcls.bypass", "AzureServices")
    for path in ("properties.networkAcls.ipRules", "properties.networkAcls.virtualNetworkRules"):
        if vault.get(path):
            yield f"{path} lets {len(vault.get(path))} in; allowed: nobody"


@resource_rule(
    VAULT,
    name="vault-only-for-ours",
    title="Azure's machines, disks and templates read nothing of a vault",
    severity=Severity.MEDIUM,
    remediation="Set enabledForDeployment, enabledForDiskEncryption and"
    " enabledForTemplateDeployment to false.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6",),
)
def only_for_ours(vault: Resource) -> Iterator[str]:
    """Each would be one more way in that no role assignment shows."""
    for whom in ("Deployment", "DiskEncryption", "TemplateDeployment"):
        yield from must_be_off(vault.inputs, f"properties.enabledFor{whom}")


@resource_rule(
    VAULT,
    name="vault-premium",
    title="A vault can keep keys in hardware",
    severity=Severity.LOW,
    remediation="Set sku.name to premium.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-12",),
)
def premium(vault: Resource) -> Iterator[str]:
    """A key can move into hardware only with its vault."""
    yield from must_be(vault.inputs, "properties.sku.name", "premium")
