"""local/cloud/door/arm.py: who may, what is served, and what is refused by name"""

from typing import Any

import pytest

from local.cloud.door import arm, directory, tokens
from local.cloud.door.messages import Refused, Request
from tests.local.cloud import declared
from tests.local.cloud.conftest import GROUP, Engine

ENDPOINT = f"{GROUP}/providers/Microsoft.Network/privateEndpoints/pe"
SERVER = f"{GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers/psql-none"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
TENANT = "00000000-0000-0000-0000-0000000000aa"


@pytest.fixture
def cloud(engine: Engine) -> Engine:
    """A vault in a network, with a private endpoint."""
    engine.create("keyvault:Vault", declared.vault())
    engine.create("network:VirtualNetwork", declared.network())
    engine.create("network:Subnet", declared.subnet())
    engine.create("network:PrivateEndpoint", declared.endpoint())
    return engine


def ask(engine: Engine, method: str, path: str, *, owner: bool = True, body: bytes = b"") -> Any:
    known = directory.owner(engine.world)
    who = tokens.Caller(
        principal_id=known.principal_id if owner else "11111111-0000-4000-8000-000000000002",
        client_id=known.client_id,
        tenant_id=TENANT,
        is_owner=owner,
    )
    token = tokens.issue(engine.world, who, tokens.MANAGEMENT)
    headers = {"authorization": f"Bearer {token}"}
    host = "management.azure.com"
    request = Request(method=method, host=host, path=path, headers=headers, body=body)
    return arm.handle(engine.world, request)


def test_a_body_has_properties_as_the_wire_wants_them(cloud: Engine) -> None:
    body = ask(cloud, "GET", ENDPOINT).body
    assert (body["id"], body["name"], body["location"]) == (ENDPOINT, "pe", "westeurope")
    link = body["properties"]["privateLinkServiceConnections"][0]
    assert link["name"] == "c"
    assert link["properties"]["groupIds"] == ["vault"]


def test_what_is_answered_can_be_asked_for(cloud: Engine) -> None:
    import json  # noqa: PLC0415 - only here

    body = ask(cloud, "GET", ENDPOINT).body
    other = ENDPOINT + "-2"
    known = {"subnet", "privateLinkServiceConnections"}
    asked = {k: v for k, v in body["properties"].items() if k in known}
    for connection in asked["privateLinkServiceConnections"]:
        del connection["properties"]["provisioningState"]
    told = json.dumps({"location": "westeurope", "properties": asked}).encode()
    assert ask(cloud, "PUT", other, body=told).status == 201
    assert ask(cloud, "DELETE", other).status == 204
    assert ask(cloud, "DELETE", other).status == 204
    with pytest.raises(Refused, match="was not found"):
        ask(cloud, "GET", other)


def test_a_request_without_a_token_is_refused(cloud: Engine) -> None:
    request = Request(method="GET", host="management.azure.com", path=ENDPOINT)
    with pytest.raises(Refused, match="'Authorization' header is missing") as caught:
        arm.handle(cloud.world, request)
    assert caught.value.status == 401


@pytest.mark.parametrize(
    ("role", "method", "allowed"),
    [
        (None, "GET", False),
        (READER, "GET", True),
        (READER, "DELETE", False),
        (CONTRIBUTOR, "DELETE", True),
    ],
)
def test_the_role_decides(cloud: Engine, role: str | None, method: str, allowed: bool) -> None:
    if role is not None:
        body = declared.assignment(
            "11111111-0000-4000-8000-000000000002", GROUP, roleDefinitionId=declared.role(role)
        )
        cloud.create("authorization:RoleAssignment", body)
    if allowed:
        assert ask(cloud, method, ENDPOINT, owner=False).status in {200, 204}
        return
    with pytest.raises(Refused, match="does not have authorization") as caught:
        ask(cloud, method, ENDPOINT, owner=False)
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("method", "path"), [("GET", declared.VAULT_ID), ("PATCH", SERVER), ("POST", ENDPOINT)]
)
def test_what_is_not_served_is_refused_by_name(cloud: Engine, method: str, path: str) -> None:
    with pytest.raises(Refused, match=f"does not serve {method}") as caught:
        ask(cloud, method, path)
    assert caught.value.status == 501


def test_a_wrong_body_is_refused_with_its_path(cloud: Engine) -> None:
    body = b'{"location": "westeurope", "properties": {"subnet": {"id": "x"}}}'
    with pytest.raises(Refused, match="privateLinkServiceConnections: missing") as caught:
        ask(cloud, "PUT", ENDPOINT + "-3", body=body)
    assert caught.value.status == 400


def test_an_unknown_operation_is_said(cloud: Engine) -> None:
    where = f"{GROUP.split('/resourceGroups')[0]}/providers/Microsoft.DBforPostgreSQL"
    name = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(Refused, match=f"{name}' was not found"):
        ask(cloud, "GET", f"{where}/locations/local/azureAsyncOperation/{name}")


def test_a_group_without_servers_lists_none(cloud: Engine) -> None:
    path = SERVER.rsplit("/", 1)[0]
    assert ask(cloud, "GET", path).body == {"value": []}
