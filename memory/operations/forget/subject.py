"""Whose memories are to be forgotten, and which of them are whose."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from memory.operations.forget.systems import Graph, Zep
from memory.operations.tenants import Place
from memory.schema.connection import Session

KIND = Literal["user", "session"]

SHARED = """
SELECT session_id FROM {table} WHERE session_id = ANY(%s) AND user_id <> %s GROUP BY session_id
"""
OF_USER = "SELECT DISTINCT session_id FROM {table} WHERE user_id = %s"
# Of a user: their rows, and those of nobody in a session that is theirs alone.
MINE = "(user_id = %s OR (user_id IS NULL AND session_id = ANY(%s)))"
MEMBERS = "SELECT DISTINCT user_id FROM {table} WHERE session_id = %s AND user_id IS NOT NULL"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A person, or one conversation."""

    kind: KIND
    name: str
    tenant: str

    @property
    def fingerprint(self) -> str:
        """What stands for the name in every book: it can be checked by whoever knows the name."""
        return hashlib.sha256(f"{self.kind}\n{self.tenant}\n{self.name}".encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Everything that is to go, as it is found at this moment."""

    rows: int = 0
    """In the table of memories."""
    sessions: tuple[str, ...] = ()
    """Of the subject alone."""
    apart: tuple[str, ...] = ()
    """Those of them that Zep knows without knowing whose they are."""
    shared: int = 0
    """Sessions that others have memories in: only the subject's own rows go, and the sessions of
    Zep and of the graph stay."""
    in_zep: int = 0
    """Users and sessions that Zep knows."""
    in_graph: int = 0
    """Groups that have episodes."""
    members: tuple[str, ...] = ()
    """Users in whose graphs Zep entered what was said in this session, too."""

    @property
    def empty(self) -> bool:
        """Whether nothing is left to forget."""
        return not (self.rows or self.in_zep or self.in_graph)

    def as_data(self) -> dict[str, Any]:
        """Plain data without a name."""
        told = asdict(self)
        named = ("sessions", "apart", "members")
        return {**told, **{name: len(told[name]) for name in named}}


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """The three systems that remember."""

    session: Session
    place: Place
    zep: Zep | None
    graph: Graph | None

    def scope(self, subject: Subject, known: Sequence[str] = ()) -> Scope:
        """Look for all that there is of a subject; ``known`` sessions were its own before."""
        found = (
            self._of_user(subject, known) if subject.kind == "user" else self._of_session(subject)
        )
        groups = self.groups(subject, found.sessions)
        graph = sum(self.graph.holds(group) for group in groups) if self.graph else 0
        return replace(found, rows=self._rows(subject, found.sessions), in_graph=graph)

    def mine(self, subject: Subject, sessions: Sequence[str]) -> tuple[str, list[Any]]:
        """The subject's rows, as SQL with its parameters."""
        if subject.kind == "session":
            return "session_id = %s", [subject.name]
        return MINE, [subject.name, list(sessions)]

    @staticmethod
    def groups(subject: Subject, sessions: Sequence[str]) -> list[str]:
        """The groups of the graph that are the subject's alone."""
        return list(dict.fromkeys((subject.name, *sessions)))

    def _of_user(self, subject: Subject, known: Sequence[str]) -> Scope:
        in_zep = self.zep.sessions_of(subject.name) if self.zep else []
        here = [row[0] for row in self._query(OF_USER, subject.name)]
        every = list(dict.fromkeys((*in_zep, *here, *known)))
        shared = {row[0] for row in self._query(SHARED, every, subject.name)}
        beside = [
            one
            for one in every
            if one not in in_zep and one not in shared and self._is_own(subject, one)
        ]
        users = int(self.zep.has_user(subject.name)) if self.zep else 0
        apart = tuple(one for one in beside if self._in_zep(one))
        return Scope(
            sessions=(*in_zep, *beside),
            apart=apart,
            shared=len(every) - len(in_zep) - len(beside),
            in_zep=users + len(in_zep) + len(apart),
        )

    def _of_session(self, subject: Subject) -> Scope:
        found = self.zep.session(subject.name) if self.zep else None
        members = {row[0] for row in self._query(MEMBERS, subject.name)}
        members |= {found["user_id"]} if found and found.get("user_id") else set()
        return Scope(
            sessions=(subject.name,),
            in_zep=int(found is not None),
            members=tuple(sorted(members)),
        )

    def _is_own(self, subject: Subject, session: str) -> bool:
        """Whether Zep does not say that a session is somebody else's."""
        found = self.zep.session(session) if self.zep else None
        return found is None or found.get("user_id") in {None, "", subject.name}

    def _in_zep(self, session: str) -> bool:
        return self.zep is not None and self.zep.session(session) is not None

    def _rows(self, subject: Subject, sessions: Sequence[str]) -> int:
        words, values = self.mine(subject, sessions)
        (found,) = self._query(f"SELECT count(*) FROM {{table}} WHERE {words}", *values)  # noqa: S608 - constants
        return int(found[0])

    def _query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        text = query.format(table=self.place.table)
        return self.session.execute(text.encode(), values).fetchall()
