"""components/propagation.py"""

import time
from datetime import UTC, datetime, tzinfo
from typing import Any, Self

import pytest
from typing_extensions import override

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


class Frozen(datetime):
    """A clock that shows ``NOW``."""

    @classmethod
    @override
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(NOW.timestamp(), tz)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every sleep, in seconds; the clock stands still."""
    naps: list[float] = []
    monkeypatch.setattr("components.propagation.datetime", Frozen)
    monkeypatch.setattr(time, "sleep", naps.append)
    return naps


def test_a_new_grant_is_waited_for(slept: list[float]) -> None:
    created = PropagationProvider().create(PROPS)
    assert created.id == "propagation//grant"
    assert created.outs == PROPS
    assert slept == [180.0]


def test_another_grant_is_waited_for_too(slept: list[float]) -> None:
    later = {**PROPS, "grant_id": "/other", "granted_at": "2026-11-01T07:59:30Z"}
    updated = PropagationProvider().update("id", PROPS, later)
    assert updated.outs == later
    assert slept == [270.0]


@pytest.mark.parametrize(
    ("news", "changes"),
    [({}, False), ({"wait_seconds": 9.0}, False), ({"grant_id": "/other"}, True)],
)
def test_only_another_grant_is_waited_for_again(news: dict[str, Any], changes: bool) -> None:
    assert PropagationProvider().diff("id", PROPS, {**PROPS, **news}).changes is changes
