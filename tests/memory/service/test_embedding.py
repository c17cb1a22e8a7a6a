"""Vectors come from the model within a request's time, or the caller learns why not."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memory.service.embedding import Allowance, Embedder
from memory.service.errors import Busy, Invalid, ModelRefused, ModelUnavailable, ServiceError
from memory.service.settings import Settings
from tests.memory.operations import embeddings_server as server
from tests.memory.operations.embeddings_server import Endpoint, Fault, serving

Make = Callable[..., Embedder]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(lambda texts: [[float(len(text)), 1.0, 0.0] for text in texts]) as running:
        yield running


@pytest.fixture
def make(endpoint: Endpoint, tmp_path: Path) -> Iterator[Make]:
    made: list[Embedder] = []

    def embedder(count: Callable[[str, int], None] = lambda *_: None, **changed: Any) -> Embedder:
        (tmp_path / "key").write_text("model-key\n")
        settings = Settings(
            **{
                "api_keys_file": tmp_path / "keys",
                "dimensions": 3,
                "model_endpoint": endpoint.url,
                "embedding_model": "m",
                "model_api_key_file": tmp_path / "key",
                "model_seconds": 8,
                **changed,
            }
        )
        made.append(Embedder(settings, count))
        made[-1].open()
        return made[-1]

    yield embedder
    for one in made:
        one.close()


def test_vectors_come_in_order_with_the_key_of_its_file(
    make: Make, endpoint: Endpoint, tmp_path: Path
) -> None:
    counted: list[tuple[str, int]] = []
    embedder = make(count=lambda *one: counted.append(one))
    assert asyncio.run(embedder.vectors(["a", "bbb"])) == [[1.0, 1.0, 0.0], [3.0, 1.0, 0.0]]
    (tmp_path / "key").write_text("renewed-key\n")
    asyncio.run(embedder.vectors(["a"]))
    assert [one["_key"] for one in endpoint.requests] == ["Bearer model-key", "Bearer renewed-key"]
    assert counted == [("answered", 2), ("answered", 1)]


FAULTS: dict[str, tuple[list[Fault | None], type[ServiceError] | None]] = {
    "passing": ([server.broken(500)], None),
    "busy for long": ([server.busy("600")], ModelUnavailable),
    "slow": ([server.slow(5)] * 3, ModelUnavailable),
    "a text too long": ([server.refuses("a")], ModelRefused),
    "a wrong key": ([server.broken(401)], ModelUnavailable),
    "a wrong dimension": ([lambda _, __: (200, {}, {"data": []})], ModelUnavailable),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_passes_or_is_said_without_the_text(
    make: Make, endpoint: Endpoint, name: str
) -> None:
    faults, wanted = FAULTS[name]
    endpoint.faults = list(faults)
    embedder = make(model_seconds=4 if name == "slow" else 8)
    if wanted is None:
        assert asyncio.run(embedder.vectors(["a"])) == [[1.0, 1.0, 0.0]]
        return
    with pytest.raises(wanted) as refused:
        asyncio.run(embedder.vectors(["a"]))
    assert "quotes" not in refused.value.message


def test_more_than_may_wait_is_refused_at_once(make: Make, endpoint: Endpoint) -> None:
    endpoint.faults = [server.slow(0.5)] * 10
    embedder = make(model_requests=1, model_seconds=60)

    async def many() -> list[Any]:
        return await asyncio.gather(
            *(embedder.vectors([f"{n}"]) for n in range(8)), return_exceptions=True
        )

    found = asyncio.run(many())
    assert sum(isinstance(one, Busy) for one in found) == 3
    assert sum(isinstance(one, list) for one in found) == 5


def test_without_a_model_the_caller_brings_the_vector(make: Make) -> None:
    with pytest.raises(Invalid) as refused:
        asyncio.run(make(model_endpoint=None, embedding_model=None).vectors(["a"]))
    assert "send an embedding" in refused.value.message


def test_an_allowance_is_a_minutes_and_comes_back() -> None:
    now = [0.0]
    allowance = Allowance(60, clock=lambda: now[0])
    allowance.take(60)
    with pytest.raises(Busy) as refused:
        allowance.take(10)
    assert refused.value.retry_after_seconds == 11
    now[0] = 10.0
    allowance.take(10)
    Allowance(None).take(10**9)


def test_a_text_beyond_a_minutes_allowance_goes_out_alone() -> None:
    now = [0.0]
    allowance = Allowance(60, clock=lambda: now[0])
    allowance.take(120)
    now[0] = 60.0
    with pytest.raises(Busy, match="503"):
        allowance.take(1)
