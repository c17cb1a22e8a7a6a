"""The database server: whose key encrypts it, who reaches it, and what survives its loss."""

import re
from collections.abc import Iterator
from typing import Final

from assurance.policies.azure import (
    DATABASE,
    ENTRA_ADMINISTRATOR,
    FIREWALL_RULE,
    SERVER,
    identities_of,
    is_cluster_node,
    is_number,
    is_replica,
    leaders,
)
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import must_be, must_have, unlike

VERSIONLESS: Final = re.compile(r"https://[a-z][a-z0-9-]+\.vault\.azure\.net/keys/[A-Za-z0-9-]+/?")
SUPPORTED: Final = ("16", "17", "18")
"""Azure's versions with more than a year of support left, as of November 2026."""
SHORTEST_BACKUP_DAYS: Final = 7
WHOLE_DAY_HOURS: Final = 24


@resource_rule(
    SERVER,
    name="postgres-customer-managed-key",
    title="A database is encrypted with a key that we can revoke",
    severity=Severity.CRITICAL,
    remediation="Set dataEncryption.type to AzureKeyVault and give the key; Azure decides it for"
    " good when the server is made.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("SC-12", "SC-28(1)"),
    azure_policy=("12c74c95-0efd-48da-b8d9-2a7d68470c92",),
    checkov=("CKV2_AZURE_17",),
)
def customer_managed_key(server: Resource) -> Iterator[str]:
    """Microsoft's key can be revoked by Microsoft only."""
    yield from must_be(server.inputs, "dataEncryption.type", "AzureKeyVault")
    yield from must_have(server.inputs, "dataEncryption.primaryKeyURI", what="the URI of a key")


@resource_rule(
    SERVER,
    name="postgres-key-follows-rotation",
    title="A database follows its key to its newest version by itself",
    severity=Severity.HIGH,
    remediation="Name the key without a version (keyUri, not keyUriWithVersion).",
    ai_rmf=("MEASURE 2.7", "MANAGE 2.3"),
    sp800_53=("SC-12",),
)
def key_follows_rotation(server: Resource) -> Iterator[str]:
    """A version that is named is the one with which the server stops on the day it expires."""
    for path in ("dataEncryption.primaryKeyURI", "dataEncryption.geoBackupKeyURI"):
        named = server.get(path)
        if named is not None and not VERSIONLESS.fullmatch(str(named)):
            yield unlike(path, named, "https://<vault>.vault.azure.net/keys/<key>, no version")


@resource_rule(
    SERVER,
    name="postgres-key-identity",
    title="A database fetches its key as an identity that is its own",
    severity=Severity.HIGH,
    remediation="Give the server the user-assigned identity that dataEncryption names.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6", "SC-12"),
)
def key_identity(server: Resource) -> Iterator[str]:
    """Azure demands both, and says so only after a while."""
    yield from must_be(server.inputs, "identity.type", "UserAssigned")
    path = "dataEncryption.primaryUserAssignedIdentityId"
    yield from must_have(server.inputs, path, what="the id of an identity")
    for named in (server.get(path), server.get("dataEncryption.geoBackupUserAssignedIdentityId")):
        if named and named not in identities_of(server):
            yield f"{named} of dataEncryption is not among identity.userAssignedIdentities"


@resource_rule(
    SERVER,
    name="postgres-geo-key",
    title="Backups in another region are encrypted with a key of that region",
    severity=Severity.HIGH,
    remediation="Set postgres.geo_redundant_backup together with key_vault.geo_key.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("CP-9(8)", "SC-12"),
)
def geo_key(server: Resource) -> Iterator[str]:
    """One key for both regions would be lost with its region, and Azure refuses it."""
    if server.get("backup.geoRedundantBackup") != "Enabled":
        return
    for part in ("KeyURI", "UserAssignedIdentityId"):
        other = f"dataEncryption.geoBackup{part}"
        yield from must_have(server.inputs, other, what="one of the other region")
        if server.get(other) == server.get(f"dataEncryption.primary{part}"):
            yield f"{other} is the same as of the primary; allowed: one of the other region"


@resource_rule(
    SERVER,
    name="postgres-private",
    title="No address of the internet leads to a database",
    severity=Severity.CRITICAL,
    remediation="Set network.publicNetworkAccess to Disabled; clients come through the endpoint.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("SC-7", "AC-17"),
    azure_policy=("5e1de0e3-42cb-4ebc-a86d-61d0c619ca48",),
    checkov=("CKV_AZURE_68", "CKV2_AZURE_26"),
    trivy=("AZU-0022",),
)
def private(server: Resource) -> Iterator[str]:
    """A password that leaked is of no use from outside."""
    yield from must_be(server.inputs, "network.publicNetworkAccess", "Disabled")


@resource_rule(
    FIREWALL_RULE,
    name="postgres-no-firewall-rule",
    title="No list of addresses opens a database to the internet",
    severity=Severity.CRITICAL,
    remediation="Remove the rule; clients come through the private endpoint.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
    checkov=("CKV2_AZURE_26",),
    trivy=("AZU-0029",),
    psrule=("Azure.PostgreSQL.AllowAzureAccess", "Azure.PostgreSQL.FirewallRuleCount"),
)
def no_firewall_rule(rule: Resource) -> Iterator[str]:
    """They would start to count on the day somebody enables public access."""
    yield f"{rule.get('startIpAddress', 'an address')} is let in; allowed: no rule at all"


@resource_rule(
    SERVER,
    name="postgres-backup-days",
    title="A database can be brought back to any moment of the last seven days or more",
    severity=Severity.HIGH,
    remediation="Set postgres.backup_retention_days to 7 or more.",
    ai_rmf=("MANAGE 2.3", "MANAGE 2.4"),
    sp800_53=("CP-9",),
)
def backup_days(server: Resource) -> Iterator[str]:
    """Azure's own default may change; what is not said is not relied on."""
    days = server.get("backup.backupRetentionDays")
    if not is_replica(server) and not is_number(days, SHORTEST_BACKUP_DAYS):
        yield unlike("backup.backupRetentionDays", days, "7 to 35")


@resource_rule(
    SERVER,
    name="postgres-geo-backup",
    title="Backups survive the loss of a region",
    severity=Severity.MEDIUM,
    remediation="Set postgres.geo_redundant_backup; Azure decides it when the server is made.",
    ai_rmf=("MANAGE 2.3", "MANAGE 2.4"),
    sp800_53=("CP-6", "CP-9"),
    azure_policy=("cee2f9fd-3968-44be-a863-bd62c9884423",),
    checkov=("CKV_AZURE_136", "CKV_AZURE_102"),
    psrule=("Azure.PostgreSQL.GeoRedundantBackup",),
)
def geo_backup(server: Resource) -> Iterator[str]:
    """A replica has no backups; its leader has.  An elastic cluster cannot have them elsewhere."""
    if not is_replica(server) and not is_cluster_node(server):
        yield from must_be(server.inputs, "backup.geoRedundantBackup", "Enabled")


@stack_rule(
    name="postgres-zone-redundant",
    title="A database survives the loss of a zone",
    severity=Severity.MEDIUM,
    remediation="Set postgres.high_availability to ZoneRedundant, which needs a tier above"
    " Burstable.",
    ai_rmf=("MANAGE 2.3", "MANAGE 2.4"),
    sp800_53=("CP-10", "SC-24"),
    psrule=("Azure.PostgreSQL.ZoneRedundantHA",),
)
def zone_redundant(stack: Stack) -> Iterator[Fault]:
    """The standby stands where the primary does not.

    While a server is being restored, Azure gives neither it nor the one that it replaces a standby:
    who sets off a restore has lost something, and is not stopped by this.
    """
    restores = any(it.get("createMode") == "PointInTimeRestore" for it in stack.of_type(SERVER))
    for server in leaders(stack):
        none = server.get("highAvailability.mode") == "Disabled"
        if not is_cluster_node(server) and not (restores and none):
            yield from ((server, words) for words in _standby(server))


def _standby(server: Resource) -> Iterator[str]:
    yield from must_be(server.inputs, "highAvailability.mode", "ZoneRedundant")
    zone, standby = (
        server.get("availabilityZone"),
        server.get("highAvailability.standbyAvailabilityZone"),
    )
    if server.get("highAvailability.mode") == "ZoneRedundant" and (not standby or standby == zone):
        yield unlike("highAvailability.standbyAvailabilityZone", standby, "another zone")


@resource_rule(
    SERVER,
    name="postgres-maintenance-window",
    title="Azure restarts a database only when nobody is at work",
    severity=Severity.LOW,
    remediation="Set postgres.maintenance to an hour of the night.",
    ai_rmf=("MANAGE 2.3",),
    sp800_53=("MA-2",),
    psrule=("Azure.PostgreSQL.MaintenanceWindow",),
)
def maintenance_window(server: Resource) -> Iterator[str]:
    """Without one, the hour is Azure's choice."""
    yield from must_be(server.inputs, "maintenanceWindow.customWindow", "Enabled")
    for part, most in (("dayOfWeek", 6), ("startHour", WHOLE_DAY_HOURS - 1)):
        found = server.get(f"maintenanceWindow.{part}")
        if not is_number(found, 0, most):
            yield unlike(f"maintenanceWindow.{part}", found, f"0 to {most}")


@resource_rule(
    SERVER,
    name="postgres-supported-version",
    title="PostgreSQL is of a version that will be repaired for a year or more",
    severity=Severity.HIGH,
    remediation="Set postgres.version to one of Azure's supported ones.",
    ai_rmf=("MANAGE 4.1",),
    sp800_53=("SI-2", "SA-22"),
)
def supported_version(server: Resource) -> Iterator[str]:
    """https://learn.microsoft.com/azure/postgresql/configure-maintain/concepts-version-policy"""
    if not is_replica(server):
        yield from must_be(server.inputs, "version", *SUPPORTED)


@resource_rule(
    SERVER,
    name="postgres-entra-login",
    title="People log in to a database as themselves, with Entra",
    severity=Severity.HIGH,
    remediation="Set authConfig.activeDirectoryAuth to Enabled, and its tenant.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-2", "IA-2"),
    psrule=("Azure.PostgreSQL.AAD",),
)
def entra_login(server: Resource) -> Iterator[str]:
    """A login that ends with the account."""
    yield from must_be(server.inputs, "authConfig.activeDirectoryAuth", "Enabled")
    yield from must_have(server.inputs, "authConfig.tenantId", what="the tenant's id")


@resource_rule(
    SERVER,
    name="postgres-no-passwords",
    title="A database knows no passwords",
    severity=Severity.MEDIUM,
    remediation="Set authConfig.passwordAuth to Disabled, when nothing needs a password any more.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("IA-2", "IA-5"),
    azure_policy=("fa498b91-8a7e-4710-9578-da944c68d1fe",),
    psrule=("Azure.PostgreSQL.AADOnly",),
)
def no_passwords(server: Resource) -> Iterator[str]:
    """What has none cannot lose it."""
    yield from must_be(server.inputs, "authConfig.passwordAuth", "Disabled")


@stack_rule(
    name="postgres-entra-administrator",
    title="Every database has administrators of Entra, and they are a group",
    severity=Severity.HIGH,
    remediation="Set postgres.entra_admin to a group of the tenant.",
    ai_rmf=("GOVERN 1.4", "GOVERN 2.1"),
    sp800_53=("AC-2", "AC-6(5)"),
    azure_policy=("ce39a96d-bf09-4b60-8c32-e85d52abea0f",),
)
def entra_administrator(stack: Stack) -> Iterator[Fault]:
    """Who belongs to a group is the directory's business, not a deployment's."""
    administrators = stack.of_type(ENTRA_ADMINISTRATOR)
    for server in leaders(stack):
        if not any(it.refers("serverName", server, own="serverName") for it in administrators):
            yield server, "it has no administrator of Entra; allowed: a group"
    for found in administrators:
        kind = str(found.get("principalType", ""))
        if kind.casefold() != "group":
            yield found, unlike("principalType", kind, "Group")
        yield from ((found, words) for words in must_have(found.inputs, "objectId", what="an id"))


@resource_rule(
    SERVER,
    name="postgres-storage-grows",
    title="A disk that fills up grows before the database becomes read-only",
    severity=Severity.MEDIUM,
    remediation="Set storage.autoGrow to Enabled.",
    ai_rmf=("MANAGE 2.3", "MEASURE 2.4"),
    sp800_53=("SC-5(2)",),
)
def storage_grows(server: Resource) -> Iterator[str]:
    """At 95 % Azure stops all writes; an elastic cluster's disks cannot grow by themselves."""
    if is_cluster_node(server):
        return
    yield from must_be(server.inputs, "storage.autoGrow", "Enabled")


@resource_rule(
    DATABASE,
    name="postgres-database-utf8",
    title="A database takes every language's characters",
    severity=Severity.LOW,
    remediation="Set charset to UTF8; it is decided when the database is made.",
    ai_rmf=("MAP 1.1",),
)
def database_utf8(database: Resource) -> Iterator[str]:
    """Memories are what users wrote."""
    yield from must_be(database.inputs, "charset", "UTF8")
