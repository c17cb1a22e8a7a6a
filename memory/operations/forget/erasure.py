"""Erases a subject, so that a kill at any moment leaves nothing half-forgotten unnoticed.

Each system is emptied while another still knows what belongs to the subject:

1. the graph's groups, and what a session's messages left in its users' groups;
2. sessions that Zep has without their user: only the table of memories tells whose they are;
3. the table of memories;
4. Zep's user with the sessions that only Zep knows;
5. the graph's groups once more: messages wait in Graphiti's memory before they become facts.

The book of operations has an entry from before the first deletion that is not over before nothing
is found any more.  The same command goes on from wherever an earlier one ended.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from memory.operations.forget.errors import StillThere
from memory.operations.forget.subject import Holdings, Scope, Subject
from memory.operations.forget.systems import Zep
from memory.operations.records import Record, append, instant, records
from memory.operations.retention.deletion import audit, server_time
from memory.schema import sql
from memory.schema.connection import Session
from memory.schema.events import Event, Report

OPERATION = "forget"
FORMAT = "engram-erasure/1"
ROUNDS = 3
"""Over what was written meanwhile."""
BATCH_ROWS = 500
HOW = "SHA-256 of kind, tenant and name with line feeds between them"


@dataclass(frozen=True, kw_only=True)
class Backups:
    """For how many days copies keep what is deleted today."""

    postgres_days: int
    graph_days: int | None = None
    """None where nobody said."""


@dataclass(kw_only=True)
class Erasure:
    """One erasure, from its first entry to its certificate."""

    base: Session
    """Of the book of operations."""
    holdings: Holdings
    subject: Subject
    backups: Backups
    reference: str | None = None
    """Of the request, such as a ticket; it goes into the book and the certificate."""
    report: Report
    begun: Record | None = field(default=None, init=False)
    known: set[str] = field(default_factory=set, init=False)

    def earlier(self) -> tuple[Record | None, Record | None]:
        """The entry of an erasure of this subject that is not over, and the last that is."""
        under_way: Record | None = None
        over: Record | None = None
        for record in records(self.base, OPERATION):
            told = record.detail
            if told.get("state") == "begun" and told.get("subject") == self.subject.fingerprint:
                under_way = record
            is_end = told.get("state") == "done"
            if is_end and under_way and told.get("begun") == under_way.position:
                under_way, over = None, record
        return under_way, over

    def run(self, scope: Scope) -> Record:
        """Delete until nothing is found; return the entry with the certificate.

        Raises StillThere where somebody writes faster than this deletes.
        """
        self.begun = self.earlier()[0] or append(self.base, OPERATION, self._intent(scope))
        for _ in range(ROUNDS):
            self._round(scope)
            scope = self.holdings.scope(self.subject, known=sorted(self.known))
            if scope.empty:
                return self._certify(scope)
        raise StillThere(
            f"after {ROUNDS} rounds there are {scope.rows} memories, {scope.in_zep} users and"
            f" sessions in Zep and {scope.in_graph} groups in the graph again: somebody writes for"
            " this subject. End that, and give the same command again"
        )

    def _intent(self, scope: Scope) -> dict[str, Any]:
        return {
            "state": "begun",
            "subject": self.subject.fingerprint,
            "kind": self.subject.kind,
            "tenant": self.subject.tenant,
            "reference": self.reference,
            "found": scope.as_data(),
        }

    def _round(self, scope: Scope) -> None:
        self.known |= {*scope.sessions}
        self._graph(scope)
        if zep := self.holdings.zep:
            gone = sum(zep.forget_session(one) for one in scope.apart)
            self._note("zep", sessions=gone)
        self._memories(scope)
        if zep:
            self._zep(zep, scope)
        self._graph(scope, again=True)

    def _zep(self, zep: Zep, scope: Scope) -> None:
        """Delete what Zep knows, counted before: it may delete and yet answer with an error."""
        if self.subject.kind == "user":
            users, sessions = (
                int(zep.has_user(self.subject.name)),
                len(zep.sessions_of(self.subject.name)),
            )
            zep.forget_user(self.subject.name)
            self._note("zep", users=users, sessions=sessions)
        else:
            zep.forget_session(self.subject.name)
            self._note("zep", sessions=scope.in_zep)

    def _graph(self, scope: Scope, *, again: bool = False) -> None:
        graph = self.holdings.graph
        if graph is None:
            return
        groups = self.holdings.groups(self.subject, sorted({*scope.sessions, *self.known}))
        held = sum(graph.holds(group) for group in groups)
        for number, group in enumerate(groups, 1):
            graph.forget(group)
            self._progress(f"graph: {number} of {len(groups)} groups", number / len(groups))
        episodes = 0 if again else sum(self._episodes(scope))
        if held or episodes or not again:
            self._note("graph", groups=held, episodes=episodes)

    def _episodes(self, scope: Scope) -> Iterator[bool]:
        """Take a session's messages out of the graphs of its users."""
        zep, graph = self.holdings.zep, self.holdings.graph
        if self.subject.kind == "user" or not (zep and graph and scope.in_zep):
            return
        for message in zep.messages_of(self.subject.name):
            for member in scope.members:
                yield graph.forget_episode(member, message)

    def _memories(self, scope: Scope) -> None:
        """Delete the rows of the subject, some at a time, each time with their audit."""
        words, values = self.holdings.mine(self.subject, scope.sessions)
        session, place, done = self.holdings.session, self.holdings.place, 0
        # Those of nobody first: the others tell whose session it is.
        order = "ORDER BY user_id NULLS FIRST, id LIMIT %s"
        some = f"SELECT id FROM {place.table} WHERE {words} {order}"  # noqa: S608 - quoted
        statement = (
            f"DELETE FROM {place.table} WHERE id IN ({some}) AND {words}"  # noqa: S608 - quoted
            " RETURNING tenant_id, id::text"
        )
        while True:
            with session.transaction():
                given = [*values, BATCH_ROWS, *values]
                gone = session.execute(statement.encode(), given).fetchall()
                audit(session, place, OPERATION, self._request, gone)
            if not gone:
                return
            done += len(gone)
            self._progress(f"memories: {done} deleted", min(1.0, done / max(done, scope.rows)))

    @property
    def _request(self) -> str:
        """What ties the audit of each batch to this erasure, over all of its runs."""
        return f"{OPERATION}-{self._position}"

    @property
    def _position(self) -> int:
        if self.begun is None:
            raise AssertionError("an erasure is entered before anything is deleted")
        return self.begun.position

    def _note(self, system: str, **counts: int) -> None:
        """Enter what is gone from a system."""
        detail = {"state": "deleted", "begun": self._position, "system": system, **counts}
        append(self.base, OPERATION, detail)

    def _progress(self, text: str, share: float) -> None:
        self.report(Event(kind="progress", text=text, share=share))

    def _certify(self, scope: Scope) -> Record:
        """Enter the end, with all that a certificate says."""
        certificate = self._certificate(scope, server_time(self.base))
        detail = {"state": "done", "begun": self._position, "certificate": certificate}
        return append(self.base, OPERATION, detail)

    def _certificate(self, scope: Scope, now: datetime) -> dict[str, Any]:
        begun = self.begun
        if begun is None:
            raise AssertionError("an erasure is entered before anything is deleted")
        return {
            "format": FORMAT,
            "subject": {
                "kind": self.subject.kind,
                "tenant": self.subject.tenant,
                "sha256": self.subject.fingerprint,
                "how": HOW,
            },
            "reference": begun.detail.get("reference"),
            "begun": {"position": begun.position, "at": instant(begun.at)},
            "ended_at": instant(now),
            "deleted": self._deleted(begun),
            "found_afterwards": {
                "memories": scope.rows,
                "zep": scope.in_zep if self.holdings.zep else "not looked at",
                "graph": scope.in_graph if self.holdings.graph else "not looked at",
            },
            "remains": list(self._remains(begun)),
            "backups": self._backups(now),
        }

    def _deleted(self, begun: Record) -> dict[str, Any]:
        """What went, over all runs: of the memories as audited, of the others as entered."""
        table = sql.qualified(self.holdings.place.schema, "memory_audit")
        ids = self.holdings.session.execute(
            f"SELECT jsonb_array_elements_text(ids) AS id FROM {table}"  # noqa: S608 - quoted
            " WHERE request_id = %s AND at >= %s ORDER BY id".encode(),
            (self._request, begun.at),
        ).fetchall()
        text = "".join(f"{one}\n" for (one,) in ids)
        entered = [
            record.detail
            for record in records(self.base, OPERATION)
            if record.detail.get("begun") == begun.position
            and record.detail.get("state") == "deleted"
        ]
        return {
            "memories": {
                "rows": len(ids),
                "ids_sha256": hashlib.sha256(text.encode()).hexdigest(),
            },
            "zep": _sums(entered, "zep", ("users", "sessions")),
            "graph": _sums(entered, "graph", ("groups", "episodes")),
        }

    def _remains(self, begun: Record) -> Iterator[str]:
        """What this cannot reach, in words."""
        if shared := begun.detail["found"]["shared"]:
            yield (
                f"{shared} sessions that others have memories in: the subject's own memories"
                " are deleted, the others' are not"
            )
        if self.subject.kind == "session" and self.holdings.graph:
            yield (
                "facts that the graphs of its users drew from this session: Graphiti does not tell"
                " them from others; they end when the user is forgotten"
            )
        for name, system in (("Zep", self.holdings.zep), ("the graph", self.holdings.graph)):
            if system is None:
                yield f"whatever {name} holds: it was left out on request"
        yield "the entries of both books, which hold ids of memories and no contents"

    def _backups(self, now: datetime) -> list[dict[str, Any]]:
        days, graph = self.backups.postgres_days, self.backups.graph_days
        held: list[dict[str, Any]] = [
            {
                "of": "PostgreSQL (memories, Zep): backups and write-ahead log",
                "days": days,
                "until": instant(now + timedelta(days=days)),
            }
        ]
        if self.holdings.graph:
            until = None if graph is None else instant(now + timedelta(days=graph))
            held.append({"of": "the graph store's copies", "days": graph, "until": until})
        return held


def _sums(entered: Sequence[dict[str, Any]], system: str, names: Sequence[str]) -> dict[str, int]:
    mine = [one for one in entered if one.get("system") == system]
    return {name: sum(int(one.get(name, 0)) for one in mine) for name in names}
