"""Rows that nobody wrote, of a stated shape: as a product would write them, one after another.

Conversations come and go, and a row belongs to one of those that are going on.  Texts are between
half and one and a half of the stated mean, all lengths alike, and compress as English prose does:
words of a vocabulary of 1,000 by Zipf's law, and now and then a phrase that is common.  With lz4,
100 to 16,000 bytes of it leave the same share as ``sizing.toast.PROSE``, within 2 % from 1,000
bytes on.  Vectors are random and never alike: what a graph looks like does not change its pages.
"""

import base64
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from sizing.workload import ElementType, Workload

ACTIVE_SESSIONS = 50
"""Conversations that go on at any time."""
VOCABULARY, PHRASES, PHRASE_WORDS = 1000, 100, 3
PHRASE_SHARES = (0.0, 0.1, 0.2)
"""Some speakers repeat themselves more than others: as many texts of each kind."""
CONSONANTS, VOWELS = "bcdfghjklmnprstvwz", "aeiou"
SYLLABLES, CLOSED_SHARE = (1, 1, 2, 2, 3, 3, 4), 0.3
LIBRARY_BYTES = 500_000
"""About how much text there is of each kind, to cut contents from."""
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
VALUE_BYTES = 24
"""Of an entry of the metadata, before base64."""
A_MEMORY = timedelta(milliseconds=250)
FIRST_PAIR, NEXT_PAIR = len('"": ""'), len(', "": ""')
KEPT_BITS = {"vector": (0x807FFFFF, 0x3F000000, 4), "halfvec": (0x83FF, 0x3800, 2)}
"""Sign and fraction are drawn, the exponent is set: numbers from a half to one, or minus that."""


class Vector(bytes):
    """In pgvector's binary form."""


class Memory(NamedTuple):
    """A row of ``zep_memory_vectors``, in the order of its columns."""

    id: UUID
    session_id: str
    content: str
    embedding: Vector
    metadata: str | None
    created_at: datetime
    user_id: str


class Message(NamedTuple):
    """What differs between rows of Zep's ``messages``."""

    session_id: str
    role: str
    content: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Equal seeds give equal rows."""

    workload: Workload
    seed: int = 6
    draw: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Seed what is drawn."""
        object.__setattr__(self, "draw", random.Random(self.seed))  # noqa: S311 - no secret

    @cached_property
    def session_ids(self) -> list[str]:
        """Of every conversation, the first first."""
        draw = random.Random(f"sessions {self.seed}")  # noqa: S311 - no secret
        return [str(_uuid(draw)) for _ in range(self.workload.sessions)]

    def memories(self) -> Iterator[Memory]:
        """All rows of the memory table; embedded messages, if any, evenly among the facts."""
        shape = self.workload
        for number in range(shape.rows):
            fact = (number + 1) * shape.facts // shape.rows > number * shape.facts // shape.rows
            content = self.text(shape.content_bytes if fact else shape.message_bytes)
            session_id = self._session(number, shape.rows)
            yield Memory(
                id=self.uuid(),
                session_id=session_id,
                content=content,
                embedding=self.vector(shape.dimensions, shape.element_type),
                metadata=self.metadata(shape.metadata_bytes if fact else 0),
                created_at=BEGIN + number * A_MEMORY,
                user_id=session_id[::-1],  # each session has a user of its own
            )

    def messages(self) -> Iterator[Message]:
        """All of Zep's messages."""
        for number in range(self.workload.messages):
            yield Message(
                session_id=self._session(number, self.workload.messages),
                role="user" if number % 2 else "assistant",
                content=self.text(self.workload.message_bytes),
                created_at=BEGIN + number * A_MEMORY,
            )

    def text(self, mean: int) -> str:
        """Prose, but for its sense."""
        length = round(mean * (0.5 + self.draw.random()))
        return self._cut(length)

    def metadata(self, mean: int) -> str | None:
        """A JSON object of ids and ciphertexts, as PostgreSQL prints it; never compressible."""
        length = round(mean * (0.5 + self.draw.random()))
        pairs: dict[str, str] = {}
        for key in map("k{:02}".format, itertools.count()):
            room = length - len(json.dumps(pairs)) - len(key) - (NEXT_PAIR if pairs else FIRST_PAIR)
            if room < 1:
                return json.dumps(pairs) if pairs else None
            value = self.draw.randbytes(VALUE_BYTES)
            pairs[key] = base64.urlsafe_b64encode(value).decode()[:room]
        return None

    def vector(self, dimensions: int, element_type: ElementType) -> Vector:
        """Dimensions, two bytes of nothing, the numbers."""
        kept, exponent, width = KEPT_BITS[element_type]
        drawn = self.draw.getrandbits(8 * width * dimensions)
        bits = drawn & _repeated(kept, width, dimensions) | _repeated(exponent, width, dimensions)
        head = dimensions.to_bytes(2, "big") + b"\0\0"
        return Vector(head + bits.to_bytes(width * dimensions, "big"))

    def _cut(self, length: int) -> str:
        library = self.draw.choice(self._libraries)
        begin = self.draw.randrange(max(1, len(library) - length))
        return library[begin : begin + length]

    def _session(self, number: int, rows: int) -> str:
        sessions = len(self.session_ids)
        begun = number * sessions // rows
        back = self.draw.randrange(min(ACTIVE_SESSIONS, sessions)) if rows > sessions else 0
        return self.session_ids[begun - back]

    def uuid(self) -> UUID:
        """A random one, as gen_random_uuid() draws it."""
        return _uuid(self.draw)

    @cached_property
    def _words(self) -> list[str]:
        """Short words first, as in any language: the first are the most common."""
        draw, words = random.Random(1), set[str]()  # noqa: S311 - no secret
        while len(words) < VOCABULARY:
            words.add("".join(_syllable(draw) for _ in range(draw.choice(SYLLABLES))))
        return sorted(sorted(words), key=lambda word: len(word) + 4 * draw.random())

    @cached_property
    def _libraries(self) -> list[str]:
        return [_library(self._words, share) for share in PHRASE_SHARES]


def _uuid(draw: random.Random) -> UUID:
    return UUID(int=draw.getrandbits(128), version=4)


def _library(words: list[str], phrase_share: float) -> str:
    draw = random.Random(2)  # noqa: S311 - no secret
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    phrases = [" ".join(draw.choices(words, weights, k=PHRASE_WORDS)) for _ in range(PHRASES)]
    known = [1 / rank for rank in range(1, PHRASES + 1)]
    said = (
        draw.choices(phrases, known)[0] if draw.random() < phrase_share else word
        for word in draw.choices(words, weights, k=LIBRARY_BYTES // 5)
    )
    return " ".join(said)


def _syllable(draw: random.Random) -> str:
    closed = draw.choice(CONSONANTS) if draw.random() < CLOSED_SHARE else ""
    return draw.choice(CONSONANTS) + draw.choice(VOWELS) + closed


def _repeated(pattern: int, width: int, times: int) -> int:
    return int.from_bytes(pattern.to_bytes(width, "big") * times, "big")
