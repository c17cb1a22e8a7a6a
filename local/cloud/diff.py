"""What changed between two sets of inputs, and whether the change replaces the resource.

The rules are the real provider's: path arguments and create-only properties
replace; a child of a create-only property does too; the case and spaces of a
location mean nothing.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from local.cloud.arm import Body

Kind = Literal["ADD", "DELETE", "UPDATE"]
Steps = tuple[str | int, ...]


class Change(NamedTuple):
    """One property that differs."""

    path: str
    """As the engine writes it: ``sku.name``, ``securityRules[0].priority``."""
    kind: Kind
    replaces: bool


def changes(old: Body, new: Body, replacing: frozenset[str]) -> list[Change]:
    """Return every difference; ``replacing`` holds dotted paths without list indices."""
    found = differences(_normal(old), _normal(new))
    return [Change(written(steps), kind, _replaces(steps, replacing)) for steps, kind in found]


def apply_changes(values: Body, old: Body, new: Body) -> Body:
    """Carry what changed between two outputs over to the inputs, and nothing else.

    Azure adds much to what it answers that was never asked for; a refresh must
    show what changed since, not that.
    """
    result = {k: v for k, v in values.items() if k in new or k not in old}
    for key, value in new.items():
        if key not in old:
            result[key] = value
        elif old[key] != value:
            result[key] = _carry(values.get(key), old[key], value)
    return result


def _carry(base: Any, old: Any, new: Any) -> Any:
    if isinstance(base, dict) and isinstance(old, dict) and isinstance(new, dict):
        return apply_changes(base, old, new)
    if isinstance(base, list) and isinstance(old, list) and isinstance(new, list):
        known = min(len(base), len(old))
        return [_carry(base[i], old[i], v) if i < known else v for i, v in enumerate(new)]
    return new if old != new else base


def _normal(body: Body) -> Body:
    location = body.get("location")
    if isinstance(location, str):
        body = {**body, "location": location.lower().replace(" ", "")}
    return {k: v for k, v in body.items() if not k.startswith("__")}


def differences(old: Any, new: Any, steps: Steps = ()) -> Iterator[tuple[Steps, Kind]]:
    """Yield where two values differ, as deep as both have the same shape."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            yield from _member(old.get(key), new.get(key), (*steps, key))
    elif isinstance(old, list) and isinstance(new, list):
        for i in range(max(len(old), len(new))):
            before = old[i] if i < len(old) else None
            after = new[i] if i < len(new) else None
            yield from _member(before, after, (*steps, i))
    elif old != new:
        yield steps, "UPDATE"


def written(steps: Steps) -> str:
    """Return a path as the engine writes it."""
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f"{'.' if path else ''}{_quoted(step)}"
    return path


def _member(old: Any, new: Any, steps: Steps) -> Iterator[tuple[Steps, Kind]]:
    if old is None and new is not None:
        yield steps, "ADD"
    elif old is not None and new is None:
        yield steps, "DELETE"
    else:
        yield from differences(old, new, steps)


def _quoted(key: str) -> str:
    return key if re.fullmatch(r"[\w$-]+", key) else f'["{key}"]'


def _replaces(steps: Steps, replacing: frozenset[str]) -> bool:
    names = [step for step in steps if isinstance(step, str)]
    return any(".".join(names[: i + 1]) in replacing for i in range(len(names)))
