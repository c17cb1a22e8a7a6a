"""assurance/policies/rules: what is weaker in Azure's resources or in a schema is noticed.

Each case changes one value of what the real program declares for prod.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

import pytest

from assurance.policies import azure
from assurance.policies.judge import Verdict, judge_resource, judge_stack
from assurance.policies.model import Resource, Secret, Stack
from assurance.policies.rules import load
from tests.assurance.recorded import stack

GONE: Final = object()
Case = tuple[str, str, str, object, str]

SERVER, VAULT, KEY, IDENTITY = "server", "vault", "key", "postgres-identity"
ENCRYPTION, NETWORK_ACL = "dataEncryption", "properties:networkAcls"
ROTATION = "properties:rotationPolicy"
TABLE = "desired:tables:0"
YEAR_END = 1825027200
"""In seconds since 1970: 365 days after the day on which prod renewed its passwords."""
KEYS = "https://kv.vault.azure.net/keys"
EMBEDDING = f"{TABLE}:columns:3"
INDEX = f"{TABLE}:indexes:0"
NODES_RULE, LAST = "securityRules:0", "securityRules:1"
LINK = "privateLinkServiceConnections:0"
LIMIT = "criteria:allOf:0"


def changed(who: str, path: str, value: object) -> Stack:
    """Return prod with one input of one resource changed; without a path, without the resource.

    Nobody is the schema of memories, which is called as the stack is.
    """
    declared = stack("prod")
    name = f"engram-prod-{who}" if who else "engram-prod"
    resources = list(declared.resources)
    kinds = ASKED if who else {azure.SCHEMA}
    (at,) = [i for i, found in enumerate(resources) if found.name == name and found.type in kinds]
    if not path:
        del resources[at]
    elif path in {"protect", "dependencies"}:
        changes: dict[str, Any] = {path: value}
        resources[at] = replace(resources[at], **changes)
    else:
        raw = deepcopy(resources[at].raw)
        _set(raw, path.split(":"), value)
        resources[at] = replace(resources[at], raw=raw)
    return Stack(tuple(resources), "prod")


ASKED: Final = frozenset(
    value for name, value in vars(azure).items() if name.isupper() and isinstance(value, str)
)


def _set(place: Any, path: list[str], value: object) -> None:
    *way, last = path
    for key in way:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    if value is GONE:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value


def says(rule: str, given: Stack) -> list[str]:
    """Return what one rule finds wrong."""
    rules = [load()[rule]]
    singly = [found for it in given.resources for found in judge_resource(it, rules)]
    findings = [*singly, *judge_stack(given, rules)]
    assert all(found.verdict is Verdict.VIOLATION for found in findings)
    return [
        f"{found.resource.name if found.resource else 'stack'}: {found.says}" for found in findings
    ]


POSTGRES: list[Case] = [
    ("postgres-customer-managed-key", SERVER, f"{ENCRYPTION}:type", "SystemManaged", "is SystemM"),
    ("postgres-customer-managed-key", SERVER, ENCRYPTION, GONE, "type is not set; allowed: Azure"),
    ("postgres-customer-managed-key", SERVER, f"{ENCRYPTION}:primaryKeyURI", GONE, "the URI of a"),
    ("postgres-key-follows-rotation", SERVER, f"{ENCRYPTION}:primaryKeyURI", f"{KEYS}/a/1", "no v"),
    ("postgres-key-follows-rotation", SERVER, f"{ENCRYPTION}:geoBackupKeyURI", "key", "is key; al"),
    ("postgres-key-identity", SERVER, "identity:type", "None", "identity.type is None"),
    ("postgres-key-identity", SERVER, "identity:userAssignedIdentities", {}, "is not among"),
    (
        "postgres-key-identity",
        SERVER,
        f"{ENCRYPTION}:primaryUserAssignedIdentityId",
        GONE,
        "the id",
    ),
    ("postgres-geo-key", SERVER, f"{ENCRYPTION}:geoBackupKeyURI", GONE, "KeyURI is not set"),
    ("postgres-private", SERVER, "network:publicNetworkAccess", "Enabled", "is Enabled; allowed:"),
    ("postgres-private", SERVER, "network", GONE, "publicNetworkAccess is not set"),
    ("postgres-backup-days", SERVER, "backup:backupRetentionDays", 6, "is 6; allowed: 7 to 35"),
    ("postgres-backup-days", SERVER, "backup", GONE, "is not set; allowed: 7 to 35"),
    ("postgres-geo-backup", SERVER, "backup:geoRedundantBackup", "Disabled", "is Disabled"),
    ("postgres-zone-redundant", SERVER, "highAvailability:mode", "SameZone", "is SameZone"),
    ("postgres-zone-redundant", SERVER, "availabilityZone", "2", "is 2; allowed: another zone"),
    ("postgres-maintenance-window", SERVER, "maintenanceWindow", GONE, "customWindow is not set"),
    ("postgres-maintenance-window", SERVER, "maintenanceWindow:startHour", 24, "is 24; allowed"),
    ("postgres-supported-version", SERVER, "version", "13", "version is 13; allowed: 16 or 17"),
    ("postgres-entra-login", SERVER, "authConfig:activeDirectoryAuth", "Disabled", "is Disabled"),
    ("postgres-no-passwords", SERVER, "authConfig", GONE, "passwordAuth is not set"),
    ("postgres-entra-administrator", "entra-admin", "", GONE, "no administrator of Entra"),
    ("postgres-entra-administrator", "entra-admin", "serverName", "other", "no administrator of E"),
    ("postgres-entra-administrator", "entra-admin", "principalType", "User", "is User; allowed: G"),
    ("postgres-storage-grows", SERVER, "storage:autoGrow", "Disabled", "is Disabled; allowed: En"),
    ("postgres-database-utf8", "memory", "charset", "SQL_ASCII", "charset is SQL_ASCII"),
    ("postgres-private-endpoint", "server-endpoint", "", GONE, "no private endpoint leads to it"),
    ("postgres-private-endpoint", "server-endpoint", f"{LINK}:groupIds", ["vault"], "no private e"),
    ("postgres-logs-kept", "server-logs", "", GONE, "its logs go nowhere"),
    ("postgres-logs-kept", "server-logs", "logs:0:enabled", False, "not all logs are enabled"),
    ("postgres-logs-kept", "server-logs", "workspaceId", "/other", "no workspace of the stack"),
    ("postgres-alerts", "server-down", "", GONE, "nobody is told of its is_db_alive"),
    ("postgres-alerts", "server-storage", "scopes:0", "/other", "told of its storage_percent"),
    ("postgres-alerts", "server-storage", f"{LIMIT}:threshold", 95, "told of its storage_percent"),
    ("postgres-alerts", "server-storage", f"{LIMIT}:operator", "LessThan", "its storage_percent"),
    ("postgres-alerts", "server-connections", f"{LIMIT}:threshold", 10**9, "active_connections"),
    ("postgres-alerts", "server-down", f"{LIMIT}:threshold", 0, "told of its is_db_alive"),
    ("postgres-locked", "server-lock", "", GONE, "nothing keeps Azure from deleting it"),
    ("postgres-locked", "server-lock", "level", "NotSpecified", "nothing keeps Azure"),
    ("postgres-locked", "server-lock", "scope", "/mock/engram-prod-vault", "nothing keeps Azure"),
]
PARAMETERS: list[tuple[str, str, str]] = [
    ("postgres-tls-required", "require_secure_transport", "off"),
    ("postgres-tls-version", "ssl_min_protocol_version", "TLSv1.2"),
    ("postgres-password-login", "azure.accepted_password_auth_method", "md5,scram-sha-256"),
    ("postgres-password-storage", "password_encryption", "md5"),
    ("postgres-extensions-listed", "azure.extensions", "vector,dblink"),
    ("postgres-log-connections", "log_connections", "off"),
    ("postgres-log-disconnections", "log_disconnections", "off"),
    ("postgres-log-checkpoints", "log_checkpoints", "off"),
    ("postgres-log-lock-waits", "log_lock_waits", "off"),
    ("postgres-log-slow-statements", "log_min_duration_statement", "-1"),
    ("postgres-statement-statistics", "pg_stat_statements.track", "none"),
    ("postgres-audit", "pgaudit.log", "ddl,role"),
    ("postgres-audit-without-content", "pgaudit.log_parameter", "on"),
    ("postgres-slow-log-without-content", "log_parameter_max_length", "-1"),
    ("postgres-error-log-without-content", "log_parameter_max_length_on_error", "100"),
    ("postgres-errors-without-content", "log_error_verbosity", "default"),
    ("postgres-audit", "pgaudit.log", "all,-ddl"),
    ("postgres-log-slow-statements", "log_min_duration_statement", "60001"),
    ("postgres-audit-loaded", "shared_preload_libraries", "pg_stat_statements"),
    ("postgres-log-says-who", "log_line_prefix", "%t-%c-"),
    ("postgres-log-days", "logfiles.retention_days", "6"),
    ("postgres-autovacuum", "autovacuum", "off"),
]
VAULTS: list[Case] = [
    ("vault-purge-protection", VAULT, "properties:enablePurgeProtection", GONE, "is not set; allo"),
    ("vault-soft-delete", VAULT, "properties:enableSoftDelete", False, "is false; allowed: true"),
    ("vault-soft-delete", VAULT, "properties:softDeleteRetentionInDays", 89, "is 89; allowed: 90"),
    ("vault-roles", VAULT, "properties:enableRbacAuthorization", False, "is false; allowed: true"),
    ("vault-roles", VAULT, "properties:accessPolicies", [{}], "1 access policies are set"),
    ("vault-private", VAULT, "properties:publicNetworkAccess", "enabled", "is enabled; allowed: d"),
    ("vault-firewall", VAULT, f"{NETWORK_ACL}:defaultAction", "Allow", "is Allow; allowed: Deny"),
    ("vault-firewall", VAULT, f"{NETWORK_ACL}:ipRules", [{"value": "1.2.3.4"}], "lets 1 in"),
    ("vault-only-for-ours", VAULT, "properties:enabledForDeployment", True, "is true; allowed: f"),
    ("vault-premium", VAULT, "properties:sku:name", "standard", "is standard; allowed: premium"),
    ("vault-private-endpoint", "vault-endpoint", "", GONE, "no private endpoint leads to it"),
    ("vault-logs-kept", "vault-logs", "resourceUri", "/other", "its logs go nowhere"),
    ("vault-alerts", "vault-unavailable", "", GONE, "nobody is told of its Availability"),
    ("vault-locked", "vault-lock", "", GONE, "nothing keeps Azure from deleting it"),
    ("key-strong", KEY, "properties:kty", "EC", "properties.kty is EC; allowed: RSA"),
    ("key-strong", KEY, "properties:keySize", 2048, "is 2048; allowed: 3072 or 4096"),
    ("key-in-hardware", KEY, "properties:kty", "RSA", "is RSA; allowed: RSA-HSM"),
    ("key-only-wraps", KEY, "properties:keyOps", ["wrapKey", "decrypt"], "wrapKey, decrypt; allow"),
    ("key-only-wraps", KEY, "properties:attributes:exportable", True, "exportable is true"),
    ("key-rotates", KEY, ROTATION, GONE, "rotate after is not set; allowed: P90D or less"),
    ("key-rotates", KEY, f"{ROTATION}:lifetimeActions:0:trigger:timeAfterCreate", "P91D", "is P91"),
    ("key-tells-before-it-ends", KEY, f"{ROTATION}:attributes:expiryTime", GONE, "is not set"),
    ("key-tells-before-it-ends", KEY, f"{ROTATION}:attributes:expiryTime", "P90D", "is P90D; allo"),
    ("key-tells-before-it-ends", KEY, f"{ROTATION}:lifetimeActions:1", {}, "nobody is told before"),
    ("key-stays", KEY, "properties:attributes:exp", 1, "exp is 1; allowed: not set"),
    ("key-stays", KEY, "properties:attributes:enabled", False, "enabled is false; allowed: true"),
    ("key-of-its-region", "geo-vault", "location", "westeurope", "allowed: another region"),
    ("key-of-its-region", VAULT, "location", "northeurope", "allowed: the server's region"),
    ("secret-says-what", "zep-app-secret", "properties:contentType", GONE, "is not set; allowed:"),
    ("secret-ends", "zep-app-secret", "properties:attributes", GONE, "expires is not set"),
    ("secret-ends", "zep-app-secret", "properties:attributes:enabled", False, "enabled is false"),
    ("secret-ends", "zep-app-secret", "properties:attributes:expires", 0, "expires is 0; allowed"),
    ("secret-ends", "zep-app-secret", "properties:attributes:expires", YEAR_END + 1, "at most 365"),
    ("secret-password-length", "zep-app-password", "length", 23, "is 23; allowed: 24 or more"),
    ("secret-password-length", "zep-app-password", "minNumeric", GONE, "is not set; allowed: 1"),
    ("secret-certificate-days", "gateway-certificate", "valid_days", 398, "is 398; allowed: 1 to"),
    ("secret-certificate-days", "gateway-certificate", "names", ["*.zep"], "is *.zep; allowed: h"),
]
GRANTS: list[Case] = [
    ("rbac-narrow-roles", "postgres-key-grant", "roleDefinitionId", "/x/owner", "is owner; allow"),
    ("rbac-narrow-scopes", "cluster-subnet-grant", "scope", "/subscriptions/a", "allowed: one res"),
    ("rbac-narrow-scopes", "cluster-subnet-grant", "scope", "/mock/engram-prod-group", "one resou"),
    ("rbac-narrow-scopes", "zep-zep-api-key-grant", "scope", "/mock/engram-prod-vault", "one secr"),
    ("rbac-narrow-scopes", "postgres-key-grant", "scope", "/mock/engram-prod-vault", "one key"),
    ("rbac-programs-only", "postgres-key-grant", "principalType", "User", "is User; allowed: Serv"),
    ("rbac-own-identities", "postgres-key-grant", "principalId", "else", "is else; allowed: an id"),
    ("rbac-grants-awaited", "postgres-key-grant-known", "wait_seconds", 0, "is 0; allowed: 120"),
    ("key-granted-before-use", "postgres-key-grant", "", GONE, "primaryKeyURI to its identity"),
    ("key-granted-before-use", "postgres-geo-key-grant", "", GONE, "geoBackupKeyURI to its ident"),
    ("key-granted-before-use", "disks-key-grant", "", GONE, "activeKey.keyUrl to its identity"),
    ("key-granted-before-use", "postgres-key-grant", "scope", "/mock/engram-prod-geo-key", "no g"),
    ("key-granted-before-use", "postgres-key-grant", "principalId", "else", "no grant on the key"),
    ("key-granted-before-use", SERVER, "dependencies", (), "no grant on the key of dataEncryption"),
]
NETWORK: list[Case] = [
    ("network-endpoint-resolves", "server-record", "", GONE, "no record of it is in the zone priv"),
    ("network-endpoint-resolves", "server-record", "privateDnsZoneConfigs", [], "no record of it"),
    ("network-zone-linked", "postgres-link", "", GONE, "no network of the stack is linked to it"),
    ("network-zone-linked", "postgres-link", "virtualNetwork:id", "/other", "no network of the st"),
    ("network-zone-only-ours", "postgres-link", "registrationEnabled", True, "is true; allowed: f"),
    ("network-subnet-guarded", "endpoints", "networkSecurityGroup", GONE, "is no security group o"),
    ("network-subnet-guarded", "endpoints", "networkSecurityGroup:id", "/other", "no security gro"),
    ("network-subnet-guarded", "nsg", "", GONE, "endpoints: networkSecurityGroup.id is no securit"),
    ("network-endpoints-guarded", "endpoints", "privateEndpointNetworkPolicies", "Disabled", "Dis"),
    ("network-endpoint-inside", "server-endpoint", "subnet:id", "/other", "no subnet of the stack"),
    ("network-endpoint-inside", "cluster", "agentPoolProfiles:0:vnetSubnetID", GONE, "is no subn"),
    ("network-denies-the-rest", "nsg", f"{LAST}:access", "Allow", "no rule denies all inbound"),
    ("network-denies-the-rest", "nsg", f"{LAST}:destinationPortRange", "443", "no rule denies"),
    ("network-not-from-anywhere", "nsg", f"{NODES_RULE}:sourceAddressPrefix", "Internet", "is Int"),
    ("network-not-from-anywhere", "nsg", f"{NODES_RULE}:sourceAddressPrefix", GONE, "is not set"),
    ("network-not-from-anywhere", "nsg", f"{NODES_RULE}:sourceAddressPrefix", "0.0.0.0/1", "is 0."),
    ("network-not-from-anywhere", "nsg", f"{NODES_RULE}:sourceAddressPrefix", "::/0", "is ::/0"),
    ("network-not-from-anywhere", "nsg", f"{NODES_RULE}:sourceAddressPrefix", "AzureCloud", "is A"),
    ("network-not-from-anywhere", "nsg", f"{LAST}:access", "allow", "is *; allowed: private"),
    ("network-not-from-anywhere", "nsg", f"{LAST}:access", GONE, "is *; allowed: private"),
]
ELSEWHERE: list[Case] = [
    ("secret-never-in-clear", "zep-app-secret", "properties:value", "a-word", "is in clear"),
    ("stack-known-kinds", "vnet", "subnets", [{"name": "open"}], "no rule looks into its subn"),
    ("monitoring-log-days", "logs", "retentionInDays", 89, "is 89; allowed: 90 or more"),
    ("monitoring-alert-arrives", "server-down", "enabled", False, "enabled is false; allowed: tr"),
    ("monitoring-alert-arrives", "server-down", "actions", [], "no action group of the stack"),
    ("residency-region", SERVER, "location", "eastus", "location is eastus; allowed: france"),
    ("residency-region", SERVER, "location", GONE, "location is not set"),
    ("residency-no-region", "postgres-zone", "location", "westeurope", "is westeurope; allowed: G"),
    ("residency-one-tenant", VAULT, "properties:tenantId", "theirs", "is theirs; allowed: 0000000"),
    ("residency-one-tenant", VAULT, "properties:tenantId", GONE, "tenantId is not set"),
    (
        "residency-one-tenant",
        "entra-admin",
        "tenantId",
        GONE,
        "tenantId is not set; allowed: the s",
    ),
    (
        "residency-one-tenant",
        "entra-admin",
        "tenantId",
        "",
        "tenantId is empty; allowed: the stack",
    ),
    ("naming-azure", SERVER, "serverName", "PSQL", "serverName is PSQL; allowed: what Azure takes"),
    ("naming-says-environment", SERVER, "serverName", "psql-dev", "a name with prod in it"),
    ("naming-tags", SERVER, "tags:owner", GONE, "tags.owner is not set; allowed: something"),
    ("naming-tags", SERVER, "tags:data-classification", "secret", "is secret; allowed: confidenti"),
    ("naming-environment-tag", SERVER, "tags:environment", "dev", "is dev; allowed: prod"),
    ("stack-protects-data", SERVER, "protect", False, "protect is false; allowed: true"),
]
SCHEMA: list[Case] = [
    ("schema-keeps-data", "", "delete_data", True, "delete_data is true; allowed: false"),
    ("schema-dimensions", "", f"{EMBEDDING}:dimensions", 2001, "is 2001; allowed: 1 to 2000"),
    ("schema-dimensions", "", f"{EMBEDDING}:dimensions", GONE, "embedding is not set"),
    ("schema-vector-index", "", f"{TABLE}:indexes", [], "no index is on zep_memory_vectors.embed"),
    ("schema-vector-index", "", f"{INDEX}:distance", "manhattan", "no index is on zep_memory_ve"),
    ("schema-hnsw-parameters", "", f"{INDEX}:m", 4, "m of hnsw is 4; allowed: 8 to 64"),
    ("schema-hnsw-parameters", "", f"{INDEX}:ef_construction", 31, "is 31; allowed: 32 or more"),
    ("schema-rows-told-apart", "", f"{TABLE}:primary_key", [], "is empty; allowed: columns of th"),
    ("schema-least-privilege", "", "desired:roles:2:privileges", ["DELETE"], "is DELETE; allowed:"),
    ("schema-no-administrators", "", "desired:roles:1:member_of", ["azure_pg_admin"], "memory_app"),
    (
        "schema-records-stay",
        "",
        "desired:tables:1:append_only",
        False,
        "memory_audit is false; all",
    ),
    (
        "schema-records-stay",
        "",
        "desired:tables:2:append_only",
        GONE,
        "memory_operations is not se",
    ),
    (
        "schema-records-stay",
        "",
        "desired:tables:2:name",
        "mine",
        "memory_operations is not declared",
    ),
    ("schema-direct", "", "port", 6432, "port is 6432; allowed: 5432"),
    ("schema-direct", "", "port", 6543, "port is 6543; allowed: 5432"),
    ("schema-direct", "", "port", GONE, "port is not set; allowed: 5432"),
]
CASES = [*POSTGRES, *VAULTS, *GRANTS, *NETWORK, *ELSEWHERE, *SCHEMA]


@pytest.mark.parametrize(("rule", "who", "path", "value", "said"), CASES)
def test_what_is_weaker_is_said(rule: str, who: str, path: str, value: object, said: str) -> None:
    found = says(rule, changed(who, path, value))
    assert any(said in words for words in found), found
    assert not any(said in words for words in says(rule, stack("prod")))


@pytest.mark.parametrize(("rule", "parameter", "value"), PARAMETERS)
def test_a_parameter_is_asked_for_by_name(rule: str, parameter: str, value: str) -> None:
    assert says(rule, stack("prod")) == []
    assert f"{parameter} is {value}; allowed" in str(says(rule, changed(parameter, "value", value)))
    assert f"{parameter} is not set; allowed" in str(says(rule, changed(parameter, "", GONE)))


@pytest.mark.parametrize(("rule", "parameter", "value"), PARAMETERS)
def test_a_parameter_of_another_server_is_none_of_this(
    rule: str, parameter: str, value: str
) -> None:
    assert value
    moved = changed(parameter, "serverName", "another")
    assert f"engram-prod-server: {parameter} is not set" in str(says(rule, moved))


def alone(kind: str, **inputs: Any) -> Stack:
    return Stack((Resource(type=kind, name="it", urn="urn:it", raw=inputs),), "prod")


@pytest.mark.parametrize(
    ("rule", "kind", "said"),
    [
        ("postgres-no-firewall-rule", azure.FIREWALL_RULE, "an address is let in; allowed: no r"),
        ("network-no-public-address", azure.PUBLIC_ADDRESS, "it is public; allowed: none"),
        ("monitoring-somebody-is-told", azure.RECIPIENTS, "it has no receivers; allowed: one or"),
    ],
)
def test_what_prod_has_none_of_is_judged_too(rule: str, kind: str, said: str) -> None:
    assert said in str(says(rule, alone(kind)))


def of_a_customer(port: object) -> list[str]:
    return says("schema-direct", alone(azure.SCHEMA, host="db.customer.example", port=port))


@pytest.mark.parametrize("port", [5432, 6543, 1, 65535])
def test_a_customers_server_listens_where_it_likes(port: int) -> None:
    assert of_a_customer(port) == []


@pytest.mark.parametrize("port", [6432, 0, 65536, "6543", True])
def test_a_customers_pooler_is_no_server(port: object) -> None:
    assert len(of_a_customer(port)) == 1


@pytest.mark.parametrize("named", [None, {"renewed_on": "soon"}, {}])
def test_a_secret_that_nobody_renews_has_no_end_that_is_near(*, named: object) -> None:
    secret = {"properties": {"attributes": {"expires": YEAR_END, "enabled": True}}}
    kept = Resource(type=azure.SECRET, name="kept", urn="urn:kept", raw=secret)
    made = [
        Resource(type=azure.PASSWORD, name="made", urn="urn:made", raw={"keepers": keepers})
        for keepers in (named, {"renewed_on": "2026-11-01"})
    ]
    assert says("secret-ends", Stack((kept, *made), "prod")) == []
    assert "at most 365 days" in str(says("secret-ends", Stack((kept, made[0]), "prod")))


@pytest.mark.parametrize(
    "rule",
    [
        "postgres-backup-days",
        "postgres-geo-backup",
        "postgres-locked",
        "postgres-zone-redundant",
        "stack-protects-data",
    ],
)
def test_a_replica_is_asked_for_nothing_that_azure_gives_none(rule: str) -> None:
    assert says(rule, alone(azure.SERVER, createMode="Replica")) == []
    assert says(rule, alone(azure.SERVER)) != []


HIDDEN = "a-canary-of-24-characters"
HEADER = "-----BEGIN EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"adminPassword": "short"}, "adminPassword is in clear"),
        ({"deep": [{"api_key": "x"}]}, "deep[0].api_key is in clear"),
        ({"kubeconfig": "apiVersion: v1"}, "kubeconfig is in clear"),
        ({"data": {"key.pem": f"{HEADER}\n"}}, "data.key.pem holds a private key in clear"),
        ({"url": "postgres://zep:hunter2@host/zep"}, "url holds a password in an address"),
        (
            {"a": Secret(HIDDEN), "b": f"x {HIDDEN} y"},
            "b holds in clear what is a secret elsewhere",
        ),
    ],
)
def test_a_secret_in_clear_is_found_and_not_repeated(inputs: Mapping[str, Any], said: str) -> None:
    found = str(says("secret-never-in-clear", alone("any:type", **inputs)))
    assert said in found
    assert HIDDEN not in found


@pytest.mark.parametrize(
    "inputs",
    [
        {"adminPassword": Secret("short")},
        {"passwordAuth": "Enabled", "secretName": "zep-app", "tokenPath": "/run/token"},
        {"password": ""},
        {"url": "postgres://zep@host/zep", "template": "http://${USER}:${PASSWORD}@host"},
    ],
)
def test_what_only_names_a_secret_is_none(inputs: Mapping[str, Any]) -> None:
    assert says("secret-never-in-clear", alone("any:type", **inputs)) == []
