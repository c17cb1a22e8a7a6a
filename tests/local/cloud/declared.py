"""Inputs that Azure takes, one function a type; a test changes what it is about."""

from local.cloud.arm import Body
from tests.local.cloud.conftest import GROUP, SUBSCRIPTION, TENANT, Engine

RG: Body = {"resourceGroupName": "rg"}
CRYPTO_USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
ASSIGNMENT = "3f0f3a3e-0000-4000-8000-000000000001"
VAULT_ID = f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv-dev"
KEY_ID = f"{VAULT_ID}/keys/cmk"
KEY_URI = "https://kv-dev.vault.azure.net/keys/cmk"
NETWORK_ID = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet"
SUBNET_ID = f"{NETWORK_ID}/subnets/endpoints"
IDENTITY_ID = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cmk"


def role(guid: str = CRYPTO_USER) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{guid}"


def vault(name: str = "kv-dev", **properties: object) -> Body:
    base = {
        "tenantId": TENANT,
        "sku": {"family": "A", "name": "premium"},
        "enableRbacAuthorization": True,
        "enablePurgeProtection": True,
        "softDeleteRetentionInDays": 90,
    }
    return {**RG, "vaultName": name, "properties": {**base, **properties}}


def key(name: str = "cmk", **properties: object) -> Body:
    base = {"kty": "RSA", "keySize": 2048, "keyOps": ["wrapKey", "unwrapKey"]}
    return {**RG, "vaultName": "kv-dev", "keyName": name, "properties": {**base, **properties}}


def policy(expiry: str | None, kind: str, **trigger: str) -> Body:
    attributes = {"attributes": {"expiryTime": expiry}} if expiry else {}
    action = {"action": {"type": kind}, "trigger": trigger}
    return key(rotationPolicy={**attributes, "lifetimeActions": [action]})


def secret(value: str = "s3cret-canary", **properties: object) -> Body:
    return {
        **RG,
        "vaultName": "kv-dev",
        "secretName": "password",
        "properties": {"value": value, "contentType": "text/plain", **properties},
    }


def identity(name: str = "id-cmk") -> Body:
    return {**RG, "resourceName": name}


def assignment(principal: str, scope: str = KEY_ID, **more: object) -> Body:
    return {
        "scope": scope,
        "roleAssignmentName": ASSIGNMENT,
        "principalId": principal,
        "principalType": "ServicePrincipal",
        "roleDefinitionId": role(),
        **more,
    }


def network(*blocks: str) -> Body:
    space = {"addressPrefixes": list(blocks or ("10.20.0.0/16",))}
    return {**RG, "virtualNetworkName": "vnet", "addressSpace": space}


def subnet(name: str = "endpoints", block: str = "10.20.1.0/27", **more: object) -> Body:
    return {
        **RG,
        "virtualNetworkName": "vnet",
        "subnetName": name,
        "addressPrefix": block,
        **more,
    }


def rule(**more: object) -> Body:
    return {
        "name": "in",
        "priority": 100,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "sourceAddressPrefix": "VirtualNetwork",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "5432",
        **more,
    }


def security_group(*rules: Body) -> Body:
    return {**RG, "networkSecurityGroupName": "nsg", "securityRules": list(rules or (rule(),))}


def endpoint(name: str = "pe", **more: object) -> Body:
    connection = {"name": "c", "privateLinkServiceId": VAULT_ID, "groupIds": ["vault"]}
    return {
        **RG,
        "privateEndpointName": name,
        "subnet": {"id": SUBNET_ID},
        "privateLinkServiceConnections": [connection],
        **more,
    }


def zone(name: str = "privatelink.vaultcore.azure.net", **more: object) -> Body:
    return {**RG, "privateZoneName": name, "location": "global", **more}


def link(name: str = "link", **more: object) -> Body:
    return {
        **RG,
        "privateZoneName": "privatelink.vaultcore.azure.net",
        "virtualNetworkLinkName": name,
        "location": "global",
        "virtualNetwork": {"id": NETWORK_ID},
        **more,
    }


def zone_group(*zones: str) -> Body:
    configs = [{"name": f"z{i}", "privateDnsZoneId": z} for i, z in enumerate(zones)]
    return {
        **RG,
        "privateEndpointName": "pe",
        "privateDnsZoneGroupName": "default",
        "privateDnsZoneConfigs": configs,
    }


def workspace(**more: object) -> Body:
    return {**RG, "workspaceName": "log-dev", "retentionInDays": 30, **more}


WORKSPACE_ID = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/log-dev"


def diagnostics(name: str = "to-law", **more: object) -> Body:
    logs = [{"categoryGroup": "allLogs", "enabled": True}]
    return {
        "name": name,
        "resourceUri": VAULT_ID,
        "workspaceId": WORKSPACE_ID,
        "logs": logs,
        **more,
    }


def lock(scope: str = VAULT_ID, level: str = "CanNotDelete", **more: object) -> Body:
    return {"scope": scope, "level": level, "lockName": "keep", **more}


def alert(**more: object) -> Body:
    criterion = {
        "criterionType": "StaticThresholdCriterion",
        "name": "c",
        "metricName": "Availability",
        "operator": "LessThan",
        "threshold": 100,
        "timeAggregation": "Average",
    }
    return {
        **RG,
        "ruleName": "alert",
        "location": "global",
        "scopes": [VAULT_ID],
        "severity": 2,
        "enabled": True,
        "evaluationFrequency": "PT5M",
        "windowSize": "PT15M",
        "criteria": {
            "odataType": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
            "allOf": [criterion],
        },
        **more,
    }


def stand(engine: Engine) -> str:
    """Create vault, key, identity, network and workspace; return the identity's principal."""
    for token, inputs in (
        ("keyvault:Vault", vault()),
        ("keyvault:Key", key()),
        ("network:VirtualNetwork", network()),
        ("network:Subnet", subnet()),
        ("operationalinsights:Workspace", workspace()),
    ):
        engine.create(token, inputs)
    _, outputs = engine.create("managedidentity:UserAssignedIdentity", identity())
    return str(outputs["principalId"])
