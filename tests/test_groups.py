"""pytest-xdist: tests of one group share a worker, and so one control plane"""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from xdist.remote import WorkerInteractor  # type: ignore[import-untyped]  # it ships no types

from tests.kubernetes_cluster import pytest_collection_modifyitems


@pytest.mark.parametrize(("fixtures", "group"), [(("cluster",), "@cluster"), ((), "")])
def test_a_test_of_the_cluster_is_sent_to_the_clusters_worker(
    request: pytest.FixtureRequest, fixtures: tuple[str, ...], group: str
) -> None:
    item = pytest.Function.from_parent(
        cast(Any, request.node.parent), name="test_x", callobj=lambda: None
    )
    item.fixturenames.extend(fixtures)
    pytest_collection_modifyitems([item])
    config = SimpleNamespace(getvalue=lambda _: True)
    WorkerInteractor.pytest_collection_modifyitems(None, config, [item])
    assert item.nodeid.endswith(f"test_x{group}")
