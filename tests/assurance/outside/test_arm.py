"""assurance/outside/arm.py: what Azure would be sent."""

from typing import Any

import pytest

from assurance.errors import AssuranceError
from assurance.outside.arm import rendered, template
from assurance.policies.model import UNKNOWN, Resource, Secret
from tests.assurance.recorded import stack
from tests.stacks.files import STACKS


def resource(kind: str, **raw: Any) -> Resource:
    return Resource(type=f"azure-native:{kind}", name="it", urn="urn:it", raw=raw)


def test_what_the_provider_flattens_is_in_properties_again() -> None:
    server = resource(
        "dbforpostgresql:Server",
        serverName="db",
        resourceGroupName="rg",
        location="westeurope",
        sku={"name": "Standard_B1ms"},
        version="18",
    )
    assert rendered(server) == {
        "type": "Microsoft.DBforPostgreSQL/flexibleServers",
        "apiVersion": "2025-08-01",
        "name": "db",
        "location": "westeurope",
        "sku": {"name": "Standard_B1ms"},
        "properties": {"version": "18"},
    }


def test_what_is_below_something_is_named_after_it() -> None:
    pool = resource("containerservice:AgentPool", resourceName="aks", agentPoolName="p", type="V")
    assert rendered(pool)["name"] == "aks/p"
    assert rendered(pool)["type"].endswith("/agentPools")
    assert rendered(pool)["properties"] == {"type": "V"}


def test_what_is_attached_to_something_has_it_as_its_scope() -> None:
    lock = resource("authorization:ManagementLockByScope", lockName="l", scope="/x", level="No")
    assert rendered(lock)["scope"] == "/x"


@pytest.mark.parametrize(
    ("kind", "raw", "place", "expected"),
    [
        (
            "network:NetworkSecurityGroup",
            {"securityRules": [{"name": "in", "access": "Allow"}]},
            "securityRules",
            [{"name": "in", "properties": {"access": "Allow"}}],
        ),
        (
            "network:PrivateEndpoint",
            {"subnet": {"id": "/s"}},
            "subnet",
            {"id": "/s"},
        ),
        (
            "keyvault:Secret",
            {"properties": {"value": Secret("canary"), "attributes": {"expires": 1}}},
            "value",
            "[parameters('secret')]",
        ),
        (
            "keyvault:Secret",
            {"properties": {"attributes": {"expires": 7, "enabled": True}}},
            "attributes",
            {"exp": 7, "enabled": True},
        ),
        ("dbforpostgresql:Server", {"version": UNKNOWN}, "version", "[parameters('late')]"),
        ("operationalinsights:Workspace", {"sku": {"name": "P"}}, "sku", {"name": "P"}),
    ],
)
def test_azures_own_words_are_used(kind: str, raw: Any, place: str, expected: Any) -> None:
    assert rendered(resource(kind, **raw))["properties"][place] == expected


def test_assigned_identities_are_keys() -> None:
    cluster = resource(
        "containerservice:ManagedCluster", identity={"userAssignedIdentities": ["/id"]}
    )
    assert rendered(cluster)["identity"] == {"userAssignedIdentities": {"/id": {}}}


def test_a_type_without_words_is_no_pass() -> None:
    with pytest.raises(AssuranceError, match=r"nobody has said what azure-native:web:App .*KINDS"):
        template([resource("web:App")])


@pytest.mark.parametrize("name", STACKS)
def test_every_resource_of_the_program_has_words(name: str) -> None:
    declared = [r for r in stack(name).resources if r.type.startswith("azure-native:")]
    rendered_all = template(declared)["resources"]
    assert len(rendered_all) == len(declared)
    assert [entry for entry in rendered_all if not entry["name"].strip("/")] == []
