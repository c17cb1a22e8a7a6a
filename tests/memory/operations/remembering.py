"""Zep 1.0.2 and Graphiti 0.3 on loopback, as far as an erasure asks them.

What each of them does is written down in the notes of running them, and in their source: Zep
commits its own rows before it asks Graphiti, and answers 500 where Graphiti fails.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "k-secret-of-zep"


@dataclass
class Remembered:
    """What both of them hold, and what is to go wrong."""

    users: set[str] = field(default_factory=set)
    sessions: dict[str, str | None] = field(default_factory=dict)
    """The user of each."""
    messages: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    """Episodes of each group of the graph."""
    asked: list[str] = field(default_factory=list)
    """Method and path of each request."""
    faults: list[int] = field(default_factory=list)
    """Statuses to answer next, instead of doing anything."""
    graph_down: bool = False
    """For Zep, too."""
    meanwhile: Callable[[str], None] = lambda _: None
    """Called with each request after it is done, and before it is answered."""
    url: str = ""

    def remember(self, user: str | None, session: str, messages: list[str]) -> None:
        """Enter messages as Zep does: in the session's group, and in the user's."""
        if user is not None:
            self.users.add(user)
        self.sessions[session] = user
        self.messages.setdefault(session, []).extend(messages)
        for group in filter(None, (session, user)):
            self.groups.setdefault(group, []).extend(f"{group}-{one}" for one in messages)

    def answer(self, method: str, path: str, key: str | None) -> tuple[int, Any]:
        """The status and body of one request."""
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
        if self.faults:
            return self.faults.pop(0), {"message": "as told"}
        if parts[:2] == ["api", "v2"]:
            if key != f"Api-Key {KEY}":
                return 401, {"message": "unauthorized"}
            return self._zep(method, parts[2:], path)
        return (500, {}) if self.graph_down else self._graph(method, parts)

    def _zep(self, method: str, parts: list[str], path: str) -> tuple[int, Any]:
        match method, *parts:
            case "GET", "users-ordered":
                return 200, {"users": [], "total_count": len(self.users), "row_count": 0}
            case "GET", "users", user:
                return (200, {"user_id": user}) if user in self.users else (404, {})
            case "GET", "users", user, "sessions":
                return 200, [{"session_id": s} for s, owner in self.sessions.items()
                             if owner == user and user in self.users]  # fmt: skip
            case "GET", "sessions", session if session in self.sessions:
                return 200, {"session_id": session, "user_id": self.sessions[session]}
            case "GET", "sessions", session, "messages":
                query = {name: int(value) for name, (value,) in _query(path).items()}
                first = (query["cursor"] - 1) * query["limit"]
                page = self.messages.get(session, [])[first : first + query["limit"]]
                return 200, {"messages": [{"uuid": one, "content": "private"} for one in page]}
        return self._end(parts) if method == "DELETE" else (404, {"message": "not found"})

    def _end(self, parts: list[str]) -> tuple[int, Any]:
        match parts:
            case "sessions", session, "memory" if session in self.sessions:
                self._end_session(session)
                return self._zeps_graph([session])
            case "users", user if user in self.users:
                own = [s for s, owner in self.sessions.items() if owner == user]
                for session in own:
                    self._end_session(session)
                self.users.discard(user)
                return self._zeps_graph([user, *own])
        return 404, {"message": "not found"}

    def _end_session(self, session: str) -> None:
        del self.sessions[session]
        self.messages.pop(session, None)

    def _zeps_graph(self, groups: list[str]) -> tuple[int, Any]:
        if self.graph_down:
            return 500, {"message": "failed to do request"}
        for group in groups:
            self.groups.pop(group, None)
        return 200, {"message": "OK"}

    def _graph(self, method: str, parts: list[str]) -> tuple[int, Any]:
        match method, *parts:
            case "GET", "healthcheck":
                return 200, {"status": "healthy"}
            case "GET", "episodes", group:
                return 200, [{"uuid": one} for one in self.groups.get(group, [])][-1:]
            case "DELETE", "group", group:
                self.groups.pop(group, None)
                return 200, {"message": "Group deleted", "success": True}
            case "DELETE", "episode", episode:
                for episodes in self.groups.values():
                    if episode in episodes:
                        episodes.remove(episode)
                        return 200, {"message": "Episode deleted", "success": True}
        return 404, {"detail": "not found"}


def _query(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query)


@contextmanager
def remembering() -> Iterator[Remembered]:
    """Both services at one address, until the end of the block."""
    held = Remembered()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            status, body = held.answer(self.command, self.path, self.headers["Authorization"])
            held.asked.append(f"{self.command} {self.path}")
            held.meanwhile(held.asked[-1])
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_DELETE = _serve  # noqa: N815 - http.server's spelling

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield held
    server.shutdown()
    thread.join()
    server.server_close()
