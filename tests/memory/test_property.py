"""From any state to any wish: apply, read again, and nothing is left to plan."""

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.schema.catalog import Catalog, from_plain, to_plain
from memory.schema.errors import PlanRefused
from memory.schema.model import Autovacuum, Btree, Column, DesiredSchema, Gin, Hnsw
from memory.schema.plan import plan
from memory.schema.runner import apply, inspect
from memory.schema.target import expected, managed
from tests.memory.conftest import PASSWORDS, Live
from tests.memory.states import shuffled
from tests.memory.wishes import DAMAGES, DOCUMENT, OTHER, TOLERATED, WAYS_OUT, WISHES, Wish, schema

Damage = tuple[str, str]


def journey(live: Live, before: Wish, damages: list[Damage], after: Wish) -> None:
    """Apply one wish, damage it, apply the other; then the catalog agrees and nothing is left."""
    for wish, harm in ((before, damages), (after, [])):
        wanted = schema(wish, live.endpoint.database)
        reach(live, wanted)
        for actor, statement in harm:
            inflict(live, actor, statement)


def reach(live: Live, wanted: DesiredSchema) -> None:
    """Bring the database to the wish, whatever it is now."""
    found = inspect(live.endpoint, wanted)
    try:
        steps = judged(found, wanted)
    except PlanRefused:
        refused(live, wanted, found)
        for statement in WAYS_OUT:
            inflict(live, "owner", statement)
        steps = judged(inspect(live.endpoint, wanted), wanted)
    # A role that is there keeps its password: three logins a run are saved.
    applied = apply(live.endpoint, wanted, passwords=None if found.roles else PASSWORDS)
    assert [step.sql for step in applied.plan.steps] == steps, "one round, and no other than shown"
    # The run has read it again after its last step.
    assert managed(applied.catalog, wanted) == expected(wanted)
    assert plan(applied.catalog, wanted).steps == ()


def judged(found: Catalog, wanted: DesiredSchema) -> list[str]:
    """The plan's statements, the same in whatever order the catalog was read."""
    seen = managed(found, wanted)
    agrees = seen == expected(wanted)
    assert from_plain(to_plain(seen)) == seen, "a state holds it"
    order = random.Random(len(found.tables))  # noqa: S311 - an order, and no secret
    again = from_plain(shuffled(to_plain(found), lambda keys: order.sample(keys, len(keys))))
    try:
        todo = plan(found, wanted)
    except PlanRefused:
        assert not agrees, "a refusal shows as a difference too"
        raise
    assert plan(again, wanted) == todo
    assert agrees == (not todo.steps)
    return [step.sql for step in todo.steps]


def refused(live: Live, wanted: DesiredSchema, found: Catalog) -> None:
    with pytest.raises(PlanRefused, match=r"column|table|index"):
        apply(live.endpoint, wanted)
    assert lasting(inspect(live.endpoint, wanted)) == lasting(found)


def lasting(catalog: Catalog) -> Catalog:
    """Without what autovacuum changes by itself."""
    tables = {name: replace(t, rows=0, bytes=0) for name, t in catalog.tables.items()}
    return replace(catalog, tables=tables)


def inflict(live: Live, actor: str, statement: str) -> None:
    """Do something by hand, if it can be done at all."""
    database = live.endpoint.database
    text = statement.replace("<app>", f"{database}_app").replace("<db>", database)
    block = f"DO $$ BEGIN {text}; EXCEPTION WHEN {TOLERATED} THEN NULL; END $$"
    if actor == "azure":
        with live.server.server.superuser(database) as session:
            session.execute(block)
    elif actor == "owner":
        live.owner("SET search_path = memory, public", "SET engram.tenant = '*'", block)
    else:
        live.sql(block)


@pytest.fixture
def grouped(live: Live) -> Live:
    """With a role that logins can be put into."""
    live.sql(f"CREATE ROLE {live.endpoint.database}_group")
    return live


DAMAGED = st.lists(st.sampled_from(DAMAGES), max_size=5)
# One database for all examples: what one leaves is the start of the next.
SHARED = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)


@settings(max_examples=10, deadline=None, suppress_health_check=SHARED, derandomize=True)
@given(before=WISHES, damages=DAMAGED, after=WISHES)
def test_any_state_reaches_any_wish(
    grouped: Live, before: Wish, damages: list[Damage], after: Wish
) -> None:
    journey(grouped, before, damages, after)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
@given(before=WISHES, damages=DAMAGED, after=WISHES)
def test_any_state_reaches_any_wish_at_length(
    grouped: Live, before: Wish, damages: list[Damage], after: Wish
) -> None:
    journey(grouped, before, damages, after)


PLAIN: Wish = {
    "vector": (Hnsw(column="embedding"),),
    "btrees": (Btree(columns=("note",)),),
    "columns": (
        Column(name="embedding", type="vector", dimensions=8),
        Column(name="note", type="text", not_null=True),
        Column(name="made_at", type="timestamptz", default="now()"),
        Column(name="tenant", type="text", not_null=True),
        DOCUMENT,
    ),
    "documents": (Gin(column="document"),),
    "walled": False,
    "append_only": False,
    "autovacuum": Autovacuum(),
    "privileges": (("SELECT",), ("SELECT",)),
    "grouped": True,
}
WALLED = {**PLAIN, "walled": True}
IN_THE_WALL = ("POLICY hole", "DROP POLICY", "ALTER POLICY", "NO FORCE", "DISABLE ROW")
NAMED = {**PLAIN, "vector": (Hnsw(column="embedding", name=OTHER),)}


@pytest.mark.parametrize("damage", DAMAGES, ids=[statement for _, statement in DAMAGES])
def test_a_damage_is_one_and_is_healed(grouped: Live, damage: Damage) -> None:
    """What is inflicted in vain proves nothing above."""
    wish = PLAIN
    if OTHER in damage[1]:
        wish = NAMED
    elif any(words in damage[1] for words in IN_THE_WALL):
        wish = WALLED
    wanted = schema(wish, grouped.endpoint.database)
    reach(grouped, wanted)
    before = lasting(inspect(grouped.endpoint, wanted))
    inflict(grouped, *damage)
    assert lasting(inspect(grouped.endpoint, wanted)) != before
    reach(grouped, wanted)
