"""Pulumi's property values as plain Python, and back, with secrets remembered by path.

On the wire everything is a protobuf ``Struct``: integers are doubles, secrets are
wrapped objects, unknown values are magic strings.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import struct_pb2

from local.cloud.arm import UNKNOWN, Body

Path = tuple[str | int, ...]

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker of the protocol
UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # a list
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # an object
    }
)


def decode(struct: struct_pb2.Struct) -> tuple[Body, frozenset[Path]]:
    """Return the plain values and the paths that were secret; nulls are dropped."""
    secrets: set[Path] = set()
    return _object(struct.fields, (), secrets), frozenset(secrets)


def encode(body: Body, secrets: Iterable[Path] = ()) -> struct_pb2.Struct:
    """Return the wire form, with what lies at the given paths wrapped as secret."""
    return _struct(body, frozenset(secrets), ())


def _object(fields: Mapping[str, struct_pb2.Value], path: Path, secrets: set[Path]) -> Body:
    values = {key: _plain(value, (*path, key), secrets) for key, value in fields.items()}
    return {key: value for key, value in values.items() if value is not None}


def _plain(  # noqa: PLR0911 - one for each kind of value
    value: struct_pb2.Value, path: Path, secrets: set[Path]
) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            fields = value.struct_value.fields
            if SIGNATURE in fields and fields[SIGNATURE].string_value == SECRET:
                secrets.add(path)
                return _plain(fields["value"], path, secrets)
            return _object(fields, path, secrets)
        case "list_value":
            return [_plain(v, (*path, i), secrets) for i, v in enumerate(value.list_value.values)]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return UNKNOWN if value.string_value in UNKNOWNS else value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _struct(body: Body, secrets: frozenset[Path], path: Path) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    for key, item in body.items():
        if item is not None:
            struct.fields[key].CopyFrom(_value(item, secrets, (*path, key)))
    return struct


def _value(  # noqa: PLR0911 - one for each kind of value
    item: Any, secrets: frozenset[Path], path: Path
) -> struct_pb2.Value:
    if path in secrets:
        inner = _value(item, secrets - {path}, path)
        wrapped = struct_pb2.Struct(
            fields={SIGNATURE: struct_pb2.Value(string_value=SECRET), "value": inner}
        )
        return struct_pb2.Value(struct_value=wrapped)
    match item:
        case dict():
            return struct_pb2.Value(struct_value=_struct(item, secrets, path))
        case list() | tuple():
            values = [_value(v, secrets, (*path, i)) for i, v in enumerate(item)]
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=values))
        case bool():
            return struct_pb2.Value(bool_value=item)
        case int() | float():
            return struct_pb2.Value(number_value=item)
        case str():
            return struct_pb2.Value(string_value=item)
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case _:
            raise TypeError(f"{'.'.join(map(str, path))}: {type(item).__name__} is no JSON")
