"""Clusters over a fleet that only remembers what it was asked for."""

import pytest

from local.cloud.arm import Body
from tests.local.cloud.clusters import CLUSTER, FakeFleet, Ground, cluster, furnish
from tests.local.cloud.conftest import Engine


@pytest.fixture(autouse=True)
def fleet(monkeypatch: pytest.MonkeyPatch) -> FakeFleet:
    fake = FakeFleet()
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def ground(engine: Engine) -> Ground:
    return furnish(engine)


@pytest.fixture
def made(engine: Engine) -> Body:
    """The outputs of a standing cluster."""
    furnish(engine)
    return engine.create(CLUSTER, cluster())[1]
