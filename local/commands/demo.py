"""Write memories into the stack that stands, find them, and show what the database holds of them.

Then the field keys are rotated, the memories found again, and a user forgotten. Every step goes
through the memory service, as a client's would; what PostgreSQL holds is read beside it. It
leaves nothing behind but the records of what was done.
"""

import argparse
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg
import urllib3
from psycopg import sql
from psycopg.rows import dict_row
from rich.markup import escape

from local.cloud.workloads.pods import Pods
from local.commands import memory, real_pods
from local.commands.database import variables
from local.commands.session import Session
from local.errors import LocalError

EMAIL, ALLERGY = "ada@example.com", "allergic to peanuts"
"""What only the service may show."""
QUESTION = "Which tea does Ada drink?"
SHOWN_CHARACTERS = 48
OK = 200


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that was done, and what came of it."""

    did: str
    found: str
    ok: bool


@dataclass
class Client:
    """The memory service, as a program of the customer's calls it."""

    address: str
    key: str = field(repr=False)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return an answer; raises ``LocalError`` for a refusal."""
        answer = urllib3.request(
            method,
            f"{self.address}{path}",
            headers={"Authorization": f"Api-Key {self.key}"},
            json=body,
            retries=False,
            timeout=60.0,
        )
        document: dict[str, Any] = json.loads(answer.data or b"{}")
        if answer.status // 100 != OK // 100:
            words = document.get("error", {}).get("message", "no words")
            raise LocalError(f"the memory service refused {method} {path}: {words}")
        return document


@dataclass(frozen=True, kw_only=True)
class Database:
    """What PostgreSQL holds, seen past the service, as the owner of the table."""

    way: Mapping[str, str]
    role: str
    table: tuple[str, ...]

    def rows(self, users: list[str]) -> list[dict[str, Any]]:
        """Return the rows of some users."""
        query = "SELECT content, metadata, memory_type, key_id FROM {} WHERE user_id = ANY(%s)"
        return self._asked(sql.SQL(query).format(sql.Identifier(*self.table)), users)

    def audited(self, session_id: str) -> list[dict[str, Any]]:
        """Return how often what was done to a session, or to ids of it."""
        query = (
            "SELECT operation, count(*) AS times FROM {} WHERE session_id = %s"
            " GROUP BY operation ORDER BY operation"
        )
        table = sql.Identifier(*self.table[:-1], "memory_audit")
        return self._asked(sql.SQL(query).format(table), session_id)

    def _asked(self, query: sql.Composed, value: object) -> list[dict[str, Any]]:
        names = {"PGHOST": "host", "PGHOSTADDR": "hostaddr", "PGPORT": "port", "PGUSER": "user"}
        names |= {"PGPASSWORD": "password", "PGDATABASE": "dbname", "PGSSLMODE": "sslmode"}
        names |= {"PGSSLROOTCERT": "sslrootcert"}
        told = {names[name]: text for name, text in self.way.items() if name in names}
        with psycopg.connect(**told, row_factory=dict_row) as db:  # type: ignore[arg-type]  # texts only
            db.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.role)))
            db.execute("SET engram.tenant = '*'")
            return db.execute(query, [value]).fetchall()


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 where every step came to what it should."""
    engine = session.engine()
    outputs = engine.outputs()
    pods, address = real_pods.ready(session.paths, session.stack)
    client = Client(address, real_pods.api_key(real_pods.service_pod(pods)))
    database = Database(
        way=variables(session.stack, outputs, engine.extra),
        role=outputs["memory"]["roles"]["migrator"],
        table=tuple(outputs["memory"]["table"].split(".")),
    )
    steps = []
    for step in Demo(session=session, pods=pods, client=client, database=database).steps():
        steps.append(step)
        _show(session, step)
    ok = all(step.ok for step in steps)
    if session.as_json:
        answer = {"stack": session.stack, "service": address, "ok": ok}
        session.answer({**answer, "steps": [asdict(step) for step in steps]})
    return 0 if ok else 1


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The steps; each call of the command has users and sessions of its own."""

    session: Session
    pods: Pods
    client: Client
    database: Database
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    @property
    def ada(self) -> str:
        """The user who is remembered, and forgotten."""
        return f"demo-ada-{self.mark}"

    @property
    def bob(self) -> str:
        """Another one, whom nothing of it touches."""
        return f"demo-bob-{self.mark}"

    def steps(self) -> Iterator[Step]:
        """Do one after the other; what was written goes in the end, whatever happens."""
        try:
            yield self._write()
            yield self._find("before the rotation")
            before = self._keys()
            yield self._look()
            yield self._rotate(before)
            yield self._find("after the rotation")
            yield self._forget()
            yield self._audit()
        finally:
            for user in (self.ada, self.bob):
                self.client.ask("DELETE", f"/memories?user_id={user}")

    def _write(self) -> Step:
        tea = {"topic": "tea", "pii": {"email": EMAIL}}
        health = {"topic": "health", "phi": ALLERGY}
        texts: tuple[tuple[str, str, str, dict[str, Any], list[str]], ...] = (
            (self.ada, "episodic", "Ada asked for green tea this afternoon", tea, ["pii"]),
            (self.ada, "semantic", "Ada drinks green tea, and never coffee", health, ["phi"]),
            (self.bob, "episodic", "The build failed on Monday", {"topic": "build"}, []),
        )
        memories = [
            {
                "session_id": self.mark,
                "user_id": user,
                "content": content,
                "metadata": metadata,
                "memory_type": kind,
                "sensitivity": tags,
            }
            for user, kind, content, metadata, tags in texts
        ]
        added = self.client.ask("POST", "/memories/batch", {"memories": memories})["memories"]
        words = f"{len(added)} memories, embedded by the model's endpoint"
        return Step(
            did="wrote an episodic and a semantic memory of Ada, with an e-mail address and a"
            " diagnosis, and one of Bob",
            found=words,
            ok=len(added) == len(texts) and all(one["created"] for one in added),
        )

    def _find(self, when: str) -> Step:
        wanted = {"text": QUESTION, "session_id": self.mark, "k": 2}
        found = self.client.ask("POST", "/memories/search", wanted)["memories"]
        shown = [(one["content"], _sensitive(one["metadata"])) for one in found]
        words = "; ".join(f"«{content}» with {clear}" for content, clear in shown) or "nothing"
        clear = {text for _, text in shown}
        return Step(did=f"asked «{QUESTION}», {when}", found=words, ok=clear == {EMAIL, ALLERGY})

    def _look(self) -> Step:
        rows = self.database.rows([self.ada])
        held = [_sensitive(row["metadata"]) for row in rows]
        words = "; ".join(f"{text[:SHOWN_CHARACTERS]}…" for text in held) or "nothing"
        text = json.dumps(rows, default=str)
        sealed = bool(held) and not any(secret in text for secret in (EMAIL, ALLERGY))
        return Step(did="read the same fields in PostgreSQL", found=words, ok=sealed)

    def _rotate(self, before: set[str]) -> Step:
        words = ("rotate-field-keys", "--not-within-days", "0", "--yes", "--json")
        answer = memory.asked(self.session.paths, self.pods, words)
        after = self._keys()
        ok = answer.returncode == 0 and bool(after) and not after & before
        keys = f"{', '.join(sorted(before))} → {', '.join(sorted(after))}"
        said = "" if answer.returncode == 0 else f"; {(answer.stderr or answer.stdout).strip()}"
        return Step(did="rotated the field keys", found=f"rows are under {keys}{said}", ok=ok)

    def _forget(self) -> Step:
        gone = self.client.ask("DELETE", f"/memories?user_id={self.ada}")["deleted"]
        left = len(self.database.rows([self.ada]))
        others = len(self.database.rows([self.bob]))
        return Step(
            did="forgot Ada",
            found=f"{gone} memories deleted; PostgreSQL holds {left} of Ada, {others} of Bob",
            ok=(left, others) == (0, 1) and gone > 0,
        )

    def _audit(self) -> Step:
        rows = self.database.audited(self.mark)
        words = ", ".join(f"{row['times']} times {row['operation']}" for row in rows)
        return Step(did="read the audit records of it", found=words or "none", ok=bool(rows))

    def _keys(self) -> set[str]:
        return {row["key_id"] for row in self.database.rows([self.ada]) if row["key_id"]}


def _sensitive(metadata: Mapping[str, Any]) -> str:
    """Return the sensitive field of a memory, as it is shown or held."""
    held = metadata.get("phi", metadata.get("pii"))
    return str(held["email"] if isinstance(held, dict) else held)


def _show(session: Session, step: Step) -> None:
    mark = "[green]ok[/green]" if step.ok else "[red]NO[/red]"
    session.console.print(f"{mark}  {escape(step.did)}\n      {escape(step.found)}")
