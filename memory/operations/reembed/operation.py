"""A re-embedding from the first look to the last drop.

Each order goes as far as it can and stops where a decision is the operator's.  Killed at any point,
it is given again: what it finds in the catalog says where to go on, and the ledger says what was
wanted and paid.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from memory.embeddings.client import Answer, Embed, checked
from memory.embeddings.errors import EmbeddingError
from memory.embeddings.limits import Budget
from memory.operations.reembed import ddl, ledger, recall, rows
from memory.operations.reembed.alone import open_owner
from memory.operations.reembed.backfill import Ask, Backfill, Pace
from memory.operations.reembed.consistency import agree, refuse_nonsense, refuse_obstacles
from memory.operations.reembed.errors import (
    GoalRefused,
    NotInThisPhase,
    ReembedError,
    RowsLeft,
    Stop,
)
from memory.operations.reembed.extent import Extent, measure
from memory.operations.reembed.found import Found, look
from memory.operations.reembed.goal import Goal, Subject
from memory.operations.reembed.ledger import Entry, Phase, Progress
from memory.operations.reembed.recall import Comparison, Question
from memory.operations.reembed.swap import Exchange, NotYet
from memory.schema.connection import Endpoint, Session, connect
from memory.schema.estimate import UNKNOWN_MACHINE, Machine
from memory.schema.events import PATIENT, Event, Patience, Report, silent
from memory.schema.runner import open_run
from memory.schema.steps import Step

ROUNDS = 5
PACE, QUESTION = Pace(), Question()


def asking(embed: Embed, dimensions: int) -> Ask:
    """A callable as what a backfill asks: its answers checked, its tokens unknown."""

    def ask(texts: Sequence[str]) -> Answer:
        try:
            vectors = embed(texts)
            checked(vectors, len(texts), dimensions)
        except EmbeddingError:
            raise
        except Exception as error:  # noqa: BLE001 - it may raise what it likes, and quote a content
            raise EmbeddingError(f"the callable failed: {type(error).__name__}") from None
        return Answer(vectors=vectors)

    return ask


@contextmanager
def open_reembedding(
    endpoint: Endpoint,
    subject: Subject,
    *,
    report: Report = silent,
    patience: Patience = PATIENT,
    machine: Machine = UNKNOWN_MACHINE,
) -> Iterator["Reembedding"]:
    """Connect, act as the table's owner, and be the only one that re-embeds it.

    Raises GoalRefused where it cannot be re-embedded, AlreadyRunning beside another process.
    """
    with open_owner(endpoint, subject) as (session, _):
        yield Reembedding(
            endpoint=endpoint,
            subject=subject,
            session=session,
            report=report,
            patience=patience,
            machine=machine,
        )


@dataclass(kw_only=True)
class Reembedding:
    """The operation on one column, alone; made by ``open_reembedding``."""

    endpoint: Endpoint
    subject: Subject
    session: Session
    report: Report
    patience: Patience
    machine: Machine

    def entry(self) -> Entry | None:
        """What the ledger knows of an operation that has not ended."""
        return ledger.read(self.session, self.subject)

    def look(self) -> tuple[Found, Entry | None]:
        """Catalog and ledger, where they agree.  Raises NotInThisPhase where they cannot."""
        found, entry = look(self.session, self.subject), self.entry()
        agree(found, entry)
        return found, entry

    def goal(self, given: Goal | None, *, leave_indexes: bool = False) -> Goal:
        """What is wanted: the goal under way, unless another is asked for, which is refused."""
        found, entry = self.look()
        if found.stage == "swapped":
            raise NotInThisPhase(
                f"{self.subject.column} has been swapped already, and {self.subject.previous} is"
                " kept: give --contract to drop it, or --abort to swap back"
            )
        if entry is None and given is None:
            raise GoalRefused(
                "no re-embedding is under way: say which type, e.g. --to vector(3072)"
            )
        goal = given or entry.goal  # type: ignore[union-attr]  # one of the two is there
        if entry is not None and goal.model_copy(update={"index": entry.goal.index}) != entry.goal:
            raise GoalRefused(
                f"a re-embedding to {entry.goal.to} by {entry.goal.model or 'a cast'} is under way;"
                " go on with that (leave --to and the model out), or give it up with --abort"
            )
        refuse_nonsense(found, goal, leave_indexes=leave_indexes)
        return goal

    def extent(self) -> Extent:
        """Count what is left to do.  Reads every row's content."""
        return measure(self.session, look(self.session, self.subject))

    def advance(  # noqa: PLR0913 - one optional keyword for each thing that a caller may choose
        self,
        goal: Goal,
        *,
        extent: Extent,
        ask: Ask | None = None,
        budget: Budget | None = None,
        pace: Pace = PACE,
        question: Question = QUESTION,
    ) -> Comparison:
        """Expand, backfill, build the index and compare: all that comes before the swap.

        ``ask`` is None for a cast.  Raises Stop where the operator has to decide, and the same call
        goes on from there.
        """
        found, entry = self.expand(goal, extent=extent, ask=ask)
        spent = _going_on(budget, entry)
        self._fill(found, entry, ask, spent, pace)
        self._enter(entry, "index")
        self._index(found, entry)
        found = look(self.session, self.subject)
        # What came while the index was built; few rows, and the index of what is left finds them.
        self._fill(found, entry, ask, spent, pace)
        self._enter(entry, "check")
        return self._check(found, entry, question)

    def expand(self, goal: Goal, *, extent: Extent, ask: Ask | None) -> tuple[Found, Entry]:
        """Make room for the new values: all that comes before the first of them."""
        if (ask is None) != (goal.source == "cast"):
            raise GoalRefused("a model's vectors need an endpoint or a callable, and a cast none")
        self._expand(goal, extent, ask)
        found, entry = self.look()
        entry = _present(entry)
        entry.goal = goal
        entry.progress.rows_total = entry.progress.rows_done + extent.rows
        self._enter(entry, "backfill")
        return found, entry

    def swap(
        self, *, ask: Ask | None = None, pace: Pace = PACE, budget: Budget | None = None
    ) -> Entry:
        """Let new and old change their names, when every row has its new vector.

        Raises NotInThisPhase before a passed check, and Stop where the operator has to decide.
        """
        found, entry = self.look()
        entry = self._ready(found, entry)
        derived = self.subject.next
        self._steps(found, lambda seen: ddl.left_index_steps(seen, derived))
        spent = _going_on(budget, entry)

        def complete(under_lock: Found) -> None:
            agree(under_lock, entry)
            self._ready(under_lock, entry)
            if self._left(under_lock, derived):
                raise NotYet

        deadline = time.monotonic() + self.patience.retry_seconds
        with self._run("swap") as exchange:
            while True:
                while rows.any_left(self.session, found, derived):
                    self._refuse_to_chase(entry, ask, deadline)
                    self._fill(found, entry, ask, spent, pace)
                try:
                    exchange.run("swap", complete, lambda seen: ddl.swap_statements(seen, entry))
                except NotYet:
                    self._refuse_to_chase(entry, ask, deadline)
                else:
                    return _present(self.entry())

    def _refuse_to_chase(self, entry: Entry, ask: Ask | None, deadline: float) -> None:
        """Raise Stop where rows that came meanwhile cannot, or shall no longer, be run after."""
        if entry.goal.source == "model" and ask is None:
            raise Stop(
                "rows came since the last run and have no new vector yet: give the endpoint's"
                " variables beside --swap, or run without it first"
            )
        if time.monotonic() > deadline:
            raise Stop(
                f"for {self.patience.retry_seconds:.0f} s there was no moment at which every row"
                " had its new vector: rows come faster than the model answers. Nothing was"
                " swapped. Run again when there is less traffic, stop the writers for the swap,"
                f" or let them give {self.subject.next} along with each content"
            )

    def _left(self, under_lock: Found, derived: str) -> int:
        """How many rows lack a value; by the index that makes it short, or not at all."""
        if not ddl.finds_what_is_left(under_lock, derived):
            raise ReembedError(
                f"index {self.subject.left_index} is gone, or not valid: somebody dropped it; run"
                " again, and it is built anew"
            )
        return rows.any_left(self.session, under_lock, derived)

    def contract(self) -> None:
        """Drop the old column; going back then takes a new re-embedding."""
        found, entry = self.look()
        if entry is None or found.stage != "swapped":
            raise NotInThisPhase(
                f"{self.subject.relation} has not been swapped: there is nothing to drop."
                " --status says where the re-embedding stands"
            )
        self._steps(found, lambda seen: ddl.contract_steps(seen, entry))

    def abort(self) -> Phase:
        """One step back: drop what was made, or after the swap, swap back.  Return the phase."""
        found, entry = look(self.session, self.subject), self.entry()
        if entry is None:
            raise NotInThisPhase("no re-embedding is under way: there is nothing to give up")
        if found.stage != "swapped":  # whatever else was changed by hand
            self._steps(found, lambda seen: ddl.abort_steps(seen, entry))
            return "aborted"
        agree(found, entry)
        derived = self.subject.previous
        self._steps(found, lambda seen: ddl.left_index_steps(seen, derived))

        def complete(seen: Found) -> None:
            agree(seen, entry)
            if left := self._left(seen, derived):
                raise NotInThisPhase(
                    f"{left}{' or more' if left == rows.MANY else ''} rows were written or changed"
                    " since the swap and have no vector of the old model: a search would no longer"
                    " find them. Nothing was changed. Going back takes --contract and then a"
                    " re-embedding with the old model"
                )

        complete(look(self.session, self.subject))
        with self._run("swap back") as exchange:
            exchange.run("swap back", complete, lambda seen: ddl.back_statements(seen, entry))
        return "ready"

    def _expand(self, goal: Goal, extent: Extent, ask: Ask | None) -> None:
        found, entry = self.look()
        if entry is None and ask is not None:
            ask(["How long is a vector of this model?"])  # before anything is changed
        begun = Progress(rows_total=extent.rows)
        self._steps(found, lambda seen: ddl.expand_steps(seen, goal, self.entry(), begun))
        if entry is not None and found.stage == "untouched":
            entry.progress = replace(entry.progress, cursor=None, rows_done=0)
            self._enter(entry, "backfill")

    def _fill(
        self, found: Found, entry: Entry, ask: Ask | None, budget: Budget, pace: Pace
    ) -> None:
        Backfill(
            session=self.session,
            found=found,
            entry=entry,
            ask=ask,
            budget=budget,
            pace=pace,
            patience=self.patience,
            report=self.report,
        ).run()

    def _index(self, found: Found, entry: Entry) -> None:
        self._steps(
            found,
            lambda seen: [
                *ddl.left_index_steps(seen, self.subject.next),
                *ddl.index_steps(seen, entry.goal),
            ],
        )

    def _check(self, found: Found, entry: Entry, question: Question) -> Comparison:
        comparison = recall.compare(self.session, found, entry.goal, question, self.report)
        if not comparison.queries and rows.any_left(self.session, found, self.subject.next):
            raise RowsLeft(
                f"no row of {self.subject.relation} has both its vectors, so nothing could be"
                " compared: run again"
            )
        entry.progress.check = comparison.as_data()
        recall.judge(comparison, question, self.subject.next)
        self._enter(entry, "ready")
        return comparison

    def _ready(self, found: Found, entry: Entry | None) -> Entry:
        """The entry, where everything that comes before a swap has been done."""
        if entry is None or found.stage != "expanded":
            raise NotInThisPhase("there is nothing to swap: --status says where it stands")
        subject = self.subject
        want = entry.goal.wanted_index(subject.next)
        have = found.table.indexes.get(subject.index_of(subject.next))
        if want is not None and (have is None or not ddl.same_index(have, want)):
            raise NotInThisPhase(
                f"index {subject.index_of(subject.next)} is not there, not valid or not the one"
                " that is wanted: run the re-embedding again, without --swap"
            )
        if entry.phase != "ready":
            raise NotInThisPhase(
                f"it is in phase «{entry.phase}», and the new index has not passed its check: run"
                " the re-embedding again, without --swap"
            )
        views = [name for name in found.dependents if not name.startswith("default value")]
        if views:
            raise NotInThisPhase(
                f"{', '.join(views)} would go on reading the old vectors after the swap: drop what"
                " reads the column, and create it again when the swap is done"
            )
        if found.missing_grants:
            raise NotInThisPhase(
                f"rights on {subject.column} alone would stay with the old column; give them on"
                f" the new one too: {'; '.join(found.missing_grants)}"
            )
        refuse_obstacles(found)
        return entry

    def _steps(self, found: Found, wanted: Callable[[Found], Iterable[Step]]) -> None:
        """Run steps by the schema engine's own manners, until the catalog asks for none."""
        for _ in range(ROUNDS):
            if not [*wanted(found)]:
                return
            with open_run(
                self.endpoint, report=self.report, patience=self.patience, machine=self.machine
            ) as run:
                steps = [*wanted(look(self.session, self.subject))]  # nobody changes it any more
                done = run.execute(steps)
            if len(done) == len(steps):
                return
            found = look(self.session, self.subject)
        raise ReembedError("others change the table at the same time; run again later")

    @contextmanager
    def _run(self, title: str) -> Iterator[Exchange]:
        """An exchange beside which no schema run goes on."""
        with open_run(self.endpoint, report=self.report, patience=self.patience):
            self.report(Event(kind="begin", text=title))
            yield Exchange(
                session=self.session,
                second=lambda: connect(self.endpoint, wait_seconds=0),
                subject=self.subject,
                patience=self.patience,
                report=self.report,
            )
            self.report(Event(kind="end", text=title))

    def _enter(self, entry: Entry, phase: Phase) -> None:
        with self.session.transaction():
            ledger.save(self.session, self.subject, entry)
            _execute(self.session, ledger.turn(self.subject, entry, phase))
        entry.phase = phase
        self.report(Event(kind="end", text=f"phase {phase}"))


def _going_on(budget: Budget | None, entry: Entry) -> Budget:
    """The budget, with what earlier runs have paid."""
    spent = budget or Budget()
    spent.paid = entry.progress.tokens_paid
    spent.estimated = entry.progress.tokens_estimated
    return spent


def _present(entry: Entry | None) -> Entry:
    if entry is None:
        raise ReembedError("the ledger's entry is gone: somebody deleted it; --status says more")
    return entry


def _execute(session: Session, statement: str) -> None:
    session.execute(statement)
