"""local/commands/demo.py: what it believes, and when it says that something is wrong."""

import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from local.cloud.workloads.pods import Pods
from local.commands import memory
from local.commands.demo import ALLERGY, EMAIL, Client, Database, Demo, Step
from local.commands.session import Session
from local.errors import LocalError
from local.paths import Paths

SEALED = "engram:v1:key-one:gAAAA"


@dataclass
class Memory:
    """A memory service and its table, in a list; ``fault`` is what goes wrong with it."""

    fault: str = ""
    held: list[dict[str, Any]] = field(default_factory=list)
    key: str = "key-one"

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        given = dict(body or {})
        if path == "/memories/batch":
            self.held += given["memories"]
            return {"memories": [{"created": True} for _ in given["memories"]]}
        if path == "/memories/search":
            if self.fault == "found in cipher":
                return {"memories": [{"content": "x", "metadata": {"phi": SEALED}}]}
            return {"memories": [one for one in self.held if "demo-ada" in one["user_id"]]}
        user = path.rpartition("=")[2]
        before = len(self.held)
        if self.fault != "not forgotten" or "bob" in user:
            self.held = [one for one in self.held if one["user_id"] != user]
        return {"deleted": before - len(self.held)}

    def rows(self, users: list[str]) -> list[dict[str, Any]]:
        clear = self.fault == "held in clear"
        found = [one for one in self.held if one["user_id"] in users]
        return [
            {
                "content": one["content"],
                "metadata": one["metadata"] if clear else {"pii": {"email": SEALED}},
                "key_id": self.key,
            }
            for one in found
        ]

    def audited(self, session_id: str) -> list[dict[str, Any]]:
        assert session_id
        return [] if self.fault == "no audit" else [{"operation": "add", "times": 1}]

    def rotate(self, *_: object) -> "subprocess.CompletedProcess[str]":
        if self.fault != "not rotated":
            self.key = "key-two"
        code = 2 if self.fault == "refused" else 0
        return subprocess.CompletedProcess([], code, "", "the vault refused")


def shown(world: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    monkeypatch.setattr(memory, "asked", world.rotate)
    session = Session(
        paths=Paths(project=tmp_path, local=tmp_path),
        stack="dev",
        console=Console(file=io.StringIO()),
        as_json=False,
    )
    given = Demo(
        session=session,
        pods=Pods(session.paths, "/clusters/aks"),
        client=cast(Client, world),
        database=cast(Database, world),
    )
    return list(given.steps())


def test_all_is_well_where_everything_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Memory()
    done = shown(world, tmp_path, monkeypatch)
    assert [step.ok for step in done] == [True] * 7
    assert world.held == []
    said = " ".join(step.found for step in done)
    assert all(text in said for text in (EMAIL, ALLERGY, "engram:v1:", "key-one → key-two"))


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ("held in clear", {"read the same fields in PostgreSQL"}),
        ("found in cipher", {"asked"}),
        ("refused", {"rotated the field keys"}),
        ("not rotated", {"rotated the field keys"}),
        ("not forgotten", {"forgot Ada"}),
        ("no audit", {"read the audit records of it"}),
    ],
)
def test_what_is_wrong_is_said_to_be(
    fault: str, wrong: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = shown(Memory(fault), tmp_path, monkeypatch)
    assert {step.did.partition(" «")[0] for step in done if not step.ok} == wrong


def test_what_was_written_goes_even_where_it_breaks_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Demo) -> Step:
        raise LocalError("broken")

    monkeypatch.setattr(Demo, "_look", broken)
    world = Memory()
    with pytest.raises(LocalError, match="broken"):
        shown(world, tmp_path, monkeypatch)
    assert world.held == []


def test_a_refusal_says_the_services_words_and_never_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = json.dumps({"error": {"message": "the database is busy"}}).encode()

    @dataclass
    class Answer:
        status: int = 503
        data: bytes = answer

    monkeypatch.setattr("local.commands.demo.urllib3.request", lambda *_, **__: Answer())
    client = Client("http://127.0.0.1:1", "canary-key")
    with pytest.raises(LocalError, match="refused GET /memories: the database is busy") as refused:
        client.ask("GET", "/memories")
    assert "canary" not in f"{refused.value} {client!r}"
