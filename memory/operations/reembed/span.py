"""One of many that fill a column together, each a span of its keys.

What all have done and paid stands in the ledger, where each adds its own with the rows it belongs
to: so a limit on the cost holds for all together, but for what is under way at that moment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from typing_extensions import override

from memory.embeddings.limits import Budget
from memory.operations.reembed import ledger
from memory.operations.reembed.alone import open_owner
from memory.operations.reembed.backfill import Ask, Backfill, Pace
from memory.operations.reembed.consistency import agree
from memory.operations.reembed.errors import NotInThisPhase
from memory.operations.reembed.goal import Subject
from memory.operations.reembed.ledger import Progress
from memory.schema.connection import Endpoint
from memory.schema.events import PATIENT, Patience, silent

Told = Callable[[list[str] | None, int], None]
"""Hears after each commit the key that it came to, and how many rows were written so far."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Those beyond ``after``, up to and with ``until``; None is the end of all."""

    after: Sequence[str] | None = None
    until: Sequence[str] | None = None


def fill(  # noqa: PLR0913 - one optional keyword for each thing that a caller may choose
    endpoint: Endpoint,
    subject: Subject,
    keys: Keys,
    *,
    ask: Ask | None,
    told: Told,
    budget: Budget | None = None,
    pace: Pace | None = None,
    patience: Patience = PATIENT,
) -> None:
    """Give the rows of a span their values, beside others that fill other spans.

    Raises NotInThisPhase unless a re-embedding has made room and has no index yet.
    """
    with open_owner(endpoint, subject, shared=True) as (session, found):
        entry = ledger.read(session, subject)
        agree(found, entry)
        if entry is None or entry.phase != "backfill":
            raise NotInThisPhase(
                f"no re-embedding of {subject.relation} is in its backfill: begin it, and its"
                " spans can be filled"
            )
        spent = budget or Budget()
        spent.paid, spent.estimated = entry.progress.tokens_paid, entry.progress.tokens_estimated
        entry.progress.cursor = None if keys.after is None else list(keys.after)
        SpanBackfill(
            session=session,
            found=found,
            entry=entry,
            ask=ask,
            budget=spent,
            pace=pace or Pace(),
            patience=patience,
            report=silent,
            until=keys.until,
            told=told,
        ).run()


@dataclass(kw_only=True)
class SpanBackfill(Backfill):
    """One pass over a span; ``entry.progress`` is that of all, but for the cursor."""

    told: Told

    @override
    def _passes(self) -> None:
        if self.ask is None:
            self._cast()
        else:
            self._pass(self.ask)

    @override
    def _save(self, moved: Progress) -> Progress:
        have = self.entry.progress
        more = {name: getattr(moved, name) - getattr(have, name) for name in ledger.COUNTED}
        stands = ledger.add(self.session, self.found.subject, self.entry, Progress(**more))
        return replace(stands, cursor=moved.cursor)

    @override
    def _tell(self) -> None:
        progress = self.entry.progress
        self.budget.paid, self.budget.estimated = progress.tokens_paid, progress.tokens_estimated
        self.told(progress.cursor, self._done_here)
