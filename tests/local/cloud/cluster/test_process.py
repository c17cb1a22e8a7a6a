"""A process outlives who started it, and is known by its lock, never by a stale number."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud.cluster import process as module
from local.cloud.cluster.process import Process

STUBBORN = "trap '' TERM; echo trapped >&2; while :; do sleep 0.05; done"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process("worker", tmp_path / "processes")
    yield made
    made.stop()


def _number(process: Process) -> int:
    file = process.folder / "worker.pid"
    deadline = time.monotonic() + 10
    while not file.read_text():
        assert time.monotonic() < deadline, "it notes no number"
        time.sleep(0.01)
    return int(file.read_text())


def _await_log(process: Process, words: str) -> None:
    deadline = time.monotonic() + 10
    while words not in process.log.read_text():
        assert time.monotonic() < deadline, process.log.read_text()
        time.sleep(0.01)


def test_it_is_nobodys_child_and_ends_when_told(process: Process) -> None:
    process.start(["/bin/sleep", "60"])
    status = Path(f"/proc/{_number(process)}/stat").read_text().rpartition(")")[2].split()
    assert process.running
    assert int(status[1]) != os.getpid()
    assert int(status[3]) != os.getsid(0)  # no terminal's Ctrl-C reaches it
    process.stop()
    assert not process.running


def test_one_that_lives_is_not_started_again(process: Process) -> None:
    process.start(["/bin/sleep", "60"])
    before = _number(process)
    process.start(["/bin/sleep", "60"])
    assert _number(process) == before


def test_a_killed_one_is_seen_to_be_gone_and_started_again(process: Process) -> None:
    process.start(["/bin/sleep", "60"])
    os.kill(_number(process), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while process.running:
        assert time.monotonic() < deadline
    process.start(["/bin/sleep", "60"])
    assert process.running


def test_one_that_does_not_listen_is_killed(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.2)
    process.start(["/bin/sh", "-c", STUBBORN])
    _await_log(process, "trapped")
    process.stop()
    assert not process.running


def test_one_that_has_just_been_started_ends_at_once(process: Process) -> None:
    begun = time.monotonic()
    for _ in range(5):
        process.start(["/bin/sleep", "60"])
        process.stop()
    assert time.monotonic() - begun < module.STOP_SECONDS / 2


def test_nothing_runs_that_could_not_be_stopped_again() -> None:
    command = ["/bin/sh", "-c", module.NOTE_AND_BECOME, "sh", "/bin/echo", "it ran"]
    with Path("/dev/full").open("wb") as full:  # takes what a full disk does
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert ended.returncode != 0
    assert b"it ran" not in ended.stderr


def test_what_it_says_is_kept_and_its_end_is_shown(process: Process) -> None:
    process.start(["/bin/sh", "-c", "seq 1 20; echo last >&2"])
    _await_log(process, "last")
    assert process.log_tail.splitlines() == [*map(str, range(14, 21)), "last"]


def test_a_number_left_behind_is_never_signalled(process: Process) -> None:
    process.folder.mkdir()
    (process.folder / "worker.pid").write_text(str(os.getpid()))
    process.stop()  # would end this test run


def test_a_long_log_makes_room_for_a_new_one(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOG_BYTES", 3)
    process.folder.mkdir()
    process.log.write_text("a long story")
    process.start(["/bin/sleep", "60"])
    assert process.log.with_suffix(".log.1").read_text() == "a long story"
    assert "long" not in process.log.read_text()


def test_a_log_is_bounded_while_it_is_written_to(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker = (
        "echo first >&2; while [ ! -e go ]; do sleep 0.02; done; echo second >&2; exec sleep 60"
    )
    process.folder.mkdir()
    go = process.folder / "go"
    process.start(["/bin/sh", "-c", speaker.replace("-e go", f"-e '{go}'")])
    _await_log(process, "first")
    process.trim()
    assert process.log.read_text() == "first\n"  # it is short
    monkeypatch.setattr(module, "LOG_BYTES", 3)
    process.trim()
    go.touch()
    _await_log(process, "second")
    assert process.log.read_text() == "second\n"
    assert process.log.with_suffix(".log.1").read_text() == "first\n"
