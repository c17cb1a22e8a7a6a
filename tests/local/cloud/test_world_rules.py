"""What Azure refuses in the light of everything else that stands."""

from collections.abc import Callable

import pytest

from local.cloud.arm import Body, Record
from local.cloud.resources.subnet import FLEXIBLE_SERVER
from tests.local.cloud import declared
from tests.local.cloud.conftest import GROUP, SUBSCRIPTION, Engine, Refused
from tests.local.cloud.declared import (
    ASSIGNMENT,
    IDENTITY_ID,
    KEY_ID,
    NETWORK_ID,
    RG,
    SUBNET_ID,
    VAULT_ID,
)

GHOST = f"{GROUP}/providers/Microsoft.Network/ghosts/g"
ZONE_ID = f"{GROUP}/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"
OTHER = "3f0f3a3e-0000-4000-8000-000000000002"


def connected(**more: object) -> Body:
    connection = {"name": "c", "privateLinkServiceId": VAULT_ID, "groupIds": ["vault"], **more}
    return declared.endpoint(privateLinkServiceConnections=[connection])


REFUSED: list[tuple[str, Body, str]] = [
    (
        "keyvault:Vault",
        {**declared.vault("kv-two"), "resourceGroupName": "no"},
        "ResourceGroupNotFound",
    ),
    ("keyvault:Vault", declared.vault(), "cannot create already existing resource"),
    ("keyvault:Vault", {**declared.vault(), "resourceGroupName": "second"}, "VaultAlreadyExists"),
    ("keyvault:Vault", declared.vault("kv-two", createMode="recover"), "DeletedVaultNotFound"),
    ("keyvault:Key", {**declared.key(), "vaultName": "kv-none"}, "ParentResourceNotFound"),
    ("keyvault:Secret", declared.secret(value=None), "value of the secret is missing"),  # type: ignore[arg-type] # what is tested
    (
        "authorization:RoleAssignment",
        declared.assignment(OTHER, principalType=None),
        "PrincipalNotFound",
    ),
    (
        "authorization:RoleAssignment",
        declared.assignment(OTHER, scope=f"{VAULT_ID}x"),
        "ParentResourceNotFound",
    ),
    ("network:Subnet", declared.subnet("s", "10.21.0.0/24"), "NetcfgInvalidSubnet"),
    ("network:Subnet", declared.subnet("s", "10.20.1.0/28"), "NetcfgSubnetRangesOverlap"),
    (
        "network:Subnet",
        declared.subnet("s", "10.20.2.0/28", networkSecurityGroup={"id": GHOST}),
        "InvalidResourceReference",
    ),
    (
        "network:PrivateEndpoint",
        declared.endpoint(subnet={"id": GHOST}),
        "InvalidResourceReference",
    ),
    ("network:PrivateEndpoint", connected(privateLinkServiceId=GHOST), "ResourceNotFound"),
    ("network:PrivateEndpoint", connected(groupIds=["postgresqlServer"]), "are not supported"),
    (
        "network:PrivateEndpoint",
        connected(privateLinkServiceId=NETWORK_ID),
        "none in the local cloud",
    ),
    ("privatedns:VirtualNetworkLink", declared.link(), "ParentResourceNotFound"),
    (
        "monitor:DiagnosticSetting",
        declared.diagnostics(resourceUri=GHOST),
        "ParentResourceNotFound",
    ),
    ("monitor:DiagnosticSetting", declared.diagnostics(workspaceId=GHOST), "ResourceNotFound"),
    (
        "monitor:DiagnosticSetting",
        declared.diagnostics(workspaceId=VAULT_ID),
        "no Log Analytics workspace",
    ),
    (
        "monitor:DiagnosticSetting",
        declared.diagnostics(logs=[{"category": "PostgreSQLLogs", "enabled": True}]),
        "is not supported",
    ),
    ("monitor:MetricAlert", declared.alert(scopes=[GHOST]), "ResourceNotFound"),
    ("monitor:MetricAlert", declared.alert(actions=[{"actionGroupId": GHOST}]), "ResourceNotFound"),
]


@pytest.mark.parametrize(
    ("token", "inputs", "words"), REFUSED, ids=[f"{t}-{w}" for t, _, w in REFUSED]
)
def test_refuses(engine: Engine, token: str, inputs: Body, words: str) -> None:
    engine.create("resources:ResourceGroup", {"resourceGroupName": "second"})
    declared.stand(engine)
    before = len(engine.world.children(f"/subscriptions/{SUBSCRIPTION}"))
    with pytest.raises(Refused, match=words):
        engine.create(token, inputs)
    assert len(engine.world.children(f"/subscriptions/{SUBSCRIPTION}")) == before


def test_a_group_needs_a_place(new_engine: Callable[..., Engine]) -> None:
    engine = new_engine(location="")
    engine.provider.configure({"subscriptionId": SUBSCRIPTION})
    with pytest.raises(Refused, match="LocationRequired"):
        engine.create("resources:ResourceGroup", {"resourceGroupName": "rg"})


class TestVault:
    def test_a_deleted_name_stays_taken_until_the_retention_is_over(self, engine: Engine) -> None:
        id_, _ = engine.create("keyvault:Vault", declared.vault(softDeleteRetentionInDays=7))
        engine.delete("keyvault:Vault", id_)
        engine.clock.now += 7 * 86400 - 1
        with pytest.raises(Refused, match="VaultAlreadyExists"):
            engine.create("keyvault:Vault", declared.vault())
        engine.clock.now += 1
        assert engine.create("keyvault:Vault", declared.vault())[0] == id_

    def test_recover_brings_back_the_same_key(self, engine: Engine) -> None:
        id_, _ = engine.create("keyvault:Vault", declared.vault())
        _, key = engine.create("keyvault:Key", declared.key())
        engine.delete("keyvault:Vault", id_)
        assert engine.world.get(KEY_ID) is None
        engine.create("keyvault:Vault", declared.vault(createMode="recover"))
        found = engine.world.require(KEY_ID).outputs
        assert found["keyUriWithVersion"] == key["keyUriWithVersion"]
        assert engine.world.private(KEY_ID)["versions"]
        assert engine.store.fact("deleted_vault", "kv-dev") is None

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"softDeleteRetentionInDays": 30}, "has been set already"),
            ({"enablePurgeProtection": None}, "irreversible action"),
        ],
    )
    def test_decides_for_good(self, engine: Engine, changed: Body, words: str) -> None:
        id_, _ = engine.create("keyvault:Vault", declared.vault())
        with pytest.raises(Refused, match=words):
            engine.update("keyvault:Vault", id_, declared.vault(**changed))

    def test_hsm_keys_need_premium(self, engine: Engine) -> None:
        engine.create("keyvault:Vault", declared.vault(sku={"family": "A", "name": "standard"}))
        with pytest.raises(Refused, match="premium"):
            engine.create("keyvault:Key", declared.key(kty="RSA-HSM"))


class TestKeyAndSecret:
    @pytest.mark.parametrize(
        ("token", "inputs"),
        [("keyvault:Key", declared.key()), ("keyvault:Secret", declared.secret())],
    )
    def test_a_deleted_name_stays_taken(self, engine: Engine, token: str, inputs: Body) -> None:
        declared.stand(engine)
        name = "cmk" if token == "keyvault:Key" else "password"
        kind = "keys" if token == "keyvault:Key" else "secrets"
        if token == "keyvault:Secret":
            engine.create(token, inputs)
        engine.delete(token, f"{VAULT_ID}/{kind}/{name}")
        with pytest.raises(Refused, match="deleted but recoverable state"):
            engine.create(token, inputs)

    def test_a_put_of_a_key_that_exists_changes_nothing(self, engine: Engine) -> None:
        declared.stand(engine)
        before = engine.world.private(KEY_ID)
        engine.update("keyvault:Key", KEY_ID, declared.key())
        assert engine.world.private(KEY_ID) == before

    @pytest.mark.parametrize(
        "changed",
        [
            {"tags": {"a": "b"}},
            declared.key(attributes={"expires": 1_900_000_000}),
            declared.policy("P90D", "rotate", timeAfterCreate="P30D"),
        ],
    )
    def test_a_key_is_never_changed(self, engine: Engine, changed: Body) -> None:
        declared.stand(engine)
        with pytest.raises(Refused, match=r"KeyCreationParametersDidNotMatch.*first version of a"):
            engine.update("keyvault:Key", KEY_ID, {**declared.key(), **changed})

    def test_a_new_value_is_a_new_version_and_never_answered(self, engine: Engine) -> None:
        declared.stand(engine)
        id_, first = engine.create("keyvault:Secret", declared.secret("one-canary"))
        same = engine.update("keyvault:Secret", id_, declared.secret("one-canary"))
        other = engine.update("keyvault:Secret", id_, declared.secret("two-canary"))
        uris = [o["properties"]["secretUriWithVersion"] for o in (first, same, other)]
        assert uris[0] == uris[1] != uris[2]
        assert "canary" not in str((first, same, other, engine.world.get(id_)))


class TestGrant:
    def test_a_new_identity_needs_its_type_named(self, engine: Engine) -> None:
        principal = declared.stand(engine)
        asked = {**declared.assignment(principal), "principalType": None}
        with pytest.raises(Refused, match="PrincipalNotFound"):
            engine.create("authorization:RoleAssignment", asked)
        engine.clock.now += 61
        engine.create("authorization:RoleAssignment", asked)

    def test_the_type_must_be_the_principals(self, engine: Engine) -> None:
        principal = declared.stand(engine)
        with pytest.raises(Refused, match="UnmatchedPrincipalType"):
            engine.create(
                "authorization:RoleAssignment",
                declared.assignment(principal, principalType="User"),
            )

    def test_the_same_grant_twice_is_refused(self, engine: Engine) -> None:
        principal = declared.stand(engine)
        engine.create("authorization:RoleAssignment", declared.assignment(principal))
        with pytest.raises(Refused, match="RoleAssignmentExists"):
            engine.create(
                "authorization:RoleAssignment",
                declared.assignment(principal, roleAssignmentName=OTHER),
            )

    def test_is_immutable(self, engine: Engine) -> None:
        principal = declared.stand(engine)
        id_, _ = engine.create("authorization:RoleAssignment", declared.assignment(principal))
        with pytest.raises(Refused, match="RoleAssignmentUpdateNotPermitted"):
            engine.update(
                "authorization:RoleAssignment",
                id_,
                declared.assignment(principal, description="changed"),
            )

    def test_is_dated_ten_minutes_back(self, engine: Engine) -> None:
        _, grant = engine.create(
            "authorization:RoleAssignment", declared.assignment(OTHER, scope=GROUP)
        )
        assert grant["createdOn"] == "2027-01-15T07:50:00+00:00"

    def test_is_inherited_downwards_only(self, engine: Engine) -> None:
        declared.stand(engine)
        engine.create("authorization:RoleAssignment", declared.assignment(OTHER, scope=VAULT_ID))
        assert engine.world.grants(OTHER, KEY_ID) == {declared.CRYPTO_USER}
        assert engine.world.grants(OTHER, VAULT_ID.upper()) == {declared.CRYPTO_USER}
        assert engine.world.grants(OTHER, GROUP) == set()
        assert engine.world.grants(OTHER, f"{VAULT_ID}-two") == set()
        assert engine.world.grants(ASSIGNMENT, KEY_ID) == set()


class TestNetwork:
    def test_an_endpoint_takes_the_next_free_address(self, engine: Engine) -> None:
        declared.stand(engine)
        made = [engine.create("network:PrivateEndpoint", declared.endpoint(n))[1] for n in "ab"]
        found = [o["customDnsConfigs"][0]["ipAddresses"] for o in made]
        assert found == [["10.20.1.4"], ["10.20.1.5"]]
        connection = made[0]["privateLinkServiceConnections"][0]
        assert connection["privateLinkServiceConnectionState"]["status"] == "Approved"

    @pytest.mark.parametrize("delegated", [True, False])
    def test_a_server_in_a_delegated_subnet_takes_no_endpoint(
        self, engine: Engine, delegated: bool
    ) -> None:
        declared.stand(engine)
        server = f"{GROUP}/providers/{FLEXIBLE_SERVER}/psql"
        place = {"network": {"delegatedSubnetResourceId": SUBNET_ID}} if delegated else {}
        engine.world.put(Record(server, FLEXIBLE_SERVER, {}, place))
        asked = connected(privateLinkServiceId=server, groupIds=["postgresqlServer"])
        if delegated:
            with pytest.raises(Refused, match="lives in a delegated subnet"):
                engine.create("network:PrivateEndpoint", asked)
        else:
            _, made = engine.create("network:PrivateEndpoint", asked)
            assert made["customDnsConfigs"][0]["fqdn"] == "psql.postgres.database.azure.com"

    def test_a_full_subnet_is_refused(self, engine: Engine) -> None:
        declared.stand(engine)
        engine.create("network:Subnet", declared.subnet("tiny", "10.20.9.0/29"))
        place = {"id": f"{NETWORK_ID}/subnets/tiny"}
        for name in "abc":
            engine.create("network:PrivateEndpoint", declared.endpoint(name, subnet=place))
        with pytest.raises(Refused, match="SubnetIsFull"):
            engine.create("network:PrivateEndpoint", declared.endpoint("d", subnet=place))

    def test_a_zone_group_registers_the_address(self, engine: Engine) -> None:
        declared.stand(engine)
        engine.create("network:PrivateEndpoint", declared.endpoint())
        with pytest.raises(Refused, match="InvalidResourceReference"):
            engine.create("network:PrivateDnsZoneGroup", declared.zone_group(ZONE_ID))
        engine.create("privatedns:PrivateZone", declared.zone())
        _, group = engine.create("network:PrivateDnsZoneGroup", declared.zone_group(ZONE_ID))
        record = group["privateDnsZoneConfigs"][0]["recordSets"][0]
        assert record["fqdn"] == "kv-dev.privatelink.vaultcore.azure.net"
        assert record["ipAddresses"] == ["10.20.1.4"]

    def test_a_network_sees_one_zone_of_a_name(self, engine: Engine) -> None:
        declared.stand(engine)
        engine.create("resources:ResourceGroup", {"resourceGroupName": "second"})
        engine.create("privatedns:PrivateZone", declared.zone())
        engine.create("privatedns:PrivateZone", {**declared.zone(), "resourceGroupName": "second"})
        engine.create("privatedns:VirtualNetworkLink", declared.link())
        with pytest.raises(Refused, match="overlapping"):
            engine.create(
                "privatedns:VirtualNetworkLink", {**declared.link(), "resourceGroupName": "second"}
            )
        with pytest.raises(Refused, match="virtual network of the link is missing"):
            engine.create(
                "privatedns:VirtualNetworkLink",
                {k: v for k, v in declared.link("l2").items() if k != "virtualNetwork"},
            )

    def test_the_address_space_keeps_its_subnets(self, engine: Engine) -> None:
        declared.stand(engine)
        with pytest.raises(Refused, match="NetcfgInvalidSubnet"):
            engine.update("network:VirtualNetwork", NETWORK_ID, declared.network("10.30.0.0/16"))

    def test_a_used_subnet_keeps_its_block(self, engine: Engine) -> None:
        declared.stand(engine)
        engine.create("network:PrivateEndpoint", declared.endpoint())
        with pytest.raises(Refused, match="InUsePrefixCannotBeDeleted"):
            engine.update("network:Subnet", SUBNET_ID, declared.subnet(block="10.20.2.0/27"))


class TestDiagnostics:
    def test_a_sink_takes_a_category_once(self, engine: Engine) -> None:
        declared.stand(engine)
        engine.create("monitor:DiagnosticSetting", declared.diagnostics())
        with pytest.raises(Refused, match="is already used in diagnostic setting 'to-law'"):
            engine.create("monitor:DiagnosticSetting", declared.diagnostics("other"))


NSG_ID = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/nsg"
IN_USE: list[tuple[tuple[str, str], str, tuple[str, Body]]] = [
    (
        ("network:Subnet", SUBNET_ID),
        "InUseSubnetCannotBeDeleted",
        ("network:PrivateEndpoint", declared.endpoint()),
    ),
    (
        ("network:VirtualNetwork", NETWORK_ID),
        "InUseSubnetCannotBeDeleted",
        ("network:PrivateEndpoint", declared.endpoint()),
    ),
    (
        ("privatedns:PrivateZone", ZONE_ID),
        "CannotDeleteResource",
        ("privatedns:VirtualNetworkLink", declared.link()),
    ),
    (
        ("network:NetworkSecurityGroup", NSG_ID),
        "InUseNetworkSecurityGroupCannotBeDeleted",
        (
            "network:Subnet",
            declared.subnet("s", "10.20.3.0/28", networkSecurityGroup={"id": NSG_ID}),
        ),
    ),
]


@pytest.mark.parametrize(("used", "code", "user"), IN_USE, ids=[used[0] for used, *_ in IN_USE])
def test_what_is_used_is_not_deleted(
    engine: Engine, used: tuple[str, str], code: str, user: tuple[str, Body]
) -> None:
    declared.stand(engine)
    engine.create("privatedns:PrivateZone", declared.zone())
    engine.create("network:NetworkSecurityGroup", declared.security_group())
    user_id, _ = engine.create(*user)
    with pytest.raises(Refused, match=code):
        engine.delete(*used)
    assert engine.world.get(used[1]) is not None
    engine.delete(user[0], user_id)
    engine.delete(*used)
    assert engine.world.get(used[1]) is None


def test_deleting_a_group_deletes_what_it_holds_in_an_order_that_works(engine: Engine) -> None:
    declared.stand(engine)
    engine.create("network:NetworkSecurityGroup", declared.security_group())
    engine.create("network:PrivateEndpoint", declared.endpoint())
    nsg = {"id": f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/nsg"}
    engine.update("network:Subnet", SUBNET_ID, declared.subnet(networkSecurityGroup=nsg))
    engine.delete("resources:ResourceGroup", GROUP)
    assert engine.world.children(f"/subscriptions/{SUBSCRIPTION}") == []
    engine.create("resources:ResourceGroup", dict(RG))
    with pytest.raises(Refused, match="VaultAlreadyExists"):
        engine.create("keyvault:Vault", declared.vault())


def test_an_identity_of_the_same_name_is_another_principal(engine: Engine) -> None:
    first = declared.stand(engine)
    tagged = engine.update(
        "managedidentity:UserAssignedIdentity",
        IDENTITY_ID,
        {**declared.identity(), "tags": {"a": "b"}},
    )
    assert tagged["principalId"] == first
    engine.delete("managedidentity:UserAssignedIdentity", IDENTITY_ID)
    _, again = engine.create("managedidentity:UserAssignedIdentity", declared.identity())
    assert again["principalId"] != first
