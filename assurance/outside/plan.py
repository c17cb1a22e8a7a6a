"""Servers, vaults and clusters as a plan of Terraform, for what judges look for nowhere else.

checkov knows Flexible Servers, and whether a private endpoint leads to something, in Terraform's
words only.  What is written is the little that its checks read, not something to be applied.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from assurance.outside.arm import plain
from assurance.policies.model import Resource

SERVER: Final = "azure-native:dbforpostgresql:Server"
FIREWALL_RULE: Final = "azure-native:dbforpostgresql:FirewallRule"
VAULT: Final = "azure-native:keyvault:Vault"
CLUSTER: Final = "azure-native:containerservice:ManagedCluster"
ENDPOINT: Final = "azure-native:network:PrivateEndpoint"
DISABLED: Final = "disabled"
Values = dict[str, Any]


class _Inputs:
    """Inputs in which the way to what is absent ends in nothing."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._plain = plain(raw)

    def __call__(self, path: str, *, default: Any = None) -> Any:
        found = self._plain
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return default if found is None else found

    def is_public(self, path: str) -> bool:
        """Return whether public access is on; Azure's default."""
        return str(self(path)).lower() != DISABLED


def plan(resources: Iterable[Resource]) -> Values:
    """Return the plan of these resources, as ``terraform show -json`` prints one."""
    known = [resource for resource in resources if resource.type in KINDS]
    addresses = {resource.id: _address(resource) for resource in known if resource.id}
    planned = [_planned(resource) for resource in known]
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": planned}},
        "resource_changes": [
            {
                "address": entry["address"],
                "mode": "managed",
                "type": entry["type"],
                "name": entry["name"],
                "change": {"actions": ["create"], "before": None, "after": entry["values"]},
            }
            for entry in planned
        ],
        "configuration": {
            "root_module": {"resources": [_configured(resource, addresses) for resource in known]}
        },
    }


def _planned(resource: Resource) -> Values:
    typ, values = KINDS[resource.type]
    return {
        "address": _address(resource),
        "mode": "managed",
        "type": typ,
        "name": _label(resource),
        "provider_name": "registry.terraform.io/hashicorp/azurerm",
        "values": values(_Inputs(resource.raw)),
    }


def _configured(resource: Resource, addresses: Mapping[str, str]) -> Values:
    """Return how a resource is written: here only, an endpoint names what it leads to."""
    connections = plain(resource.raw).get("privateLinkServiceConnections") or []
    targets = [addresses.get(connection.get("privateLinkServiceId")) for connection in connections]
    references = [
        {"private_connection_resource_id": {"references": [f"{target}.id", target]}}
        for target in targets
        if target
    ]
    return {
        "address": _address(resource),
        "mode": "managed",
        "type": KINDS[resource.type][0],
        "name": _label(resource),
        "expressions": {"private_service_connection": references} if references else {},
    }


def _address(resource: Resource) -> str:
    return f"{KINDS[resource.type][0]}.{_label(resource)}"


def _label(resource: Resource) -> str:
    return re.sub(r"\W", "_", resource.name)


def _server(inputs: _Inputs) -> Values:
    return {
        "name": inputs("serverName"),
        "create_mode": inputs("createMode"),
        "geo_redundant_backup_enabled": inputs("backup.geoRedundantBackup") == "Enabled",
        "public_network_access_enabled": inputs.is_public("network.publicNetworkAccess"),
    }


def _firewall_rule(inputs: _Inputs) -> Values:
    return {
        "name": inputs("firewallRuleName"),
        "start_ip_address": inputs("startIpAddress"),
        "end_ip_address": inputs("endIpAddress"),
    }


def _vault(inputs: _Inputs) -> Values:
    return {
        "name": inputs("vaultName"),
        "public_network_access_enabled": inputs.is_public("properties.publicNetworkAccess"),
        "purge_protection_enabled": inputs("properties.enablePurgeProtection", default=False),
        "soft_delete_enabled": inputs("properties.enableSoftDelete", default=True),
        "network_acls": [{"default_action": inputs("properties.networkAcls.defaultAction")}],
    }


def _endpoint(inputs: _Inputs) -> Values:
    connections = inputs("privateLinkServiceConnections", default=[])
    return {
        "name": inputs("privateEndpointName"),
        "private_service_connection": [{"name": entry.get("name")} for entry in connections],
    }


def _cluster(inputs: _Inputs) -> Values:
    pools = [_Inputs(pool) for pool in inputs("agentPoolProfiles", default=[])]
    taint = "CriticalAddonsOnly=true:NoSchedule"
    return {
        "name": inputs("resourceName"),
        "sku_tier": inputs("sku.tier", default="Free"),
        "private_cluster_enabled": inputs(
            "apiServerAccessProfile.enablePrivateCluster", default=False
        ),
        "api_server_access_profile": [
            {
                "authorized_ip_ranges": inputs(
                    "apiServerAccessProfile.authorizedIPRanges", default=[]
                )
            }
        ],
        "local_account_disabled": inputs("disableLocalAccounts", default=False),
        "role_based_access_control_enabled": inputs("enableRBAC", default=True),
        "azure_policy_enabled": inputs("addonProfiles.azurepolicy.enabled", default=False),
        "http_application_routing_enabled": inputs(
            "addonProfiles.httpApplicationRouting.enabled", default=False
        ),
        "disk_encryption_set_id": inputs("diskEncryptionSetID"),
        "automatic_upgrade_channel": inputs("autoUpgradeProfile.upgradeChannel"),
        "key_vault_secrets_provider": [
            {
                "secret_rotation_enabled": inputs(
                    "addonProfiles.azureKeyvaultSecretsProvider.config.enableSecretRotation"
                )
                == "true"
            }
        ],
        "network_profile": [
            {
                "network_plugin": inputs("networkProfile.networkPlugin"),
                "network_policy": inputs("networkProfile.networkPolicy"),
            }
        ],
        "default_node_pool": [
            {
                "name": pool("name"),
                "type": pool("type"),
                "max_pods": pool("maxPods"),
                "os_disk_type": pool("osDiskType"),
                "node_public_ip_enabled": pool("enableNodePublicIP", default=False),
                "host_encryption_enabled": pool("enableEncryptionAtHost", default=False),
                "only_critical_addons_enabled": taint in pool("nodeTaints", default=[]),
            }
            for pool in pools[:1]
        ],
    }


KINDS: Final[Mapping[str, tuple[str, Callable[[_Inputs], Values]]]] = {
    SERVER: ("azurerm_postgresql_flexible_server", _server),
    FIREWALL_RULE: ("azurerm_postgresql_flexible_server_firewall_rule", _firewall_rule),
    VAULT: ("azurerm_key_vault", _vault),
    CLUSTER: ("azurerm_kubernetes_cluster", _cluster),
    ENDPOINT: ("azurerm_private_endpoint", _endpoint),
}
