"""``python -m assurance review render``: the comment of a recording, and the full report."""

import argparse
import sys
from pathlib import Path

from assurance.errors import AssuranceError
from assurance.review.comment import comment, report
from assurance.review.guards import GUARDS
from assurance.review.html import html
from assurance.review.review import Review, assemble
from sizing.errors import SizingError
from sizing.prices import DEFAULT_CURRENCY, DEFAULT_FILE, read_prices


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``review``."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="action")
    command = commands.add_parser(
        "render",
        help="write the comment of a pull request",
        description=(
            "Reads what `make review` recorded and writes comment.md, comment.html and report.html "
            "beside it. Ends with 1 where something stands in the way of the pull request."
        ),
    )
    command.add_argument("folder", type=Path, help="of the recording; the pages go there, too")
    command.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="LABEL",
        help=f"a label of the pull request; those that mean something: {', '.join(_labels())}",
    )
    command.add_argument(
        "--prices", type=Path, default=DEFAULT_FILE, help="of `python -m sizing prices`"
    )
    command.add_argument("--currency", default=DEFAULT_CURRENCY, help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    """Write the pages; return 0 where nothing stands in the way."""
    try:
        book = read_prices(arguments.prices)
    except SizingError as error:
        raise AssuranceError(str(error)) from error
    labels = frozenset(arguments.allow)
    review = assemble(arguments.folder, labels, book, arguments.currency)
    write(arguments.folder, review)
    sys.stdout.write(f"{arguments.folder / 'comment.md'}\n")
    return 0 if review.ok else 1


def write(folder: Path, review: Review) -> None:
    """Write the comment as Markdown and as a page, and the report."""
    page = comment(review)
    pages = {
        "comment.md": page.markdown,
        "comment.html": html("Engram review", page.blocks),
        "report.html": html("Engram review, in full", report(review)),
    }
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def _labels() -> list[str]:
    return [guard.label for guard in GUARDS]
