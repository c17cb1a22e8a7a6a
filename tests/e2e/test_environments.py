"""All four environments side by side, each with its own size and its own protection."""

import json
from typing import Any

import pytest

from tests.e2e.installation import COMMAND_SECONDS, Installation
from tests.e2e.kubectl import MISSION, Kubectl

pytestmark = pytest.mark.e2e

INDEX = {"dev": "ivfflat", "test": "hnsw", "uat": "hnsw", "prod": "hnsw"}
CONNECTIONS = {"dev": "50", "test": "429", "uat": "859", "prod": "1718"}
"""max_connections of each environment's SKU.
https://learn.microsoft.com/azure/postgresql/configure-maintain/concepts-limits"""
PAIRS = (("dev", "uat"), ("test", "prod"))
"""Two at a time, as two people would."""
PROTECTED = ("uat", "prod")


def together(installation: Installation, *commands: tuple[str, ...]) -> list[dict[str, Any]]:
    """Run commands at the same time, which must all succeed; return their answers."""
    processes = [installation.start(*command, "--json") for command in commands]
    answers = []
    for process in processes:
        out, err = process.communicate(timeout=COMMAND_SECONDS)
        assert process.returncode == 0, out + err
        answers.append(json.loads(out))
    return answers


def up(installation: Installation, pair: tuple[str, str]) -> list[dict[str, int]]:
    """Bring two stacks up, with all checks passed; return what changed."""
    reports = together(installation, *(("up", "--stack", stack) for stack in pair))
    for report in reports:
        assert [check for check in report["checks"] if not check["ok"]] == []
    return [report["changes"] for report in reports]


@pytest.mark.timeout(1800)
def test_all_four_stand_side_by_side_and_protected_ones_stay(fresh: Installation) -> None:
    for pair in PAIRS:
        assert [set(changes) for changes in up(fresh, pair)] == [{"create"}] * 2
    for pair in PAIRS:
        assert [set(changes) for changes in up(fresh, pair)] == [{"same"}] * 2
    for stack, method in INDEX.items():
        assert fresh.engine(stack).outputs()["memory"]["index_method"] == method
        assert fresh.sql("SHOW max_connections", stack) == [(CONNECTIONS[stack],)]
        assert Kubectl(installation=fresh, stack=stack).shares().items() >= MISSION.items()
    for stack in PROTECTED:
        refused = fresh.run("destroy", "--stack", stack, "--json")
        assert refused.returncode == 1
        assert f"stack {stack} is protected" in json.loads(refused.stdout)["error"]

    together(fresh, ("destroy", "--stack", "prod", "--unprotect"), ("destroy", "--stack", "dev"))
    for stack in ("test", "uat"):
        assert fresh.sql("SELECT 1", stack) == [(1,)]
        assert Kubectl(installation=fresh, stack=stack).shares().items() >= MISSION.items()
    together(fresh, ("destroy", "--stack", "uat", "--unprotect"), ("destroy", "--stack", "test"))
    assert fresh.wait_until_quiet() == []
