"""Locks between processes, and what outlives a process that was killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import lock
from local.process import command_of, is_alive


def test_a_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "locks" / "dev.lock"
    with (
        lock.held(file, wait=False, note="working on dev"),
        pytest.raises(lock.LockedError, match=rf"process {os.getpid()} \(working on dev\)") as told,
        lock.held(file, wait=False),
    ):
        pass
    assert told.value.pid == os.getpid()


def test_it_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with lock.held(tmp_path / "lock", wait=False) as descriptor:
            assert descriptor > 0


def test_a_child_that_inherits_it_keeps_it(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with lock.held(file, wait=False) as descriptor:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(descriptor,)
        )
    with child:
        with (
            pytest.raises(lock.LockedError, match=f"process {os.getpid()}"),
            lock.held(file, wait=False),
        ):
            pass
        child.communicate(b"\n")
    with lock.held(file, wait=False) as descriptor:
        assert descriptor > 0


def test_life_and_death_of_a_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        assert is_alive(child.pid)
        assert (command_of(child.pid) or "python").startswith("python")
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(child.pid), "a zombie does no work any more"
    assert not is_alive(child.pid)
    assert command_of(child.pid) is None


ORPHAN = """
import subprocess, sys
code = "import time; from local.process import exit_with_parent; exit_with_parent();"
code += "print('watching', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
input()
"""


def test_a_plugin_ends_soon_after_its_engine() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as engine:
        assert engine.stdout is not None
        plugin = int(engine.stdout.readline())
        assert is_alive(plugin)
        engine.kill()
    deadline = time.monotonic() + 10
    while is_alive(plugin) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(plugin)
