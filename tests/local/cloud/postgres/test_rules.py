"""What the dbforpostgresql types refuse of inputs alone."""

from typing import Any

import pytest

from local.cloud.arm import UNKNOWN, Body
from tests.local.cloud.postgres.conftest import (
    CONFIGURATION_TYPE,
    DATABASE_TYPE,
    ENTRA_TYPE,
    FIREWALL_TYPE,
    IDENTITY_ID,
    KEY_URI,
    SERVER_TYPE,
    server_inputs,
)

GENERAL = {"name": "Standard_D2s_v3", "tier": "GeneralPurpose"}
OTHER_IDENTITY = IDENTITY_ID + "-geo"
GEO = {"backupRetentionDays": 7, "geoRedundantBackup": "Enabled"}
ENCRYPTION = server_inputs("x")["dataEncryption"]
GEO_ENCRYPTION = {
    **ENCRYPTION,
    "geoBackupKeyURI": KEY_URI,
    "geoBackupUserAssignedIdentityId": OTHER_IDENTITY,
}
BOTH = {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY_ID: {}, OTHER_IDENTITY: {}}}

FINE: list[Body] = [
    {},
    {"sku": GENERAL, "highAvailability": {"mode": "ZoneRedundant"}},
    {"storage": {"storageSizeGB": 32.0, "tier": "P10"}},
    {"backup": GEO, "dataEncryption": GEO_ENCRYPTION, "identity": BOTH},
    {"dataEncryption": {**ENCRYPTION, "primaryKeyURI": UNKNOWN}},
    {"administratorLoginPassword": UNKNOWN, "identity": UNKNOWN},
    {"dataEncryption": {"type": "SystemAssigned"}},
    {"sku": GENERAL, "storage": {"type": "PremiumV2_LRS", "iops": 3000, "throughput": 125}},
]


@pytest.mark.parametrize("changed", FINE)
def test_accepts(changed: Body) -> None:
    assert list(SERVER_TYPE.check(server_inputs("psql-a", **changed))) == []


WRONG: list[tuple[Body, str, str]] = [
    ({"serverName": "Psql"}, "InvalidParameterValue", "parameter serverName"),
    ({"serverName": "ab"}, "InvalidParameterValue", "3-63"),
    ({"serverName": "psql-"}, "InvalidParameterValue", "inner hyphens"),
    ({"administratorLogin": "Admin"}, "BlockedUserName", "reserved"),
    ({"administratorLogin": "pg_boss"}, "BlockedUserName", "reserved"),
    ({"administratorLogin": "1boss"}, "InvalidUserName", "not starting with a digit"),
    ({"administratorLoginPassword": "aB1-"}, "PasswordTooShort", "at least 8"),
    ({"administratorLoginPassword": "aB1-" * 40}, "PasswordTooLong", "at most 128"),
    ({"administratorLoginPassword": "onlyletters"}, "PasswordNotComplex", "three of"),
    ({"sku": {"name": "Standard_B9", "tier": "Burstable"}}, "InvalidParameterValue", "no size"),
    ({"sku": {**GENERAL, "tier": "Burstable"}}, "InvalidParameterValue", "tier GeneralPurpose"),
    ({"storage": {"storageSizeGB": 100}}, "InvalidParameterValue", "32, 64, 128"),
    ({"storage": {"storageSizeGB": 64, "tier": "P4"}}, "InvalidParameterValue", "P6, P10"),
    ({"storage": {"type": "PremiumV2_LRS"}}, "InvalidParameterValue", "for Burstable"),
    (
        {"sku": GENERAL, "storage": {"type": "PremiumV2_LRS", "iops": 3000}},
        "InvalidParameterValue",
        "needs iops and throughput",
    ),
    ({"backup": {"backupRetentionDays": 6}}, "InvalidParameterValue", "parameter 6"),
    ({"highAvailability": {"mode": "SameZone"}}, "InvalidParameterValue", "Burstable tier"),
    (
        {
            "sku": GENERAL,
            "availabilityZone": "1",
            "highAvailability": {"mode": "ZoneRedundant", "standbyAvailabilityZone": "1"},
        },
        "InvalidParameterValue",
        "cannot share zone 1",
    ),
    (
        {"authConfig": {"passwordAuth": "Disabled", "activeDirectoryAuth": "Disabled"}},
        "InvalidParameterValue",
        "or both",
    ),
    ({"backup": GEO}, "CMKInvalidEncryptionParameters", "Geo-Backup Encryption user assigned"),
    (
        {"dataEncryption": {"type": "AzureKeyVault", "primaryKeyURI": KEY_URI}},
        "CMKInvalidEncryptionParameters",
        "required together",
    ),
    (
        {"identity": {"userAssignedIdentities": {OTHER_IDENTITY: {}}}},
        "CMKInvalidEncryptionParameters",
        "must also be one of",
    ),
    (
        {
            "backup": GEO,
            "dataEncryption": {**GEO_ENCRYPTION, "geoBackupUserAssignedIdentityId": IDENTITY_ID},
        },
        "CMKInvalidEncryptionParameters",
        "identity of its own",
    ),
    (
        {"network": {"delegatedSubnetResourceId": "/subnet"}},
        "EmptyPrivateDnsZoneArmResourceId",
        "private DNS zone",
    ),
    ({"version": "17"}, "NotImplemented", "PostgreSQL 18, not 17"),
    ({"createMode": "GeoRestore"}, "NotImplemented", "'GeoRestore' needs Azure"),
    ({"cluster": {"clusterSize": 4}, "version": "17"}, "NotImplemented", "no elastic cluster"),
    ({"replica": {"promoteMode": "Standalone"}}, "NotImplemented", "promotes no read replica"),
]


@pytest.mark.parametrize(("changed", "code", "words"), WRONG)
def test_refuses(changed: Body, code: str, words: str) -> None:
    (found,) = SERVER_TYPE.check({**server_inputs("psql-a"), **changed})
    assert found.code == code
    assert words in found.message
    assert "onlyletters" not in found.message


CHILDREN: list[tuple[Any, Body, str]] = [
    (CONFIGURATION_TYPE, {"configurationName": "work_mem", "value": "1"}, "4096-2097151"),
    (CONFIGURATION_TYPE, {"configurationName": "ssl", "value": "off"}, "read-only"),
    (CONFIGURATION_TYPE, {"configurationName": "wrok_mem", "value": "1"}, "does not exist"),
    (DATABASE_TYPE, {"databaseName": "1st"}, "not starting with a digit"),
    (DATABASE_TYPE, {"databaseName": "azure_sys"}, "belongs to Azure"),
    (ENTRA_TYPE, {"objectId": "me", "principalName": "x", "principalType": "User",
                  "tenantId": UNKNOWN}, "no GUID"),
    (ENTRA_TYPE, {"principalName": "x", "tenantId": UNKNOWN}, "'principalType'"),
    (FIREWALL_TYPE, {"startIpAddress": "10.0.0.2", "endIpAddress": "10.0.0.1"}, "lies before"),
    (FIREWALL_TYPE, {"startIpAddress": "::1", "endIpAddress": "10.0.0.1"}, "IPv4 only"),
    (FIREWALL_TYPE, {"firewallRuleName": "office-"}, "not ending in '-'"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "inputs", "words"), CHILDREN)
def test_children_refuse(type_: Any, inputs: Body, words: str) -> None:
    (found,) = type_.check(inputs)
    assert words in found.message
