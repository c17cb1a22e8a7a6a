"""A page as data: what is said, apart from how Markdown or HTML writes it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


@dataclass(frozen=True)
class Code:
    """What somebody else wrote: a name, a value, a statement.  Never read as markup."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Our own words, where a reader should look first."""

    text: str


Inline: TypeAlias = str | Code | Strong
Text: TypeAlias = tuple[Inline, ...]
"""Plain strings are our own words; they are escaped all the same."""


class Tone(StrEnum):
    """How urgent a callout is; the word is shown, too, so that colour never says it alone."""

    CAUTION = "caution"
    WARNING = "warning"
    NOTE = "note"
    TIP = "tip"


@dataclass(frozen=True)
class Heading:
    """Opens a section."""

    text: str
    level: int = 3


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    text: Text


@dataclass(frozen=True)
class Listing:
    """Points of equal rank."""

    items: tuple[Text, ...]


@dataclass(frozen=True)
class Table:
    """Rows of the same shape."""

    header: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    right: frozenset[int] = frozenset()
    """Columns of numbers, which stand to the right."""


@dataclass(frozen=True)
class Source:
    """Lines that keep their breaks."""

    language: str
    text: str


@dataclass(frozen=True)
class Callout:
    """What stands out of the page."""

    tone: Tone
    blocks: "tuple[Block, ...]"


@dataclass(frozen=True)
class Details:
    """What most readers leave closed."""

    summary: str
    blocks: "tuple[Block, ...]"


Block: TypeAlias = Heading | Paragraph | Listing | Table | Source | Callout | Details
