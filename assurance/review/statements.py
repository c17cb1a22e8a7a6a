"""The comment's section on SQL: what would run, what it locks and how long it takes."""

from collections.abc import Callable, Hashable, Iterator

from assurance.review.blocks import (
    Block,
    Code,
    Details,
    Heading,
    Listing,
    Paragraph,
    Source,
    Strong,
    Table,
    Text,
)
from assurance.review.ddl import Ddl
from assurance.review.lengths import cut_rows
from assurance.review.review import Review
from assurance.review.words import alone, listed, prose
from memory.schema.explain import blocks as blocked_by
from memory.schema.steps import Step

LONGEST = 160
"""Characters of a statement in a table; the report has it whole."""


def ddl(review: Review, room: int | None) -> Iterator[Block]:
    """Yield the SQL that would run, with what it locks, for as many rows as the stack states."""
    plans = [plan for each in review.environments for plan in each.ddl]
    if plans:
        yield Heading("SQL that would run")
    hidden = [plan for plan in plans if plan.unreadable]
    for same in _alike(hidden, lambda p: (p.database, p.unreadable)):
        yield Paragraph((*_title(same), f". It cannot be read: {same[0].unreadable}."))
    for same in _alike([plan for plan in plans if plan.refused], lambda p: (p.database, p.refused)):
        yield from _refusal(same)
    going = [p for p in plans if not p.refused and (p.steps or p.statements)]
    for same in _alike(going, lambda p: (p.database, p.statements, p.steps)):
        yield from _plan(same, room)


def _alike(plans: list[Ddl], key: Callable[[Ddl], Hashable]) -> list[list[Ddl]]:
    grouped: dict[Hashable, list[Ddl]] = {}
    for plan in plans:
        grouped.setdefault(key(plan), []).append(plan)
    return list(grouped.values())


def _refusal(plans: list[Ddl]) -> Iterator[Block]:
    rows = listed(dict.fromkeys(f"{plan.rows:,}" for plan in plans))
    words = f". With the {rows} rows that the settings state, `up` refuses:"
    yield Paragraph((*_title(plans), *prose(words)))
    yield Listing(tuple(prose(reason) for reason in plans[0].refused))
    for same in _alike(plans, lambda p: p.statements):
        if same[0].statements:
            title = f"On an empty table it would run this ({_where(same)})"
            yield Details(title, (_script(same[0].statements),))


def _plan(plans: list[Ddl], room: int | None) -> Iterator[Block]:
    first = plans[0]
    if not first.steps:
        title = f"{_where(plans)}: {alone(len(first.statements), 'statement')}"
        yield Details(title, (_script(first.statements),))
        return
    rows = f"for {first.rows:,} rows" if first.rows else "for an empty table"
    words = f", {rows}, about {first.minutes:,.1f} minutes on one core."
    yield Paragraph((*_title(plans), words))
    yield Table(
        ("statement", "lock", "it blocks", "rows", "minutes", "data lost"),
        cut_rows([_step(step) for step in first.steps], room, columns=6),
        right=frozenset({3, 4}),
    )


def _title(plans: list[Ddl]) -> Text:
    return (Strong(_where(plans)), ": database ", Code(plans[0].database))


def _where(plans: list[Ddl]) -> str:
    return listed(plan.stack for plan in plans)


def _script(statements: tuple[str, ...]) -> Source:
    return Source("sql", "\n".join(f"{statement};" for statement in statements))


def _step(step: Step) -> tuple[Text, ...]:
    sql = " ".join(step.sql.split())
    short = sql if len(sql) <= LONGEST else f"{sql[: LONGEST - 1]}…"
    return (
        (Code(short),),
        (step.lock,),
        (blocked_by(step.lock),),
        (f"{step.cost.rows:,}",),
        (f"{step.cost.minutes:,.1f}",),
        (Strong("yes") if step.destructive else "no",),
    )
