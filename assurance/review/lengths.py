"""How long a comment may be: rows of a table, points of a list, characters of a line."""

from dataclasses import replace

from assurance.review.blocks import (
    Block,
    Callout,
    Code,
    Details,
    Heading,
    Inline,
    Listing,
    Paragraph,
    Source,
    Strong,
    Table,
    Text,
)


def cut(items: list[Text], room: int | None) -> tuple[Text, ...]:
    """Leave what does not fit to the report, and say so."""
    if room is None or len(items) <= room:
        return tuple(items)
    return (*items[:room], (f"… and {len(items) - room:,} more in the full report",))


def cut_rows(
    rows: list[tuple[Text, ...]], room: int | None, *, columns: int
) -> tuple[tuple[Text, ...], ...]:
    """Leave rows that do not fit to the report, and say so in the first column."""
    if room is None or len(rows) <= room:
        return tuple(rows)
    note: Text = (f"… and {len(rows) - room:,} more in the full report",)
    return (*rows[:room], (note, *[()] * (columns - 1)))


def narrow(block: Block, width: int) -> Block:  # noqa: PLR0911 - one line for each kind of block
    """Return a block none of whose lines and cells has more than ``width`` characters."""
    match block:
        case Heading():
            return replace(block, text=_short(block.text, width))
        case Paragraph():
            return Paragraph(_text(block.text, width))
        case Listing():
            return Listing(tuple(_text(item, width) for item in block.items))
        case Table():
            rows = tuple(tuple(_text(cell, width) for cell in row) for row in block.rows)
            return replace(block, rows=rows)
        case Source():
            lines = (_short(line, width) for line in block.text.splitlines())
            return replace(block, text="\n".join(lines))
        case Callout():
            return replace(block, blocks=tuple(narrow(each, width) for each in block.blocks))
        case Details():
            inner = tuple(narrow(each, width) for each in block.blocks)
            return Details(_short(block.summary, width), inner)


def _text(text: Text, width: int) -> Text:
    kept: list[Inline] = []
    for part in text:
        words = part if isinstance(part, str) else part.text
        if width <= 0:
            kept.append("…")
            break
        kept.append(_with(part, _short(words, width)))
        width -= len(words)
    return tuple(kept)


def _with(part: Inline, words: str) -> Inline:
    match part:
        case Code():
            return Code(words)
        case Strong():
            return Strong(words)
        case str():
            return words


def _short(words: str, width: int) -> str:
    return words if len(words) <= width else f"{words[: width - 1]}…"
