"""The real program, changed in every place where a rule looks: what goes unnoticed is explained."""

import pytest

from assurance.mutation.explanations import FILE, faults, load, outdated
from assurance.policies.rules import load as load_rules
from tests.assurance.proved import proof

EXPLANATIONS = load(FILE.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_whatever_goes_unnoticed_is_explained() -> None:
    assert faults(proof(), EXPLANATIONS) == []


@pytest.mark.slow
def test_every_explanation_is_needed_and_every_rule_notices_something() -> None:
    assert outdated(proof(), EXPLANATIONS, list(load_rules().values())) == []


@pytest.mark.slow
def test_the_proof_is_not_of_nothing() -> None:
    assert len(proof().trials) > 5000
    assert {trial.environment for trial in proof().trials} == {"dev", "test", "uat", "prod"}
