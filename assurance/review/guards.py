"""What no pull request does in passing: each needs a label, or a stack that keeps nothing.

The settings flag is ``protected: false`` of the base: a stack that was already declared to keep
nothing may lose it.  A pull request that lifts the protection cannot use it itself.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assurance.policies.state import plain
from assurance.review.changes import Change
from assurance.review.holdings import DISK_SET, HOLDINGS, KEY, SCHEMA, SERVER
from assurance.review.recording import Recording

ENCRYPTING = {SERVER: "dataEncryption", DISK_SET: "activeKey"}
"""By type: where it says which key encrypts it."""
LABEL = "allow-"
"""What the label of a guard begins with."""


@dataclass(frozen=True, kw_only=True)
class Guard:
    """One thing that somebody has to want."""

    name: str
    title: str
    """What happened, in a few words."""
    consequence: str
    """What it means, and the way that loses nothing."""
    find: Callable[[Change], Iterator[str]]
    """Yields what a change does of it, in words."""

    @property
    def label(self) -> str:
        """The label of a pull request that allows it."""
        return f"{LABEL}{self.name}"


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A guard that a change of one stack met."""

    guard: Guard
    stack: str
    resource: str
    says: str
    allowed_by: str = ""
    """The label or the setting; nothing where nobody allowed it."""


def alarms(recording: Recording, labels: frozenset[str]) -> Iterator[Alarm]:
    """Yield what a stack's changes do that somebody has to want."""
    for change in recording.changes:
        for guard in GUARDS:
            for words in guard.find(change):
                yield Alarm(
                    guard=guard,
                    stack=recording.stack,
                    resource=change.label,
                    says=words,
                    allowed_by=_allowed_by(guard, recording, labels),
                )


def _allowed_by(guard: Guard, recording: Recording, labels: frozenset[str]) -> str:
    if guard.label in labels:
        return f"label {guard.label}"
    return "" if recording.guarded else "protected: false"


def _inputs(state: Mapping[str, Any]) -> dict[str, Any]:
    return plain(state.get("inputs") or {})


def _dimensions(change: Change) -> Iterator[str]:
    if SCHEMA not in change.types or not change.old or not change.new:
        return
    before, after = _vectors(change.old), _vectors(change.new)
    for column in sorted(before.keys() & after.keys()):
        if before[column] != after[column]:
            yield f"{_named(column)} goes from {before[column]} to {after[column]}"


def _vectors(state: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Return the types of all columns with a dimension, by table and column."""
    return {
        (table["name"], column["name"]): f"{column['type']}({column['dimensions']})"
        for table in _tables(state).values()
        for column in table.get("columns", ())
        if column.get("dimensions")
    }


def _tables(state: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the declared tables by name; none where the wish is no such thing."""
    desired = _inputs(state).get("desired")
    tables = desired.get("tables") if isinstance(desired, Mapping) else None
    named = [table for table in tables if "name" in table] if isinstance(tables, list) else []
    return {table["name"]: table for table in named}


def _named(column: tuple[str, str]) -> str:
    return ".".join(column)


def _keys(change: Change) -> Iterator[str]:
    encrypting = tuple(ENCRYPTING[each] for each in change.types & ENCRYPTING.keys())
    if KEY in change.types and change.op in {"replace", "delete"}:
        yield f"the key itself: {change.op}"
    if encrypting and change.op in {"update", "replace"}:
        for difference in change.differences:
            if difference.path.startswith(encrypting):
                yield f"{difference.path}: {difference.before} → {difference.after}"


def _lost(change: Change) -> str:
    """Return what a resource holds, as what it was and as what it becomes."""
    return "; ".join(HOLDINGS[type_] for type_ in sorted(change.types & HOLDINGS.keys()))


def _replacements(change: Change) -> Iterator[str]:
    if change.op == "replace" and (lost := _lost(change)):
        why = ", ".join(change.forced_by) or "a property that cannot be changed"
        yield f"made anew, because of {why}; lost: {lost}"


def _deletions(change: Change) -> Iterator[str]:
    if change.op == "delete" and (lost := _lost(change)):
        yield f"deleted; lost: {lost}"
    if SCHEMA in change.types and change.old and change.new:
        if not _inputs(change.old).get("delete_data") and _inputs(change.new).get("delete_data"):
            yield "delete_data is set: the tables go with the resource"
        kept = _tables(change.new)
        for table in sorted(_tables(change.old).keys() - kept.keys()):
            yield f"table {table} is no longer declared"
        for column in sorted(_vectors(change.old).keys() - _vectors(change.new).keys()):
            if column[0] in kept:
                yield f"vector column {_named(column)} is no longer declared"


GUARDS = (
    Guard(
        name="data-deletion",
        title="Data would be deleted",
        consequence="It comes back from a backup only.",
        find=_deletions,
    ),
    Guard(
        name="replacement",
        title="Something that holds data would be made anew",
        consequence="A property that can only be set when it is made differs. The new one is "
        "empty: plan a restore first, or leave the property as it is.",
        find=_replacements,
    ),
    Guard(
        name="dimension-change",
        title="The vectors would have another dimension",
        consequence="Vectors of two dimensions cannot be compared, so every stored text has to be "
        "embedded again. On a table with rows `up` refuses this change: re-embed into a "
        "second column first (docs/runbooks/re-embedding.md), then merge this.",
        find=_dimensions,
    ),
    Guard(
        name="key-change",
        title="Another key would encrypt the data",
        consequence="While the old key is not reachable, backups that it encrypts cannot be "
        "restored; a server whose identity may not use the new key becomes inaccessible.",
        find=_keys,
    ),
)
"""Loudest first."""
