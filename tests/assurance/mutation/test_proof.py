"""assurance/mutation/proof.py: who notices what."""

from collections.abc import Iterator

import pytest

from assurance.mutation.proof import Kind, Trial, prove
from assurance.policies.model import Resource
from tests.assurance.mutation.small import (
    ENCRYPTED,
    KEPT,
    LOCK,
    LOCKED,
    RULES,
    SERVER,
    rule,
    small_stack,
)


def trials() -> dict[Kind, Trial]:
    return {trial.kind: trial for trial in prove([small_stack()], RULES).trials}


@pytest.mark.parametrize(
    ("kind", "killers"),
    [
        ((SERVER, "key", "remove"), ("encrypted",)),
        ((SERVER, "key", "empty"), ("encrypted",)),
        ((SERVER, "key.type", "stranger"), ("encrypted",)),
        ((SERVER, "days", "less"), ("kept",)),
        ((SERVER, "days", "remove"), ("kept",)),
        ((SERVER, "privileged", "switch on"), ("closed",)),
        ((SERVER, "protect", "flip"), ("locked",)),
        ((SERVER, "id", "stranger"), ("locked",)),
        ((SERVER, "password", "uncover"), ("covered",)),
        ((LOCK, "", "leave out"), ("locked",)),
        ((LOCK, "scope", "remove"), ("locked",)),
    ],
)
def test_whoever_guards_a_property_notices_its_change(kind: Kind, killers: tuple[str, ...]) -> None:
    assert trials()[kind].killers == killers


def test_what_nobody_notices_survives() -> None:
    proof = prove([small_stack()], RULES)
    assert set(proof.survivors) == {(SERVER, "days", "more"), (SERVER, "", "leave out")}
    assert proof.kills["encrypted"] == 5
    assert f"{len(proof.trials)} mutants: {len(proof.trials) - 2} noticed" in proof.summary


def test_what_nobody_looks_at_is_not_changed() -> None:
    assert not [kind for kind in trials() if kind[1] == "size"]


def test_a_rule_that_accused_before_notices_nothing_new() -> None:
    (trial,) = [
        trial
        for trial in prove([small_stack(days=5)], (KEPT,)).trials
        if trial.kind == (SERVER, "days", "less")
    ]
    assert trial.survived


def test_a_change_that_silences_a_rule_is_no_survivor() -> None:
    proof = prove([small_stack(days=5)], (KEPT,))
    (trial,) = [trial for trial in proof.trials if trial.kind == (SERVER, "days", "more")]
    assert trial.stricter
    assert not trial.survived
    assert proof.stricter == 1


def test_a_rule_that_raises_is_told() -> None:
    def fragile(server: Resource) -> Iterator[str]:
        if 30 / server.get("days", 0) > 30:
            yield "less than a day"

    proof = prove([small_stack()], (rule("fragile", fragile, SERVER),))
    assert {trial.kind for trial in proof.trials if trial.broken} == {
        (SERVER, "days", "remove"),
        (SERVER, "days", "less"),
    }


def test_what_stacks_declare_alike_is_changed_once() -> None:
    once = prove([small_stack("dev")], (ENCRYPTED, LOCKED)).trials
    assert (
        prove([small_stack("dev"), small_stack("uat")], (ENCRYPTED, LOCKED)).trials[len(once) :]
        == ()
    )
    more = prove([small_stack("dev"), small_stack("uat", days=8)], (KEPT,)).trials
    assert {trial.environment for trial in more} == {"dev", "uat"}


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    proof = prove([small_stack()], RULES, lambda *words: told.append(words))
    assert told[-1] == ("dev", len(proof.trials), len(proof.trials))
