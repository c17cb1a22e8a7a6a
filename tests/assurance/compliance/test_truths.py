"""What a preview with a refresh tells: what is asked for, what stands, and how they differ."""

import copy
from typing import Any

import pytest

from assurance.compliance.truths import Change, of_preview
from assurance.errors import AssuranceError
from assurance.policies.model import Secret

STACK = "urn:pulumi:dev::engram::"
SETTING = f"{STACK}engram:azure:Postgres$azure-native:dbforpostgresql:Configuration::tls"
POLICY = f"{STACK}kubernetes:networking.k8s.io/v1:NetworkPolicy::graph-store"
SERVER = f"{STACK}azure-native:dbforpostgresql:Server::server"
OLD = f"{STACK}azure-native:keyvault:Secret::old"


def state(urn: str, **inputs: Any) -> dict[str, Any]:
    typ = urn.split("::")[2].rpartition("$")[2]
    return {"urn": urn, "type": typ, "custom": True, "inputs": inputs, "outputs": inputs}


def step(op: str, urn: str, old: Any = None, new: Any = None) -> dict[str, Any]:
    states = {"oldState": old and state(urn, **old), "newState": new and state(urn, **new)}
    return {"op": op, "urn": urn, **{key: value for key, value in states.items() if value}}


# As the engine writes it: its steps of the refresh show what was known before, twice.
PREVIEW = {
    "steps": [
        step("refresh", SETTING, {"value": "on"}, {"value": "on"}),
        step("refresh", POLICY, {"spec": {}}, {"spec": {}}),
        step("refresh", SERVER, {"administratorLoginPassword": "[secret]"}, {"version": "18"}),
        step("update", SETTING, {"value": "off"}, {"value": "on"}),
        step("create", POLICY, None, {"spec": {}}),
        step("same", SERVER, {"administratorLoginPassword": "[secret]"}, {"version": "18"}),
        step("delete", OLD, {"secretName": "old"}),
    ]
}


def test_both_sides_and_their_difference_are_read() -> None:
    declared, deployed, changes = of_preview(PREVIEW)
    assert {r.name: r.raw for r in declared.resources} == {
        "tls": {"value": "on"},
        "graph-store": {"spec": {}},
        "server": {"version": "18"},
    }
    assert {r.name for r in deployed.resources} == {"tls", "server", "old"}
    assert {r.raw["value"] for r in deployed.resources if r.name == "tls"} == {"off"}
    assert changes == (
        Change(action="delete", urn=OLD),
        Change(action="update", urn=SETTING),
        Change(action="create", urn=POLICY),
    )
    assert changes[1].resource == "azure-native:dbforpostgresql:Configuration tls"
    assert (declared.environment, deployed.environment) == ("dev", "dev")


def test_what_the_engine_blacked_out_is_a_secret_again() -> None:
    _, deployed, _ = of_preview(PREVIEW)
    (server,) = (r for r in deployed.resources if r.name == "server")
    assert isinstance(server.raw["administratorLoginPassword"], Secret)


def test_a_replacement_is_one_resource_on_either_side() -> None:
    preview = copy.deepcopy(PREVIEW)
    sides = ({"version": "17"}, {"version": "18"})
    preview["steps"] += [
        step("create-replacement", SERVER, *sides),
        step("replace", SERVER, *sides),
        step("delete-replaced", SERVER, sides[0]),
    ]
    declared, deployed, changes = of_preview(preview)
    assert [r.raw for r in declared.of_type("azure-native:dbforpostgresql:Server")] == [sides[1]]
    assert [r.raw for r in deployed.of_type("azure-native:dbforpostgresql:Server")] == [sides[0]]
    assert Change(action="create-replacement", urn=SERVER) in changes


@pytest.mark.parametrize(
    "left_out",
    ["refresh", "same"],
)
def test_a_preview_that_does_not_tell_all_is_refused(left_out: str) -> None:
    steps = [each for each in PREVIEW["steps"] if each["op"] != left_out]
    with pytest.raises(AssuranceError, match="--refresh --show-sames --json"):
        of_preview({"steps": steps})


def test_a_preview_that_failed_is_refused() -> None:
    failed = {"urn": SERVER, "severity": "error", "message": "the vault is locked\n"}
    warned = {**failed, "severity": "warning"}
    of_preview({**PREVIEW, "diagnostics": [warned]})
    with pytest.raises(AssuranceError, match=r"this preview failed.*\nthe vault is locked$"):
        of_preview({**PREVIEW, "diagnostics": [warned, failed]})


@pytest.mark.parametrize("document", [{}, {"deployment": {"resources": []}}])
def test_another_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(AssuranceError, match="this is no preview with a refresh"):
        of_preview(document)
