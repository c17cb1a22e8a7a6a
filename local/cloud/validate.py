"""Whether inputs fit the SDK's own types, and what a preview knows of the outputs.

This is stricter than the real provider, which passes unknown keys and bad enums
on to Azure: here they fail in the preview, with their path.
"""

from collections.abc import Iterator
from typing import Any

from local.cloud import arm
from local.cloud.arm import UNKNOWN, Body, Refusal
from local.cloud.sdk import Object, Schema, Value, schema

SCALARS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}


def validate(token: str, inputs: Body) -> list[Refusal]:
    """Return every unknown key, missing value, bad enum and wrong type, with its path."""
    own = schema(token)
    return list(_Validator(own["objects"]).walk(own["inputs"], inputs, ""))


def has_input(token: str, name: str) -> bool:
    """Return whether a resource takes an input of this wire name."""
    own = schema(token)
    return name in own["objects"][own["inputs"]]["properties"]


def as_inputs(token: str, outputs: Body) -> Body:
    """Return what of a resource's outputs could be asked for, at every depth.

    A refresh takes whole elements of a list over, with states and tags that only Azure writes.
    """
    own = schema(token)
    return _kept(own["objects"], own["inputs"], outputs)


def _kept(objects: dict[str, Object], name: str, value: Body) -> Body:
    known = objects[name]["properties"]
    return {key: _trimmed(objects, known[key], item) for key, item in value.items() if key in known}


def _trimmed(objects: dict[str, Object], allowed: Value, value: Any) -> Any:
    match value:
        case dict() if "objects" in allowed:
            trials = (_kept(objects, name, value) for name in allowed["objects"])
            return max(trials, key=len)
        case list() if "items" in allowed:
            return [_trimmed(objects, allowed["items"], item) for item in value]
    return value


def preview(token: str, known: Body) -> Body:
    """Return outputs for a preview: what is known, and everything else unknown.

    Only so does ``vault.properties.vault_uri`` of a vault that is not there yet
    read as unknown instead of ``None``.
    """
    own = schema(token)
    return _fill(own, own["outputs"], known)


def _fill(own: Schema, shape: str, known: Body) -> Body:
    filled: Body = dict(known)
    for key, inner in own["shapes"][shape].items():
        if key not in known:
            filled[key] = UNKNOWN
        elif inner is not None and isinstance(known[key], dict):
            filled[key] = _fill(own, inner, known[key])
    return filled


class _Validator:
    """Walks inputs along the objects of one schema."""

    def __init__(self, objects: dict[str, Object]) -> None:
        self.objects = objects

    def walk(self, name: str, value: Body, path: str) -> Iterator[Refusal]:
        own = self.objects[name]
        for key, item in value.items():
            if key in own["properties"]:
                yield from self.check(own["properties"][key], item, f"{path}{key}")
            else:
                yield Refusal(f"{path}{key}", "UnknownProperty", _no_such(own, key))
        for key in own["required"]:
            if key not in value:
                words = f"missing required property '{path}{key}'"
                yield Refusal(f"{path}{key}", "MissingProperty", words)

    def check(self, allowed: Value, value: Any, path: str) -> Iterator[Refusal]:
        match value:
            case None | arm.UNKNOWN:
                return
            case dict() if "objects" in allowed:
                trials = [list(self.walk(o, value, f"{path}.")) for o in allowed["objects"]]
                yield from min(trials, key=len)
            case dict() if "values" in allowed:
                for key, item in value.items():
                    yield from self.check(allowed["values"], item, f"{path}[{key}]")
            case list() if "items" in allowed:
                for i, item in enumerate(value):
                    yield from self.check(allowed["items"], item, f"{path}[{i}]")
            case _ if not _fits(allowed, value):
                yield Refusal(path, "WrongType", f"{_shown(value)} is not {_wanted(allowed)}")
            case _ if value not in allowed.get("enum", [value]):
                yield Refusal(path, "InvalidEnum", f"{value!r} is not one of {allowed['enum']}")


def _fits(allowed: Value, value: Any) -> bool:
    if not allowed:
        return True
    if isinstance(value, dict | list):
        return False
    if "enum" in allowed and isinstance(value, str):
        return True
    kinds = {kind for name in allowed.get("scalars", ()) for kind in SCALARS[name]}
    # To Python a bool is an int; to Azure it is not.
    return bool in kinds if isinstance(value, bool) else isinstance(value, tuple(kinds))


def _no_such(own: Object, key: str) -> str:
    meant = own["python_names"].get(key)
    hint = f"; did you mean '{meant}'?" if meant else ""
    return f"no property '{key}'{hint} Allowed: {', '.join(sorted(own['properties']))}"


def _wanted(allowed: Value) -> str:
    words = list(allowed.get("scalars", ()))
    words += ["one of " + ", ".join(map(str, allowed["enum"]))] if "enum" in allowed else []
    words += ["an object"] if "objects" in allowed or "values" in allowed else []
    words += ["a list"] if "items" in allowed else []
    return " or ".join(words)


def _shown(value: Any) -> str:
    """Return a wrong value for an error; never a text, which may be a secret."""
    if isinstance(value, str | list):
        return "a text" if isinstance(value, str) else "a list"
    return "an object" if isinstance(value, dict) else repr(value)
