"""local/cloud/postgres/alone.py"""

import threading
from pathlib import Path

from local.cloud.postgres.alone import alone


def test_excludes_other_threads_until_the_outermost_hold_ends(tmp_path: Path) -> None:
    entered = threading.Event()

    def enter() -> None:
        with alone(tmp_path / "lock"):
            entered.set()

    stranger = threading.Thread(target=enter)
    with alone(tmp_path / "lock"):
        with alone(tmp_path / "lock"):
            stranger.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    stranger.join()


def test_locks_of_different_names_are_independent(tmp_path: Path) -> None:
    with alone(tmp_path / "a"), alone(tmp_path / "b"):
        pass
