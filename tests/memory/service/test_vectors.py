"""Vectors are sent as pgvector reads them, and documents hold what jsonb can."""

import math
import struct
from typing import Any

import pytest

from memory.service.documents import checked_document, same
from memory.service.errors import Invalid
from memory.service.vectors import ElementType, packed


@pytest.mark.parametrize(("element", "form"), [("vector", ">hh3f"), ("halfvec", ">hh3e")])
def test_a_vector_is_its_dimensions_and_its_numbers(element: ElementType, form: str) -> None:
    raw = packed([1.0, -2.5, 0.0], 3, element).raw
    assert struct.unpack(form, raw) == (3, 0, 1.0, -2.5, 0.0)


REFUSED: dict[str, tuple[list[float], ElementType, str]] = {
    "too long": ([1.0] * 4, "vector", "has 4 dimensions"),
    "no direction": ([0.0] * 3, "vector", "no direction"),
    "vanishing": ([1e-30] * 3, "vector", "no direction"),
    "vanishing as a half": ([1e-9] * 3, "halfvec", "no direction"),
    "beyond a half": ([70_000.0, 0.0, 0.0], "halfvec", "65504"),
    "no number": ([math.nan, 1.0, 1.0], "vector", "no direction"),
    "no end": ([math.inf, 1.0, 1.0], "vector", "no direction"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_vector_that_nothing_is_near_is_refused(name: str) -> None:
    vector, element, words = REFUSED[name]
    with pytest.raises(Invalid) as refused:
        packed(vector, 3, element)
    assert words in refused.value.message


DOCUMENTS: dict[str, tuple[dict[str, Any], str | None]] = {
    "anything": ({"a": [1, -1.5, None, True, {"b": "ü"}]}, None),
    "the largest integer": ({"a": 2**63}, None),
    "more than that": ({"a": 2**63 + 1}, "64 bits"),
    "NUL in a key": ({"a\x00": 1}, "NUL"),
    "infinity": ({"a": [math.inf]}, "finite"),
    "large": ({"a": "x" * 65_536}, "at most 65536"),
    "many": ({"a": [0] * 9000}, "at most 65536"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_metadata_is_what_the_database_can_keep(name: str) -> None:
    document, words = DOCUMENTS[name]
    if words is None:
        assert checked_document(document) == document
    else:
        with pytest.raises(ValueError, match=words):
            checked_document(document)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": 1e23}, {"a": 10**23}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        (None, None, True),
        (None, {}, False),
    ],
)
def test_documents_are_compared_by_what_they_say(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
