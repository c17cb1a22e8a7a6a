"""What may stand in metadata: what PostgreSQL's jsonb holds and JSON gives back."""

import math
from collections.abc import Iterator
from typing import Any

DEPTH = 16
CHARACTERS = 65_536
"""Of all keys and texts together, a number counting as a few."""
NUMBER_CHARACTERS = 8
LARGEST_INTEGER = 2**63


def checked_document(document: dict[str, Any]) -> dict[str, Any]:
    """Return it as it is.  Raises ValueError, which quotes none of it."""
    characters = sum(_weighed(document, 0))
    if characters > CHARACTERS:
        raise ValueError(f"holds {characters} characters; at most {CHARACTERS} are kept")
    return document


def _weighed(value: object, depth: int) -> Iterator[int]:
    """The size of each part, once it is seen to be allowed."""
    if depth > DEPTH:
        raise ValueError(f"is nested deeper than {DEPTH} levels")
    match value:
        case str():
            if "\x00" in value:
                raise ValueError("holds a NUL character, which the database cannot keep")
            yield len(value)
        case dict():
            for key, inner in value.items():
                yield from _weighed(key, depth)
                yield from _weighed(inner, depth + 1)
        case list():
            for inner in value:
                yield from _weighed(inner, depth + 1)
        case float() if not math.isfinite(value):
            raise ValueError("holds a number that is not finite")
        case int() if abs(value) > LARGEST_INTEGER:
            raise ValueError("holds an integer of more than 64 bits; write it as a text")
        case _:
            yield NUMBER_CHARACTERS


def same(one: object, other: object) -> bool:
    """Whether two documents say the same; a number is its value, however it was written."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if _is_number(one) and _is_number(other):
        return float(one) == float(other)  # type: ignore[arg-type]  # both were just looked at
    return type(one) is type(other) and one == other


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
