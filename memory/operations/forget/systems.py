"""What Zep and the graph hold of a subject, and how it goes.

Zep knows which sessions a user had, and forgets it as it deletes the user; it commits its own rows
before it asks Graphiti to delete the graph, and then answers 500 where that fails.  So whoever
leaves the graph to Zep can be left with a graph that nobody finds again.  Here the groups go first,
by Graphiti's own interface: one for the user, one for each session.

https://github.com/getzep/zep/tree/main/legacy/src/store (userstore_common.go, userstore_ce.go)
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from memory.operations.forget.errors import ServiceRefused, SubjectUnclear
from memory.operations.forget.http import Service

ZEP_URL, ZEP_KEY_FILE = "ENGRAM_ZEP_URL", "ENGRAM_ZEP_API_KEY_FILE"
GRAPH_URL = "ENGRAM_GRAPHITI_URL"
API = ("api", "v2")
SAMPLE, PAGE = "last_n=1", 100
STRANGE = "Zep answered something else than its own API does: does its address lead elsewhere?"


@dataclass(frozen=True, kw_only=True)
class Zep:
    """Zep's users and sessions, with their messages."""

    service: Service

    @classmethod
    def from_environment(cls) -> "Zep":
        """The Zep that ENGRAM_ZEP_URL names.  Raises SubjectUnclear."""
        url, file = os.environ.get(ZEP_URL), os.environ.get(ZEP_KEY_FILE)
        if not url or not file:
            raise SubjectUnclear(
                f"set {ZEP_URL} and {ZEP_KEY_FILE}, so that what Zep remembers goes, too; or say"
                " --without zep where there is none"
            )
        try:
            key = Path(file).read_text(encoding="utf-8").split()[0]
        except (OSError, IndexError):
            raise SubjectUnclear(f"{ZEP_KEY_FILE} cannot be read, or is empty") from None
        return cls(
            service=Service(name="Zep", url=url, headers={"Authorization": f"Api-Key {key}"})
        )

    def prove(self) -> None:
        """Raise ServiceRefused unless it is Zep that answers, to this key."""
        self.service.prove(*API, "users-ordered", query="pageNumber=1&pageSize=1")

    def has_user(self, user: str) -> bool:
        """Whether Zep knows this user."""
        return self.service.get(*API, "users", user) is not None

    def session(self, session: str) -> dict[str, Any] | None:
        """What Zep says of a session, its user among it; None where it knows none."""
        found = self.service.get(*API, "sessions", session)
        if found is None:
            return None
        if not _session_id(found):
            raise ServiceRefused(STRANGE)
        return dict(found)

    def messages_of(self, session: str) -> Iterator[str]:
        """The ids of a session's messages."""
        for page in count(1):
            query = f"limit={PAGE}&cursor={page}"
            found = self.service.get(*API, "sessions", session, "messages", query=query) or {}
            listed = found.get("messages") if isinstance(found, dict) else None
            yield from (str(one["uuid"]) for one in listed or () if one.get("uuid"))
            if len(listed or ()) < PAGE:
                return

    def sessions_of(self, user: str) -> list[str]:
        """The sessions of a user.  Raises ServiceRefused."""
        found = self.service.get(*API, "users", user, "sessions") or []
        if not isinstance(found, list) or not all(_session_id(one) for one in found):
            raise ServiceRefused(STRANGE)
        return [one["session_id"] for one in found]

    def forget_session(self, session: str) -> bool:
        """Delete a session with its messages; whether there was one."""
        return self.service.delete(*API, "sessions", session, "memory")

    def forget_user(self, user: str) -> bool:
        """Delete a user with all sessions; whether there was one."""
        return self.service.delete(*API, "users", user)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Graphiti's groups: facts, entities and episodes of one user or session."""

    service: Service

    @classmethod
    def from_environment(cls) -> "Graph":
        """The Graphiti that ENGRAM_GRAPHITI_URL names.  Raises SubjectUnclear."""
        url = os.environ.get(GRAPH_URL)
        if not url:
            raise SubjectUnclear(
                f"set {GRAPH_URL}, so that what the graph knows goes, too; or say --without graph"
                " where there is none"
            )
        return cls(service=Service(name="Graphiti", url=url))

    def prove(self) -> None:
        """Raise ServiceRefused unless it is Graphiti that answers."""
        self.service.prove("healthcheck")

    def holds(self, group: str) -> bool:
        """Whether a group has an episode.

        Graphiti deletes facts, then entities, then episodes: a group without the last has none of
        the others.  A search for facts would cost a call of the customer's model.
        """
        return bool(self.service.get("episodes", group, query=SAMPLE))

    def forget_episode(self, group: str, message: str) -> bool:
        """Delete what was said in one message from a group; whether it was there."""
        return self.service.delete("episode", f"{group}-{message}")

    def forget(self, group: str) -> None:
        """Delete a group; one that is not there is none the less gone."""
        self.service.delete("group", group)


def _session_id(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("session_id"), str)
