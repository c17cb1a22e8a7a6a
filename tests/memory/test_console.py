"""memory/schema/console.py and terminal.py: a log's lines, a program's JSON; a table and bars."""

import io
import json

import pytest
from rich.console import Console
from rich.progress import Progress

from memory.schema import console, terminal
from memory.schema.events import Event
from memory.schema.model import Hnsw, memory_schema
from memory.schema.plan import empty_catalog, plan
from memory.schema.steps import Plan, Step

EVENTS = (
    Event(kind="begin", text="CREATE INDEX [x]", step=1),
    Event(kind="advice", text="index x: 50,000 rows"),
    Event(kind="progress", text="loading tuples 42 %", share=0.42),
    Event(kind="progress", text="sorting", share=None),
    Event(kind="waiting", text="a lock is held"),
    Event(kind="end", text="CREATE INDEX [x]", step=1),
    Event(kind="stopped", text="stopped; the server has ended the statement"),
)


def test_a_log_gets_a_line_for_each_event(capsys: pytest.CaptureFixture[str]) -> None:
    with console.shown(as_json=False) as report:
        for event in EVENTS:
            report(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "begin     CREATE INDEX [x]",
        "advice    index x: 50,000 rows",
        "progress  loading tuples 42 %",
        "progress  sorting",
        "waiting   a lock is held",
        "end       CREATE INDEX [x]",
    ]


def test_a_program_gets_every_event_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    with console.shown(as_json=True) as report:
        for event in EVENTS:
            report(event)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in found] == [event.kind for event in EVENTS]
    assert found[2] == {"event": "progress", "text": "loading tuples 42 %", "share": 0.42}


def test_a_terminal_gets_a_bar_for_each_batch() -> None:
    screen = Console(
        file=io.StringIO(), force_terminal=True, width=100, color_system=None, highlight=False
    )
    with Progress(console=screen) as progress:
        bars = terminal.Bars(progress)
        seen = []
        for event in EVENTS:
            bars(event)
            seen += [(task.description, task.total, task.completed) for task in progress.tasks]
    assert seen == [
        (r"CREATE INDEX \[x]", None, 0),
        (r"CREATE INDEX \[x]", None, 0),
        ("loading tuples 42 %", 1, 0.42),
        ("sorting", 1, 0.42),
        ("sorting", 1, 0.42),
        (r"CREATE INDEX \[x]", 1, 1),
        (r"CREATE INDEX \[x]", 1, 1),
    ]
    text = screen.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO
    assert "index x: 50,000 rows" in text
    assert "a lock is held" in text


@pytest.mark.parametrize(
    ("todo", "words"),
    [
        (Plan(), ["nothing to do"]),
        (plan(empty_catalog("memory"), memory_schema()), ["CREATE TABLE", "absent"]),
        (
            plan(
                empty_catalog("memory"),
                memory_schema(index=Hnsw(column="embedding", m=8, ef_construction=32)),
            ),
            ["m = 8", "ef_construction = 32"],
        ),
        (
            Plan(
                steps=(Step(sql="DROP TABLE t", why="[bold]", lock="", destructive=True),),
                notes=("table x: [left] alone",),
            ),
            ["DROP TABLE t", "[bold]", "note: table x: [left] alone"],
        ),
    ],
)
def test_a_terminal_gets_the_whole_plan_as_a_table(
    todo: Plan, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.show_table(todo)
    text = " ".join(capsys.readouterr().out.replace("│", " ").replace("┃", " ").split())
    for word in words:
        assert word in text
