"""Memories are added, found and forgotten by HTTP, each time with an audit record."""

import hashlib
from typing import Any
from uuid import uuid4

import pytest

from tests.memory.conftest import Live
from tests.memory.service.conftest import Audit, Start
from tests.memory.service.memories import error_of, memory, vector
from tests.memory.service.running import KEY, Service

pytestmark = pytest.mark.usefixtures("empty")


def test_what_was_added_is_found_got_and_forgotten(service: Service, audit: Audit) -> None:
    with service.client() as client:
        added = client.post("/memories", json=memory(metadata={"a": [1, {"b": None}]}))
        assert added.status_code == 201, added.text
        name = added.json()["id"]
        assert added.json()["created"]
        found = client.post("/memories/search", json={"embedding": vector(1, 1), "k": 3})
        assert found.status_code == 200, found.text
        (nearest,) = found.json()["memories"]
        assert (nearest["id"], round(nearest["distance"], 4)) == (name, 0.2929)
        got = client.get(f"/memories/{name}").json()
        assert got == {key: value for key, value in nearest.items() if key != "distance"}
        assert got["metadata"] == {"a": [1, {"b": None}]}
        assert client.delete(f"/memories/{name}").json() == {"deleted": 1}
        assert error_of(client.get(f"/memories/{name}")) == (404, "not_found")
    actor = hashlib.sha256(KEY.encode()).hexdigest()[:16]
    one = (actor, "default", "s1", [name], 1)
    assert [row[:6] for row in audit()] == [
        ("add", *one),
        ("search", *one),
        ("get", *one),
        ("delete", *one),
        ("get", actor, "default", None, [], 0),
    ]


def test_an_id_is_remembered_once(service: Service) -> None:
    own = str(uuid4())
    with service.client() as client:
        first = client.post("/memories", json=memory(id=own, metadata={"n": 1e23}))
        again = client.post("/memories", json=memory(id=own, metadata={"n": 1e23}))
        other = client.post("/memories", json=memory(id=own, content="hates tea"))
    assert (first.status_code, first.json()) == (201, {"id": own, "created": True})
    assert (again.status_code, again.json()) == (200, {"id": own, "created": False})
    assert error_of(other) == (409, "conflict")
    assert "tea" not in other.text


def test_a_batch_is_one_transaction_and_one_record(service: Service, audit: Audit) -> None:
    known = str(uuid4())
    with service.client() as client:
        client.post("/memories", json=memory(id=known, session_id="batch"))
        some = [memory(id=known, session_id="batch"), memory(session_id="batch", user_id="u")]
        added = client.post("/memories/batch", json={"memories": some})
        assert added.status_code == 201
        assert [one["created"] for one in added.json()["memories"]] == [False, True]
        twins = {"memories": [memory(id=known), memory(id=known)]}
        assert error_of(client.post("/memories/batch", json=twins)) == (422, "invalid")
        gone = client.delete("/memories", params={"session_id": "batch"}).json()
    assert gone == {"deleted": 2}
    assert [(row[0], row[3], row[5]) for row in audit()] == [
        ("add", "batch", 1),
        ("add", "batch", 1),
        ("get", "batch", 1),
        ("delete", "batch", 2),
    ]


FILTERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "session": ({"session_id": "f1"}, {"a", "b"}),
    "user": ({"user_id": "u1"}, {"b", "c"}),
    "type": ({"memory_type": "semantic"}, {"c"}),
    "metadata": ({"metadata": {"place": {"city": "Ulm"}}}, {"a", "c"}),
    "metadata in a list": ({"metadata": {"tags": ["x"]}}, {"b"}),
    "both": ({"session_id": "f1", "metadata": {"place": {"city": "Ulm"}}}, {"a"}),
    "none of them": ({"session_id": "nobody's"}, set()),
    "later": ({"created_after": "2200-01-01T00:00:00Z"}, set()),
    "k": ({"k": 1, "user_id": "u1"}, {"b"}),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_search_finds_only_what_passes_its_filters(service: Service, name: str) -> None:
    ulm = {"place": {"city": "Ulm", "zip": 89073}}
    some = [
        memory(session_id="f1", content="a", metadata=ulm),
        memory(session_id="f1", content="b", user_id="u1", metadata={"tags": ["x", "y"]}),
        memory(session_id="f2", content="c", user_id="u1", metadata=ulm, memory_type="semantic",
               embedding=vector(1, 0.5)),
    ]  # fmt: skip
    wanted, contents = FILTERS[name]
    with service.client() as client:
        client.post("/memories/batch", json={"memories": some})
        found = client.post("/memories/search", json={"embedding": vector(1), **wanted}).json()
    assert {one["content"] for one in found["memories"]} == contents
    assert found["unreadable"] == []


def test_a_filter_does_not_use_up_the_candidates(start: Start, table: Live) -> None:
    """An index that looks at two candidates goes on until the filter has let enough through."""
    many = [memory(session_id="crowd", embedding=vector(1, n / 1000)) for n in range(60)]
    far = [memory(session_id="far", embedding=vector(1, 5 + n)) for n in range(3)]
    service = start(ENGRAM_HNSW_EF_SEARCH="2")
    with service.client() as client:
        client.post("/memories/batch", json={"memories": many + far})
        table.sql(f"ALTER ROLE {table.endpoint.database}_app SET enable_seqscan = off",
                  f"ALTER ROLE {table.endpoint.database}_app SET enable_bitmapscan = off",
                  f"ALTER ROLE {table.endpoint.database}_app SET enable_sort = off")  # fmt: skip
        fresh = start(ENGRAM_HNSW_EF_SEARCH="2")
        with fresh.client() as other:
            wanted = {"embedding": vector(1), "k": 3, "session_id": "far"}
            counts = [
                len(other.post("/memories/search", json={**wanted, **more}).json()["memories"])
                for more in ({}, {"iterative_scan": "strict_order"}, {"iterative_scan": "off"})
            ]
        table.sql(f"ALTER ROLE {table.endpoint.database}_app RESET ALL")
    assert counts == [3, 3, 0]


def test_results_are_as_many_as_were_asked_for_whatever_ef_search_is(start: Start) -> None:
    with start(ENGRAM_HNSW_EF_SEARCH="1").client() as client:
        some = [memory(session_id="k", embedding=vector(1, n)) for n in range(20)]
        client.post("/memories/batch", json={"memories": some})
        found = client.post("/memories/search", json={"embedding": vector(1), "k": 15}).json()
    assert len(found["memories"]) == 15


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too short": ({"embedding": [1.0]}, "has 1 dimensions; the memories here have 8"),
    "without a direction": ({"embedding": vector()}, "no direction"),
    "vanishing": ({"embedding": vector(1e-40)}, "no direction"),
    "probes of another index": ({"probes": 3, "embedding": vector(1)}, "IVFFlat's"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_vector_that_nothing_can_be_near_is_refused(service: Service, name: str) -> None:
    body, words = REFUSED[name]
    with service.client() as client:
        refused = client.post("/memories/search", json=body)
    assert error_of(refused) == (422, "invalid")
    assert words in refused.json()["error"]["message"]
