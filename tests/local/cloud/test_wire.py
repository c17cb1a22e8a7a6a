"""Property values survive the wire, and so does their secrecy."""

import pytest
from google.protobuf import struct_pb2

from local.cloud.arm import UNKNOWN
from local.cloud.wire import SECRET, SIGNATURE, UNKNOWNS, decode, encode

BODY = {"a": {"b": [1, 2.5, True, "x", {"c": "y"}]}, "n": 3, "empty": {}, "none": []}


@pytest.mark.parametrize("secrets", [frozenset(), {("a",)}, {("a", "b", 4, "c"), ("n",)}])
def test_round_trip(secrets: frozenset[tuple[str | int, ...]]) -> None:
    assert decode(encode(BODY, secrets)) == (BODY, frozenset(secrets))


def test_whole_doubles_are_integers() -> None:
    struct = struct_pb2.Struct()
    struct.update({"a": 3072.0, "b": 0.5})
    found = decode(struct)[0]
    assert found == {"a": 3072, "b": 0.5}
    assert isinstance(found["a"], int)


def test_nulls_are_dropped() -> None:
    struct = struct_pb2.Struct()
    struct.update({"a": None, "b": {"c": None}})
    assert decode(struct)[0] == {"b": {}}
    assert decode(encode({"a": None}))[0] == {}


@pytest.mark.parametrize("marker", sorted(UNKNOWNS))
def test_every_unknown_is_the_same_unknown(marker: str) -> None:
    struct = struct_pb2.Struct()
    struct.update({"a": {SIGNATURE: SECRET, "value": marker}})
    assert decode(struct) == ({"a": UNKNOWN}, frozenset({("a",)}))


def test_refuses_what_is_no_json() -> None:
    with pytest.raises(TypeError, match=r"a\.b: set is no JSON"):
        encode({"a": {"b": set()}})
