"""memory/schema/plan_columns.py: what a column is, what it should be, and what lies between."""

from dataclasses import replace
from typing import Any

import pytest

from memory.schema.catalog import Catalog, Column, Index, from_plain, to_plain
from memory.schema.errors import PlanRefused
from memory.schema.model import DesiredSchema, Table, memory_schema
from memory.schema.plan import plan
from memory.schema.target import NEXT, PREVIOUS, expected, managed
from tests.memory.states import (
    AGREED,
    ANN,
    NAME,
    WANTED,
    statements,
    verbs,
    with_,
    with_column,
    with_table_of,
)

ALTER = "ALTER TABLE T ALTER COLUMN"


def declared(column: str, **changes: Any) -> DesiredSchema:
    """The mission's schema with one column declared otherwise."""
    table = WANTED.tables[0]
    columns = tuple(c.model_copy(update=changes) if c.name == column else c for c in table.columns)
    changed = Table(**{**dict(table), "columns": columns})
    return WANTED.model_copy(update={"tables": (changed,)})


@pytest.mark.parametrize(
    ("column", "found", "steps"),
    [
        (
            "session_id",
            "character varying(100)",
            [f"{ALTER} session_id TYPE character varying(255)"],
        ),
        ("session_id", "character varying(255)", []),
        ("content", "character varying(100)", [f"{ALTER} content TYPE text"]),
        ("content", "character varying", [f"{ALTER} content TYPE text"]),
    ],
)
def test_a_longer_text_is_declared_in_place_where_rows_are(
    column: str, found: str, steps: list[str]
) -> None:
    """PostgreSQL rewrites nothing then, and keeps the indexes."""
    catalog = with_column(column, type=found)
    assert statements(catalog) == steps
    assert (managed(catalog, WANTED) == expected(WANTED)) == (steps == [])


REEMBED = r"re-embed with `python -m memory reembed --to"


@pytest.mark.parametrize(
    ("column", "found", "message"),
    [
        (
            "embedding",
            "vector(768)",
            r"is vector\(768\), wanted vector\(1536\); stored vectors cannot be converted\."
            rf".*\(1\) {REEMBED} 'vector\(1536\)'`.*\(2\) declare a new table.*TRUNCATE memory"
            r".*set dimensions back to 768",
        ),
        (
            "embedding",
            "halfvec(1536)",
            rf"wanted vector\(1536\); every row would.*{REEMBED} 'vector\(1536\)' --cast`",
        ),
        ("embedding", "vector", rf"is vector, wanted .*{REEMBED} 'vector\(1536\)' --cast`"),
        ("embedding", "halfvec(768)", rf"{REEMBED} 'vector\(1536\)'`"),
        (
            "session_id",
            "character varying(300)",
            r"stored values may be longer.*declare character varying\(300\) or longer",
        ),
        ("session_id", "text", "stored values may be longer.*declare text or longer"),
        ("session_id", "character varying", "stored values may be longer"),
        ("content", "bytea", r"is bytea, wanted text; a type is never changed in place.*to bytea"),
        ("embedding", "text", r"is text, wanted vector\(1536\); a type is never changed in place"),
        ("id", "bigint", "is bigint, wanted uuid; a type is never changed in place"),
    ],
)
def test_a_type_that_rows_stand_in_the_way_of_is_refused_with_the_ways_out(
    column: str, found: str, message: str
) -> None:
    catalog = with_column(column, type=found)
    with pytest.raises(PlanRefused, match=message):
        plan(catalog, WANTED)
    assert managed(catalog, WANTED) != expected(WANTED)


@pytest.mark.parametrize(
    ("suffix", "message"),
    [(NEXT, "a re-embedding of it is under way.*--status"), (PREVIOUS, "declare .* from now on")],
)
def test_a_reembedding_is_known_to_the_refusal(suffix: str, message: str) -> None:
    state = with_column("embedding", type="vector(768)")
    table = state.tables[NAME]
    columns = {**table.columns, f"embedding{suffix}": Column(type="vector(1536)")}
    with pytest.raises(PlanRefused, match=message):
        plan(with_(columns=columns), WANTED)


LOCKED = "LOCK TABLE T IN ACCESS EXCLUSIVE MODE"
CHILDLESS = (
    "DO $$ BEGIN IF pg_relation_size('T') > 0 OR EXISTS (SELECT FROM pg_inherits WHERE inhparent ="
    " 'T'::regclass) THEN RAISE EXCEPTION 'T has rows or a child table now, and stays as it is;"
    " plan again'; END IF; END $$"
)
BY_GRAPH = "USING hnsw (embedding public.{kind}_cosine_ops) WITH (m = 16, ef_construction = 64)"


@pytest.mark.parametrize(
    ("found", "desired"),
    [
        ("vector(768)", WANTED),
        ("halfvec(1536)", WANTED),
        ("vector(1536)", memory_schema(column_type="halfvec")),
        ("vector", WANTED),
        ("text", WANTED),
    ],
)
def test_an_empty_table_changes_its_type_in_one_short_transaction(
    found: str, desired: DesiredSchema
) -> None:
    """With its indexes: PostgreSQL would make them again with operators of the old type."""
    wanted = expected(desired).tables[NAME]
    columns = {**wanted.columns, "embedding": replace(wanted.columns["embedding"], type=found)}
    catalog = with_(desired, columns=columns, empty=True)
    kind = "halfvec" if wanted.columns["embedding"].type.startswith("halfvec") else "vector"
    assert statements(catalog, desired) == [
        "LOCK TABLE T IN ACCESS EXCLUSIVE MODE",
        CHILDLESS,
        f"DROP INDEX memory.{NAME}_blind_index_idx",
        f"DROP INDEX memory.{NAME}_created_at_idx",
        f"DROP INDEX memory.{ANN}",
        f"DROP INDEX memory.{NAME}_session_id_idx",
        f"DROP INDEX memory.{NAME}_user_id_idx",
        f"{ALTER} embedding TYPE public.{kind}(1536) USING NULL",
        f"CREATE INDEX {ANN} ON T {BY_GRAPH.format(kind=kind)}",
        f"CREATE INDEX {NAME}_session_id_idx ON T (session_id)",
        f"CREATE INDEX {NAME}_created_at_idx ON T (created_at)",
        f"CREATE INDEX {NAME}_user_id_idx ON T (user_id)",
        f"CREATE INDEX {NAME}_blind_index_idx ON T USING gin (blind_index jsonb_path_ops)",
    ]
    assert len(list(plan(catalog, desired).batches())) == 1


def test_a_leftover_goes_with_the_type_that_it_was_made_for() -> None:
    state = with_column("embedding", empty=True, type="vector(768)")
    table = state.tables[NAME]
    indexes = {**table.indexes, f"{ANN}_new": replace(table.indexes[ANN], valid=False)}
    steps = statements(with_table_of(state, indexes=indexes))
    assert steps.count(f"DROP INDEX memory.{ANN}_new") == 1
    assert len(steps) == 14, "and is not dropped once more"


def test_a_default_of_the_old_type_goes_first() -> None:
    catalog = with_column("metadata", empty=True, type="text", default="''::text")
    steps = [step for step in statements(catalog) if "metadata" in step]
    assert steps == [
        f"{ALTER} metadata DROP DEFAULT",
        f"{ALTER} metadata TYPE jsonb USING NULL",
    ]


def test_an_index_that_nobody_declared_keeps_its_column_as_it_is() -> None:
    state = with_column("embedding", empty=True, type="vector(768)")
    table = state.tables[NAME]
    by_hand = replace(table.indexes[ANN], opclasses=("vector_l2_ops",))
    catalog = with_table_of(state, indexes={**table.indexes, "by_hand": by_hand})
    with pytest.raises(PlanRefused, match=r"index by_hand on it is not declared.*drop it first"):
        plan(catalog, WANTED)


@pytest.mark.parametrize("empty", [False, True])
def test_a_view_keeps_its_column_as_it_is(empty: bool) -> None:
    catalog = with_column("content", empty=empty, type="character varying(9)", views=("a.v",))
    with pytest.raises(PlanRefused, match=r"a\.v shows it.*drop the view, apply, and make it"):
        plan(catalog, WANTED)


@pytest.mark.parametrize(("mentions", "refused"), [(("content",), True), (("metadata",), False)])
def test_an_index_that_postgresql_would_build_again_under_the_lock_is_dropped_first(
    mentions: tuple[str, ...], refused: bool
) -> None:
    state = with_column("content", type="character varying(9)")
    table = state.tables[NAME]
    partial = Index(method="btree", columns=("id",), oddities=("partial",), mentions=mentions)
    catalog = with_table_of(state, indexes={**table.indexes, "by_hand": partial})
    if not refused:
        assert statements(catalog) == [f"{ALTER} content TYPE text"]
        return
    with pytest.raises(PlanRefused, match="index by_hand has it in an expression or a condition"):
        plan(catalog, WANTED)


def test_a_longer_text_keeps_its_collation() -> None:
    """Without it PostgreSQL would take that of the type, and make every index again."""
    catalog = with_column("content", type="character varying(9)", collation='pg_catalog."C"')
    assert statements(catalog) == [f'{ALTER} content TYPE text COLLATE pg_catalog."C"']


@pytest.mark.parametrize("empty", [False, True])
def test_a_check_that_would_be_tried_on_every_row_is_dropped_first(empty: bool) -> None:
    catalog = with_column("content", empty=empty, type="character varying(9)", checks=("by_hand",))
    if empty:
        assert statements(catalog) == [f"{ALTER} content TYPE text"]
        return
    with pytest.raises(PlanRefused, match=r"check by_hand speaks of it.*add it again as NOT"):
        plan(catalog, WANTED)


@pytest.mark.parametrize(
    ("column", "changes"),
    [
        ("embedding", {"empty": True, "type": "vector(768)"}),
        ("content", {"type": "character varying(9)"}),
        ("content", {"not_null": False}),
        ("created_at", {"default": None}),
    ],
)
def test_the_rows_of_a_child_table_are_not_changed_with_those_of_its_parent(
    column: str, changes: dict[str, Any]
) -> None:
    state = with_column(column, **changes)
    table = replace(state.tables[NAME], attached={"child table": ("memory.archive",)})
    with pytest.raises(
        PlanRefused,
        match=r"archive inherits from it.*ALTER TABLE memory\.archive NO INHERIT memory",
    ):
        plan(replace(state, tables={NAME: table}), WANTED)


CHECK = f"{NAME}_content_set"
SETTING = [
    f"ALTER TABLE T ADD CONSTRAINT {CHECK} CHECK (content IS NOT NULL) NOT VALID",
    f"ALTER TABLE T VALIDATE CONSTRAINT {CHECK}",
    f"{ALTER} content SET NOT NULL",
    f"ALTER TABLE T DROP CONSTRAINT {CHECK}",
]


@pytest.mark.parametrize(
    ("not_null", "checks", "steps"),
    [
        (False, {}, SETTING),
        (False, {CHECK: False}, SETTING[1:]),
        (False, {CHECK: True}, SETTING[2:]),
        (True, {CHECK: True}, SETTING[3:]),
        (True, {}, []),
    ],
)
def test_not_null_is_set_without_a_long_lock_and_resumed(
    not_null: bool, checks: dict[str, bool], steps: list[str]
) -> None:
    columns = {**AGREED.columns, "content": replace(AGREED.columns["content"], not_null=not_null)}
    assert statements(with_(columns=columns, checks=checks)) == steps


def test_a_check_of_our_name_that_demands_something_else_is_refused() -> None:
    catalog = with_(checks={CHECK: True}, conditions={CHECK: "(content <> ''::text)"})
    with pytest.raises(
        PlanRefused,
        match=rf"check {CHECK} demands \(content <> ''::text\), .*RENAME CONSTRAINT {CHECK} TO",
    ):
        plan(catalog, WANTED)
    ours = with_(checks={CHECK: True}, conditions={CHECK: "(content IS NOT NULL)"})
    assert statements(ours) == SETTING[3:]


@pytest.mark.parametrize(
    ("column", "found", "steps"),
    [
        ("content", {"unproven": "c_nn"}, ["ALTER TABLE T VALIDATE CONSTRAINT c_nn"]),
        ("metadata", {"not_null": True}, [f"{ALTER} metadata DROP NOT NULL"]),
        ("created_at", {"default": None}, [f"{ALTER} created_at SET DEFAULT now()"]),
        ("created_at", {"default": "'epoch'"}, [f"{ALTER} created_at SET DEFAULT now()"]),
        ("metadata", {"default": "'{}'::jsonb"}, [f"{ALTER} metadata DROP DEFAULT"]),
        (
            "metadata",
            {"generated": "stored", "default": "to_jsonb(content)"},
            [f"{ALTER} metadata DROP EXPRESSION"],
        ),
        (
            "created_at",
            {"generated": "stored", "default": "now()"},
            [f"{ALTER} created_at DROP EXPRESSION", f"{ALTER} created_at SET DEFAULT now()"],
        ),
        ("metadata", {"identity": "always"}, [f"{ALTER} metadata DROP IDENTITY"]),
    ],
)
def test_a_column_becomes_a_plain_one(column: str, found: dict[str, Any], steps: list[str]) -> None:
    catalog = with_column(column, **found)
    assert statements(catalog) == steps
    assert managed(catalog, WANTED) != expected(WANTED)
    assert from_plain(to_plain(managed(catalog, WANTED))) == managed(catalog, WANTED)


def test_a_virtual_column_is_refused_with_the_way_out() -> None:
    catalog = with_column("metadata", generated="virtual", default="to_jsonb(content)")
    with pytest.raises(PlanRefused, match=r"stores nothing; drop it \(ALTER TABLE .* DROP COLUMN"):
        plan(catalog, WANTED)


def without(column: str, *, empty: bool) -> Catalog:
    columns = {name: c for name, c in AGREED.columns.items() if name != column}
    return with_(columns=columns, empty=empty)


@pytest.mark.parametrize(
    ("column", "empty", "steps"),
    [
        ("metadata", False, ["ALTER TABLE T ADD COLUMN metadata jsonb"]),
        ("content", True, ["ALTER TABLE T ADD COLUMN content text NOT NULL"]),
        (
            "created_at",
            False,
            ["ALTER TABLE T ADD COLUMN created_at timestamp with time zone DEFAULT now() NOT NULL"],
        ),
        (
            "id",
            True,
            [
                LOCKED,
                CHILDLESS,
                "ALTER TABLE T ADD COLUMN id uuid DEFAULT gen_random_uuid() NOT NULL",
            ],
        ),
    ],
)
def test_a_missing_column_is_added_where_nothing_is_rewritten(
    column: str, empty: bool, steps: list[str]
) -> None:
    assert statements(without(column, empty=empty)) == steps


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("content", "column content is wanted NOT NULL and without a default"),
        ("id", r"column id is wanted NOT NULL and with gen_random_uuid\(\).*in batches"),
    ],
)
def test_a_missing_column_that_every_row_would_need_is_refused(column: str, message: str) -> None:
    with pytest.raises(PlanRefused, match=message):
        plan(without(column, empty=False), WANTED)


def test_a_default_that_differs_from_row_to_row_is_for_new_rows_alone() -> None:
    desired = declared("metadata", type="uuid", default="gen_random_uuid()")
    columns = {name: c for name, c in AGREED.columns.items() if name != "metadata"}
    assert statements(with_(desired, columns=columns), desired) == [
        "ALTER TABLE T ADD COLUMN metadata uuid",
        f"{ALTER} metadata SET DEFAULT gen_random_uuid()",
    ]


def test_order_and_surplus_of_columns_are_nobodys_matter() -> None:
    columns = {"extra": Column(type="text"), **dict(reversed([*AGREED.columns.items()]))}
    assert verbs(with_(columns=columns)) == []
