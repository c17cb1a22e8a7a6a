"""assurance/mutation/explanations.py: no survivor without a reason, no reason without one."""

import pytest

from assurance.errors import AssuranceError
from assurance.mutation.explanations import (
    Explained,
    Explanations,
    Unproved,
    faults,
    load,
    outdated,
    without_resources,
)
from assurance.mutation.proof import Proof, prove
from tests.assurance.mutation.small import CLOSED, ENCRYPTED, KEPT, RULES, SERVER, rule, small_stack

MORE = Explained(type=SERVER, place="days", change="more", reason="longer is better")
LEFT_OUT = Explained(type="azure:*", place="", change="leave out", reason="nothing needs it")
ALL = Explanations(survivors=(MORE, LEFT_OUT))


def proof() -> Proof:
    return prove([small_stack()], RULES)


def test_a_proof_whose_survivors_are_explained_is_without_fault() -> None:
    assert faults(proof(), ALL) == []
    assert outdated(proof(), ALL, RULES) == []


def test_a_survivor_that_nobody_explains_is_a_fault() -> None:
    (fault,) = faults(proof(), Explanations(survivors=(LEFT_OUT,)))
    assert fault == (
        "more of days in azure:Server: noticed by nobody, 1 times, first in dev, db; asked: kept"
    )


def test_a_rule_that_raises_is_a_fault_even_where_others_notice() -> None:
    fragile = rule("fragile", lambda found: iter(() if 1 / found.get("days", 0) else ("",)), SERVER)
    proved = prove([small_stack()], (fragile, KEPT))
    assert "fragile raises where there is remove of days in azure:Server" in faults(proved, ALL)


@pytest.mark.parametrize(
    ("explanations", "said"),
    [
        (
            Explanations(survivors=(*ALL.survivors, Explained(**{**vars(MORE), "place": "size"}))),
            "more of size in azure:Server: no such mutant survives; remove the entry",
        ),
        (
            Explanations(survivors=ALL.survivors, unproved=(Unproved(rule="gone", reason="r"),)),
            "gone: there is no such rule; remove it",
        ),
        (
            Explanations(survivors=ALL.survivors, unproved=(Unproved(rule="kept", reason="r"),)),
            "kept: it noticed a mutant; remove it",
        ),
    ],
)
def test_what_explains_nothing_is_outdated(explanations: Explanations, said: str) -> None:
    assert outdated(proof(), explanations, RULES) == [said]


def test_a_rule_that_notices_nothing_is_told_unless_excused() -> None:
    proved = prove([small_stack()], (ENCRYPTED,))
    survivors = (Explained(type="azure:*", place="*", change="*", reason="r"),)
    said = "closed: it noticed no mutant; say why, or mend it"
    named = [ENCRYPTED, CLOSED]
    assert outdated(proved, Explanations(survivors=survivors), named) == [said]
    excused = (Unproved(rule="closed", reason="nothing of the kind"),)
    assert outdated(proved, Explanations(survivors=survivors, unproved=excused), named) == []


def test_a_rule_for_what_is_not_declared_needs_no_excuse() -> None:
    proved = prove([small_stack()], RULES)
    lonely = rule("lonely", lambda _: iter(()), "azure:Firewall")
    assert without_resources(proved, (*RULES, lonely)) == [lonely]
    assert outdated(proved, ALL, (*RULES, lonely)) == []


ENTRY = "type: a, place: b, change: c, reason: d"


def test_a_file_is_read() -> None:
    read = load(f"survivors: [{{{ENTRY}}}]\nunproved: [{{rule: r, reason: d}}]")
    assert read.survivors == (Explained(type="a", place="b", change="c", reason="d"),)
    assert read.unproved == (Unproved(rule="r", reason="d"),)
    assert load("") == Explanations()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("survivors: [{type: a, place: b, change: c}]", "must say change, place, reason, type"),
        (f"survivors: [{{{ENTRY}, more: e}}]", "all of them and no more"),
        (f"survivors: [{{{ENTRY.replace('reason: d', 'reason: ')}}}]", "must say change, place"),
        ("unproved: [{rule: a}]", "must say reason, rule"),
    ],
)
def test_an_entry_that_leaves_something_out_is_refused(text: str, said: str) -> None:
    with pytest.raises(AssuranceError, match=said):
        load(text)
