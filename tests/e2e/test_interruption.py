"""``kill -9`` at several moments of an ``up``: the next one converges, and nothing is lost."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from local.cloud.store import Store
from tests.e2e.installation import Installation

pytestmark = pytest.mark.e2e

SERVER = "Microsoft.DBforPostgreSQL/flexibleServers"
Moment = Callable[[Installation], bool]


def standing(installation: Installation) -> dict[str, str]:
    """Return the type of everything that stands in the local cloud, by id."""
    if not installation.paths.cloud.exists():
        return {}  # to look would be to make it
    store = Store(installation.paths.cloud)
    try:
        return {record.arm_id: record.type for record in store.children("/subscriptions")}
    finally:
        store.close()


def stands(arm_type: str, number: int = 1) -> Moment:
    """Say when so many resources of a type stand."""
    return lambda installation: list(standing(installation).values()).count(arm_type) >= number


def a_server_is_in_the_making(installation: Installation) -> bool:
    """Say when PostgreSQL's data folder is there, and the server is not yet."""
    return any(installation.paths.services.glob("postgres/servers/*/data"))


MOMENTS: dict[str, Moment] = {
    "the first resource stands": stands("Microsoft.Resources/resourceGroups"),
    "the vault stands": stands("Microsoft.KeyVault/vaults"),
    "the server is in the making": a_server_is_in_the_making,
    "the server stands": stands(SERVER),
    "half of its parameters are set": stands(f"{SERVER}/configurations", 8),
    "all but the schema stands": stands("Microsoft.Network/privateEndpoints", 2),
}


def kill_when(moment: Moment, installation: Installation, *command: str) -> None:
    """Run a command, and kill it with its engine and plugins when the moment comes."""
    process = installation.start(*command)
    deadline = time.monotonic() + 120
    while not moment(installation):
        assert process.poll() is None, "it ended before the moment came"
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def assert_whole(installation: Installation) -> None:
    """Assert that another ``up`` changes nothing, and nothing stands that no state knows."""
    assert set(installation.succeed("up")["changes"]) == {"same"}
    known = {entry.get("id") for entry in installation.engine().deployment()["resources"]}
    assert [arm_id for arm_id in standing(installation) if arm_id not in known] == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_up_that_was_killed_is_finished_by_the_next(fresh: Installation, moment: str) -> None:
    kill_when(MOMENTS[moment], fresh, "up", "--json")
    before = set(standing(fresh))
    report = fresh.succeed("up")
    assert [check for check in report["checks"] if not check["ok"]] == []
    assert before <= set(standing(fresh)), "what stood before was made again or lost"
    assert_whole(fresh)


def test_a_destroy_that_was_killed_is_finished_by_the_next(fresh: Installation) -> None:
    fresh.succeed("up")

    def the_server_is_gone(installation: Installation) -> bool:
        return SERVER not in standing(installation).values()

    kill_when(the_server_is_gone, fresh, "destroy", "--json")
    fresh.succeed("destroy")
    assert standing(fresh) == {}
    assert fresh.wait_until_quiet() == []
