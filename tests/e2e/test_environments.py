"""All four environments side by side, each with its own size and its own protection."""

import json

import pytest

from tests.e2e.installation import Installation

pytestmark = pytest.mark.e2e

INDEX = {"dev": "ivfflat", "test": "hnsw", "uat": "hnsw", "prod": "hnsw"}
CONNECTIONS = {"dev": "50", "test": "429", "uat": "859", "prod": "1718"}
"""max_connections of each environment's SKU.
https://learn.microsoft.com/azure/postgresql/configure-maintain/concepts-limits"""


def test_all_four_stand_side_by_side_and_protected_ones_stay(fresh: Installation) -> None:
    for stack in INDEX:
        report = fresh.succeed("up", stack)
        assert [check for check in report["checks"] if not check["ok"]] == []
    for stack, method in INDEX.items():
        assert fresh.succeed("preview", stack)["changes"].keys() == {"same"}
        outputs = fresh.engine(stack).outputs()
        assert outputs["memory"]["index_method"] == method
        assert fresh.sql("SHOW max_connections", stack) == [(CONNECTIONS[stack],)]
    for stack in ("uat", "prod"):
        refused = fresh.run("destroy", "--stack", stack, "--json")
        assert refused.returncode == 1
        assert f"stack {stack} is protected" in json.loads(refused.stdout)["error"]
    assert fresh.sql("SELECT 1", "prod") == [(1,)]
