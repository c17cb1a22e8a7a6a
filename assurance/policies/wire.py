"""Pulumi's wire format, read into what rules are shown."""

import json
from collections.abc import Mapping
from typing import Any, Final

from assurance.policies.model import UNKNOWN, Secret

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
"""The key under which an object says that it is more than an object."""
SEALED: Final = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
BLINDED: Final = "[secret]"
"""What `pulumi preview --json` writes instead of a secret."""
UNKNOWNS: Final = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a truth value
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # a text, or anything
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # a list
        "030794c1-ac77-496b-92df-f27374a8bd58",  # an asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # an archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # an object
    }
)
"""What stands for a value that is not known yet: sdk/go/common/resource/plugin/rpc.go."""


def decode(value: Any) -> Any:
    """Return plain data, in which ``UNKNOWN`` and ``Secret`` stand where they stood.

    A secret whose text is sealed, as in an exported state, is an unknown secret.
    """
    if isinstance(value, str):
        return Secret(UNKNOWN) if value == BLINDED else UNKNOWN if value in UNKNOWNS else value
    if isinstance(value, float) and value.is_integer():
        return int(value)  # the wire has no whole numbers
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, Mapping):
        return _special(value) if SIGNATURE in value else _object(value)
    return value


def _object(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: decode(inner) for key, inner in value.items()}


def _special(value: Mapping[str, Any]) -> Any:
    if value[SIGNATURE] == SEALED:
        return Secret(_content(value))
    if value[SIGNATURE] == OUTPUT:
        known = decode(value["value"]) if "value" in value else UNKNOWN
        return Secret(known) if value.get("secret") else known
    return {key: decode(inner) for key, inner in value.items() if key != SIGNATURE}  # an asset


def _content(secret: Mapping[str, Any]) -> Any:
    if "plaintext" in secret:  # of `pulumi stack export --show-secrets`
        return decode(json.loads(secret["plaintext"]))
    return decode(secret["value"]) if "value" in secret else UNKNOWN
