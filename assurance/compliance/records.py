"""The evidence that AI-SEC-01 lists: what encrypts, how keys change, what is logged, who may."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assurance.compliance.checks.cluster import plain
from assurance.compliance.checks.database import administrators, declared_rights, schemas
from assurance.compliance.checks.deployed import SERVER, key_of
from assurance.compliance.checks.records import (
    KEY,
    created,
    refused,
    rotated_after,
    version_name,
    versions_of,
)
from assurance.compliance.truths import Truths
from assurance.policies.model import Resource

DISKS = "azure-native:compute:DiskEncryptionSet"
CLUSTER = "azure-native:containerservice:ManagedCluster"
DIAGNOSTICS = "azure-native:monitor:DiagnosticSetting"
PARAMETER = "azure-native:dbforpostgresql:Configuration"
GRANT = "azure-native:authorization:RoleAssignment"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
FEDERATION = "azure-native:managedidentity:FederatedIdentityCredential"
LOGGING = re.compile(r"^(pgaudit|log_|logfiles)")
ROLES = {
    # https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
    "e147488a-f6f5-4113-8e2d-b22465e65bf6": "Key Vault Crypto Service Encryption User",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
}
NOT_LOOKED = "nobody looked"
Json = dict[str, Any]


def tde(truths: Truths) -> Json:
    """Return what is encrypted with which key, as asked for and as Azure answered."""
    declared = {server.urn: server for server in truths.declared.of_type(SERVER)}
    return {
        "stack": truths.environment,
        "servers": [
            {
                "name": server.get("serverName"),
                "id": server.id,
                "asked for": plain((declared.get(server.urn) or server).get("dataEncryption", {})),
                "deployed": plain(server.outputs.get("dataEncryption") or {}),
                "key": key_of(server),
                "state": server.outputs.get("state"),
            }
            for server in truths.deployed.of_type(SERVER)
        ],
        "disks": [
            {
                "name": disks.get("diskEncryptionSetName"),
                "type": disks.get("encryptionType"),
                "key": (disks.outputs.get("activeKey") or {}).get("keyUrl"),
                "follows rotations": disks.get("rotationToLatestKeyVersionEnabled", False),
            }
            for disks in truths.deployed.of_type(DISKS)
        ],
        "nodes": [
            {"cluster": each.get("resourceName"), "disks": each.get("diskEncryptionSetID")}
            for each in truths.deployed.of_type(CLUSTER)
        ],
        "volumes": list((truths.cluster or {}).get("claims", ())) or NOT_LOOKED,
        "tables": list(_tables(truths)) or NOT_LOOKED,
        "fields": list(_books(truths, "memories")) or NOT_LOOKED,
    }


def _books(truths: Truths, part: str) -> Iterator[Json]:
    """Yield one part of what each schema's books say."""
    for schema in (truths.database or {}).get("schemas", ()):
        if found := (schema.get("books") or {}).get(part):
            yield {"schema": f"{schema['database']}/{schema['schema']}", part: found}


def _tables(truths: Truths) -> Iterator[Json]:
    for schema in (truths.database or {}).get("schemas", ()):
        for relation in schema["relations"]:
            yield {
                "database": schema["database"],
                "table": f"{schema['schema']}.{relation['name']}",
                "bytes": relation["bytes"],
                "on the server's encrypted storage": not relation["elsewhere"]
                and relation["kind"] != "f",
            }


def rotation(truths: Truths) -> Json:
    """Return the keys, their policies, and every version that there has been."""
    return {
        "stack": truths.environment,
        "keys": [_key(truths, key) for key in truths.deployed.of_type(KEY)],
        "operations": list(_books(truths, "operations")) or NOT_LOOKED,
    }


def _key(truths: Truths, key: Resource) -> Json:
    limit = rotated_after(key)
    versions = (
        [
            {
                "version": version_name(entry),
                "created": created(entry).isoformat(),
                "enabled": entry["attributes"].get("enabled", True),
                "expires": entry["attributes"].get("expires"),
            }
            for entry in versions_of(key, truths.key_versions)
        ]
        if truths.key_versions is not None
        else NOT_LOOKED
    )
    return {
        "vault": key.get("vaultName"),
        "key": key.get("keyName"),
        "type": f"{key.get('properties.kty')} {key.get('properties.keySize')}",
        "rotated after days": limit.days if limit else None,
        "policy": plain(key.get("properties.rotationPolicy", {})),
        "versions": versions,
    }


def audit(truths: Truths) -> Json:
    """Return what is logged where, and the log of who used the keys."""
    settings = (truths.database or {}).get("settings", {})
    return {
        "stack": truths.environment,
        "diagnostics": [
            {
                "of": each.get("resourceUri"),
                "to": each.get("workspaceId"),
                "logs": [
                    log.get("categoryGroup") or log.get("category")
                    for log in each.get("logs") or ()
                    if log.get("enabled")
                ],
            }
            for each in truths.deployed.of_type(DIAGNOSTICS)
        ],
        "server parameters": {
            each.get("configurationName"): each.get("value")
            for each in truths.deployed.of_type(PARAMETER)
            if LOGGING.match(each.get("configurationName", ""))
        },
        "server": {key: value for key, value in settings.items() if LOGGING.match(key)}
        or NOT_LOOKED,
        "gateway": list((truths.cluster or {}).get("listeners", ())) or NOT_LOOKED,
        "use of keys": _use_of_keys(truths.key_access),
        "book of operations": list(_books(truths, "chain")) or NOT_LOOKED,
        "operations on memories": list(_books(truths, "audit")) or NOT_LOOKED,
    }


def _use_of_keys(entries: Sequence[Mapping[str, Any]] | None) -> Any:
    if entries is None:
        return NOT_LOOKED
    counted = Counter(
        (
            str(entry.get("OperationName", "")),
            str(entry.get("Identity", entry.get("identity", ""))),
            "refused" if refused(entry) else "answered",
        )
        for entry in entries
    )
    times = sorted(str(entry.get("TimeGenerated", "")) for entry in entries)
    return {
        "from": times[0] if times else None,
        "to": times[-1] if times else None,
        "operations": [
            {"operation": operation, "identity": identity, "answer": answer, "number": number}
            for (operation, identity, answer), number in sorted(counted.items())
        ],
    }


def access(truths: Truths) -> Json:
    """Return who may do what: in Azure, in the cluster, in the databases."""
    database = truths.database
    names = {
        each.outputs.get("principalId"): each.get("resourceName")
        for each in truths.deployed.of_type(IDENTITY)
    }
    return {
        "stack": truths.environment,
        "administrators of the server": sorted(administrators(truths.declared)),
        "Azure roles": [
            {
                "principal": each.get("principalId"),
                "identity": names.get(each.get("principalId")),
                "kind": each.get("principalType"),
                "role": role_name(each.get("roleDefinitionId", "")),
                "on": each.get("scope"),
            }
            for each in truths.deployed.of_type(GRANT)
        ],
        "workloads that may act as an identity": [
            {"subject": each.get("subject"), "identity": each.get("resourceName")}
            for each in truths.deployed.of_type(FEDERATION)
        ],
        "declared rights on tables": [
            {"schema": schema, "login": login, "privileges": sorted(rights)}
            for (schema, login), rights in sorted(declared_rights(truths.declared).items())
        ],
        "logins": database["logins"] if database else NOT_LOOKED,
        "memberships": database["memberships"] if database else NOT_LOOKED,
        "rights on tables": [
            {"schema": schema["schema"], **right}
            for schema in database["schemas"]
            for right in schema["rights"]
        ]
        if database
        else NOT_LOOKED,
    }


def role_name(definition: str) -> str:
    """Return Azure's name of a role that we know, or its id."""
    guid = definition.rpartition("/")[2]
    return ROLES.get(guid, guid)


def summary(truths: Truths) -> Json:
    """Return the few figures that head the page."""
    server = next(iter(truths.deployed.of_type(SERVER)), None)
    return {
        "resources": len(truths.deployed.resources),
        "server": server.get("serverName") if server else None,
        "key": key_of(server) if server else None,
        "schemas": [f"{database}/{name}" for database, name, _ in schemas(truths.declared)],
        "looked at": {
            "program": True,
            "deployment": True,
            "live SQL": truths.database is not None,
            "API server": truths.cluster is not None,
            "versions of the keys": truths.key_versions is not None,
            "log of the keys' use": truths.key_access is not None,
        },
    }
