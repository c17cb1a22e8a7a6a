"""local/commands/headroom.py: what the summary says of a stack's size, from its outputs."""

import io
import json
from typing import Any

import pytest
from rich.console import Console

from local.commands.headroom import NEVER, PODS, lasts, show
from local.commands.summary import STACK_TYPE, sizing
from stacks.headroom import sizing_output
from tests.stacks.files import settings_of


def exported(stack: str, changes: dict[str, object] | None = None) -> dict[str, Any]:
    """What the state holds of a stack's export."""
    found: dict[str, Any] = json.loads(json.dumps(sizing_output(settings_of(stack, changes))))
    return found


def shown(found: dict[str, Any] | None) -> str:
    words = io.StringIO()
    show(Console(file=words, width=160), found)
    return words.getvalue()


def test_every_room_is_a_line_with_what_is_needed_and_what_is_free() -> None:
    found = exported("prod")
    lines = [line.split() for line in shown(found).splitlines()]
    room = found["headroom"]["memory"]
    free = [str(room["free_percent"]), "%"]
    lasts_until = ["until", room["due_on"]]
    assert ["memory", str(room["needed"]), "12.8", "GiB", *free, *lasts_until] in lines
    connections = found["headroom"]["connections"]
    free = [str(connections["free_percent"]), "%"]
    assert ["connections", "412", "1,703", "connections", *free, *PODS.split()] in lines
    assert [line[0] for line in lines if line][1:5] == list(found["headroom"])


def test_the_next_size_is_said_with_its_day() -> None:
    found = exported("prod")
    wanted = found["recommended"]
    assert shown(found).splitlines()[-2] == (
        f"next size  memory lasts until {found['due_on']}; 3 x 1,000,000 rows take"
        f" {wanted['sku']} with {wanted['storage_gib']} GiB, {wanted['storage_tier']}"
    )


def test_what_never_grows_says_so_and_recommends_nothing_that_does_not_exist() -> None:
    found = exported("prod", {"workload.growth_per_month": 0.0}) | {"recommended": None}
    words = shown(found)
    assert words.splitlines()[-2] == "next size  1,000,000 rows outgrow nothing in ten years"
    assert words.count(NEVER) == 3


@pytest.mark.parametrize(
    ("room", "words"),
    [
        (None, ""),
        ({"due_in_months": None, "due_on": None}, NEVER),
        ({"due_in_months": 7, "due_on": None}, "7 months"),
        ({"due_in_months": 7, "due_on": "2027-06-01"}, "until 2027-06-01"),
    ],
)
def test_a_time_is_a_day_where_the_stack_knows_one(room: dict[str, Any] | None, words: str) -> None:
    assert lasts(room) == words


def test_of_a_customers_server_nothing_is_said() -> None:
    assert shown(None) == ""


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        (None, None),
        ([{"type": "x"}], None),
        ([{"type": STACK_TYPE}], None),
        ([{"type": STACK_TYPE, "outputs": {}}], None),
        ([{"type": "x"}, {"type": STACK_TYPE, "outputs": {"sizing": {"rows": 3}}}], {"rows": 3}),
    ],
)
def test_the_state_says_what_the_stack_exported(
    resources: list[dict[str, Any]] | None, found: dict[str, int] | None
) -> None:
    assert sizing({"resources": resources}) == found
