"""stacks/settings/budget.py: connections, against hand-made sums."""

import pytest

from stacks.settings.budget import JOBS, OPERATORS, connection_budget
from tests.stacks.files import changed, judged, settings_of
from tests.stacks.test_bad_stack_files import EXISTING_POSTGRES

BUDGETS = {
    # (2 + 1) x 5, no pooler on a Burstable server, 3 x (3 + 1)
    "dev": (15, 0, 12, 34, 35),
    # (3 + 1) x (25 + 10), 4 x (25 + 5)
    "test": (140, 0, 120, 267, 414),
    # (4 + 1) x (25 + 10), 2 logins x 25, 6 x (25 + 5)
    "uat": (175, 50, 180, 412, 844),
    "prod": (175, 50, 180, 412, 1703),
}
"""Memory service, Azure's pooler, Zep, the sum, and what the size grants (Azure's own table)."""


@pytest.mark.parametrize("stack", BUDGETS)
def test_the_budget_of_a_stack_is_the_sum_of_its_pods(stack: str) -> None:
    service, azures, zep, needed, granted = BUDGETS[stack]
    assert connection_budget(settings_of(stack)) == {
        "the memory service": service,
        "its jobs": JOBS,
        "Azure's pooler": azures,
        "Zep": zep,
        "operators": OPERATORS,
        "needed": needed,
        "granted": granted,
    }


@pytest.mark.parametrize(
    ("path", "value", "share", "number"),
    [
        ("workloads.zep.max_replicas", 10, "Zep", 300),
        ("workloads.memory_service.max_replicas", 7, "the memory service", 280),
        ("connections.pooler.reserve_pool_size", 15, "Zep", 240),
        ("connections.application.max_overflow", 0, "the memory service", 125),
        ("postgres.built_in_pooler", False, "Azure's pooler", 0),
    ],
)
def test_each_number_counts_where_it_belongs(
    path: str, value: object, share: str, number: int
) -> None:
    changes: dict[str, object] = {path: value, "cluster.memory_pool.max_count": 9}
    assert connection_budget(settings_of("prod", changes))[share] == number


def test_an_existing_server_grants_what_its_owner_says() -> None:
    changes: dict[str, object] = {"postgres": {**EXISTING_POSTGRES, "user_connections": 1234}}
    budget = connection_budget(judged("prod", changed("prod", changes), has_password=True))
    assert (budget["granted"], budget["Azure's pooler"]) == (1234, 0)
