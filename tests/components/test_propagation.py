"""components/propagation.py"""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from components.propagation import PropagationProvider, seconds_left

NOW = datetime(2026, 11, 1, 8, 0, 0, tzinfo=UTC)
PROPS = {"grant_id": "/grant", "granted_at": "2026-11-01T07:58:00Z", "wait_seconds": 300}


@pytest.mark.parametrize(
    ("granted_at", "left"),
    [
        ("2026-11-01T08:00:00Z", 300),
        ("2026-11-01T07:58:00.1234567Z", 180),
        ("2026-11-01T09:58:00+02:00", 180),
        ("2026-11-01T07:58:00", 180),
        ("2026-11-01T07:50:00Z", 0),
        ("2025-01-01T00:00:00Z", 0),
    ],
)
def test_only_what_is_left_of_the_wait_is_waited(granted_at: str, left: float) -> None:
    assert seconds_left(granted_at, 300, NOW) == pytest.approx(left, abs=0.2)


def test_a_grant_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    created = PropagationProvider().create(PROPS)
    assert created.id == "propagation//grant"
    assert created.outs == PROPS
    assert len(slept) == 1


@pytest.mark.parametrize(
    ("news", "changes"),
    [({}, False), ({"wait_seconds": 9.0}, False), ({"grant_id": "/other"}, True)],
)
def test_only_another_grant_is_waited_for_again(news: dict[str, Any], changes: bool) -> None:
    assert PropagationProvider().diff("id", PROPS, {**PROPS, **news}).changes is changes
