"""Azure's types among the resources of a stack, and who belongs to whom."""

from collections.abc import Iterator
from typing import Any, Final

from assurance.policies.model import Resource, Stack

SERVER: Final = "azure-native:dbforpostgresql:Server"
PARAMETER: Final = "azure-native:dbforpostgresql:Configuration"
DATABASE: Final = "azure-native:dbforpostgresql:Database"
FIREWALL_RULE: Final = "azure-native:dbforpostgresql:FirewallRule"
ENTRA_ADMINISTRATOR: Final = "azure-native:dbforpostgresql:AdministratorsMicrosoftEntra"
VAULT: Final = "azure-native:keyvault:Vault"
KEY: Final = "azure-native:keyvault:Key"
SECRET: Final = "azure-native:keyvault:Secret"  # noqa: S105 - a type, not a secret
IDENTITY: Final = "azure-native:managedidentity:UserAssignedIdentity"
GRANT: Final = "azure-native:authorization:RoleAssignment"
LOCK: Final = "azure-native:authorization:ManagementLockByScope"
CLUSTER: Final = "azure-native:containerservice:ManagedCluster"
DISK_ENCRYPTION_SET: Final = "azure-native:compute:DiskEncryptionSet"
NETWORK: Final = "azure-native:network:VirtualNetwork"
SUBNET: Final = "azure-native:network:Subnet"
SECURITY_GROUP: Final = "azure-native:network:NetworkSecurityGroup"
ENDPOINT: Final = "azure-native:network:PrivateEndpoint"
ENDPOINT_RECORD: Final = "azure-native:network:PrivateDnsZoneGroup"
PUBLIC_ADDRESS: Final = "azure-native:network:PublicIPAddress"
ZONE: Final = "azure-native:privatedns:PrivateZone"
ZONE_LINK: Final = "azure-native:privatedns:VirtualNetworkLink"
DIAGNOSTICS: Final = "azure-native:monitor:DiagnosticSetting"
ALERT: Final = "azure-native:monitor:MetricAlert"
RECIPIENTS: Final = "azure-native:monitor:ActionGroup"
WORKSPACE: Final = "azure-native:operationalinsights:Workspace"
GROUP: Final = "azure-native:resources:ResourceGroup"

SCHEMA: Final = "pulumi-python:dynamic/memory:VectorSchema"
PROPAGATION: Final = "pulumi-python:dynamic/azure:Propagation"
CERTIFICATE: Final = "pulumi-python:dynamic/security:ServingCertificate"
PASSWORD: Final = "random:index/randomPassword:RandomPassword"  # noqa: S105 - a type

KNOWN: Final = frozenset(
    {
        *(SERVER, PARAMETER, DATABASE, FIREWALL_RULE, ENTRA_ADMINISTRATOR),
        *(VAULT, KEY, SECRET, IDENTITY, GRANT, LOCK, CLUSTER, DISK_ENCRYPTION_SET),
        *(NETWORK, SUBNET, SECURITY_GROUP, ENDPOINT, ENDPOINT_RECORD, PUBLIC_ADDRESS),
        *(ZONE, ZONE_LINK, DIAGNOSTICS, ALERT, RECIPIENTS, WORKSPACE, GROUP),
        *(SCHEMA, PROPAGATION, CERTIFICATE, PASSWORD),
        "random:index/randomString:RandomString",  # the suffix of a name; it guards nothing
    }
)
"""Types that a rule looks at, or that need no look, and then why.  A type's name with a version in
it, as ``azure-native:dbforpostgresql/v20240801:Server``, is another one, at which no rule looks."""


def is_replica(server: Resource) -> bool:
    """Return whether a server only follows another one; Azure gives it no backups of its own."""
    return bool(server.get("createMode") == "Replica")


def is_cluster_node(server: Resource) -> bool:
    """Return whether it is an elastic cluster, to which Azure gives less than to one server.

    No backups in another region, no standby of ours, no growing disk; its libraries and its log are
    Azure's own: https://learn.microsoft.com/azure/postgresql/elastic-clusters/concepts-elastic-clusters-limitations
    """
    return server.get("cluster.clusterSize") is not None


def leaders(stack: Stack) -> Iterator[Resource]:
    """Yield the servers that follow nobody."""
    return (server for server in stack.of_type(SERVER) if not is_replica(server))


def identities_of(resource: Resource) -> list[str]:
    """Return the identifiers of what a resource may act as; Azure takes a list or a map."""
    listed: Any = resource.get("identity.userAssignedIdentities") or ()
    return [str(identifier) for identifier in listed]


def guards(lock: Resource, resource: Resource) -> bool:
    """Return whether a lock keeps a resource from being deleted."""
    return lock.get("level") in {"CanNotDelete", "ReadOnly"} and lock.refers("scope", resource)


def is_number(found: object, least: float, most: float = float("inf")) -> bool:
    """Return whether it is a number within bounds; the wire's truth values are none."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return bool(least <= found <= most)
