"""Random values: as asked for, drawn once, and secret where they are passwords."""

import uuid
from typing import Any

import pytest

from local.cloud.arm import UNKNOWN, Body
from local.cloud.protocol import provider_pb2
from local.cloud.random_types import SPECIAL, RandomProvider
from local.cloud.servicer import Servicer
from local.cloud.wire import decode, encode
from tests.local.cloud.conftest import Context, Refused

STRING, PASSWORD = (
    "random:index/randomString:RandomString",
    "random:index/randomPassword:RandomPassword",
)
ID, UUID = "random:index/randomId:RandomId", "random:index/randomUuid:RandomUuid"
SERVICER = Servicer(RandomProvider(), "4.21.4")


def call(method: str, token: str, **message: Any) -> Any:
    request = getattr(provider_pb2, f"{method}Request")(
        urn=f"urn:pulumi:dev::engram::{token}::it", **message
    )
    return getattr(SERVICER, method)(request, Context())


def create(token: str, inputs: Body) -> tuple[str, Body, Any]:
    made = call("Create", token, properties=encode(inputs))
    outputs, secrets = decode(made.properties)
    return made.id, outputs, secrets


@pytest.mark.parametrize(
    ("inputs", "allowed"),
    [
        ({"length": 8, "special": False, "upper": False}, "abcdefghijklmnopqrstuvwxyz0123456789"),
        ({"length": 8, "lower": False, "upper": False, "special": False}, "0123456789"),
        ({"length": 8, "lower": False, "upper": False, "number": False}, SPECIAL),
        (
            {
                "length": 8,
                "lower": False,
                "upper": False,
                "numeric": False,
                "overrideSpecial": "-_",
            },
            "-_",
        ),
    ],
)
def test_draws_from_what_is_switched_on(inputs: Body, allowed: str) -> None:
    id_, outputs, secrets = create(STRING, inputs)
    assert len(outputs["result"]) == 8
    assert set(outputs["result"]) <= set(allowed)
    assert id_ == outputs["result"]
    assert not secrets


def test_keeps_the_minima() -> None:
    wanted = {"length": 8, "minLower": 2, "minUpper": 2, "minNumeric": 2, "minSpecial": 2}
    for _ in range(20):
        result = create(PASSWORD, wanted)[1]["result"]
        kinds = [sum(map(t, result)) for t in (str.islower, str.isupper, str.isdigit)]
        assert kinds == [2, 2, 2]


def test_a_password_is_secret_and_no_id() -> None:
    id_, outputs, secrets = create(PASSWORD, {"length": 24})
    assert id_ == "none"
    assert secrets == {("result",)}
    assert outputs["special"] is True


def test_an_id_is_the_same_bytes_in_every_spelling() -> None:
    id_, outputs, _ = create(ID, {"byteLength": 4, "prefix": "p-"})
    assert outputs["hex"].startswith("p-")
    assert int(outputs["hex"][2:], 16) == int(outputs["dec"][2:])
    assert id_ == outputs["b64Url"]


def test_a_uuid_is_one() -> None:
    id_, outputs, _ = create(UUID, {})
    assert str(uuid.UUID(outputs["result"])) == id_


def test_every_change_draws_anew_and_none_is_deleted_first() -> None:
    for change in ({"length": 9}, {"keepers": {"a": "c"}}, {"special": False}):
        old = {"length": 8, "keepers": {"a": "b"}}
        found = call("Diff", STRING, old_inputs=encode(old), news=encode({**old, **change}))
        assert list(found.replaces)
        assert not found.deleteBeforeReplace


def test_a_preview_knows_the_inputs_only() -> None:
    made = call("Create", STRING, properties=encode({"length": 8}), preview=True)
    outputs = decode(made.properties)[0]
    assert (outputs["length"], outputs["result"]) == (8, UNKNOWN)


def test_a_refresh_changes_nothing() -> None:
    inputs = {"length": 8}
    id_, outputs, _ = create(PASSWORD, inputs)
    state = {"properties": encode(outputs, {("result",)}), "inputs": encode(inputs)}
    read = call("Read", PASSWORD, id=id_, **state)
    assert decode(read.properties) == (outputs, frozenset({("result",)}))
    assert decode(read.inputs)[0] == inputs


@pytest.mark.parametrize(
    ("token", "inputs", "path"),
    [
        (STRING, {"length": 0}, "length"),
        (PASSWORD, {"length": 3, "minLower": 4}, "length"),
        (
            STRING,
            {"length": 3, **dict.fromkeys(("lower", "upper", "numeric", "special"), False)},
            "lower",
        ),
        (ID, {"byteLength": 0}, "byteLength"),
    ],
)
def test_refuses_the_impossible(token: str, inputs: Body, path: str) -> None:
    assert [f.property for f in call("Check", token, news=encode(inputs)).failures] == [path]


@pytest.mark.parametrize(
    ("method", "token", "words"),
    [
        ("Check", "random:index/randomPet:RandomPet", "has no 'random:index/randomPet"),
        ("Read", STRING, "cannot be imported"),
        ("Update", STRING, "cannot change in place"),
    ],
)
def test_refuses_by_name(method: str, token: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        call(method, token)
