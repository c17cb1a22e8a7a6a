"""stacks/settings/rules/network.py: the customer's network in place of one of ours."""

import pytest

from stacks.settings import SettingsError
from stacks.settings.model import ExistingNetwork
from tests.stacks.files import changed, judged, settings_of
from tests.stacks.test_bad_stack_files import EXISTING_POSTGRES

HUB = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-hub/providers"
SUBNET_ID = f"{HUB}/Microsoft.Network/virtualNetworks/vnet-hub/subnets/endpoints"
ZONES = f"{HUB}/Microsoft.Network/privateDnsZones"
ZONE_IDS = {
    "postgres": f"{ZONES}/privatelink.postgres.database.azure.com",
    "key_vault": f"{ZONES}/privatelink.vaultcore.azure.net",
}
EXISTING_NETWORK = {
    "kind": "existing",
    "endpoints_subnet_id": SUBNET_ID,
    "endpoints_subnet": "10.200.1.0/26",
    "nodes_subnet_id": SUBNET_ID.replace("endpoints", "nodes"),
    "private_dns_zone_ids": ZONE_IDS,
}

BAD = [
    ({"endpoints_subnet_id": "snet-hub"}, "endpoints_subnet_id: found 'snet-hub'", "subnet show"),
    (
        {"private_dns_zone_ids": {**ZONE_IDS, "postgres": ZONE_IDS["key_vault"]}},
        "private_dns_zone_ids.postgres: found", "privatelink.postgres.database.azure.com",
    ),
    (
        {"private_dns_zone_ids": {**ZONE_IDS, "key_vault": f"{ZONES}/privatelink.vault.azure.net"}},
        "private_dns_zone_ids.key_vault: found", "zone show",
    ),
    (
        {"private_dns_zone_ids": {"postgres": ZONE_IDS["postgres"]}},
        "private_dns_zone_ids.key_vault: found nothing, with key_vault.kind 'managed'", "zone show",
    ),
    (
        {"private_dns_zone_ids": {"key_vault": ZONE_IDS["key_vault"]}},
        "private_dns_zone_ids.postgres: found nothing, with postgres.kind 'managed'", "zone show",
    ),
    ({"address_space": "10.0.0.0/16"}, "the unknown key 'address_space'", "mean peered_spaces?"),
    ({"kind": "hub"}, "network.kind: found 'hub'", "'managed', 'existing'"),
]  # fmt: skip


def test_a_network_may_be_the_customers() -> None:
    network = settings_of("prod", {"network": EXISTING_NETWORK}).network
    assert isinstance(network, ExistingNetwork)
    assert network.private_dns_zone_ids.model_dump() == ZONE_IDS


@pytest.mark.parametrize(("change", "found", "remedy"), BAD)
def test_a_wrong_network_is_explained(change: dict[str, object], found: str, remedy: str) -> None:
    config = changed("prod", {"network": {**EXISTING_NETWORK, **change}})
    with pytest.raises(SettingsError, match="mistake") as caught:
        judged("prod", config)
    assert found in str(caught.value)
    assert remedy in str(caught.value)


def test_no_zone_is_asked_for_what_is_not_made() -> None:
    zones = {"key_vault": ZONE_IDS["key_vault"]}
    changes = {
        "postgres": EXISTING_POSTGRES,
        "network": {**EXISTING_NETWORK, "private_dns_zone_ids": zones},
    }
    assert judged("dev", changed("dev", changes), has_password=True).network
