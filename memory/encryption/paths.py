"""Paths into metadata: dots for depth, any element where a list is in the way.

A path also finds a key that has the dots in its own name, so that no spelling of a sensitive field
stays in the clear.  A place that was found is named by a JSON pointer (RFC 6901), which is exact.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

Path = tuple[str, ...]
"""The names on the way."""
At = Callable[[Any, str], Any]
"""What to put in place of a value, given the value and its pointer."""
DESCEND = object()
"""Look into the value instead of replacing it."""


def parsed(text: str) -> Path:
    """``a.b`` as a path.  Raises ValueError."""
    path = tuple(text.split("."))
    if not all(path):
        raise ValueError(f"«{text}» is no path: give names with dots between them")
    return path


@lru_cache  # settings are few, and rows are many
def outermost(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """The paths that lie within no other: encrypting those covers all."""
    every = sorted(set(paths), key=len)
    kept: list[Path] = []
    for path in every:
        if not any(path[: len(outer)] == outer for outer in kept):
            kept.append(path)
    return tuple(kept)


def changed(value: Any, paths: Iterable[Path], at: At) -> Any:
    """A copy in which ``at`` has replaced whatever lies at a path."""
    return _changed(value, outermost(tuple(paths)), "", at)


def found(value: Any, path: Path) -> list[Any]:
    """Every value that lies at a path."""
    values: list[Any] = []

    def note(one: Any, _: str) -> Any:
        values.append(one)
        return one

    _changed(value, (path,), "", note)
    return values


def texts_changed(
    value: Any,
    is_wanted: Callable[[str], bool],
    at: Callable[[str, str], Any],
    pointer: str = "",
) -> Any:
    """A copy in which ``at`` has replaced every wanted text, at any depth below the pointer."""

    def visit(one: Any, pointer: str) -> Any:
        return at(one, pointer) if isinstance(one, str) and is_wanted(one) else DESCEND

    return mapped(value, visit, pointer)


def mapped(value: Any, visit: At, pointer: str = "") -> Any:
    """A copy in which ``visit`` has replaced each value for which it did not return DESCEND."""
    replaced = visit(value, pointer)
    if replaced is not DESCEND:
        return replaced
    if isinstance(value, list):
        return [mapped(one, visit, f"{pointer}/{n}") for n, one in enumerate(value)]
    if isinstance(value, dict):
        return {name: mapped(v, visit, f"{pointer}/{_escaped(name)}") for name, v in value.items()}
    return value


def texts(value: Any) -> Iterator[str]:
    """Every text in a value, at any depth; names are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


def _changed(value: Any, paths: tuple[Path, ...], pointer: str, at: At) -> Any:
    if isinstance(value, list):
        return [_changed(one, paths, f"{pointer}/{n}", at) for n, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    return {name: _below(name, one, paths, pointer, at) for name, one in value.items()}


def _below(name: str, value: Any, paths: tuple[Path, ...], pointer: str, at: At) -> Any:
    """What becomes of one member: replaced where a path ends here, walked where one goes on."""
    here = f"{pointer}/{_escaped(name)}"
    parts = tuple(name.split("."))
    rests = [path[len(parts) :] for path in paths if path[: len(parts)] == parts]
    if () in rests:
        return at(value, here)
    return _changed(value, tuple(rests), here, at) if rests else value


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
