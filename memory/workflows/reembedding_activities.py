"""The steps of a re-embedding that touch the world; each may be tried again at any moment."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from temporalio import activity

from memory.embeddings.limits import Budget
from memory.operations.records import append
from memory.operations.reembed import span
from memory.operations.reembed.alone import open_owner
from memory.operations.reembed.backfill import Ask, Pace
from memory.operations.reembed.found import Found
from memory.operations.reembed.goal import Goal, Subject, index_like, new_goal
from memory.operations.reembed.operation import Reembedding as Operation
from memory.operations.reembed.operation import open_reembedding
from memory.operations.reembed.recall import Question
from memory.schema import sql
from memory.schema.connection import Endpoint
from memory.schema.events import Event
from memory.schema.runner import open_direct
from memory.workflows import terms
from memory.workflows.cut import cut
from memory.workflows.pulse import Pulse, leave_if_told, resumed
from memory.workflows.terms import Done, Prepared, Reembedded, Reembedding, Shard

OPERATION = "reembed"
Model = Callable[[Goal], Ask | None]
"""What asks the endpoint of this worker for vectors of the goal's model; None for a cast."""


class ReembeddingActivities:
    """Made once in a worker."""

    def __init__(self, endpoint: Callable[[], Endpoint], model: Model) -> None:
        self._endpoint = endpoint
        self._model = model

    @activity.defn(no_thread_cancel_exception=True)
    def prepare_reembedding(self, wanted: Reembedding) -> Prepared:
        """Make room for the new vectors, and divide the table."""
        endpoint, subject = self._where(wanted.place)
        with Pulse(Done()):
            with open_reembedding(endpoint, subject, report=_listening) as work:
                goal = work.goal(_complete(wanted.goal, work))
                work.expand(goal, extent=work.extent(), ask=self._model(goal))
            with open_owner(endpoint, subject, shared=True) as (session, found):
                spans = cut(session, subject.relation, found.keys, wanted.pace.shards)
            what = goal.model_dump(include={"to", "source", "model"})
            self._record("prepared", wanted.place, found, **what, spans=len(spans))
        return Prepared(
            goal=goal.model_dump(mode="json"),
            shards=[Shard(place=wanted.place, span=span) for span in spans],
        )

    @activity.defn(no_thread_cancel_exception=True)
    def fill_shard(self, shard: Shard, wanted: Reembedding) -> Done:
        """Give the rows of a span their new vectors, from where the last try stopped."""
        begun = resumed(shard.span)
        endpoint, subject = self._where(shard.place)
        goal = Goal.model_validate(wanted.goal)
        with Pulse(begun) as pulse:

            def told(cursor: list[str] | None, rows: int) -> None:
                pulse.moved(Done(cursor=cursor, rows=begun.rows + rows))

            span.fill(
                endpoint,
                subject,
                span.Keys(after=begun.cursor, until=shard.span.until),
                ask=self._model(goal),
                told=told,
                budget=_budget(wanted),
                pace=_pace(wanted),
            )
            return pulse.done

    @activity.defn(no_thread_cancel_exception=True)
    def finish_reembedding(self, wanted: Reembedding) -> Reembedded:
        """See to the rows that came meanwhile, build the index and ask it."""
        goal = Goal.model_validate(wanted.goal)
        endpoint, subject = self._where(wanted.place)
        question = Question(queries=wanted.queries, min_recall=wanted.min_recall)
        with Pulse(Done()), open_reembedding(endpoint, subject, report=_listening) as work:
            goal = work.goal(goal)
            comparison = work.advance(
                goal,
                extent=work.extent(),
                ask=self._model(goal),
                budget=_budget(wanted),
                pace=_pace(wanted),
                question=question,
            )
            entry = work.entry()
            done = Reembedded(
                rows=entry.progress.rows_done if entry else 0,
                recall=comparison.sides[0].recall if comparison.sides else None,
            )
            self._record("ready", wanted.place, work.look()[0], **asdict(done))
        return done

    def _record(self, state: str, place: terms.Place, found: Found, **more: Any) -> None:
        """Enter a step into the book of operations; a step that is tried again, again.

        As the tables' owner, like the step itself; the entry names the login.
        """
        with open_direct(self._endpoint()) as base:
            base.execute(f"SET ROLE {sql.name(found.place.owner)}".encode())
            append(base, OPERATION, {"state": state, "of": asdict(place), **more, "by": "workflow"})

    def _where(self, place: terms.Place) -> tuple[Endpoint, Subject]:
        endpoint = self._endpoint()
        subject = Subject(
            schema=place.schema, table=place.table, column=place.column, content=place.content
        )
        return replace(endpoint, database=place.database or endpoint.database), subject


def _complete(given: dict[str, Any], work: Operation) -> Goal:
    """The goal with its index: that of the operation under way, else like the old one."""
    found, entry = work.look()
    if entry is not None:
        return new_goal(**given, index=entry.goal.index)
    have = found.index_on(work.subject.column)
    like = index_like(have[1], work.subject.column) if have else None
    return new_goal(**given, index=like and like.model_copy(update={"name": None}))


def _listening(_event: Event) -> None:
    leave_if_told()


def _budget(wanted: Reembedding) -> Budget:
    return Budget(price_per_million=wanted.price_per_million, max_cost=wanted.max_cost)


def _pace(wanted: Reembedding) -> Pace:
    return Pace(batch_rows=wanted.pace.batch_rows)
