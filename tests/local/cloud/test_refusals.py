"""What the inputs alone give away is refused in Check, hence in a preview."""

import re

import pytest

from local.cloud.arm import UNKNOWN, Body
from tests.local.cloud import declared
from tests.local.cloud.conftest import Engine
from tests.local.cloud.declared import RG

WRONG: list[tuple[str, Body, str, str]] = [
    (
        "resources:ResourceGroup",
        {"resourceGroupName": "ends."},
        "resourceGroupName",
        "InvalidResourceGroup",
    ),
    (
        "resources:ResourceGroup",
        {"resourceGroupName": "x" * 91},
        "resourceGroupName",
        "InvalidResourceGroup",
    ),
    (
        "managedidentity:UserAssignedIdentity",
        {**RG, "resourceName": "ab"},
        "resourceName",
        "InvalidResourceName",
    ),
    (
        "managedidentity:UserAssignedIdentity",
        {**RG, "resourceName": "-abc"},
        "resourceName",
        "InvalidResourceName",
    ),
    (
        "authorization:RoleAssignment",
        declared.assignment(declared.ASSIGNMENT, roleAssignmentName="grant"),
        "roleAssignmentName",
        "InvalidRoleAssignmentId",
    ),
    (
        "authorization:RoleAssignment",
        declared.assignment("me"),
        "principalId",
        "InvalidPrincipalId",
    ),
    (
        "authorization:RoleAssignment",
        declared.assignment(
            declared.ASSIGNMENT, roleDefinitionId=declared.role(declared.ASSIGNMENT)
        ),
        "roleDefinitionId",
        "RoleDefinitionDoesNotExist",
    ),
    (
        "authorization:ManagementLockByScope",
        declared.lock(level="NotSpecified"),
        "level",
        "InvalidLockLevel",
    ),
    (
        "authorization:ManagementLockByScope",
        declared.lock(lockName="a/b"),
        "lockName",
        "InvalidResourceName",
    ),
    ("keyvault:Vault", declared.vault("kv"), "vaultName", "VaultNameNotValid"),
    ("keyvault:Vault", declared.vault("1kv-dev"), "vaultName", "VaultNameNotValid"),
    ("keyvault:Vault", declared.vault("kv--dev"), "vaultName", "VaultNameNotValid"),
    ("keyvault:Vault", declared.vault("kv-dev-"), "vaultName", "VaultNameNotValid"),
    ("keyvault:Vault", declared.vault("k" * 25), "vaultName", "VaultNameNotValid"),
    (
        "keyvault:Vault",
        declared.vault(softDeleteRetentionInDays=6),
        "properties.softDeleteRetentionInDays",
        "BadRequest",
    ),
    (
        "keyvault:Vault",
        declared.vault(softDeleteRetentionInDays=91),
        "properties.softDeleteRetentionInDays",
        "BadRequest",
    ),
    (
        "keyvault:Vault",
        declared.vault(enablePurgeProtection=False),
        "properties.enablePurgeProtection",
        "BadRequest",
    ),
    (
        "keyvault:Vault",
        declared.vault(enableSoftDelete=False),
        "properties.enableSoftDelete",
        "BadRequest",
    ),
    ("keyvault:Key", declared.key("c_k"), "keyName", "BadParameter"),
    ("keyvault:Key", declared.key(keySize=1024), "properties.keySize", "BadParameter"),
    ("keyvault:Key", declared.key(kty="EC", keySize=2048), "properties.keySize", "BadParameter"),
    (
        "keyvault:Key",
        {**declared.key(), "properties": {"keySize": 2048}},
        "properties.kty",
        "BadParameter",
    ),
    (
        "keyvault:Key",
        declared.policy("P27D", "rotate", timeAfterCreate="P7D"),
        "properties.rotationPolicy.attributes.expiryTime",
        "BadParameter",
    ),
    (
        "keyvault:Key",
        declared.policy("ninety", "rotate", timeAfterCreate="P7D"),
        "properties.rotationPolicy.attributes.expiryTime",
        "BadParameter",
    ),
    (
        "keyvault:Key",
        declared.policy("P90D", "rotate", timeAfterCreate="P6D"),
        "properties.rotationPolicy.lifetimeActions[0]",
        "at least 7 days",
    ),
    (
        "keyvault:Key",
        declared.policy("P90D", "rotate", timeAfterCreate="P84D"),
        "properties.rotationPolicy.lifetimeActions[0]",
        "leaves less than 7 days",
    ),
    (
        "keyvault:Key",
        declared.policy("P90D", "notify", timeAfterCreate="P30D"),
        "properties.rotationPolicy.lifetimeActions[0]",
        "timeBeforeExpiry only",
    ),
    (
        "keyvault:Key",
        declared.policy(None, "notify", timeBeforeExpiry="P30D"),
        "properties.rotationPolicy.lifetimeActions[0]",
        "needs attributes.expiryTime",
    ),
    (
        "keyvault:Key",
        declared.policy("P90D", "rotate"),
        "properties.rotationPolicy.lifetimeActions[0]",
        "exactly one of",
    ),
    ("keyvault:Secret", {**declared.secret(), "secretName": "a_b"}, "secretName", "BadParameter"),
    ("keyvault:Secret", declared.secret("x" * 25_601), "properties.value", "larger than 25 KiB"),
    (
        "operationalinsights:Workspace",
        declared.workspace(workspaceName="log"),
        "workspaceName",
        "InvalidParameter",
    ),
    (
        "operationalinsights:Workspace",
        declared.workspace(retentionInDays=29),
        "retentionInDays",
        "InvalidParameter",
    ),
    (
        "operationalinsights:Workspace",
        declared.workspace(retentionInDays=731),
        "retentionInDays",
        "InvalidParameter",
    ),
    ("monitor:DiagnosticSetting", declared.diagnostics("a/b"), "name", "InvalidResourceName"),
    (
        "monitor:DiagnosticSetting",
        {k: v for k, v in declared.diagnostics().items() if k != "workspaceId"},
        "workspaceId",
        "no data sink",
    ),
    (
        "monitor:DiagnosticSetting",
        {k: v for k, v in declared.diagnostics().items() if k != "logs"},
        "logs",
        "no category",
    ),
    (
        "monitor:DiagnosticSetting",
        declared.diagnostics(logs=[{"enabled": True}]),
        "logs[0]",
        "exactly one of",
    ),
    (
        "monitor:DiagnosticSetting",
        declared.diagnostics(logs=[{"categoryGroup": "some", "enabled": True}]),
        "logs[0].categoryGroup",
        "not supported",
    ),
    (
        "monitor:ActionGroup",
        {**RG, "actionGroupName": "ops", "groupShortName": "thirteen-long"},
        "groupShortName",
        "InvalidGroupShortName",
    ),
    (
        "monitor:ActionGroup",
        {**RG, "actionGroupName": "a/b", "groupShortName": "ops"},
        "actionGroupName",
        "InvalidResourceName",
    ),
    ("monitor:MetricAlert", declared.alert(severity=5), "severity", "BadRequest"),
    (
        "monitor:MetricAlert",
        declared.alert(evaluationFrequency="PT2M"),
        "evaluationFrequency",
        "BadRequest",
    ),
    ("monitor:MetricAlert", declared.alert(windowSize="PT2M"), "windowSize", "BadRequest"),
]
RIGHT: list[tuple[str, Body]] = [
    ("keyvault:Vault", declared.vault()),
    ("keyvault:Key", declared.policy("P120D", "rotate", timeAfterCreate="P90D")),
    ("keyvault:Key", declared.policy("P4M", "notify", timeBeforeExpiry="P30D")),
    ("keyvault:Secret", declared.secret()),
    ("monitor:DiagnosticSetting", declared.diagnostics()),
    ("monitor:MetricAlert", declared.alert()),
    ("authorization:RoleAssignment", declared.assignment(UNKNOWN, roleAssignmentName=UNKNOWN)),
    ("authorization:ManagementLockByScope", declared.lock()),
]


@pytest.mark.parametrize(
    ("token", "inputs", "path", "words"), WRONG, ids=[f"{t}-{p}-{w}" for t, _, p, w in WRONG]
)
def test_refuses(engine: Engine, token: str, inputs: Body, path: str, words: str) -> None:
    failures = engine.failures(token, inputs)
    assert [p for p, _ in failures] == [path]
    assert re.search(re.escape(words), failures[0][1])


@pytest.mark.parametrize(("token", "inputs"), RIGHT)
def test_takes(engine: Engine, token: str, inputs: Body) -> None:
    assert engine.failures(token, inputs) == []


def test_a_refused_secret_value_is_not_shown(engine: Engine) -> None:
    failures = engine.failures("keyvault:Secret", declared.secret("canary" * 5000))
    assert "canary" not in str(failures)
