"""assurance/review/ddl.py, over the recorded dimension change"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from assurance.review.changes import Change
from assurance.review.comment import page
from assurance.review.ddl import CONVERSION, Ddl, ddl
from assurance.review.guards import alarms
from assurance.review.holdings import SCHEMA
from assurance.review.markdown import markdown
from assurance.review.recording import Recording, Request, read_recording
from assurance.review.review import Environment, Review
from tests.assurance.review.golden import RECORDED, reviewed


@pytest.fixture
def recording() -> Recording:
    """Stack prod of the change to shorter vectors."""
    return read_recording(RECORDED / "dimension", "prod")


def schema_of(recording: Recording) -> Change:
    return next(change for change in recording.changes if change.type == SCHEMA)


def request() -> Request:
    return reviewed("dimension").request


def wanted(recording: Recording, tables: Any) -> Recording:
    """The same stack with other wishes for the memory table, and the old dimension."""
    change = schema_of(recording)
    old: Mapping[str, Any] = change.old["inputs"]["desired"]
    (table,) = old["tables"]
    desired = {**old, "tables": [tables(table)]}
    other: Change = replace(change, new={"inputs": {**change.old["inputs"], "desired": desired}})
    return replace(recording, changes=(other,))


def another_index(table: Mapping[str, Any]) -> dict[str, Any]:
    indexes = [
        {**index, "ef_construction": 128} if index.get("method") == "hnsw" else index
        for index in table["indexes"]
    ]
    return {**table, "indexes": indexes}


def test_a_full_table_refuses_what_an_empty_one_would_bear(recording: Recording) -> None:
    (found,) = ddl(recording)
    assert (found.database, found.rows, found.steps) == ("memory", 1_000_000, ())
    assert "stored vectors cannot be converted" in found.refused[0]
    assert any("USING hnsw" in statement for statement in found.statements)


def test_an_empty_table_bears_it(recording: Recording) -> None:
    stated = {"sizing": {"rows": 0}}
    (found,) = ddl(replace(recording, outputs_before=stated, outputs_after=stated))
    assert (found.refused, found.rows) == ((), 0)
    assert any("vector(1024)" in step.sql for step in found.steps)


def test_an_index_is_built_for_as_many_rows_as_the_stack_states(recording: Recording) -> None:
    changed = wanted(recording, another_index)
    (found,) = ddl(changed)
    build = next(s for s in found.steps if s.sql.startswith("CREATE INDEX CONCURRENTLY"))
    assert build.cost.rows == 1_000_000
    assert found.minutes > 1
    environment = Environment(recording=changed, ddl=(found,))
    text = markdown(page(Review(request=request(), environments=(environment,)), None))
    assert "for 1,000,000 rows, about" in text
    assert "| SHARE UPDATE EXCLUSIVE" in text
    assert "reads and writes go on" in text


@pytest.mark.parametrize(
    ("side", "inputs"),
    [
        ("new", {"desired": "[secret]"}),
        ("new", {"desired": {"tables": [{}]}}),
        ("new", {"desired": None}),
        ("new", {"database": None}),
        ("old", {"desired": "[secret]"}),
    ],
)
def test_a_wish_that_cannot_be_read_is_in_the_way(
    side: str, inputs: dict[str, Any], recording: Recording
) -> None:
    change = schema_of(recording)
    state = {**getattr(change, side), "inputs": {**getattr(change, side)["inputs"], **inputs}}
    broken = replace(change, old=state) if side == "old" else replace(change, new=state)
    hidden = replace(recording, changes=(broken,))
    (found,) = ddl(hidden)
    assert found.unreadable
    environment = Environment(recording=hidden, ddl=(found,))
    assert "the schema cannot be judged" in environment.obstacles
    text = markdown(page(Review(request=request(), environments=(environment,)), None))
    assert f"cannot be read: {found.unreadable}" in text.replace("\\", "")


def test_a_state_that_cannot_be_read_is_in_the_way(recording: Recording) -> None:
    change = schema_of(recording)
    broken = {**change.old, "outputs": {**change.old["outputs"], "state": {"tables": 1}}}
    (found,) = ddl(replace(recording, changes=(replace(change, old=broken),)))
    assert found.unreadable.startswith("the state of the base")


REFUSED = Ddl(stack="uat", database="memory", rows=10, refused=(f"x is y; {CONVERSION}",))
OTHER = replace(REFUSED, refused=(*REFUSED.refused, "table t: a column is taken"))


@pytest.mark.parametrize(
    ("guarded", "found", "stops"),
    [
        (True, REFUSED, False),  # its label says that the vectors were embedded again
        (False, REFUSED, False),
        (True, OTHER, True),
        (False, OTHER, True),
    ],
)
def test_no_label_helps_against_what_the_engine_refuses(
    guarded: bool, found: Ddl, stops: bool, recording: Recording
) -> None:
    judged = replace(recording, guarded=guarded)
    alarms_ = tuple(alarms(judged, frozenset({"allow-dimension-change"})))
    assert [bool(alarm.allowed_by) for alarm in alarms_] == [True]
    environment = Environment(recording=judged, alarms=alarms_, ddl=(found,))
    assert ("refused by the schema engine, whatever label is set" in environment.obstacles) is stops


def test_rows_that_the_change_takes_back_are_counted(recording: Recording) -> None:
    (found,) = ddl(replace(recording, outputs_after={"sizing": {"rows": 0}}))
    assert found.rows == 1_000_000


def test_no_change_of_a_schema_is_no_sql() -> None:
    assert list(ddl(Recording(stack="dev"))) == []
