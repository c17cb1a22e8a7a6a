"""Resources of Azure as an ARM template.

The provider flattens ARM's ``properties`` into a resource's inputs and names each part of its path
with an input of its own; here both are undone, so that the judge sees what Azure would be sent.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assurance.errors import AssuranceError
from assurance.policies.model import UNKNOWN, Resource, Secret

PREFIX: Final = "azure-native:"
SCHEMA: Final = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
ENVELOPE: Final = frozenset({"location", "tags", "sku", "identity", "kind", "zones", "scope"})
"""What stands beside ``properties`` in a request."""
SECRET: Final = "[parameters('secret')]"  # noqa: S105 - the place of one
LATE: Final = "[parameters('late')]"
"""Stands for what a preview does not know."""


@dataclass(frozen=True, kw_only=True)
class _Kind:
    type: str
    version: str
    names: tuple[str, ...]
    """Inputs that are the resource's path, outermost first."""
    inside: frozenset[str] = frozenset()
    """What this type has in ``properties``, where others have it beside them."""
    on: str = ""
    """The input that is the id of what it is attached to."""


def _kind(type_: str, version: str, *names: str, inside: str = "", on: str = "") -> _Kind:
    return _Kind(type=type_, version=version, names=names, inside=frozenset(inside.split()), on=on)


SERVER: Final = "Microsoft.DBforPostgreSQL/flexibleServers"
VAULT: Final = "Microsoft.KeyVault/vaults"
CLUSTER: Final = "Microsoft.ContainerService/managedClusters"
IDENTITY: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"
NETWORK: Final = "Microsoft.Network/virtualNetworks"
ZONE: Final = "Microsoft.Network/privateDnsZones"
ENDPOINT: Final = "Microsoft.Network/privateEndpoints"
KINDS: Final[Mapping[str, _Kind]] = {
    "authorization:ManagementLockByScope": _kind(
        "Microsoft.Authorization/locks", "2020-05-01", "lockName", on="scope"
    ),
    "authorization:RoleAssignment": _kind(
        "Microsoft.Authorization/roleAssignments", "2022-04-01", "roleAssignmentName", on="scope"
    ),
    "compute:DiskEncryptionSet": _kind(
        "Microsoft.Compute/diskEncryptionSets", "2024-03-02", "diskEncryptionSetName"
    ),
    "containerservice:AgentPool": _kind(
        f"{CLUSTER}/agentPools", "2025-09-01", "resourceName", "agentPoolName", inside="tags"
    ),
    "containerservice:ManagedCluster": _kind(CLUSTER, "2025-09-01", "resourceName"),
    "dbforpostgresql:AdministratorsMicrosoftEntra": _kind(
        f"{SERVER}/administrators", "2025-08-01", "serverName", "objectId"
    ),
    "dbforpostgresql:Configuration": _kind(
        f"{SERVER}/configurations", "2025-08-01", "serverName", "configurationName"
    ),
    "dbforpostgresql:Database": _kind(
        f"{SERVER}/databases", "2025-08-01", "serverName", "databaseName"
    ),
    "dbforpostgresql:FirewallRule": _kind(
        f"{SERVER}/firewallRules", "2025-08-01", "serverName", "firewallRuleName"
    ),
    "dbforpostgresql:Server": _kind(SERVER, "2025-08-01", "serverName"),
    "keyvault:Key": _kind(f"{VAULT}/keys", "2024-11-01", "vaultName", "keyName"),
    "keyvault:Secret": _kind(f"{VAULT}/secrets", "2024-11-01", "vaultName", "secretName"),
    "keyvault:Vault": _kind(VAULT, "2024-11-01", "vaultName"),
    "managedidentity:FederatedIdentityCredential": _kind(
        f"{IDENTITY}/federatedIdentityCredentials",
        "2023-01-31",
        "resourceName",
        "federatedIdentityCredentialResourceName",
    ),
    "managedidentity:UserAssignedIdentity": _kind(IDENTITY, "2023-01-31", "resourceName"),
    "monitor:ActionGroup": _kind(
        "Microsoft.Insights/actionGroups", "2024-10-01-preview", "actionGroupName"
    ),
    "monitor:DiagnosticSetting": _kind(
        "Microsoft.Insights/diagnosticSettings", "2021-05-01-preview", "name", on="resourceUri"
    ),
    "monitor:MetricAlert": _kind("Microsoft.Insights/metricAlerts", "2018-03-01", "ruleName"),
    "network:NetworkSecurityGroup": _kind(
        "Microsoft.Network/networkSecurityGroups", "2024-05-01", "networkSecurityGroupName"
    ),
    "network:PrivateDnsZoneGroup": _kind(
        f"{ENDPOINT}/privateDnsZoneGroups",
        "2024-05-01",
        "privateEndpointName",
        "privateDnsZoneGroupName",
    ),
    "network:PrivateEndpoint": _kind(ENDPOINT, "2024-05-01", "privateEndpointName"),
    "network:Subnet": _kind(f"{NETWORK}/subnets", "2024-05-01", "virtualNetworkName", "subnetName"),
    "network:VirtualNetwork": _kind(NETWORK, "2024-05-01", "virtualNetworkName"),
    "operationalinsights:Workspace": _kind(
        "Microsoft.OperationalInsights/workspaces", "2023-09-01", "workspaceName", inside="sku"
    ),
    "privatedns:PrivateZone": _kind(ZONE, "2024-06-01", "privateZoneName"),
    "privatedns:VirtualNetworkLink": _kind(
        f"{ZONE}/virtualNetworkLinks", "2024-06-01", "privateZoneName", "virtualNetworkLinkName"
    ),
    "resources:ResourceGroup": _kind(
        "Microsoft.Resources/resourceGroups", "2024-03-01", "resourceGroupName"
    ),
}
"""By the provider's name of a type; versions are those that its SDK 3.29.0 documents."""

NESTED: Final = {
    "securityRules": frozenset({"id", "name"}),
    "privateLinkServiceConnections": frozenset({"id", "name"}),
    "privateDnsZoneConfigs": frozenset({"id", "name"}),
    "subnet": frozenset({"id", "name"}),
}
"""Objects within that have ``properties`` of their own, and what stands beside these."""


ATTRIBUTES: Final = {"expires": "exp", "notBefore": "nbf"}
"""What the provider renames in the attributes of a key or a secret."""


def template(resources: Iterable[Resource]) -> dict[str, Any]:
    """Return what of these resources is Azure's as a template; secrets are left out.

    Raises ``AssuranceError`` for a type that nobody has described here: it would go unjudged.
    """
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {"secret": {"type": "securestring"}, "late": {"type": "string"}},
        "resources": [rendered(r) for r in resources if r.type.startswith(PREFIX)],
    }


def rendered(resource: Resource) -> dict[str, Any]:
    """Return one resource as a template has it; raise as ``template`` does."""
    kind = KINDS.get(resource.type.removeprefix(PREFIX))
    if kind is None:
        raise AssuranceError(
            f"{resource.name}: nobody has said what {resource.type} is called in an ARM template;"
            " add it to KINDS of assurance/outside/arm.py"
        )
    inputs = plain(resource.raw)
    path = [str(inputs.pop(name, "")) for name in kind.names]
    inputs.pop("resourceGroupName", None)
    beside = {"scope": inputs.pop(kind.on)} if kind.on in inputs else {}
    for key in (ENVELOPE - kind.inside) & inputs.keys():
        beside[key] = _identity(inputs.pop(key)) if key == "identity" else inputs.pop(key)
    properties = inputs.pop("properties", None)
    if properties is None:
        properties = dict(_unflattened(inputs))
    if isinstance(attributes := properties.get("attributes"), Mapping):
        named = {ATTRIBUTES.get(key, key): value for key, value in attributes.items()}
        properties = {**properties, "attributes": named}
    return {
        "type": kind.type,
        "apiVersion": kind.version,
        "name": "/".join(path),
        **beside,
        "properties": properties,
    }


def plain(raw: Any) -> Any:
    """Return inputs as plain data, with parameters where secrets and unknown values stand."""
    if isinstance(raw, Secret):
        return SECRET
    if raw is UNKNOWN:
        return LATE
    if isinstance(raw, Mapping):
        return {key: plain(value) for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return [plain(value) for value in raw]
    return int(raw) if isinstance(raw, float) and raw.is_integer() else raw


def _unflattened(inputs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in inputs.items():
        beside = NESTED.get(key)
        if beside is None:
            yield key, value
        elif isinstance(value, list):
            yield key, [_nested(item, beside) for item in value]
        else:
            yield key, _nested(value, beside)


def _nested(value: Any, beside: frozenset[str]) -> Any:
    if not isinstance(value, Mapping):
        return value
    inner = {key: within for key, within in value.items() if key not in beside}
    outer = {key: within for key, within in value.items() if key in beside}
    return {**outer, "properties": inner} if inner else outer


def _identity(identity: Any) -> Any:
    """Name assigned identities as ARM does: by keys, where the provider takes a list."""
    assigned = identity.get("userAssignedIdentities") if isinstance(identity, Mapping) else None
    if not isinstance(assigned, list):
        return identity
    return {**identity, "userAssignedIdentities": {str(id_): {} for id_ in assigned}}
