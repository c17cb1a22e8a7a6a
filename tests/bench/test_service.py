"""bench/service.py: both contenders ask the same, and each answer is looked at."""

import asyncio
import re
from collections.abc import Iterator

import pytest

from bench import service
from bench.errors import BenchError
from bench.hnsw_table import Memories, large_server
from bench.place import temporary_place
from bench.server import Server
from bench.service import BARE, HTTP, PSYCOPG, Race, Running, serving, taking_turns
from tests.bench.memories import CORPUS, ROWS

VECTORS = CORPUS.queries(service.QUERIES).vectors


@pytest.fixture(scope="module")
def memories() -> Iterator[Memories]:
    with temporary_place(), large_server() as server:
        yield filled(server)


def filled(server: Server) -> Memories:
    made = Memories.create(server, "vector", CORPUS.dimensions)
    made.load(CORPUS, ROWS, lambda _: None)
    made.apply()
    return made


def test_every_contender_answers_every_request(
    memories: Memories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SLICE_REQUESTS", 12)
    with serving(memories) as running:
        race = Race(memories=memories, running=running, vectors=VECTORS, slices=2)
        found = asyncio.run(race.run(3))
        wrong = Race(
            memories=memories,
            running=Running(port=running.port, key="another"),
            vectors=VECTORS,
            slices=1,
        )
        with pytest.raises(BenchError, match=re.escape("HTTP/1.1 401")):
            asyncio.run(wrong.run(1))
    assert {name: len(seconds) for name, (seconds, _) in found.items()} == {
        HTTP: 24,
        PSYCOPG: 24,
        BARE: 24,
    }


def test_the_first_turn_does_not_count() -> None:
    asked: list[int] = []

    async def ask(number: int) -> None:
        asked.append(number)

    found = asyncio.run(taking_turns({"a": [ask]}, slices=1))
    assert len(asked) == 2 * service.SLICE_REQUESTS
    assert len(found["a"][0]) == service.SLICE_REQUESTS
