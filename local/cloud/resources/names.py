"""Azure's rules for names, as the resource providers word them.

https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""

import re
import uuid
from collections.abc import Iterator

from local.cloud.arm import Body, Refusal, lookup


def name_rule(
    inputs: Body, path: str, pattern: str, allowed: str, code: str = "InvalidResourceName"
) -> Iterator[Refusal]:
    """Refuse a name that the pattern does not match; an unknown one passes."""
    name = lookup(inputs, path)
    if name is not None and re.fullmatch(pattern, str(name)) is None:
        yield Refusal(path, code, f"'{name}' is not allowed; {allowed}")


def one_of(inputs: Body, path: str, code: str, *allowed: str) -> Iterator[Refusal]:
    """Refuse a value that is not one of the given; case is ignored."""
    value = lookup(inputs, path)
    if value is not None and str(value).lower() not in {a.lower() for a in allowed}:
        yield Refusal(path, code, f"{value!r} is not one of {', '.join(allowed)}")


NETWORK_NAME = r"[A-Za-z0-9](?:[\w.-]{0,78}\w)?"
NETWORK_NAME_WORDS = (
    "1-80 letters, digits, '_', '.' and '-', beginning with a letter or digit and ending with"
    " a letter, digit or '_'"
)


def is_guid(value: str) -> bool:
    """Return whether a text is a GUID, in any case."""
    try:
        return str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


def stable_guid(*parts: str) -> str:
    """Return the same GUID for the same parts; case ignored, as in ARM ids."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join(parts).lower()))
