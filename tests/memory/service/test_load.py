"""More than it can do at once, it says so; told to stop, it finishes what it has begun."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.memory.conftest import Live
from tests.memory.service.conftest import Start
from tests.memory.service.memories import memory, vector
from tests.memory.service.running import KEY, Service

SEARCH = {"embedding": vector(1)}


@contextmanager
def stalled(table: Live) -> Iterator[None]:
    """No statement reaches the table until the block ends."""
    with table.server.server.superuser(table.endpoint.database) as session:
        session.execute("BEGIN")
        session.execute("LOCK TABLE memory.zep_memory_vectors IN ACCESS EXCLUSIVE MODE")
        yield
        session.execute("ROLLBACK")


async def many(service: Service, number: int) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=number)
    headers = {"Authorization": f"Api-Key {KEY}"}
    async with httpx.AsyncClient(
        base_url=service.url, headers=headers, limits=limits, timeout=60
    ) as client:
        asked = (client.post("/memories/search", json=SEARCH) for _ in range(number))
        return await asyncio.gather(*asked)


def test_saturation_is_answered_at_once_and_nobody_times_out(start: Start, table: Live) -> None:
    """Four connections, sixteen may wait: of eighty, twenty are served when the stall ends."""
    service = start(ENGRAM_POOL_TIMEOUT_SECONDS="20")

    async def saturate() -> tuple[list[httpx.Response], float]:
        with stalled(table):
            asked = asyncio.create_task(many(service, 80))
            begun = time.monotonic()
            # Sixteen wait, until the pool opens its last two connections for two of them.
            while service.figure('engram_pool_waiting{database="' + name + '"}') < 14:
                await asyncio.sleep(0.05)
                assert time.monotonic() - begun < 20
            await asyncio.sleep(1)
            live = await asyncio.to_thread(httpx.get, f"{service.url}/livez")
            assert live.status_code == 200
            held = time.monotonic() - begun
        return await asked, held

    name = table.endpoint.database
    answers, _ = asyncio.run(saturate())
    counted = Counter(answer.status_code for answer in answers)
    assert set(counted) == {200, 503}
    assert 18 <= counted[200] <= 20  # two connections are opened only when the queue is there
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.json()["error"]["code"] for answer in refused} == {"busy"}
    assert max(answer.elapsed.total_seconds() for answer in refused) < 10


def test_no_request_fails_under_more_clients_than_connections(service: Service) -> None:
    answers = [answer for _ in range(5) for answer in asyncio.run(many(service, 16))]
    assert Counter(answer.status_code for answer in answers) == {200: 80}


def test_a_statement_that_takes_too_long_is_ended_by_the_server(start: Start, table: Live) -> None:
    service = start(ENGRAM_QUERY_SECONDS="0.5")
    with stalled(table), service.client() as client:
        begun = time.monotonic()
        answer = client.post("/memories/search", json=SEARCH)
        assert time.monotonic() - begun < 10
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_answers_what_it_has_begun(
    start: Start, table: Live, number: signal.Signals
) -> None:
    service = start()

    async def stop() -> list[httpx.Response]:
        with stalled(table):
            asked = asyncio.create_task(many(service, 8))
            while service.figure("engram_http_in_flight") < 8:
                await asyncio.sleep(0.02)
            service.process.send_signal(number)
            await asyncio.sleep(0.5)
            with pytest.raises(httpx.ConnectError, match=r"."):
                await asyncio.to_thread(httpx.get, f"{service.url}/livez")
        return await asked

    assert Counter(answer.status_code for answer in asyncio.run(stop())) == {200: 8}
    assert service.process.wait(20) == 0
    service.read()
    assert service.events[-1]["event"] == "ended"


def test_killed_it_loses_nothing_that_it_had_confirmed(start: Start, table: Live) -> None:
    service = start()
    with service.client() as client:
        added = [client.post("/memories", json=memory()).json()["id"] for _ in range(20)]
    service.process.kill()
    rows = table.owner("SELECT id::text FROM memory.zep_memory_vectors")
    audited = table.owner(
        "SELECT ids ->> 0 FROM memory.memory_audit WHERE operation = 'add' AND rows = 1"
    )
    assert set(added) <= {row[0] for row in rows}
    assert set(added) <= {row[0] for row in audited}
