"""Writes a page as one HTML file that needs nothing else: no script, no font, no network."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

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

STYLE = Path(__file__).with_name("page.css")


def html(title: str, blocks: Iterable[Block]) -> str:
    """Return the whole page."""
    body = "\n".join(_block(block) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n"
        f"</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:  # noqa: PLR0911 - one line for each kind of block
    match block:
        case Heading():
            return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
        case Paragraph():
            return f"<p>{_text(block.text)}</p>"
        case Listing():
            items = "".join(f"<li>{_text(item)}</li>" for item in block.items)
            return f"<ul>{items}</ul>"
        case Table():
            return _table(block)
        case Source():
            return f"<pre><code>{escape(block.text)}</code></pre>"
        case Callout():
            inner = "\n".join(_block(each) for each in block.blocks)
            word = f"<strong>{block.tone.capitalize()}</strong>"
            return f'<div class="callout {block.tone}" role="note">{word}\n{inner}</div>'
        case Details():
            inner = "\n".join(_block(each) for each in block.blocks)
            return f"<details><summary>{escape(block.summary)}</summary>\n{inner}</details>"


def _table(table: Table) -> str:
    head = "".join(
        f"<th{_side(table, i)}>{escape(name)}</th>" for i, name in enumerate(table.header)
    )
    rows = "".join(
        f"<tr>{''.join(_cell(table, i, cell) for i, cell in enumerate(row))}</tr>\n"
        for row in table.rows
    )
    # A wide table scrolls by itself, so that the page fits a phone.
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody>'
        "</table></div>"
    )


def _cell(table: Table, column: int, text: Text) -> str:
    return f"<td{_side(table, column)}>{_text(text)}</td>"


def _side(table: Table, column: int) -> str:
    return ' class="number"' if column in table.right else ""


def _text(text: Text) -> str:
    return "".join(_inline(part) for part in text)


def _inline(part: Inline) -> str:
    if isinstance(part, Code):
        return f"<code>{escape(part.text)}</code>"
    if isinstance(part, Strong):
        return f"<strong>{escape(part.text)}</strong>"
    return escape(part)
