"""Commands of the Azure CLI as data: shown for a shell, or run once, and in both cases the same."""

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass


class AzureError(Exception):
    """The Azure CLI refused, or is not there; the text says what and what to do."""


@dataclass(frozen=True)
class Ask:
    """An argument that only Azure knows: the one line that a command answers."""

    command: tuple[str, ...]


Argument = str | Ask


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of the Azure CLI, which may be repeated."""

    why: str
    command: tuple[Argument, ...]
    unless: tuple[str, ...] = ()
    """A command that succeeds where the step is done; none: the command itself changes nothing."""


def az(*words: str) -> tuple[str, ...]:
    """Return a command of the Azure CLI."""
    return ("az", *words)


def only(field: str) -> tuple[str, ...]:
    """Return the options that make a command answer one field, bare."""
    return ("--query", field, "--output", "tsv")


def shown(command: Sequence[Argument]) -> str:
    """Return a command as a shell takes it."""
    words = (
        f'"$({shlex.join(word.command)})"' if isinstance(word, Ask) else shlex.quote(word)
        for word in command
    )
    return " ".join(words)


def perform(step: Step) -> bool:
    """Run a step unless it is done; tell whether it ran.

    Raises ``AzureError`` with the words of the Azure CLI.
    """
    if step.unless and not _call(step.unless).returncode:
        return False
    _answer([_resolved(word) for word in step.command])
    return True


def _resolved(word: Argument) -> str:
    return _answer(word.command).strip() if isinstance(word, Ask) else word


def _answer(command: Sequence[str]) -> str:
    finished = _call(command)
    if finished.returncode:
        raise AzureError(
            f"{shlex.join(command)}\n{finished.stderr.strip()}\n"
            "Correct the cause and run the command again: what is done is not done twice."
        )
    return finished.stdout


def _call(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise AzureError(
            "az: not on PATH; install the Azure CLI and run `az login` first"
        ) from error
