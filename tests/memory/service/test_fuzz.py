"""Bodies that nobody would write, from seeds: each gets an answer, and none of them is a 500."""

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.memory.service.memories import memory, vector
from tests.memory.service.running import Service

BODIES = 150
"""A seed."""
PATHS = ("/memories", "/memories/batch", "/memories/search")
ODD: list[Any] = [
    None, True, 0, -1, 2**63, 2**64, 10**400, 1e-320, 1e308, "", "\x00", "\u202e", "x" * 300, "NaN",
    [], {}, [[]], {"": {}}, {"$ref": "#"}, {"a": {"b": [{}]}}, "engram:v1:k:t", "1' OR '1'='1",
    "%(tenant)s", "{table}", "2024-13-01T00:00:00Z", [1e308] * 8, ["1"] * 8,
]  # fmt: skip
Mutation = Callable[[random.Random, Any], Any]


def replaced(rng: random.Random, value: Any) -> Any:
    """Something else at a random place."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        return {**value, key: replaced(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        return [*value[:place], replaced(rng, value[place]), *value[place + 1 :]]
    return rng.choice(ODD)


def grown(rng: random.Random, value: Any) -> Any:
    return {**value, rng.choice(("id", "x", "metadata", "k", "text")): rng.choice(ODD)}


def shrunk(rng: random.Random, value: Any) -> Any:
    gone = rng.choice(list(value))
    return {key: one for key, one in value.items() if key != gone}


MUTATIONS: tuple[Mutation, ...] = (replaced, replaced, grown, shrunk)


def body(rng: random.Random, path: str) -> bytes:
    one = memory(metadata={"a": [1, {"b": "c"}]}, user_id="u", sensitivity=["own"])
    whole: Any = {
        "/memories": one,
        "/memories/batch": {"memories": [one, memory()]},
        "/memories/search": {"embedding": vector(1), "k": 3, "metadata": {"a": {"b": 1}}},
    }[path]
    for _ in range(rng.randint(1, 3)):
        if isinstance(whole, dict) and whole:
            whole = rng.choice(MUTATIONS)(rng, whole)
    raw = json.dumps(whole).encode()
    if rng.random() < 0.2:  # and broken on the way
        place = rng.randrange(len(raw) + 1)
        raw = raw[:place] + rng.randbytes(rng.randint(0, 3)) + raw[place + rng.randint(0, 4) :]
    return raw


@pytest.mark.parametrize("seed", range(4))
def test_no_body_makes_it_fail(service: Service, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - to be drawn again from its seed
    statuses: Counter[int] = Counter()
    with service.client(**{"content-type": "application/json"}) as client:
        for _ in range(BODIES):
            path = rng.choice(PATHS)
            sent = body(rng, path)
            answer = client.post(path, content=sent)
            assert answer.status_code < 500, (path, sent, answer.text)
            assert answer.json()
            statuses[answer.status_code] += 1
    assert {201, 422} <= set(statuses)
    assert not [event for event in service.events if event["event"] == "failed"]
