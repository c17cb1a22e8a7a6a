"""memory/schema/progress.py and blockers.py: what is said of a build, and who is named"""

from collections.abc import Sequence

import psycopg
import pytest

from memory.schema.blockers import Blocker, named, read_blockers
from memory.schema.connection import connect
from memory.schema.events import Event
from memory.schema.progress import BuildProgress, Sample, describe, duration
from tests.memory.conftest import Live

LOADING = "building index: loading tuples"
WAITING = "waiting for writers before build"


def loading(seconds: float, rows: int, blocks: int, total: int = 1000) -> Sample:
    return Sample(
        seconds=seconds,
        phase=LOADING,
        tuples_done=rows,
        blocks_done=blocks,
        blocks_total=total,
    )


@pytest.mark.parametrize(
    ("first", "now", "text"),
    [
        (loading(0, 0, 0), loading(0, 0, 0), f"{LOADING} 0 %"),
        (
            loading(0, 0, 0),
            loading(10, 12_500, 250),
            f"{LOADING} 25 %, 1,250 rows/s, 30 s left",
        ),
        (loading(60, 5, 900), loading(61, 6, 1000), f"{LOADING} 100 %, 1 rows/s"),
        # The total is an estimate of before; more came meanwhile.
        (loading(0, 0, 990), loading(1, 50, 1010), f"{LOADING} 100 %, 50 rows/s"),
        (
            Sample(seconds=0, phase="sorting", tuples_done=0, tuples_total=100),
            Sample(seconds=100, phase="sorting", tuples_done=1, tuples_total=100),
            "sorting 1 %, 0 rows/s, 2 h 45 min left",
        ),
        (Sample(seconds=0, phase=WAITING), Sample(seconds=9, phase=WAITING), WAITING),
    ],
)
def test_says_phase_share_rate_and_time_left(first: Sample, now: Sample, text: str) -> None:
    assert describe(first, now) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (7100, "118 min"),
        (7200, "2 h 0 min"),
        (12_000, "3 h 20 min"),
    ],
)
def test_durations_are_as_coarse_as_they_are_long(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def told(samples: Sequence[tuple[Sample, tuple[Blocker, ...]]]) -> list[Event]:
    events: list[Event] = []
    progress = BuildProgress(1, events.append)
    for sample, blockers in samples:
        progress.tell(sample, blockers)
    return events


def test_tells_every_per_cent_and_otherwise_twice_a_minute() -> None:
    crawl = [(loading(second, second, second // 100), ()) for second in range(100)]
    assert [event.text for event in told(crawl)] == [
        f"{LOADING} 0 %",
        f"{LOADING} 0 %, 1 rows/s",
        f"{LOADING} 0 %, 1 rows/s",
        f"{LOADING} 0 %, 1 rows/s",
    ]
    run = [(loading(second, second, second * 10), ()) for second in range(100)]
    assert [event.share for event in told(run)] == [second / 100 for second in range(100)]


def test_a_rate_belongs_to_its_phase_and_to_the_last_half_minute() -> None:
    slowing = [(loading(second, min(second, 50) * 100, second * 10), ()) for second in range(100)]
    assert "rows/s" in told(slowing)[75].text
    assert "rows/s" not in told(slowing)[95].text
    then = told(
        [(loading(0, 0, 0), ()), (loading(1, 10, 10), ()), (Sample(seconds=2, phase="x"), ())]
    )
    assert [event.text for event in then] == [
        f"{LOADING} 0 %",
        f"{LOADING} 1 %, 10 rows/s, 99 s left".replace("99 s", "2 min"),
        "x",
    ]


def test_a_new_blocker_is_told_at_once() -> None:
    blocker = Blocker(pid=7, user="zep", state="idle in transaction", transaction_seconds=3)
    waiting = Sample(seconds=0, phase=WAITING)
    later = Sample(seconds=1, phase=WAITING)
    assert [
        event.text for event in told([(waiting, ()), (later, (blocker,)), (later, (blocker,))])
    ] == [
        WAITING,
        f"{WAITING}, waits for process 7 (zep, idle in transaction, transaction 3 s old)",
    ]


@pytest.mark.parametrize(
    ("blocker", "text"),
    [
        (
            Blocker(
                pid=7,
                user="zep_app",
                application="zep",
                state="active",
                transaction_seconds=90,
                query_seconds=5,
            ),
            "process 7 (zep_app, zep, active, transaction 90 s old, query 5 s old)",
        ),
        (Blocker(pid=7), "process 7 (user hidden)"),
        (Blocker(pid=7, user="a", application=""), "process 7 (a)"),
        (
            Blocker(pid=0),
            "a prepared transaction (see pg_prepared_xacts; COMMIT or ROLLBACK PREPARED)",
        ),
    ],
)
def test_a_blocker_is_named_as_far_as_it_is_known(blocker: Blocker, text: str) -> None:
    assert str(blocker) == text


def test_names_whoever_blocks_a_session(live: Live) -> None:
    dsn = live.server.dsn(live.endpoint.database)
    with (
        psycopg.connect(dsn, application_name="holder") as holder,
        psycopg.connect(dsn, application_name="waiter", autocommit=True) as waiter,
        connect(live.endpoint) as third,
    ):
        holder.execute("SELECT pg_advisory_xact_lock(1)")
        assert read_blockers(third, waiter.info.backend_pid) == ()
        waiter.pgconn.send_query(b"SELECT pg_advisory_lock(1)")
        found: tuple[Blocker, ...] = ()
        while not found:
            found = read_blockers(third, waiter.info.backend_pid)
        assert named(found).startswith(
            f"process {holder.info.backend_pid} (engramadmin, holder, idle in transaction, trans"
        )
        holder.rollback()
        while waiter.pgconn.get_result():
            pass
