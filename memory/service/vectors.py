"""Vectors in pgvector's binary form.

A parameter of no stated type takes that of the column beside it, and is then read in binary: so
nothing here needs to know the number that the database gave to its type ``vector``.
"""

import math
import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format
from typing_extensions import override

from memory.service.errors import Invalid

ElementType = Literal["vector", "halfvec"]
SHORTEST = 1e-12
"""Of a vector that has a direction in 32 bits: its squares must not vanish."""


@dataclass(frozen=True)
class Packed:
    """A vector as the server reads it."""

    raw: bytes


class PackedDumper(Dumper):
    """Sends it as it is."""

    oid = 0
    format = Format.BINARY

    @override
    def dump(self, obj: Packed) -> Buffer:
        return obj.raw


def packed(vector: Sequence[float], dimensions: int, element: ElementType) -> Packed:
    """Return the vector's binary form.

    Raises Invalid for another number of dimensions, and for a vector without a direction, to which
    nothing is near.
    """
    if len(vector) != dimensions:
        raise Invalid(
            f"the embedding has {len(vector)} dimensions; the memories here have {dimensions}"
        )
    raw, length = _halves(vector) if element == "halfvec" else _singles(vector)
    if not SHORTEST < length < math.inf:
        raise Invalid("the embedding has no direction: its length must be a number above zero")
    return Packed(struct.pack(">hh", dimensions, 0) + raw)


def _singles(vector: Sequence[float]) -> tuple[bytes, float]:
    numbers = array("f", vector)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes(), math.hypot(*vector)


def _halves(vector: Sequence[float]) -> tuple[bytes, float]:
    form = f">{len(vector)}e"
    try:
        raw = struct.pack(form, *vector)
    except OverflowError:
        raise Invalid("the embedding holds a number beyond 65504, halfvec's largest") from None
    return raw, math.hypot(*struct.unpack(form, raw))
