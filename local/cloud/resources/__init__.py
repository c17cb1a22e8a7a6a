"""The types the local cloud knows: one file each, one line here."""

from local.cloud.arm import ResourceType
from local.cloud.resources.action_group import ActionGroup
from local.cloud.resources.agent_pool import AgentPool
from local.cloud.resources.configuration import Configuration
from local.cloud.resources.database import Database
from local.cloud.resources.diagnostic_setting import DiagnosticSetting
from local.cloud.resources.disk_encryption_set import DiskEncryptionSet
from local.cloud.resources.entra_administrator import EntraAdministrator
from local.cloud.resources.federated_identity_credential import FederatedIdentityCredential
from local.cloud.resources.firewall_rule import FirewallRule
from local.cloud.resources.flexible_server import FlexibleServer
from local.cloud.resources.identity import UserAssignedIdentity
from local.cloud.resources.key import Key
from local.cloud.resources.lock import ManagementLock
from local.cloud.resources.managed_cluster import ManagedCluster
from local.cloud.resources.metric_alert import MetricAlert
from local.cloud.resources.network_security_group import NetworkSecurityGroup
from local.cloud.resources.private_dns_zone_group import PrivateDnsZoneGroup
from local.cloud.resources.private_endpoint import PrivateEndpoint
from local.cloud.resources.private_zone import PrivateZone
from local.cloud.resources.resource_group import ResourceGroup
from local.cloud.resources.role_assignment import RoleAssignment
from local.cloud.resources.secret import Secret
from local.cloud.resources.subnet import Subnet
from local.cloud.resources.vault import Vault
from local.cloud.resources.virtual_network import VirtualNetwork
from local.cloud.resources.virtual_network_link import VirtualNetworkLink
from local.cloud.resources.workspace import Workspace

TYPES: tuple[ResourceType, ...] = (
    ActionGroup(),
    AgentPool(),
    Configuration(),
    Database(),
    DiagnosticSetting(),
    DiskEncryptionSet(),
    EntraAdministrator(),
    FederatedIdentityCredential(),
    FirewallRule(),
    FlexibleServer(),
    Key(),
    ManagedCluster(),
    ManagementLock(),
    MetricAlert(),
    NetworkSecurityGroup(),
    PrivateDnsZoneGroup(),
    PrivateEndpoint(),
    PrivateZone(),
    ResourceGroup(),
    RoleAssignment(),
    Secret(),
    Subnet(),
    UserAssignedIdentity(),
    Vault(),
    VirtualNetwork(),
    VirtualNetworkLink(),
    Workspace(),
)
