"""Places in a resource's inputs, and copies of the inputs in which one of them is changed."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from assurance.policies.model import Secret

Path = tuple[str | int, ...]
"""Keys and indexes, outermost first."""

ABSENT: Final = object()
"""What stands where nothing does."""


def shown(path: Path) -> str:
    """Return a path in words, whichever item of a list it is: ``spec.containers.*.image``."""
    return ".".join("*" if isinstance(key, int) else key for key in path)


def found(raw: Any, path: Path) -> Any:
    """Return what stands at a path, with its ``Secret``; ``ABSENT`` where the way ends early."""
    for key in path:
        raw = bare(raw)
        try:
            raw = raw[key]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return raw


def altered(raw: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """Return a copy with something else at a path; the rest, secrets too, is as it was.

    ``change`` is shown what stands there, or ``ABSENT``, and returns what shall, or ``ABSENT``.
    """
    if not path:
        return change(raw)
    if isinstance(raw, Secret):
        return Secret(altered(raw.value, path, change))
    key, *rest = path
    inner = altered(found(raw, (key,)), tuple(rest), change)
    if isinstance(raw, Mapping):
        others = {name: value for name, value in raw.items() if name != key}
        return others if inner is ABSENT else {**raw, key: inner}
    place = int(key)
    return [*raw[:place], *([] if inner is ABSENT else [inner]), *raw[place + 1 :]]


def replaced(raw: Any, path: Path, value: Any) -> Any:
    """Return a copy in which ``value`` stands at the path; what was secret there stays so."""
    return altered(raw, path, lambda old: Secret(value) if isinstance(old, Secret) else value)


def removed(raw: Any, path: Path) -> Any:
    """Return a copy that lacks what stands at the path."""
    return altered(raw, path, lambda _: ABSENT)


def uncovered(raw: Any, path: Path) -> Any:
    """Return a copy in which the secret at the path is none any more."""
    return altered(raw, path, bare)


def secrets(raw: Any, path: Path = ()) -> list[Path]:
    """Return where secrets stand; one within another is not counted."""
    if isinstance(raw, Secret):
        return [path]
    items: Any = ()
    if isinstance(raw, Mapping):
        items = raw.items()
    elif isinstance(raw, list | tuple):
        items = enumerate(raw)
    return [place for key, value in items for place in secrets(value, (*path, key))]


def bare(raw: Any) -> Any:
    """Return what is in a secret; anything else as it is."""
    while isinstance(raw, Secret):
        raw = raw.value
    return raw
