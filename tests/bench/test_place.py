"""Nothing of a measurement is left behind, and nothing of the clone is touched."""

import os

import pytest

from bench.place import temporary_place, variables
from local.paths import OVERRIDE, Paths


def test_the_place_is_its_own_and_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OVERRIDE, raising=False)
    clone = Paths.current()
    with temporary_place() as paths:
        assert Paths.current() == paths
        assert paths.local != clone.local
        assert paths.venv == clone.venv
        (paths.local / "state").mkdir()
    assert not paths.local.exists()
    assert Paths.current() == clone


def test_variables_return_to_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_OLD", "old")
    monkeypatch.delenv("BENCH_NEW", raising=False)
    with variables({"BENCH_OLD": "1", "BENCH_NEW": "2"}):
        assert (os.environ["BENCH_OLD"], os.environ["BENCH_NEW"]) == ("1", "2")
    assert os.environ["BENCH_OLD"] == "old"
    assert "BENCH_NEW" not in os.environ


def test_variables_return_after_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_OLD", "old")
    with pytest.raises(ZeroDivisionError, match="division"), variables({"BENCH_OLD": "1"}):
        _ = 1 / 0
    assert os.environ["BENCH_OLD"] == "old"
