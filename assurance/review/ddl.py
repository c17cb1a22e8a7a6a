"""The SQL that a change would run, and what it would cost on a table as large as the stack says.

The base is brought up empty, so its sizes say nothing.  What the settings state (``workload``)
takes their place: the schema engine itself plans, offline, for that many rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from assurance.policies.model import Secret
from assurance.policies.state import plain
from assurance.review.changes import Change
from assurance.review.holdings import SCHEMA
from assurance.review.recording import Recording
from memory.schema import offline
from memory.schema.catalog import Catalog, Table
from memory.schema.errors import PlanRefused
from memory.schema.estimate import vector_bytes
from memory.schema.model import DesiredSchema, mistakes
from memory.schema.plan import plan
from memory.schema.steps import Step

CONVERSION = "stored vectors cannot be converted"
"""What the schema engine says of another dimension."""


@dataclass(frozen=True, kw_only=True)
class Ddl:
    """What one change means for one database."""

    stack: str
    database: str
    rows: int
    """Of the memory table, as the stack's settings state them."""
    steps: tuple[Step, ...] = ()
    statements: tuple[str, ...] = ()
    """Where the steps are not known: the statements of the resource's own plan."""
    refused: tuple[str, ...] = ()
    """Why no safe way leads there on a table with rows."""

    unreadable: str = ""
    """Why nothing can be planned: the wish, or what is known of the base, is none."""

    @property
    def refused_otherwise(self) -> bool:
        """Whether more than another dimension is refused, which a guard says already."""
        return any(CONVERSION not in reason for reason in self.refused)

    @property
    def minutes(self) -> float:
        """On one core."""
        return sum(step.cost.minutes for step in self.steps)


def ddl(recording: Recording) -> Iterator[Ddl]:
    """Yield what the changes of a stack run in its databases."""
    rows = max(_rows(recording.outputs_before), _rows(recording.outputs_after))
    for change in recording.changes:
        if SCHEMA in change.types and change.op in {"create", "update", "replace"}:
            found = _planned(recording.stack, change, rows)
            if found.steps or found.statements or found.refused or found.unreadable:
                yield found


def _rows(outputs: Mapping[str, Any]) -> int:
    """Return what a side states; a change cannot make its table small by saying so."""
    sizing = outputs.get("sizing")
    return int(sizing.get("rows") or 0) if isinstance(sizing, Mapping) else 0


def _planned(stack: str, change: Change, rows: int) -> Ddl:
    inputs = _unsealed(plain(change.new.get("inputs") or {}))
    statements = _statements(inputs)
    about = Ddl(stack=stack, database=str(inputs.get("database")), rows=rows, statements=statements)
    try:
        wanted = _wanted(change, inputs)
        known = _known(change, rows)
        if known is None:
            return about
        return replace(about, steps=plan(known, wanted).steps, statements=())
    except _Unreadable as error:
        return replace(about, unreadable=str(error))
    except PlanRefused as refusal:
        return replace(about, refused=refusal.reasons)


class _Unreadable(Exception):  # noqa: N818 - it is told as a finding, and not as an error
    """The wish, or what is known of the base, is none; its text says what of it."""


def _wanted(change: Change, inputs: Mapping[str, Any]) -> DesiredSchema:
    before = _unsealed(plain(change.old.get("inputs") or {}))
    if change.old and not isinstance(before.get("desired"), Mapping):
        raise _Unreadable("the wish of the base is none")
    if not inputs.get("database"):
        raise _Unreadable("no database is named")
    try:
        return DesiredSchema.model_validate(inputs.get("desired"))
    except ValidationError as error:
        raise _Unreadable("; ".join(mistakes(error))) from error


def _known(change: Change, rows: int) -> Catalog | None:
    """Return what the base has, at the stated size; None where it has nothing to go on from."""
    outputs = _unsealed(plain(change.old.get("outputs") or {}))
    if change.op != "update" or "state" not in outputs:
        return None
    try:
        return _as_stated(offline.last_known(outputs), rows)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # whatever it may hold
        raise _Unreadable(f"the state of the base is none ({error!r})") from error


def _as_stated(known: Catalog, rows: int) -> Catalog:
    return replace(
        known, tables={name: _filled(table, rows) for name, table in known.tables.items()}
    )


def _filled(table: Table, rows: int) -> Table:
    # The least: texts come on top, and nobody has stated how long they are.
    width = sum(vector_bytes(column.type) for column in table.columns.values())
    return replace(table, rows=rows, bytes=rows * width, empty=rows == 0)


def _statements(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    plans = inputs.get("plan")
    if not isinstance(plans, Mapping):
        return ()
    return tuple(statement for sql in plans.values() for statement in sql)


def _unsealed(inputs: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is a secret: planning needs none."""
    return {key: value for key, value in inputs.items() if not isinstance(value, Secret)}
