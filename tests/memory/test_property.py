"""From any state to any wish: apply, read again, and nothing is left to plan."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.schema.model import (
    Autovacuum,
    Btree,
    Column,
    DesiredSchema,
    Hnsw,
    IvfFlat,
    Role,
    Table,
)
from memory.schema.plan import plan
from memory.schema.runner import apply, inspect
from memory.schema.target import expected, managed
from tests.memory.conftest import PASSWORDS, Live

TABLE = "memory.things"
PRIVILEGES = st.lists(
    st.sampled_from(["SELECT", "INSERT", "UPDATE", "DELETE"]), min_size=1, max_size=4, unique=True
).map(tuple)
DISTANCES = st.sampled_from(["cosine", "l2", "ip"])
HNSW = st.builds(
    Hnsw,
    column=st.just("embedding"),
    distance=DISTANCES,
    m=st.sampled_from([4, 16]),
    ef_construction=st.sampled_from([32, 64]),
)
IVFFLAT = st.builds(
    IvfFlat, column=st.just("embedding"), distance=DISTANCES, lists=st.sampled_from([1, 10])
)
BTREES = st.lists(
    st.sampled_from([("note",), ("made_at",), ("note", "made_at")]), max_size=3, unique=True
).map(lambda keys: tuple(Btree(columns=key) for key in keys))
NOTE = st.builds(Column, name=st.just("note"), type=st.just("text"), not_null=st.booleans())
MADE_AT = st.builds(
    Column,
    name=st.just("made_at"),
    type=st.just("timestamptz"),
    not_null=st.booleans(),
    default=st.sampled_from([None, "now()"]),
)
SCALE = st.sampled_from([0.01, 0.1, 0.25, 1.0])
AUTOVACUUM = st.builds(Autovacuum, vacuum_scale_factor=SCALE, analyze_scale_factor=SCALE)

# What people do by hand; each tolerates that its object is already gone.
DAMAGES = [
    "DROP INDEX IF EXISTS memory.things_embedding_idx",
    "ALTER INDEX IF EXISTS memory.things_embedding_idx RENAME TO things_embedding_idx_new",
    "ALTER INDEX IF EXISTS memory.things_embedding_idx RENAME TO things_embedding_idx_old",
    "DROP INDEX IF EXISTS memory.things_note_idx",
    "CREATE INDEX IF NOT EXISTS things_note_idx_old ON memory.things (note)",
    f"ALTER TABLE {TABLE} RESET (autovacuum_vacuum_scale_factor)",
    f"ALTER TABLE {TABLE} SET (autovacuum_analyze_scale_factor = 0.9)",
    f"ALTER TABLE {TABLE} ALTER note DROP NOT NULL",
    f"ALTER TABLE {TABLE} ALTER made_at DROP DEFAULT",
    f"ALTER TABLE {TABLE} DROP IF EXISTS note",
    f"ALTER TABLE {TABLE} DROP CONSTRAINT IF EXISTS things_pkey",
    f"GRANT ALL ON {TABLE} TO PUBLIC",
    f"REVOKE ALL ON {TABLE} FROM APP",
    "REVOKE USAGE ON SCHEMA memory FROM APP",
    f"DROP TABLE IF EXISTS {TABLE}",
]


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """The varying part of a wanted schema."""
    return {
        "vector": draw(st.lists(st.one_of(HNSW, IVFFLAT), max_size=1).map(tuple)),
        "btrees": draw(BTREES),
        "columns": (draw(NOTE), draw(MADE_AT)),
        "autovacuum": draw(AUTOVACUUM),
        "privileges": (draw(PRIVILEGES), draw(PRIVILEGES)),
    }


def schema(wish: dict[str, Any], prefix: str) -> DesiredSchema:
    app, reader = wish["privileges"]
    table = Table(
        name="things",
        columns=(
            Column(name="id", type="uuid", not_null=True, default="gen_random_uuid()"),
            Column(name="embedding", type="halfvec", dimensions=8),
            *wish["columns"],
        ),
        primary_key=("id",),
        indexes=(*wish["vector"], *wish["btrees"]),
        autovacuum=wish["autovacuum"],
    )
    return DesiredSchema(
        tables=(table,),
        roles=(
            Role(purpose="migrator", name=f"{prefix}_migrator"),
            Role(purpose="app", name=f"{prefix}_app", privileges=app),
            Role(purpose="reader", name=f"{prefix}_reader", privileges=reader),
        ),
    )


def journey(live: Live, before: dict[str, Any], damages: list[str], after: dict[str, Any]) -> None:
    """Apply one wish, damage it, apply the other; then the catalog agrees and nothing is left."""
    prefix = live.endpoint.database
    apply(live.endpoint, schema(before, prefix), passwords=PASSWORDS)
    for damage in damages:
        live.owner(
            "SET search_path = memory, public",
            f"DO $$ BEGIN {damage.replace('APP', prefix + '_app')}; EXCEPTION WHEN undefined_table"
            " OR undefined_column OR duplicate_table THEN NULL; END $$",
        )
    wanted = schema(after, prefix)
    damaged = inspect(live.endpoint, wanted)
    assert plan(damaged, wanted) == plan(damaged, wanted)
    agrees = managed(damaged, wanted) == expected(wanted)
    assert agrees == (not plan(damaged, wanted).steps)
    apply(live.endpoint, wanted, passwords=PASSWORDS)
    catalog = inspect(live.endpoint, wanted)
    assert managed(catalog, wanted) == expected(wanted)
    assert plan(catalog, wanted).steps == ()


DAMAGED = st.lists(st.sampled_from(DAMAGES), max_size=4)
# One database for all examples: what one leaves is the start of the next.
SHARED = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)


@settings(max_examples=12, deadline=None, suppress_health_check=SHARED, derandomize=True)
@given(before=wishes(), damages=DAMAGED, after=wishes())
def test_any_state_reaches_any_wish(
    live: Live, before: dict[str, Any], damages: list[str], after: dict[str, Any]
) -> None:
    journey(live, before, damages, after)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=SHARED)
@given(before=wishes(), damages=DAMAGED, after=wishes())
def test_any_state_reaches_any_wish_at_length(
    live: Live, before: dict[str, Any], damages: list[str], after: dict[str, Any]
) -> None:
    journey(live, before, damages, after)
