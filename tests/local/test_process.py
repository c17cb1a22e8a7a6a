"""local/process.py: who lives, and who merely got the same number."""

import os
import subprocess
import sys

from local.process import is_alive, start_of


def test_the_mark_of_a_process_stays_its_own() -> None:
    sleeper = [sys.executable, "-c", "input()"]
    with subprocess.Popen(sleeper, stdin=subprocess.PIPE) as child:
        mark = start_of(child.pid)
        assert is_alive(child.pid)
        assert start_of(child.pid) == mark
        assert mark != start_of(os.getpid())
        child.communicate(b"\n")
    assert not is_alive(child.pid)
    assert start_of(child.pid) == "dead"
