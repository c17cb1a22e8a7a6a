"""The SDK's own classes say what is wrong with inputs."""

import pytest

from local.cloud.arm import UNKNOWN, Body
from local.cloud.sdk import NoSuchType, schema
from local.cloud.validate import has_input, preview, validate
from tests.local.cloud import declared

VAULT, KEY = "azure-native:keyvault:Vault", "azure-native:keyvault:Key"
SERVER, NSG = "azure-native:dbforpostgresql:Server", "azure-native:network:NetworkSecurityGroup"
STRING = "random:index/randomString:RandomString"
WRONG: list[tuple[str, Body, str, str, str]] = [
    (VAULT, {**declared.vault(), "Tags": {}}, "Tags", "UnknownProperty", "no property 'Tags'"),
    (
        VAULT,
        {**declared.vault(), "vault_name": "x"},
        "vault_name",
        "UnknownProperty",
        "did you mean 'vaultName'",
    ),
    (VAULT, {"resourceGroupName": "rg"}, "properties", "MissingProperty", "properties"),
    (
        VAULT,
        declared.vault(sku={"family": "A"}),
        "properties.sku.name",
        "MissingProperty",
        "properties.sku.name",
    ),
    (
        VAULT,
        declared.vault(sku={"family": "B", "name": "premium"}),
        "properties.sku.family",
        "InvalidEnum",
        "['A']",
    ),
    (
        VAULT,
        declared.vault(enableRbacAuthorization="yes"),
        "properties.enableRbacAuthorization",
        "WrongType",
        "a text is not bool",
    ),
    (
        VAULT,
        declared.vault(softDeleteRetentionInDays=True),
        "properties.softDeleteRetentionInDays",
        "WrongType",
        "True is not int",
    ),
    (
        VAULT,
        declared.vault(accessPolicies={}),
        "properties.accessPolicies",
        "WrongType",
        "an object is not a list",
    ),
    (VAULT, {**declared.vault(), "tags": {"a": 1}}, "tags[a]", "WrongType", "1 is not str"),
    (
        KEY,
        declared.key(keyOps=["wrapKey", "unwrap"]),
        "properties.keyOps[1]",
        "InvalidEnum",
        "unwrapKey",
    ),
    (
        KEY,
        declared.policy("P90D", "Rotate", timeAfterCreate="P30D"),
        "properties.rotationPolicy.lifetimeActions[0].action.type",
        "InvalidEnum",
        "rotate",
    ),
    (SERVER, {"resourceGroupName": "rg", "version": "21"}, "version", "InvalidEnum", "18"),
    (
        SERVER,
        {"resourceGroupName": "rg", "storage": {"storageSizeGB": "32"}},
        "storage.storageSizeGB",
        "WrongType",
        "a text is not int",
    ),
    (
        SERVER,
        {
            "resourceGroupName": "rg",
            "dataEncryption": {"type": "AzureKeyVault", "primaryKeyUri": "x"},
        },
        "dataEncryption.primaryKeyUri",
        "UnknownProperty",
        "primaryKeyURI",
    ),
    (
        SERVER,
        {
            "resourceGroupName": "rg",
            "identity": {"type": "UserAssigned", "userAssignedIdentities": []},
        },
        "identity.userAssignedIdentities",
        "WrongType",
        "a list is not an object",
    ),
    (
        NSG,
        declared.security_group(declared.rule(priority="1")),
        "securityRules[0].priority",
        "WrongType",
        "a text is not int",
    ),
    (
        NSG,
        declared.security_group(declared.rule(priority=1.5)),
        "securityRules[0].priority",
        "WrongType",
        "1.5 is not int",
    ),
    (
        "azure-native:monitor:MetricAlert",
        declared.alert(criteria={"odataType": "x", "all": []}),
        "criteria.all",
        "UnknownProperty",
        "no property 'all'",
    ),
    (STRING, {"lenght": 3, "length": 3}, "lenght", "UnknownProperty", "length"),
    (STRING, {}, "length", "MissingProperty", "length"),
]


@pytest.mark.parametrize(
    ("token", "inputs", "path", "code", "words"), WRONG, ids=[f"{t}-{p}" for t, _, p, *_ in WRONG]
)
def test_refuses(token: str, inputs: Body, path: str, code: str, words: str) -> None:
    found = [f for f in validate(token, inputs) if f.path == path]
    assert [f.code for f in found] == [code]
    assert words in found[0].message


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        (VAULT, declared.vault()),
        (VAULT, declared.vault(sku=UNKNOWN)),
        (KEY, declared.policy("P90D", "rotate", timeAfterCreate="P30D")),
        ("azure-native:monitor:MetricAlert", declared.alert()),
        (STRING, {"length": 8, "keepers": {"a": "b"}}),
        (
            SERVER,
            {
                "resourceGroupName": "rg",
                "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/id": {}}},
            },
        ),
    ],
)
def test_takes(token: str, inputs: Body) -> None:
    assert validate(token, inputs) == []


def test_knows_which_types_have_a_place() -> None:
    assert has_input(VAULT, "location")
    assert not has_input(KEY, "location")


def test_a_preview_fills_what_is_unknown_at_every_depth() -> None:
    filled = preview(VAULT, {"properties": {"sku": {"name": "premium"}}})
    assert filled["properties"]["sku"] == {"name": "premium", "family": UNKNOWN}
    assert filled["properties"]["vaultUri"] == filled["type"] == UNKNOWN


def test_says_what_the_sdk_has_not() -> None:
    with pytest.raises(NoSuchType, match="no resource 'azure-native:keyvault:Safe'"):
        schema("azure-native:keyvault:Safe")
