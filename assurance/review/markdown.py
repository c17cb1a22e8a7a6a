"""Writes a page as GitHub's Markdown."""

import re
from collections.abc import Iterable, Sequence

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

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
"""What Markdown would read as more than a character."""
NOBODY = "@&#8203;"
"""An ``@`` that GitHub does not read as the beginning of somebody's name."""


def markdown(blocks: Iterable[Block]) -> str:
    """Return the page; ends with a line break."""
    return "\n\n".join(_block(block) for block in blocks) + "\n"


def _block(block: Block) -> str:  # noqa: PLR0911 - one line for each kind of block
    match block:
        case Heading():
            return f"{'#' * block.level} {_escaped(block.text)}"
        case Paragraph():
            return _text(block.text)
        case Listing():
            return "\n".join(f"- {_text(item)}" for item in block.items)
        case Table():
            return _table(block)
        case Source():
            fence = "`" * max(3, _longest_run(block.text) + 1)
            return f"{fence}{block.language}\n{block.text}\n{fence}"
        case Callout():
            inner = f"[!{block.tone.upper()}]\n{markdown(block.blocks).rstrip()}"
            return "\n".join(f"> {line}".rstrip() for line in inner.splitlines())
        case Details():
            summary = f"<summary>{_html(block.summary)}</summary>"
            return f"<details>{summary}\n\n{markdown(block.blocks)}\n</details>"


def _table(table: Table) -> str:
    marks = ["--:" if i in table.right else ":--" for i in range(len(table.header))]
    lines = [_row(tuple((name,) for name in table.header)), f"|{'|'.join(marks)}|"]
    return "\n".join([*lines, *(_row(row) for row in table.rows)])


def _row(cells: Sequence[Text]) -> str:
    return f"| {' | '.join(_text(cell) for cell in cells)} |"


def _text(text: Text) -> str:
    return "".join(_inline(part) for part in text)


def _inline(part: Inline) -> str:
    if isinstance(part, Code):
        return _code(part.text)
    if isinstance(part, Strong):
        return f"**{_escaped(part.text)}**"
    return _escaped(part)


def _code(text: str) -> str:
    """A code span; a table ends a cell at ``|`` even in one."""
    flat = " ".join(text.split()).replace("|", "\\|")
    fence = "`" * (_longest_run(flat) + 1)
    space = " " if fence != "`" else ""
    return f"{fence}{space}{flat}{space}{fence}" if flat else "(empty)"


def _escaped(text: str) -> str:
    flat = " ".join(text.split()) if "\n" in text else text
    # An entity would be read as the character it stands for: ``&commat;`` as an ``@``.
    return SPECIAL.sub(r"\\\1", flat.replace("&", "&amp;")).replace("@", NOBODY)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", NOBODY)
