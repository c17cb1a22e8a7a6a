"""The memory that a stack has: written, found, sealed, renewed, forgotten, and brought back."""

import json
from typing import Any

import pytest

from tests.e2e.installation import Installation, running
from tests.e2e.test_secrets import files_with, shown

pytestmark = pytest.mark.e2e

SAID = {"email": "ada@example.com", "allergy": "allergic to peanuts"}
"""What the demonstration writes into sensitive fields."""


def memory(installation: Installation, *words: str, owner: bool = False) -> dict[str, Any]:
    """Run a job of day 2, which must succeed; return its answer."""
    flags = ["--as-owner"] if owner else []
    answer = installation.run("memory", *flags, "--", *words, "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


@pytest.mark.timeout(600)
def test_what_is_remembered_is_found_sealed_renewed_and_forgotten(shared: Installation) -> None:
    answer = shared.run("demo", "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    steps = json.loads(answer.stdout)["steps"]
    assert [step["did"] for step in steps if not step["ok"]] == []
    assert len(steps) == 7
    # What was said is in nobody's log, state or arguments; the database has forgotten the rows,
    # and what is left of them on its pages is sealed.
    assert files_with(SAID, [shared.folder, shared.paths.services]) == set()
    assert shown(SAID, "\n".join(line for line, _ in running()).encode()) == []
    assert memory(shared, "records", "verify")["ok"]


@pytest.mark.timeout(600)
def test_the_memory_proves_itself(shared: Installation) -> None:
    proof = memory(shared, "verify")
    assert proof["ok"], proof
