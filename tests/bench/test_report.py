"""What people and machines are shown."""

import io
import json
import re
from datetime import UTC, datetime

import pytest
from rich.console import Console

from bench.figures import Comparison, Figures, Spread
from bench.machine import Machine
from bench.report import as_document, as_table, seconds, shown, verdict
from bench.study import Study

FAST = Spread(median=0.1064, lowest=0.0941, highest=0.121)
SLOW = Spread(median=8.449, lowest=8.34, highest=9.1)
RATIO = Spread(median=4.75, lowest=4.5, highest=5)
MISSED = Comparison(baseline="empty", ratio=RATIO, goal=2.5)
ROWS = [
    Figures(name="empty", wall_seconds=FAST, cpu_seconds=FAST),
    Figures(name="dev", wall_seconds=SLOW, cpu_seconds=SLOW, comparison=MISSED),
]
MACHINE = Machine(
    processor="Z80", cores=1, memory_gib=0.1, system="CP/M", python="3.11.0", load_average=0.5
)
STUDY = Study(
    title="who ends right",
    headers=("tool", "retries", "seconds"),
    rows=(("ours", 3, 0.12345), ("other", None, 1234.5)),
    notes=("on an idle machine",),
)


@pytest.mark.parametrize(
    ("spread", "text"),
    [(FAST, "0.106 (0.094 to 0.121)"), (SLOW, "8.45 (8.34 to 9.10)")],
)
def test_seconds_have_the_digits_that_they_are_worth(spread: Spread, text: str) -> None:
    assert seconds(spread) == text


@pytest.mark.parametrize(("goal", "text"), [(None, ""), (2.5, "≤ 2.5: missed"), (5, "≤ 5: met")])
def test_a_goal_is_met_or_missed(goal: float | None, text: str) -> None:
    assert verdict(Comparison(baseline="empty", ratio=RATIO, goal=goal)) == text


def test_the_table_names_the_baseline() -> None:
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(as_table("preview", 3, ROWS))
    title, _headers, empty, dev = (line.rstrip() for line in console.export_text().splitlines())
    assert title == "preview, 3 rounds"
    assert empty.startswith("empty  0.106 (0.094 to 0.121)")
    assert re.search(r"  empty +4\.75 \(4\.50 to 5\.00\)  ≤ 2\.5: missed$", dev)


def test_a_study_shows_three_digits_and_says_how_it_was_obtained() -> None:
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(shown("peers", 3, STUDY))
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert lines == [
        "who ends right",
        "tool   retries  seconds",
        "ours         3    0.123",
        "other              1234",
        "on an idle machine",
    ]


def test_the_document_is_plain_and_says_whether_the_goal_is_met() -> None:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    document = json.loads(
        json.dumps(as_document(moment, MACHINE, 3, [("preview", ROWS), ("peers", STUDY)]))
    )
    assert document["date"] == "2026-11-23T00:00:00+00:00"
    assert document["machine"]["processor"] == "Z80"
    empty, dev = document["suites"]["preview"]
    assert empty["comparison"] is None
    assert dev["wall_seconds"] == {"median": 8.449, "lowest": 8.34, "highest": 9.1}
    assert dev["comparison"]["met"] is False
    (study,) = document["studies"]["peers"]
    assert study["rows"][1] == ["other", None, 1234.5]


def test_the_machine_is_described_in_one_line() -> None:
    line = str(MACHINE)
    assert line.startswith("Z80, 1 cores, 0.1 GiB, CP/M, Python 3.11.0")
    assert "\n" not in str(Machine.current())
