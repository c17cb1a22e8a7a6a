"""Numbers and lists in words."""

import re
from collections.abc import Iterable

from assurance.review.blocks import Code, Text


def listed(names: Iterable[str]) -> str:
    """Return ``dev, test and uat``."""
    *first, last = list(names)
    return f"{', '.join(first)} and {last}" if first else last


def alone(number: int, noun: str) -> str:
    """Return ``1 file`` or ``2 files``."""
    return f"{number:,} {noun if number == 1 else f'{noun}s'}"


def prose(words: str) -> Text:
    """Return a sentence whose names stand between backticks."""
    parts = re.split(r"`([^`]+)`", words)
    return tuple(Code(part) if i % 2 else part for i, part in enumerate(parts) if part)
