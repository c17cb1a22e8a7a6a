"""A plan as people and tools read it: SQL, a table, or plain data for JSON."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from memory.schema.sql import name
from memory.schema.steps import Plan, Step

PREAMBLE = (
    "-- Run it with psql -v ON_ERROR_STOP=1: without, psql goes on after a statement that failed.",
    "SET lock_timeout = '2s';",
    "SET statement_timeout = 0;",
)


def statements(steps: Iterable[Step]) -> list[str]:
    """The bare statements, for a preview's diff; passwords are placeholders."""
    return [" ".join(step.sql.split()) for step in steps]


def as_sql(plan: Plan) -> str:
    """The plan as a script: what the runner does, in the order in which it does it."""
    lines = [*PREAMBLE] if plan.steps else ["-- nothing to do"]
    for batch in plan.batches():
        lines += ["", *_batch(batch)]
    lines += [f"-- note: {note}" for note in plan.notes]
    return "\n".join(lines) + "\n"


def _batch(batch: tuple[Step, ...]) -> Iterable[str]:
    transactional = batch[0].transactional
    local = "LOCAL " if transactional else ""
    role: str | None = None
    if transactional:
        yield "BEGIN;"
    else:
        yield "SET lock_timeout = 0;  -- a time-out here would leave an INVALID index"
    for step in batch:
        if step.role != role:
            yield f"SET {local}ROLE {name(step.role) if step.role else 'NONE'};"
            role = step.role
        yield f"-- {step.why}"
        yield f"{step.sql};"
    yield "COMMIT;" if transactional else "RESET ROLE; SET lock_timeout = '2s';"


def as_table(plan: Plan) -> str:
    """The plan for a terminal: number, kind, cost and statement."""
    if not plan.steps:
        rows = ["nothing to do"]
    else:
        rows = [f"{'#':>3}  {'tx':<3} {'min':>7} {'MiB':>7} {'rows':>10}  statement"]
    for number, step in enumerate(plan.steps, start=1):
        cost = step.cost
        rows.append(
            f"{number:>3}  {'yes' if step.transactional else 'no':<3} {cost.minutes:>7.2f}"
            f" {cost.memory_mib:>7} {cost.rows:>10}  {' '.join(step.sql.split())}"
        )
        rows.append(f"{'':>36} why: {step.why}; lock: {step.lock}")
    rows += [f"note: {note}" for note in plan.notes]
    return "\n".join(rows) + "\n"


def as_data(plan: Plan) -> dict[str, Any]:
    """The plan as plain data."""
    steps = [{**asdict(step), "transactional": step.transactional} for step in plan.steps]
    return {"steps": steps, "notes": list(plan.notes)}
