"""One wrong value of a stack file, and what must be said about it."""

from typing import NamedTuple

import pytest

from stacks.settings import SettingsError
from tests.stacks.files import changed, judged


class Bad(NamedTuple):
    """A stack file with some values replaced, and the one mistake that it must get."""

    stack: str
    changes: dict[str, object]
    path: str
    found: str
    allowed: str
    remedy: str


def row(stack: str, path: str, value: object, *said: str, at: str = "") -> Bad:
    """A stack file with one value replaced; ``said`` is found, allowed, remedy."""
    found, allowed, remedy = said
    return Bad(stack, {path: value}, at or path, found, allowed, remedy)


def named(rows: list[Bad]) -> list[str]:
    """The names under which rows are reported."""
    return [f"{bad.stack}-{'+'.join(bad.changes)}" for bad in rows]


def refused(bad: Bad) -> None:
    """Judge the file: it has this mistake, on one line, and no other."""
    theirs = {
        part
        for part in ("cluster", "postgres")
        if isinstance(value := bad.changes.get(part), dict) and value["kind"] == "existing"
    }
    config = changed(bad.stack, bad.changes)
    with pytest.raises(SettingsError, match=f"Pulumi.{bad.stack}.yaml has 1 mistake:") as caught:
        judged(
            bad.stack,
            config,
            has_password="postgres" in theirs,
            has_kubeconfig="cluster" in theirs,
        )
    (mistake,) = caught.value.mistakes
    assert mistake.path == bad.path
    assert bad.found in str(mistake.found)
    assert bad.allowed in mistake.allowed
    assert bad.remedy in mistake.remedy
    assert str(caught.value).splitlines()[1:] == [f"  {mistake}"]
