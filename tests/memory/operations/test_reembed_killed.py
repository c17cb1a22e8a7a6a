"""A re-embedding may be killed at any point; the same order again ends where it would have."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from memory.operations.reembed.backfill import Pace
from memory.operations.reembed.operation import open_reembedding
from memory.operations.reembed.status import status
from memory.schema.plan import plan
from memory.schema.runner import inspect
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.operations.embeddings_server import Endpoint, serving, slow
from tests.memory.operations.reembedding import (
    NEW,
    NEW_MODEL,
    SUBJECT,
    advanced,
    asking_over_http,
    by_hand,
    catalog,
    desired,
    new_model,
    prepared,
    swapped,
    wrong_rows,
)

__all__ = ["database", "fleet", "live", "postgres_server"]

ROWS = 60
UNDER_WAY = 2
"""Batches that may be at the endpoint at once."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(new_model) as running:
        yield running


def killed(live: Live, endpoint: Endpoint, order: str, event: int, delay: float = 0) -> bool:
    """Run an order in a process that kills itself; return whether it got so far."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.memory.operations.killed_reembed", order, str(event),
         str(delay)],
        env={
            **os.environ,
            **live.server.environment(live.endpoint.database),
            "OPENAI_BASE_URL": endpoint.url,
        },
        text=True,
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


def phase(live: Live) -> str:
    return status(live.endpoint, SUBJECT).phase


def finished(live: Live) -> None:
    """Give the orders again, whatever is done already, and look at the end."""
    if phase(live) not in {"ready", "swapped"}:
        advanced(live)
    if phase(live) == "ready":
        swapped(live)
    assert wrong_rows(live, "embedding", NEW) == []
    assert by_hand(live, "SELECT count(*) FROM {t}") == [(ROWS,)]
    with open_reembedding(live.endpoint, SUBJECT) as work:
        work.contract()
    wanted = desired(live, NEW)
    assert plan(inspect(live.endpoint, wanted), wanted).steps == ()
    assert "_next" not in catalog(live)
    assert "_previous" not in catalog(live)


# Events of a run to the check: 0 and 1 expand, 2 backfill begins, 3 to 8 its batches, 9 and 10 the
# ends of its passes, 11 the index phase, 12 to 15 the two builds, 16 the last pass, 17 and on the
# check.
LATER = (0, 8, 12, 14, 18)
EVENTS = [3, *(pytest.param(event, marks=pytest.mark.slow) for event in LATER)]


@pytest.mark.parametrize("event", EVENTS)
def test_a_run_to_the_check_heals(live: Live, endpoint: Endpoint, event: int) -> None:
    prepared(live, ROWS)
    assert killed(live, endpoint, "advance", event)
    rows = by_hand(live, "SELECT to_regclass('memory.operations')")
    written: set[str] = set()
    if rows != [(None,)]:
        rows = by_hand(live, "SELECT content FROM {t} WHERE embedding_next IS NOT NULL")
        written = {content for (content,) in rows}
    before = len(endpoint.requests)
    advanced(live, ask=asking_over_http(endpoint.url), pace=Pace(batch_rows=10))
    again = {text for request in endpoint.requests[before:] for text in request["input"]}
    assert not written & again, "no token is paid twice for what was committed"
    finished(live)
    counts = Counter(endpoint.texts)
    twice = [text for text, times in counts.items() if times > 1 and text.startswith("content")]
    assert len(twice) <= 10 * UNDER_WAY
    assert max(counts.values()) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.25])
def test_a_batch_under_way_is_asked_for_again(live: Live, endpoint: Endpoint, delay: float) -> None:
    prepared(live, ROWS)
    endpoint.faults = [None, None, *([slow(0.1)] * 6)]
    assert killed(live, endpoint, "advance", 3, delay)
    finished(live)


@pytest.mark.slow
@pytest.mark.parametrize("event", [0, 1])
def test_a_swap_heals(live: Live, endpoint: Endpoint, event: int) -> None:
    """Before its transaction, and after it."""
    prepared(live, ROWS)
    advanced(live)
    assert killed(live, endpoint, "swap", event)
    assert phase(live) == ("ready" if event == 0 else "swapped")
    finished(live)


@pytest.mark.slow
def test_a_swap_that_dies_while_it_fills_the_last_rows_heals(
    live: Live, endpoint: Endpoint
) -> None:
    prepared(live, ROWS)
    advanced(live)
    by_hand(live, "UPDATE {t} SET content = 'changed' WHERE content = 'content 1'")
    endpoint.faults = [slow(2)]
    assert killed(live, endpoint, "swap", 0, 0.3)
    by_hand(live, "SET lock_timeout = '5s'; UPDATE {t} SET metadata = '{}'")
    finished(live)


@pytest.mark.slow
@pytest.mark.parametrize("event", [0, 1])
def test_a_contract_heals(live: Live, endpoint: Endpoint, event: int) -> None:
    prepared(live, ROWS)
    advanced(live)
    swapped(live)
    assert killed(live, endpoint, "contract", event)
    if phase(live) == "swapped":
        finished(live)
    assert phase(live) == "contracted"


@pytest.mark.slow
@pytest.mark.parametrize("event", [2, 4])
def test_an_abort_heals(live: Live, endpoint: Endpoint, event: int) -> None:
    prepared(live, ROWS)
    before = catalog(live)
    advanced(live)
    assert killed(live, endpoint, "abort", event)
    if phase(live) != "aborted":
        with open_reembedding(live.endpoint, SUBJECT) as work:
            work.abort()
    assert catalog(live) == before
    advanced(live, ask=NEW_MODEL)
