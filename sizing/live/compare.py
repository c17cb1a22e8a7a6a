"""A prediction beside what was found, object by object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sizing.pages import PAGE
from sizing.prediction import ObjectSize

TOTAL_LIMIT = 0.05
TOTAL_GRACE = 10
OBJECT_LIMIT = 0.10
OBJECT_GRACE = 3
"""Random keys split a leaf sooner or later: of fourteen indexes on 5,000 of them the smallest had
25 pages, the largest 29.  Of an object of fewer than thirty pages (240 KiB), three are more than
10 %, and no error of the prediction; of all objects together, ten."""
RULE = (
    f"{TOTAL_LIMIT:.0%} in total and {OBJECT_LIMIT:.0%} of each object; or {TOTAL_GRACE} and"
    f" {OBJECT_GRACE} pages of 8 KiB where that is more"
)
"""What counts as close, in words."""

Key = tuple[str, str]
"""Kind and name of an object."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One object, or all as if they were one."""

    kind: str
    name: str
    predicted: int
    found: int
    limit: float = OBJECT_LIMIT
    """Share of what was found that the prediction may be off by."""
    grace: int = OBJECT_GRACE
    """Pages that it may be off by however little was found."""

    @property
    def error(self) -> float:
        """Share of what was found; positive where more was predicted."""
        return self.predicted / self.found - 1 if self.found else float(self.predicted > 0)

    @property
    def within(self) -> bool:
        """Whether the prediction was good enough."""
        return abs(self.predicted - self.found) <= max(self.limit * self.found, self.grace * PAGE)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All objects, and the sum."""

    objects: tuple[Compared, ...]

    @property
    def total(self) -> Compared:
        """The sum as if it were one object."""
        return Compared(
            kind="all",
            name="total",
            predicted=sum(item.predicted for item in self.objects),
            found=sum(item.found for item in self.objects),
            limit=TOTAL_LIMIT,
            grace=TOTAL_GRACE,
        )

    @property
    def worst(self) -> Compared:
        """The object whose error is largest, of those that are judged by their share."""
        least = OBJECT_GRACE * PAGE / OBJECT_LIMIT
        large = [item for item in self.objects if item.found >= least]
        return max(large or self.objects, key=lambda item: abs(item.error))

    @property
    def within(self) -> bool:
        """Whether total and every object are good enough."""
        return all(item.within for item in (self.total, *self.objects))

    def as_data(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "within_limits": self.within,
            "limits": {
                "total": TOTAL_LIMIT,
                "total_pages": TOTAL_GRACE,
                "object": OBJECT_LIMIT,
                "object_pages": OBJECT_GRACE,
            },
            "total": _plain(self.total),
            "objects": [_plain(item) for item in self.objects],
        }


def compare(predicted: Sequence[ObjectSize], found: Mapping[Key, int]) -> Comparison:
    """Every object that was predicted or found; what is missing on one side has 0 bytes there."""
    expected: dict[Key, int] = {(item.kind, item.name): item.bytes for item in predicted}
    return Comparison(
        objects=tuple(
            Compared(
                kind=kind,
                name=name,
                predicted=expected.get((kind, name), 0),
                found=found.get((kind, name), 0),
            )
            for kind, name in dict.fromkeys([*expected, *found])
        )
    )


def _plain(item: Compared) -> dict[str, object]:
    return {
        "kind": item.kind,
        "name": item.name,
        "predicted_bytes": item.predicted,
        "found_bytes": item.found,
        "error": round(item.error, 4),
        "within_limits": item.within,
    }
