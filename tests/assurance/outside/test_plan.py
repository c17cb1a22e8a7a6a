"""assurance/outside/plan.py: the little of Terraform that checks read."""

from typing import Any

import pytest

from assurance.outside.plan import ENDPOINT, FIREWALL_RULE, SERVER, VAULT, plan
from assurance.policies.model import Resource
from tests.assurance.recorded import stack


def resource(typ: str, name: str = "it", **raw: Any) -> Resource:
    return Resource(type=typ, name=name, urn=f"urn:{name}", raw=raw, id=f"/{name}")


def values(typ: str, **raw: Any) -> dict[str, Any]:
    (planned,) = plan([resource(typ, **raw)])["planned_values"]["root_module"]["resources"]
    found: dict[str, Any] = planned["values"]
    return found


@pytest.mark.parametrize(
    ("typ", "raw", "key", "expected"),
    [
        (
            SERVER,
            {"backup": {"geoRedundantBackup": "Enabled"}},
            "geo_redundant_backup_enabled",
            True,
        ),
        (SERVER, {}, "geo_redundant_backup_enabled", False),
        (SERVER, {}, "public_network_access_enabled", True),
        (
            SERVER,
            {"network": {"publicNetworkAccess": "Disabled"}},
            "public_network_access_enabled",
            False,
        ),
        (FIREWALL_RULE, {"startIpAddress": "0.0.0.0"}, "start_ip_address", "0.0.0.0"),  # noqa: S104 - what is looked for
        (VAULT, {"properties": {"enablePurgeProtection": True}}, "purge_protection_enabled", True),
        (VAULT, {}, "purge_protection_enabled", False),
    ],
)
def test_absence_is_azures_default(typ: str, raw: Any, key: str, expected: Any) -> None:
    assert values(typ, **raw)[key] == expected


def test_an_endpoint_refers_to_what_it_leads_to() -> None:
    server = resource(SERVER, "the-db")
    endpoint = resource(
        ENDPOINT, "door", privateLinkServiceConnections=[{"privateLinkServiceId": "/the-db"}]
    )
    _, configured = plan([server, endpoint])["configuration"]["root_module"]["resources"]
    assert configured["expressions"]["private_service_connection"] == [
        {
            "private_connection_resource_id": {
                "references": [
                    "azurerm_postgresql_flexible_server.the_db.id",
                    "azurerm_postgresql_flexible_server.the_db",
                ]
            }
        }
    ]


def test_every_server_and_vault_of_the_program_is_in_it() -> None:
    planned = plan(stack("prod").resources)["planned_values"]["root_module"]["resources"]
    kinds = sorted(entry["type"] for entry in planned)
    assert kinds.count("azurerm_key_vault") == 2
    assert kinds.count("azurerm_postgresql_flexible_server") == 1
    assert kinds.count("azurerm_kubernetes_cluster") == 1
