"""sizing/mission.py: the strategy's formula in the units of its text."""

from dataclasses import replace

import pytest

from sizing.mission import Environment, expected_environment, mission
from sizing.workload import Workload

EXAMPLE = Workload(sessions=10_000, messages_per_session=50, facts=1_000_000)


def test_the_worked_example_is_3_75_gb_and_production_has_a_d4s_v3() -> None:
    found = mission(EXAMPLE, "prod")
    assert found.episodic_gb == pytest.approx(0.25)
    assert found.semantic_gb == pytest.approx(1.0)
    assert found.total_gb == pytest.approx(3.75)
    assert (found.mapped.sku.name, found.mapped.storage_gib) == ("Standard_D2s_v3", 128)
    assert (found.step.sku.name, found.step.storage_gib) == ("Standard_D4s_v3", 256)


def test_messages_are_counted_for_the_days_that_they_are_kept() -> None:
    kept = mission(replace(EXAMPLE, retention_days=90), "prod")
    assert kept.episodic_gb == pytest.approx(0.75)
    assert kept.total_gb == pytest.approx(5.25)


def test_the_code_is_a_thousand_times_off() -> None:
    found = mission(EXAMPLE, "prod")
    assert found.code_total_gb == pytest.approx(1000 * found.total_gb) == pytest.approx(3750)
    assert found.code_step.sku.name == "Standard_D4s_v3"


@pytest.mark.parametrize(
    ("facts", "sku", "storage_gib"),
    [
        (0, "Standard_B1ms", 32),
        (1_999_999, "Standard_B1ms", 32),
        (2_000_000, "Standard_D2s_v3", 128),
        (9_999_999, "Standard_D2s_v3", 128),
        (10_000_000, "Standard_D4s_v3", 256),
        (10**11, "Standard_D4s_v3", 256),
    ],
)
def test_borders_are_2_and_10_gb(facts: int, sku: str, storage_gib: int) -> None:
    """A fact is 1000 bytes, so that a million of them are a GB."""
    load = Workload(sessions=1, messages_per_session=0, facts=facts, growth_factor=1.0)
    found = mission(load, "dev")
    assert (found.mapped.sku.name, found.mapped.storage_gib) == (sku, storage_gib)
    assert found.step == found.mapped


@pytest.mark.parametrize(
    ("environment", "sku", "storage_gib"),
    [
        ("dev", "Standard_B1ms", 32),
        ("test", "Standard_B2s", 32),
        ("uat", "Standard_D2s_v3", 128),
        ("prod", "Standard_D4s_v3", 256),
    ],
)
def test_an_environment_has_at_least_the_tables_server(
    environment: Environment, sku: str, storage_gib: int
) -> None:
    load = Workload(sessions=1, messages_per_session=1, facts=1)
    step = mission(load, environment).step
    assert (step.sku.name, step.storage_gib) == (sku, storage_gib)


@pytest.mark.parametrize(
    ("sessions", "facts", "environment"),
    [
        (100, 1_000, "dev"),
        (101, 1_000, "test"),
        (100, 1_001, "test"),
        (500, 10_000, "test"),
        (2_000, 100_000, "uat"),
        (2_001, 1, "prod"),
        (1, 100_001, "prod"),
    ],
)
def test_a_load_belongs_to_the_environment_that_the_table_expects_it_in(
    sessions: int, facts: int, environment: str
) -> None:
    assert expected_environment(sessions, facts) == environment
