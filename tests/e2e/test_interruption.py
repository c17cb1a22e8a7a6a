"""``kill -9`` at several moments of an ``up``: the next one converges, and nothing is lost."""

import os
import signal
import time

import pytest

from local.cloud.store import Store
from tests.e2e.installation import Installation

pytestmark = pytest.mark.e2e

MOMENTS = {
    "while the first resources are made": 4,
    "while the vault and the network are made": 14,
    "while the server is made": 32,
    "while its parameters are set": 40,
    "while the schema is made": 58,
}
"""How many resources stand in the local cloud when the axe falls."""


def standing(installation: Installation) -> list[str]:
    """Return the ids of everything that stands in the local cloud."""
    store = Store(installation.paths.cloud)
    try:
        return [record.arm_id for record in store.children("/subscriptions")]
    finally:
        store.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_up_that_was_killed_is_finished_by_the_next(fresh: Installation, moment: str) -> None:
    process = fresh.start("up", "--json")
    deadline = time.monotonic() + 120
    while len(standing(fresh)) < MOMENTS[moment] and process.poll() is None:
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = set(standing(fresh))

    report = fresh.succeed("up")

    assert [check for check in report["checks"] if not check["ok"]] == []
    assert before <= set(standing(fresh)), "what stood before was made again or lost"
    assert set(fresh.succeed("up")["changes"]) == {"same"}
    known = {entry.get("id") for entry in fresh.engine().deployment()["resources"]}
    assert [arm_id for arm_id in standing(fresh) if arm_id not in known] == []
