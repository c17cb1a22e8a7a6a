"""The shape of ``field_encryption`` and ``retention``: what is sealed in a memory, and its end."""

from typing import Annotated

from pydantic import AfterValidator, Field

from stacks.settings.base import Settings
from stacks.settings.cluster_types import EgressCidrs
from stacks.settings.types import Positive, matching, refusal

HOURS, DAYS, MONTHS, WEEKDAYS = (0, 23), (1, 31), (1, 12), (0, 7)
SCHEDULE_FIELDS = ((0, 59), HOURS, DAYS, MONTHS, WEEKDAYS)
"""Bounds of minute, hour, day of the month, month and day of the week."""


def _schedule(value: str) -> str:
    parts = value.split()
    fits = len(parts) == len(SCHEDULE_FIELDS) and all(
        _is_listed(part, *bounds) for part, bounds in zip(parts, SCHEDULE_FIELDS, strict=True)
    )
    if not fits:
        raise refusal(
            "five parts of numbers and *: minute, hour, day, month, weekday (UTC)",
            'write e.g. "0 3 1 1,4,7,10 *": each quarter, at three in the night',
        )
    return value


def _is_listed(part: str, least: int, most: int) -> bool:
    """Tell whether it is ``*``, or numbers within the bounds with commas between."""
    numbers = part.split(",")
    return part == "*" or all(n.isdecimal() and least <= int(n) <= most for n in numbers)


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise refusal("each field once", "name each field once")
    return values


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise refusal("one field or more", "name the fields, e.g. [pii, phi, secret]")
    return values


Schedule = Annotated[str, AfterValidator(_schedule)]
FieldPath = Annotated[
    str,
    AfterValidator(
        matching(
            r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*",
            "a path into a memory's metadata, e.g. pii or patient.name; or the word content",
            "write letters, digits, _ and -, with a dot between the levels",
        )
    ),
]
Tag = Annotated[
    str,
    AfterValidator(
        matching(
            r"[a-z][a-z0-9_-]{0,31}",
            "a tag: 1 to 32 lower-case letters, digits, _ and -",
            "name it as memories carry it, e.g. phi",
        )
    ),
]
FieldPaths = Annotated[tuple[FieldPath, ...], Field(strict=False), AfterValidator(_distinct)]
SomeFieldPaths = Annotated[FieldPaths, AfterValidator(_some)]


class FieldEncryptionSettings(Settings):
    """Parts of a memory that nobody reads without a key of the vault, not even in the database.

    Switched off, the memory service refuses memories with such fields; it never stores them in
    clear.
    """

    enabled: bool
    fields: SomeFieldPaths
    """Paths into the metadata; ``content`` is the text of memories tagged pii, phi or secret."""
    blind_indexes: FieldPaths = ()
    """Those of them that a search may ask for, by equality only: equal values are then seen to be
    equal."""
    rotation_schedule: Schedule
    """When the field keys are renewed, and every row with them (cron, UTC)."""
    entra_cidrs: EgressCidrs
    """Where Entra gives tokens for the vault; the network policy opens 443 to no other address."""


class RetentionSettings(Settings):
    """When memories end by themselves.  Backups hold them for ``backup.retention_days`` more."""

    episodic_days: Positive | None
    """Of what was said and done; null keeps it for ever."""
    semantic_days: Positive | None
    """Of what is known; null keeps it for ever."""
    sensitivity_days: dict[Tag, Positive] = Field(default_factory=dict)
    """By tag, e.g. ``phi: 30``; of all that fit a memory, the fewest days count."""
    schedule: Schedule
    """When the memories that are too old are deleted (cron, UTC)."""

    @property
    def days_by_type(self) -> dict[str, int]:
        """By type of memory, after how many days it ends; a type that is kept is not in it."""
        given = {"episodic": self.episodic_days, "semantic": self.semantic_days}
        return {kind: days for kind, days in given.items() if days is not None}
