"""Sizing as a stack file says it: what is judged, what is told, and what is exported of it."""

from dataclasses import fields
from datetime import date, timedelta
from typing import Any

import pytest

from sizing.cli import parser
from sizing.predict import predict
from sizing.workload import Hnsw, Ivfflat, Workload
from stacks.headroom import sizing_output
from stacks.settings import SettingsError, StackSettings
from stacks.settings.cautions import MONTHS_AHEAD, cautions
from stacks.settings.demand import WorkloadSettings
from stacks.settings.sizing import (
    NODES,
    SERVER,
    due_on,
    first_due,
    judgements,
    later,
    number,
    recommendation,
    resize_command,
    sizer_command,
    workload_of,
)
from tests.stacks.files import REMOVED, ROOT, STACKS, changed, judged, settings_of
from tests.stacks.test_bad_stack_files import EXISTING_POSTGRES
from tools.resizing import cli as resizing

CLUSTER: dict[str, object] = {
    "nodes": 4,
    "sku": "Standard_D4ds_v5",
    "storage": {"size_gib": 256, "tier": "P15"},
}
SHARDED: dict[str, object] = {"postgres.elastic_cluster": CLUSTER, "postgres.version": 17}
STATED: dict[str, Any] = {
    "sessions": 7_000,
    "messages_per_session": 60,
    "facts": 900_000,
    "retention_days": 90,
    "message_bytes": 700,
    "content_bytes": 300,
    "metadata_bytes": 120,
    "embeds_messages": False,
    "growth_factor": 2.5,
    "growth_per_month": 0.02,
}


def _theirs(changes: dict[str, object]) -> StackSettings:
    """A prod stack on a server of the customer's."""
    config = changed(
        "prod", {"postgres": {**EXISTING_POSTGRES, "user_connections": 500}, **changes}
    )
    return judged("prod", config, has_password=True)


def test_every_figure_of_the_file_reaches_the_reckoning() -> None:
    changes: dict[str, object] = {f"workload.{name}": value for name, value in STATED.items()}
    changes |= {
        "memory.dimensions": 768,
        "memory.element_type": "halfvec",
        "memory.index.m": 12,
        "memory.index.ef_construction": 50,
    }
    assert workload_of(settings_of("prod", changes)) == Workload(
        **STATED,
        dimensions=768,
        element_type="halfvec",
        index=Hnsw(m=12, ef_construction=50),
    )
    asked = {field.name for field in fields(Workload)}
    assert asked == {*STATED, "dimensions", "element_type", "index"}
    assert workload_of(settings_of("dev")).index == Ivfflat(lists=10)


def test_what_a_file_leaves_out_is_what_the_sizer_assumes() -> None:
    left_out = {name: f for name, f in WorkloadSettings.model_fields.items() if not f.is_required()}
    assumed = {f.name: f.default for f in fields(Workload)}
    assert {name: f.default for name, f in left_out.items() if name != "as_of"} == {
        name: assumed[name] for name in left_out if name != "as_of"
    }


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_of_the_strategy_holds_its_workload_and_half_a_year(stack: str) -> None:
    (one,) = judgements(settings_of(stack))
    assert one.path == SERVER
    assert one.verdict.fits
    months = one.verdict.due_in_months
    assert months is None or months >= MONTHS_AHEAD


def test_a_customers_server_is_not_judged() -> None:
    settings = _theirs({"workload.facts": 10**9})
    assert list(judgements(settings)) == []
    assert sizing_output(settings) is None
    assert recommendation(settings) is None


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        ((2026, 11, 1), 0, (2026, 11, 1)),
        ((2026, 11, 1), 1, (2026, 12, 1)),
        ((2026, 11, 1), 2, (2027, 1, 1)),
        ((2026, 12, 15), 12, (2027, 12, 15)),
        ((2026, 1, 31), 1, (2026, 2, 28)),
        ((2028, 1, 31), 1, (2028, 2, 29)),
        ((2026, 11, 30), 120, (2036, 11, 30)),
        ((9995, 1, 1), 120, (9999, 12, 31)),
        ((1, 1, 1), -6, (1, 1, 1)),
    ],
)
def test_a_later_month_has_the_same_day_or_its_last(
    day: tuple[int, int, int], months: int, then: tuple[int, int, int]
) -> None:
    assert later(date(*day), months) == date(*then)


@pytest.mark.parametrize(
    ("value", "words"), [(0.62, "0.6"), (99.94, "99.9"), (100, "100"), (12_345.6, "12,346")]
)
def test_a_figure_is_short(value: float, words: str) -> None:
    assert number(value) == words


def test_the_command_of_the_sizer_says_what_the_file_says_and_no_more() -> None:
    assert sizer_command(settings_of("uat")) == (
        "python tools/postgres-sizer.py --sessions 2000 --messages-per-session 50 --facts 100000"
        " --write-stack Pulumi.uat.yaml"
    )


@pytest.mark.parametrize("stack", STACKS)
def test_the_sizer_understands_the_command_and_finds_the_same_workload(stack: str) -> None:
    changes: dict[str, object] = {
        f"workload.{name}": value
        for name, value in (STATED | {"facts": 900, "sessions": 10}).items()
    }
    settings = settings_of(stack, {**changes, "workload.embeds_messages": True})
    program, *words = sizer_command(settings).removeprefix("python ").split()
    assert (ROOT / program).is_file()
    options = parser().parse_args(words)
    stated = workload_of(settings)
    figures = [
        field.name for field in fields(Workload) if field.name in WorkloadSettings.model_fields
    ]
    assert [getattr(options, name) for name in figures] == [
        getattr(stated, name) for name in figures
    ]
    assert str(options.write_stack) == f"Pulumi.{stack}.yaml"
    assert (ROOT / options.write_stack).is_file()


SOON: dict[str, object] = {"workload.facts": 1_400_000}
"""Of prod: more than half of what its memory holds."""


def _told(changes: dict[str, object], today: date) -> list[str]:
    told = cautions(settings_of("prod", changes), today)
    return [text for text in told if "the workload outgrows" in text]


def test_the_next_size_is_told_half_a_year_before_the_day_and_after_it() -> None:
    settings = settings_of("prod", SOON)
    due = first_due(judgements(settings))
    assert due is not None
    day = due_on(settings, due.months)
    assert day is not None
    assert day == later(date(2026, 11, 1), due.months)
    early = later(day, -MONTHS_AHEAD)
    assert _told(SOON, early) == []
    for today in (early + timedelta(days=1), day, day + timedelta(days=400)):
        (words,) = _told(SOON, today)
        assert f"outgrows the memory of Standard_D4s_v3 by {day} (postgres)" in words
        assert f"`{resize_command(settings)}`" in words


def test_without_a_day_the_next_size_is_told_in_months() -> None:
    undated: dict[str, object] = {"workload.as_of": REMOVED}
    today = date(2026, 11, 23)
    assert _told({**SOON, **undated, "workload.growth_per_month": 0.01}, today) == []
    (words,) = _told({**SOON, **undated, "workload.growth_per_month": 0.3}, today)
    due = first_due(judgements(settings_of("prod", {**SOON, "workload.growth_per_month": 0.3})))
    assert due is not None
    assert f"outgrows the memory of Standard_D4s_v3 in {due.months} months" in words


def test_nothing_is_due_without_growth() -> None:
    still: dict[str, object] = {**SOON, "workload.growth_per_month": 0.0}
    assert first_due(judgements(settings_of("prod", still))) is None
    found = sizing_output(settings_of("prod", still))
    assert found is not None
    assert (found["due"], found["due_in_months"], found["due_on"]) == (None, None, None)


def test_the_export_says_what_is_free_and_when_it_is_full() -> None:
    settings = settings_of("prod")
    (one,) = judgements(settings)
    found = sizing_output(settings)
    assert found is not None
    assert list(found["headroom"]) == ["storage", "memory", "connections", "iops"]
    memory = one.verdict.of("memory")
    assert found["headroom"]["memory"] == {
        "needed": round(predict(one.workload).vector_index_bytes / 2**30, 2),
        "available": 12.8,
        "unit": "GiB",
        "free_percent": int(memory.headroom * 100),
        "due_in_months": memory.due,
        "due_on": str(later(date(2026, 11, 1), memory.due or 0)),
    }
    assert found["rows"] == 1_000_000
    assert found["due"] == "memory"
    assert (found["due_in_months"], found["due_on"]) == (
        memory.due,
        found["headroom"]["memory"]["due_on"],
    )


def test_the_export_recommends_what_the_sizer_does() -> None:
    settings = settings_of("prod")
    found, wanted = sizing_output(settings), recommendation(settings)
    assert found is not None
    assert wanted is not None
    assert wanted.sku.memory_gib > 16
    assert wanted.wish.connections_needed == 412
    assert wanted.wish.high_availability == "ZoneRedundant"
    assert found["recommended"] == {
        "growth_factor": 3.0,
        "sku": wanted.sku.name,
        "storage_gib": wanted.disk.size_gib,
        "storage_tier": wanted.storage_tier,
    }


def test_what_no_server_holds_is_not_recommended() -> None:
    changes: dict[str, object] = {
        "postgres.sku": "Standard_E4s_v3",
        "workload.facts": 3_000_000,
        "workload.growth_factor": 100,
    }
    found = sizing_output(settings_of("prod", changes))
    assert found is not None
    assert found["recommended"] is None


def test_with_nodes_each_has_its_share_and_the_server_keeps_zeps_messages() -> None:
    settings = settings_of("prod", {**SHARDED, "workload.facts": 5_000_001})
    server, node = judgements(settings)
    assert (server.path, node.path) == (SERVER, NODES)
    assert server.workload.rows == 0
    assert server.workload.messages == 500_000
    assert node.workload.facts == 1_250_001
    found = sizing_output(settings)
    assert found is not None
    assert "node memory" in found["headroom"]
    assert found["recommended"] is None


def test_nodes_that_are_too_small_are_refused_by_their_own_path() -> None:
    words = r"elastic_cluster.sku: found Standard_D4ds_v5 for a .*nodes \(docs/scale-out\.md\)"
    with pytest.raises(SettingsError, match=words) as caught:
        settings_of("prod", {**SHARDED, "workload.facts": 10_000_000})
    assert "resize.py" not in str(caught.value)


def test_the_command_that_resizes_is_one_that_the_tool_knows() -> None:
    program, *words = resize_command(settings_of("uat")).removeprefix("python ").split()
    assert (ROOT / program).is_file()
    options = resizing.parser().parse_args(words)
    assert (options.verb, options.stack) == ("apply", "uat")
