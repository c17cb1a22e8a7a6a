"""The controls as data: complete, word for word, and never satisfied by being left out."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from assurance.compliance import catalogue
from assurance.compliance.checks import CHECKS
from assurance.compliance.model import (
    Control,
    Objective,
    ObjectiveResult,
    Observation,
    Outcome,
    Truth,
    Verdict,
)
from assurance.errors import AssuranceError
from assurance.policies import rules
from tests.assurance.compliance.truths import controls

# NIST AI 100-1, tables 1 to 4: how many subcategories each category has.
CATEGORIES = {
    **{f"GOVERN {n}": number for n, number in enumerate((7, 3, 2, 3, 2, 2), 1)},
    **{f"MAP {n}": number for n, number in enumerate((6, 3, 5, 2, 2), 1)},
    **{f"MEASURE {n}": number for n, number in enumerate((3, 13, 3, 3), 1)},
    **{f"MANAGE {n}": number for n, number in enumerate((4, 4, 2, 3), 1)},
}
FRAMEWORK = [control for control in controls() if control.group.startswith("NIST")]
OBJECTIVES = [objective for control in controls() for objective in control.objectives]


def test_all_72_subcategories_are_there_in_their_order() -> None:
    counted = Counter(control.id.rpartition(".")[0] for control in FRAMEWORK)
    assert counted == CATEGORIES
    assert len(FRAMEWORK) == 72
    numbers = [control.id for control in FRAMEWORK if control.id.startswith("MEASURE 2.")]
    assert numbers == [f"MEASURE 2.{n}" for n in range(1, 14)]


@pytest.mark.parametrize(
    ("id_", "words"),
    [
        ("GOVERN 1.1", "Legal and regulatory requirements involving AI are understood, managed,"),
        ("GOVERN 2.2", "consistent with related policies, procedures, and agreements."),
        ("MAP 1.6", "(e.g., “the system shall respect the privacy of its users”)"),
        ("MEASURE 2.13", "in the MEASURE function are evaluated and documented."),
        ("MANAGE 2.4", "to supersede, disengage, or deactivate AI systems that demonstrate"),
    ],
)
def test_texts_are_those_of_the_framework(id_: str, words: str) -> None:
    (control,) = (each for each in FRAMEWORK if each.id == id_)
    assert words in control.title


def test_ai_sec_01_asks_for_its_five_statements() -> None:
    (control,) = (each for each in controls() if each.id == "AI-SEC-01")
    statements = [objective.text.partition(":")[0] for objective in control.objectives]
    assert list(dict.fromkeys(statements)) == [
        "Encryption at Rest",
        "Encryption in Transit",
        "Key Management",
        "Key Rotation",
        "Field-Level Encryption",
    ]


def test_every_objective_rests_on_something_or_says_what_to_supply() -> None:
    empty = [o.id for o in OBJECTIVES if not (o.rules or o.checks or o.person or o.gap)]
    assert empty == []


def test_every_live_check_serves_a_control_and_every_control_names_real_ones() -> None:
    named = {name for objective in OBJECTIVES for name in objective.checks}
    assert named <= CHECKS.keys()
    assert CHECKS.keys() - named == set()


def test_rules_join_the_subcategories_that_they_name() -> None:
    for control in FRAMEWORK:
        (objective,) = control.objectives
        naming = {rule.name for rule in rules.load().values() if control.id in rule.ai_rmf}
        assert set(objective.rules) == naming


def test_ids_are_told_apart() -> None:
    assert [id_ for id_, n in Counter(o.id for o in OBJECTIVES).items() if n > 1] == []


def seen(outcome: Outcome) -> Observation:
    return Observation(check="c", title="t", truth=Truth.SQL, outcome=outcome, found="f")


@pytest.mark.parametrize(
    ("outcomes", "about", "verdict"),
    [
        ((), {}, Verdict.UNASSESSED),
        ((Outcome.HOLDS,), {}, Verdict.SATISFIED),
        ((Outcome.HOLDS, Outcome.EXCEPTED), {}, Verdict.EXCEPTED),
        ((Outcome.EXCEPTED, Outcome.UNASSESSED), {}, Verdict.UNASSESSED),
        ((Outcome.HOLDS, Outcome.UNASSESSED), {}, Verdict.UNASSESSED),
        ((Outcome.HOLDS, Outcome.FAILS), {}, Verdict.NOT_SATISFIED),
        ((Outcome.UNASSESSED, Outcome.FAILS), {}, Verdict.NOT_SATISFIED),
        ((Outcome.HOLDS,), {"person": "minutes"}, Verdict.UNASSESSED),
        ((Outcome.FAILS,), {"person": "minutes"}, Verdict.NOT_SATISFIED),
        ((), {"person": "minutes"}, Verdict.UNASSESSED),
        ((Outcome.HOLDS,), {"gap": "plain HTTP"}, Verdict.NOT_SATISFIED),
    ],
)
def test_nothing_passes_by_not_being_looked_at(
    outcomes: tuple[Outcome, ...], about: dict[str, str], verdict: Verdict
) -> None:
    objective = Objective(
        id="x", text="x", person=about.get("person", ""), gap=about.get("gap", "")
    )
    result = ObjectiveResult(objective=objective, observations=tuple(map(seen, outcomes)))
    assert result.verdict is verdict


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"id": "GOVERN 1.1"}, r"ai-rmf\.yaml.*\n0\.text\n  Field required"),
        ({"id": "GOVERN 1.1", "text": "x", "rule": []}, r"0\.rule\n  Extra inputs"),
        (
            {"id": "GOVERN 1.1", "text": "x", "rules": ["no-such-rule"]},
            "GOVERN 1.1 names the rule no-such-rule, which the policy pack does not have",
        ),
        (
            {"id": "GOVERN 1.1", "text": "x", "checks": ["no-such-check"]},
            "GOVERN 1.1 names the check no-such-check, which does not exist",
        ),
    ],
)
def test_a_mistake_in_the_data_is_refused(
    tmp_path: Path, entry: dict[str, object], words: str
) -> None:
    (tmp_path / catalogue.AI_RMF).write_text(yaml.safe_dump([entry]), encoding="utf-8")
    (tmp_path / catalogue.MISSION).write_text("[]", encoding="utf-8")
    with pytest.raises(AssuranceError, match=words):
        load(tmp_path)


def load(folder: Path) -> tuple[Control, ...]:
    return catalogue.load(rules.load(), folder)
