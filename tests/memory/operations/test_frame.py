"""However an operation ends, it ends with one status and a sentence."""

import argparse
import json
import os
import signal
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from memory.__main__ import DOORS, main, parser
from memory.embeddings.errors import EndpointBusy
from memory.encryption.errors import VaultRefused
from memory.operations.console import Console
from memory.operations.errors import Decision, LedgerMissing
from memory.operations.frame import add_order, carry_out
from memory.schema.errors import LockTimeout


def done(_: argparse.Namespace, console: Console) -> int:
    console.result({"rows": 3}, "3 rows\n")
    return 0


def raising(error: BaseException) -> Callable[..., int]:
    def work(_: argparse.Namespace, __: Console) -> int:
        raise error

    return work


def terminated(_: argparse.Namespace, __: Console) -> int:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
    return 0


def order(*words: str) -> argparse.Namespace:
    given = argparse.ArgumentParser()
    add_order(given)
    return given.parse_args(words)


@pytest.mark.parametrize(
    ("work", "status", "said"),
    [
        (done, 0, ""),
        (raising(Decision("raise --max-share")), 1, "raise --max-share\n"),
        (raising(LedgerMissing("no table")), 2, "no table\n"),
        (raising(LockTimeout("held")), 2, "held\n"),
        (raising(EndpointBusy("later")), 2, "later\n"),
        (raising(VaultRefused("no")), 2, "no\n"),
        (raising(OSError(2, "No such file")), 2, "[Errno 2] No such file\n"),
        (raising(psycopg.OperationalError("gone\nDETAIL: private")), 2, "gone; what was committed"),
        (raising(KeyboardInterrupt()), 130, "stopped; what was committed stands: run again\n"),
        (terminated, 130, "stopped; what was committed stands: run again\n"),
    ],
)
def test_an_end_is_a_status_and_a_sentence(
    work: Callable[..., int], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carry_out(order(), work) == status
    told = capsys.readouterr().err
    assert told.startswith(said)
    assert "private" not in told


def test_a_mistake_of_ours_is_no_sentence() -> None:
    with pytest.raises(ZeroDivisionError, match="by zero"):
        carry_out(order(), lambda _, __: 1 // 0)


def test_a_signal_means_afterwards_what_it_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    carry_out(order(), done)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_result_has_two_forms(capsys: pytest.CaptureFixture[str]) -> None:
    carry_out(order(), done)
    assert capsys.readouterr().out == "3 rows\n"
    carry_out(order("--json"), done)
    assert json.loads(capsys.readouterr().out) == {"rows": 3}


def test_a_plan_and_the_deed_are_not_asked_for_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert (order().yes, order("--dry-run").yes, order("--yes").yes) == (False, False, True)
    with pytest.raises(SystemExit, match="2"):
        order("--yes", "--dry-run")
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("word", DOORS)
def test_every_word_has_its_door(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([word, "--help"])
    assert f"python -m memory {word}" in capsys.readouterr().out


def test_all_words_are_known_together() -> None:
    (rooms,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    words: dict[str, Any] = dict(rooms.choices)
    assert set(words) == set(DOORS)
