"""assurance/policies/state.py: what Pulumi writes is read as the program meant it."""

import json
from typing import Any

import pytest

from assurance.errors import AssuranceError
from assurance.policies.model import UNKNOWN, Secret
from assurance.policies.state import resources, stack
from assurance.policies.wire import OUTPUT, SEALED, SIGNATURE, UNKNOWNS, decode

URN = "urn:pulumi:uat::engram::engram:azure:Postgres$a:b:C::server"


def state(**changes: Any) -> dict[str, Any]:
    """Return one resource as Pulumi writes it."""
    return {
        "urn": URN,
        "custom": True,
        "type": "a:b:C",
        "id": "/server",
        "inputs": {"size": 3.0, "__provider": "pickled"},
        "outputs": {"fqdn": "host"},
        "parent": "urn:parent",
        "protect": True,
        "dependencies": ["urn:other"],
        "propertyDependencies": {"size": ["urn:other"], "name": None},
        **changes,
    }


def preview(*steps: dict[str, Any], **summary: int) -> dict[str, Any]:
    return {"steps": list(steps), "changeSummary": summary}


def step(op: str, **changes: Any) -> dict[str, Any]:
    after = None if op in {"delete", "delete-replaced"} else state(**changes)
    return {"op": op, "urn": URN, "oldState": state(), "newState": after}


EXPORT = {"version": 3, "deployment": {"resources": [state()]}}
CHECKPOINT = {"version": 3, "checkpoint": {"latest": {"resources": [state()]}}}
PREVIEW = preview(step("same"), same=1)


@pytest.mark.parametrize("document", [EXPORT, CHECKPOINT, PREVIEW])
def test_all_three_formats_are_read_alike(document: dict[str, Any]) -> None:
    (found,) = resources(document)
    assert (found.type, found.name, found.urn, found.id) == ("a:b:C", "server", URN, "/server")
    assert (found.raw, found.outputs) == ({"size": 3}, {"fqdn": "host"})
    assert (found.protect, found.parent, found.dependencies) == (True, "urn:parent", ("urn:other",))
    assert found.property_dependencies == {"size": ("urn:other",), "name": ()}
    assert stack(document).environment == "uat"


@pytest.mark.parametrize(
    "document",
    [
        {"deployment": {"resources": [state(custom=False)]}},
        {"deployment": {"resources": [state(delete=True)]}},
        {"deployment": None},
        {"checkpoint": {}},
        preview(step("delete"), delete=1),
    ],
)
def test_what_is_none_of_the_stack_is_left_out(document: dict[str, Any]) -> None:
    assert resources(document) == ()
    with pytest.raises(AssuranceError, match="no resources, so there is nothing to judge"):
        stack(document)


def test_of_a_replacement_the_new_one_counts() -> None:
    made = step("create-replacement", inputs={"size": 5})
    document = preview(made, step("replace", inputs={"size": 5}), step("delete-replaced"))
    (found,) = resources(document)
    assert found.raw == {"size": 5}


def test_a_preview_that_leaves_something_out_is_refused() -> None:
    with pytest.raises(AssuranceError, match="--show-sames"):
        resources(preview(step("create"), create=1, same=41))


def test_another_document_is_refused() -> None:
    with pytest.raises(AssuranceError, match="neither a state nor a preview"):
        resources({"resources": []})


@pytest.mark.parametrize("unknown", sorted(UNKNOWNS))
def test_what_is_not_known_yet_is_known_as_that(unknown: str) -> None:
    assert decode({"a": [unknown]}) == {"a": [UNKNOWN]}


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ({SIGNATURE: SEALED, "value": "s"}, "s"),
        ({SIGNATURE: SEALED, "value": {"a": 1.0}}, {"a": 1}),
        ({SIGNATURE: SEALED, "plaintext": json.dumps("s")}, "s"),
        ({SIGNATURE: SEALED, "ciphertext": "v1:x"}, UNKNOWN),
        ("[secret]", UNKNOWN),
        ({SIGNATURE: OUTPUT, "value": "s", "secret": True}, "s"),
        ({SIGNATURE: OUTPUT, "secret": True}, UNKNOWN),
    ],
)
def test_a_secret_stays_one(wire: Any, value: object) -> None:
    assert decode(wire) == Secret(value)


def test_other_values_keep_their_kind() -> None:
    given = {"a": 1.0, "b": 1.5, "c": True, "d": None, "e": {SIGNATURE: OUTPUT, "value": 2.0}}
    found = decode({**given, "f": {SIGNATURE: "an asset", "text": "t"}})
    assert found == {"a": 1, "b": 1.5, "c": True, "d": None, "e": 2, "f": {"text": "t"}}
    assert found["c"] is True
    assert repr((found["a"], found["e"])) == "(1, 2)", "a whole number is shown as one"
