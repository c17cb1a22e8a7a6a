"""What rules say: what was found, and what is allowed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def at(given: Mapping[str, Any], path: str) -> Any:
    """Return what stands at ``a.b.c`` of an object, or nothing where part of the way is absent."""
    found: Any = given
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def must_be(
    given: Mapping[str, Any], path: str, *allowed: str | float | None, where: str = ""
) -> Iterator[str]:
    """Yield a fault unless one of the allowed values stands at a path."""
    found = at(given, path)
    if found not in allowed:
        yield unlike(f"{where}{path}", found, " or ".join(shown(value) for value in allowed))


def must_be_on(given: Mapping[str, Any], path: str, *, where: str = "") -> Iterator[str]:
    """Yield a fault unless it is switched on."""
    if at(given, path) is not True:
        yield unlike(f"{where}{path}", at(given, path), "true")


def must_be_off(given: Mapping[str, Any], path: str, *, where: str = "") -> Iterator[str]:
    """Yield a fault unless it is switched off, in so many words."""
    if at(given, path) is not False:
        yield unlike(f"{where}{path}", at(given, path), "false")


def must_not_be_on(given: Mapping[str, Any], path: str, *, where: str = "") -> Iterator[str]:
    """Yield a fault unless it is switched off, or was never switched on."""
    if at(given, path) not in {None, False}:
        yield unlike(f"{where}{path}", at(given, path), "false, or not set")


def must_have(given: Mapping[str, Any], path: str, *, what: str, where: str = "") -> Iterator[str]:
    """Yield a fault unless something stands at a path; ``what`` says what is wanted there."""
    if not at(given, path):
        yield unlike(f"{where}{path}", at(given, path), what)


def unlike(path: str, found: object, allowed: str) -> str:
    """Say what stands at a path instead of what is allowed."""
    return f"{path} is {shown(found)}; allowed: {allowed}"


def shown(found: object) -> str:
    """Return a value as stack files and manifests spell it; objects as the names of their parts."""
    match found:
        case None:
            return "not set"
        case bool():
            return str(found).lower()
        case str():
            return found or "empty"
        case Mapping():
            return ", ".join(sorted(found)) or "empty"
        case Sequence():
            return ", ".join(shown(item) for item in found) or "empty"
    return str(found)
