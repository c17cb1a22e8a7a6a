"""``python -m memory reembed`` against a real server and a real endpoint on loopback."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from memory.__main__ import main
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.operations.embeddings_server import (
    Endpoint,
    broken,
    busy,
    refuses,
    serving,
    short,
    slow,
    wrong_dimension,
)
from tests.memory.operations.reembedding import NEW, by_hand, new_model, prepared, wrong_rows

__all__ = ["database", "fleet", "live", "postgres_server"]

TO = ("--to", f"vector({NEW})", "--model", "new", "--queries", "3", "--ef-search", "200")


@pytest.fixture
def endpoint(live: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    for name in [name for name in os.environ if name.startswith(("OPENAI", "AZURE_OPENAI"))]:
        monkeypatch.delenv(name)
    for name, value in live.server.environment(live.endpoint.database).items():
        monkeypatch.setenv(name, value)
    with serving(new_model) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k-secret")
        yield running


def run(*arguments: str) -> int:
    return main(["reembed", *arguments])


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run("--json", *arguments)
    return code, json.loads(capsys.readouterr().out)


def test_the_orders_one_after_the_other(
    live: Live, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(live, 30)
    code, seen = document(capsys, "--status")
    assert (code, seen["phase"], seen["type"]) == (0, "none", "vector(8)")
    price = ("--price-per-million-tokens", "100")
    code, seen = document(capsys, *TO, *price)
    assert (code, seen["estimate"]["rows"], seen["estimate"]["tokens"]) == (1, 30, 73)
    assert seen["estimate"]["cost"] == pytest.approx(0.0073)
    assert seen["goal"]["index"] == {
        "name": None, "column": "embedding", "distance": "cosine", "method": "hnsw", "m": 8,
        "ef_construction": 32}  # fmt: skip
    assert endpoint.requests == [], "nothing is sent before it is confirmed"
    assert by_hand(live, "SELECT to_regclass('memory.operations')") == [(None,)]
    assert run("--swap") == 2
    code, seen = document(capsys, *TO, *price, "--yes")
    assert (code, seen["phase"]) == (0, "ready")
    assert [side["recall"] for side in seen["check"]["sides"]] == [1.0, 1.0]
    code, seen = document(capsys, "--status")
    assert (code, seen["phase"], seen["progress"]["rows_done"]) == (0, "ready", 30)
    assert seen["progress"]["cost"] == pytest.approx(0.006), "as the endpoint counted"
    assert run("--contract") == 2
    assert document(capsys, "--swap") == (0, {"phase": "swapped"})
    assert wrong_rows(live, "embedding", NEW) == []
    assert document(capsys, "--abort") == (0, {"phase": "ready"})
    assert document(capsys, "--swap") == (0, {"phase": "swapped"})
    assert document(capsys, "--contract") == (0, {"phase": "contracted"})
    assert run("--status") == 0
    out = capsys.readouterr().out
    assert "memory.zep_memory_vectors.embedding is vector(12)" in out
    assert "phase contracted" in out


@pytest.mark.slow
def test_what_a_person_reads(
    live: Live, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(live, 30)
    assert run(*TO) == 1
    out = capsys.readouterr().out
    assert "30 rows need a new vector, with 290 characters of content" in out
    assert "about 73 tokens" in out
    assert "cost unknown: give --price-per-million-tokens" in out
    assert "Nothing was sent or changed. To go ahead: --yes" in out
    assert run(*TO, "--yes") == 0
    captured = capsys.readouterr()
    assert "recall@10 1.000" in captured.out
    assert "give --swap; or --abort" in captured.out
    assert "backfill: 30 of 30 rows" in captured.err
    assert "content 7" not in captured.out + captured.err
    assert run("--swap") == 0
    assert "Later: --contract" in capsys.readouterr().out
    assert endpoint.requests


@pytest.mark.slow
def test_an_unsteady_endpoint_is_outlasted(
    live: Live, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(live, 30)
    endpoint.faults = [None, busy("0.2"), broken(500), slow(0.3), None, broken(503)]
    assert run(*TO, "--yes", "--batch-rows", "10", "--requests-per-minute", "6000") == 0
    err = capsys.readouterr().err
    assert "the endpoint answered 429, code rate_limit_exceeded; asking again in 0.2 s" in err
    assert "content 7" not in err
    assert wrong_rows(live, "embedding_next", NEW) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (short, "10 texts were sent and 9 vectors came back. What was written stands: 0 of 30"),
        (wrong_dimension, "3 dimensions, 12 are wanted"),
        (refuses("content 7"), "400, code context_length_exceeded, for the row with key"),
        (broken(401), "answered 401"),
    ],
)
def test_an_endpoint_that_fails_stops_it_and_nothing_is_lost(
    live: Live,
    endpoint: Endpoint,
    capsys: pytest.CaptureFixture[str],
    fault: Any,
    text: str,
) -> None:
    prepared(live, 30)
    endpoint.faults = [None, *[fault] * 20]
    one = ("--batch-rows", "10", "--in-flight", "1")
    assert run(*TO, "--yes", *one) == 1
    err = capsys.readouterr().err
    assert text in err
    assert "content 7" not in err
    endpoint.faults = []
    assert run("--yes", "--queries", "3") == 0, "without --to it goes on to the same goal"
    assert wrong_rows(live, "embedding_next", NEW) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "no re-embedding is under way: say which type"),
        (("--to", "vector(12)"), "give a model that computes the new vectors, or --cast"),
        (("--to", "vector(12)", "--cast"), "another length needs a model"),
        ((*TO, "--max-cost", "5"), "--max-cost needs --price-per-million-tokens"),
        ((*TO, "--table", "t"), "has no table memory.t"),
        ((*TO, "--content", "c"), "has no column c"),
        (("--to", "vector(12)", "--callable", "no.such:thing", "--yes"), "give MODULE:NAME"),
        (("--abort",), "nothing to give up"),
    ],
)
def test_a_wrong_order_is_refused_in_words(
    live: Live,
    endpoint: Endpoint,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    text: str,
) -> None:
    prepared(live, 1)
    assert run(*arguments) == 2
    assert text in capsys.readouterr().err
    assert endpoint.requests == []


@pytest.mark.slow
def test_a_server_that_goes_away_is_said_without_a_trace(
    live: Live, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(live, 20)

    def gone(_: Any, right: Any) -> Any:
        live.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return right

    endpoint.faults = [None, gone]
    assert run(*TO, "--yes") == 2
    err = capsys.readouterr().err
    assert "terminating connection" in err
    assert "what was committed stands: run again" in err
    assert run("--yes", "--queries", "3") == 0


@pytest.mark.slow
def test_a_callable_takes_the_place_of_an_endpoint(live: Live, endpoint: Endpoint) -> None:
    prepared(live, 20)
    name = "tests.memory.operations.reembedding:new_model"
    assert run("--to", f"vector({NEW})", "--callable", name, "--yes", "--queries", "3",
               "--ef-search", "200") == 0  # fmt: skip
    assert run("--swap") == 0
    assert wrong_rows(live, "embedding", NEW) == []
    assert endpoint.requests == []
