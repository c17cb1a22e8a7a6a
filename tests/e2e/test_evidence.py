"""``make evidence`` on a stack that is up: what is changed by hand turns its controls red."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assurance.compliance import seal
from local.cloud import control
from local.cloud.resources import TYPES
from local.cloud.store import Store
from local.cloud.world import World
from local.paths import OVERRIDE
from tests.e2e.installation import Installation
from tests.e2e.kubectl import Kubectl
from tests.e2e.test_secrets import drawn, shown

pytestmark = pytest.mark.e2e

PARAMETER = "Microsoft.DBforPostgreSQL/flexibleServers/configurations"
LIVE = ("live SQL", "API server")
WRONG = {
    ("deployed", "postgres-tls-required"),
    ("deployed", "network-policy-per-pod"),
    # every rule about a policy misses the one that is declared, and not there
    *(("deployed", f"network-policy-{about}") for about in ("peers", "ports")),
    ("deployed", "namespace-own"),
    ("API server", "cluster-network-policies"),
    ("live SQL", "sql-access"),
}


def collect(installation: Installation) -> dict[str, Any]:
    """Collect the evidence of dev, whose rules are advice, so that the code says little."""
    answer = installation.run("evidence", "--stack", "dev", "--json")
    assert answer.returncode in (0, 1), answer.stdout + answer.stderr
    report: dict[str, Any] = json.loads(answer.stdout)
    return report


def looks(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(seen["truth"], seen["check"]) for seen in report["failing"]}


@contextmanager
def falsified(installation: Installation) -> Iterator[None]:
    """Change by hand what the next ``up`` puts back."""
    try:
        Kubectl(installation=installation)("delete", "networkpolicy", "graph-store")
        installation.sql("GRANT DELETE ON memory.zep_memory_vectors TO memory_reader")
        with pytest.MonkeyPatch.context() as patch:  # by which the cloud knows its servers
            patch.setenv(OVERRIDE, str(installation.folder))
            world = World(Store(installation.paths.cloud), TYPES)
            (tls,) = (r for r in world.of_type(PARAMETER) if r.name == "require_secure_transport")
            control.update(world, tls, {**tls.inputs, "value": "off"})
        yield
    finally:
        # The state does not know what was done; only a refresh tells `up` of it.
        installation.succeed("refresh")
        installation.succeed("up")


@pytest.mark.timeout(900)
def test_evidence_tells_a_falsified_deployment_from_a_true_one(shared: Installation) -> None:
    before = collect(shared)
    assert [seen for seen in before["failing"] if seen["truth"] in LIVE] == []
    assert before["differences"] == []
    folder = Path(before["folder"])
    assert seal.verify(folder).fingerprint == before["key"]
    content = b"\n".join(file.read_bytes() for file in folder.iterdir())
    assert shown(drawn(shared), content) == []

    with falsified(shared):
        after = collect(shared)
    assert looks(after) - looks(before) == WRONG
    assert {"AI-SEC-01.2a", "TEST-3"} <= set(after["not satisfied"]) - set(before["not satisfied"])
    changed = {each["resource"].rpartition(" ")[2] for each in after["differences"]}
    assert {"engram-dev-require_secure_transport", "engram-dev-graph-store-traffic"} <= changed
    assert looks(collect(shared)) == looks(before)
