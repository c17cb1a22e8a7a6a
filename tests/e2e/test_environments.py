"""All four environments side by side, each with its own size and its own protection."""

import json

import pytest

from tests.e2e.installation import Installation

pytestmark = pytest.mark.e2e

INDEX = {"dev": "ivfflat", "test": "hnsw", "uat": "hnsw", "prod": "hnsw"}
CONNECTIONS = {"dev": "50", "test": "429", "uat": "859", "prod": "1718"}
"""max_connections of each environment's SKU.
https://learn.microsoft.com/azure/postgresql/configure-maintain/concepts-limits"""
PAIRS = (("dev", "uat"), ("test", "prod"))
"""Two at a time, as two people would."""


def up_together(installation: Installation, stacks: tuple[str, ...]) -> None:
    """Bring stacks up at the same time."""
    commands = [installation.start("up", "--stack", stack, "--json") for stack in stacks]
    for process in commands:
        out, err = process.communicate(timeout=280)
        assert process.returncode == 0, out + err
        assert [check for check in json.loads(out)["checks"] if not check["ok"]] == []


def test_all_four_stand_side_by_side_and_protected_ones_stay(fresh: Installation) -> None:
    for pair in PAIRS:
        up_together(fresh, pair)
    for stack, method in INDEX.items():
        outputs = fresh.engine(stack).outputs()
        assert outputs["memory"]["index_method"] == method
        assert fresh.sql("SHOW max_connections", stack) == [(CONNECTIONS[stack],)]
    for stack in ("uat", "prod"):
        assert fresh.succeed("preview", stack)["changes"].keys() == {"same"}
        refused = fresh.run("destroy", "--stack", stack, "--json")
        assert refused.returncode == 1
        assert f"stack {stack} is protected" in json.loads(refused.stdout)["error"]
    assert fresh.sql("SELECT 1", "prod") == [(1,)]

    fresh.succeed("destroy", "prod", "--unprotect")
    fresh.succeed("destroy", "dev")
    assert fresh.sql("SELECT 1", "uat") == [(1,)]
