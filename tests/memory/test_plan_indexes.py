"""memory/schema/plan_indexes.py: every state of an index, and the steps that lead out of it."""

from dataclasses import replace

import pytest

from memory.schema.catalog import Index
from memory.schema.errors import PlanRefused
from memory.schema.model import Btree, DesiredSchema, Hnsw, IvfFlat, Table, memory_schema
from memory.schema.plan import plan
from memory.schema.target import expected, managed
from tests.memory.states import (
    AGREED,
    ANN,
    BROKEN,
    GRAPH,
    KEY,
    NAME,
    OTHER,
    WANTED,
    on_a_server,
    reached,
    statements,
    verbs,
    with_,
    with_indexes,
    with_table_of,
)

REPLACEMENT = [
    f"CREATE INDEX CONCURRENTLY embedding_idx_new ON {NAME} USING hnsw",
    "EXPLAIN SELECT embedding FROM zep_memory_vectors ORDER BY embedding OPERATOR",
    "DO $$ BEGIN IF NOT EXISTS",
    "ALTER INDEX embedding_idx RENAME TO embedding_idx_old",
    "ALTER INDEX embedding_idx_new RENAME TO embedding_idx",
    "DROP INDEX CONCURRENTLY IF EXISTS embedding_idx_old",
]
BUILD = f"CREATE INDEX CONCURRENTLY embedding_idx ON {NAME} USING hnsw"


def drop(suffix: str = "") -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS embedding_idx{suffix}"


@pytest.mark.parametrize(
    ("present", "steps"),
    [
        ({ANN: GRAPH}, []),
        ({ANN: None}, [BUILD]),
        ({ANN: BROKEN}, [drop(), BUILD]),
        ({ANN: replace(GRAPH, ready=False)}, [drop(), BUILD]),
        ({ANN: OTHER}, REPLACEMENT),
        ({ANN: replace(GRAPH, oddities=("partial",))}, REPLACEMENT),
        ({ANN: replace(GRAPH, opclasses=("vector_l2_ops",))}, REPLACEMENT),
        ({ANN: OTHER, f"{ANN}_new": GRAPH}, REPLACEMENT[1:]),
        ({ANN: OTHER, f"{ANN}_new": BROKEN}, [drop("_new"), *REPLACEMENT]),
        ({ANN: OTHER, f"{ANN}_new": OTHER}, [drop("_new"), *REPLACEMENT]),
        (
            {ANN: OTHER, f"{ANN}_new": GRAPH, f"{ANN}_old": OTHER},
            [drop("_old"), *REPLACEMENT[1:]],
        ),
        ({ANN: GRAPH, f"{ANN}_old": OTHER}, [drop("_old")]),
        ({ANN: GRAPH, f"{ANN}_old": BROKEN}, [drop("_old")]),
        ({ANN: GRAPH, f"{ANN}_new": BROKEN}, [drop("_new")]),
        ({ANN: GRAPH, f"{ANN}_ccnew": BROKEN}, [drop("_ccnew")]),
        ({ANN: GRAPH, f"{ANN}_ccold1": BROKEN}, [drop("_ccold1")]),
        ({ANN: GRAPH, f"{ANN}_ccnew": replace(BROKEN, builder=7)}, []),
        (
            {ANN: None, f"{ANN}_new": GRAPH},
            ["ALTER INDEX embedding_idx_new RENAME TO embedding_idx"],
        ),
        (
            {ANN: BROKEN, f"{ANN}_new": GRAPH},
            [drop(), "ALTER INDEX embedding_idx_new RENAME TO embedding_idx"],
        ),
        ({ANN: None, f"{ANN}_new": OTHER}, [BUILD, drop("_new")]),
        ({ANN: GRAPH, "by_hand": OTHER}, []),
    ],
)
def test_indexes(present: dict[str, Index | None], steps: list[str]) -> None:
    assert verbs(with_indexes(**present)) == steps


SESSION = f"{NAME}_session_id_idx"
BY_SESSION = AGREED.indexes[SESSION]
AS_OTHERS_DO = [
    f"CREATE INDEX CONCURRENTLY session_id_idx_new ON {NAME}",
    "DO $$ BEGIN IF NOT EXISTS",
    "ALTER INDEX session_id_idx RENAME TO session_id_idx_old",
    "ALTER INDEX session_id_idx_new RENAME TO session_id_idx",
    "DROP INDEX CONCURRENTLY IF EXISTS session_id_idx_old",
]


@pytest.mark.parametrize(
    "found",
    [
        replace(BY_SESSION, oddities=("ordering",)),
        replace(BY_SESSION, oddities=("collation",)),
        replace(BY_SESSION, oddities=("partial",), mentions=("content",)),
        replace(BY_SESSION, oddities=("include",)),
        replace(BY_SESSION, columns=("lower((session_id)::text)",), oddities=("expression",)),
        replace(BY_SESSION, columns=("session_id", "created_at")),
        replace(BY_SESSION, opclasses=("text_pattern_ops",)),
        replace(BY_SESSION, method="hash"),
        replace(BY_SESSION, options={"fillfactor": "50"}),
    ],
    ids=lambda index: " ".join((*index.oddities, *index.opclasses, index.method)),
)
def test_an_index_that_is_not_what_its_name_promises_is_replaced(found: Index) -> None:
    catalog = with_indexes(**{SESSION: found})
    assert verbs(catalog) == AS_OTHERS_DO
    assert managed(catalog, WANTED) != expected(WANTED)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Hnsw(column="embedding", m=8), {"m": "16", "ef_construction": "64"}),
        (Hnsw(column="embedding", ef_construction=100), {"m": "16", "ef_construction": "64"}),
        (IvfFlat(column="embedding", lists=7), {"lists": "100"}),
    ],
)
def test_an_option_that_differs_is_a_replacement(
    wanted: Hnsw | IvfFlat, found: dict[str, str]
) -> None:
    desired = memory_schema(index=wanted)
    state = reached(desired)
    table = state.tables[NAME]
    index = replace(table.indexes[ANN], options=found)
    drifted = with_table_of(state, indexes={**table.indexes, ANN: index})
    assert len(verbs(drifted, desired)) == 6


def test_another_distance_or_method_is_a_replacement() -> None:
    for index in (Hnsw(column="embedding", distance="l2"), IvfFlat(column="embedding")):
        steps = verbs(reached(), memory_schema(index=index))
        assert steps[0].startswith("CREATE INDEX CONCURRENTLY embedding_idx_new"), steps
        assert len(steps) == 6


ADOPT = ["ALTER INDEX by_hand RENAME TO embedding_idx"]


@pytest.mark.parametrize(
    ("present", "steps"),
    [
        ({ANN: None, "by_hand": GRAPH}, ADOPT),
        ({ANN: BROKEN, "by_hand": GRAPH}, [drop(), *ADOPT]),
        ({ANN: None, "by_hand": BROKEN}, [BUILD]),
        ({ANN: None, "by_hand": OTHER}, [BUILD]),
        ({ANN: None, "by_hand": replace(GRAPH, oddities=("partial",))}, [BUILD]),
        (
            {ANN: None, "by_hand": GRAPH, f"{ANN}_new": GRAPH},
            ["ALTER INDEX embedding_idx_new RENAME TO embedding_idx"],
        ),
        (
            {ANN: None, f"{ANN}_old": GRAPH},
            ["ALTER INDEX embedding_idx_old RENAME TO embedding_idx"],
        ),
        ({ANN: None, f"{ANN}_old": OTHER}, [BUILD, drop("_old")]),
        ({ANN: None, "a_first": GRAPH, "by_hand": GRAPH}, [ADOPT[0].replace("by_hand", "a_first")]),
        ({ANN: OTHER, "by_hand": GRAPH}, REPLACEMENT),
    ],
)
def test_an_index_of_another_name_is_renamed_and_not_built_again(
    present: dict[str, Index | None], steps: list[str]
) -> None:
    catalog = with_indexes(**present)
    assert verbs(catalog) == steps
    assert verbs(managed(catalog, WANTED)) == steps, "the state knows it too"


def test_a_name_that_is_declared_anew_renames_its_index() -> None:
    graph = Hnsw(column="embedding", name="memory_graph")
    assert statements(reached(), memory_schema(index=graph)) == [
        f"ALTER INDEX memory.{ANN} RENAME TO memory_graph"
    ]


def test_one_index_is_adopted_for_one_name_alone() -> None:
    both = tuple(Btree(name=name, columns=("content",)) for name in ("first", "second"))
    desired = with_indexes_declared(*both)
    indexes = {**expected(WANTED).tables[NAME].indexes, "by_hand": content_index()}
    steps = statements(with_(indexes=indexes), desired)
    assert steps == [
        "ALTER INDEX memory.by_hand RENAME TO first",
        "CREATE INDEX CONCURRENTLY second ON T (content)",
    ]


def with_indexes_declared(*more: Btree) -> DesiredSchema:
    table = WANTED.tables[0]
    changed = Table(**{**dict(table), "indexes": (*table.indexes, *more)})
    return WANTED.model_copy(update={"tables": (changed,)})


def content_index() -> Index:
    return Index(method="btree", columns=("content",))


OWN_KEY = replace(AGREED.indexes[KEY], primary=False)


@pytest.mark.parametrize(
    ("present", "message"),
    [
        (
            {ANN: replace(BROKEN, builder=4711)},
            r"is being built by process 4711; wait.*pg_cancel_backend\(4711\)",
        ),
        (
            {f"{ANN}_new": replace(BROKEN, builder=4711)},
            r"embedding_idx_new on .* is being built by process 4711",
        ),
        (
            {SESSION: replace(BY_SESSION, unique=True, constraint=SESSION)},
            rf"carries the constraint {SESSION}, which is not declared; give it another name:"
            rf" ALTER TABLE memory.{NAME} RENAME CONSTRAINT {SESSION} TO {SESSION}_by_hand",
        ),
        (
            {KEY: BY_SESSION, "own_key": AGREED.indexes[KEY]},
            rf"{KEY} on {NAME} is not the primary key that is wanted, and has a name that is"
            rf" needed; rename it: ALTER INDEX memory.{KEY} RENAME TO {KEY}_by_hand",
        ),
        ({KEY: OWN_KEY, "own_key": AGREED.indexes[KEY]}, f"{KEY} on .* rename it"),
        ({KEY: BY_SESSION}, f"{KEY} on {NAME} is not the primary key that is wanted"),
        (
            {SESSION: replace(BY_SESSION, unique=True)},
            rf"{SESSION} on {NAME} is UNIQUE, which nobody declared, and .* rename it: ALTER INDEX"
            rf" memory.{SESSION} RENAME TO {SESSION}_by_hand",
        ),
        (
            {SESSION: replace(BY_SESSION, unique=True, needed=("foreign key f of memory.refs",))},
            r"is UNIQUE, which nobody declared and is needed by foreign key f of memory\.refs",
        ),
        (
            {SESSION: replace(BY_SESSION, valid=False, needed=("the replica identity",))},
            "is needed by the replica identity, and has a name that is needed",
        ),
        *(
            ({f"{SESSION}{suffix}": found}, f"{SESSION}{suffix} on .* was not made by an apply")
            for suffix in ("_new", "_old")
            for found in (
                replace(BY_SESSION, unique=True),
                replace(BY_SESSION, columns=("content",)),
                replace(GRAPH, columns=("session_id",)),
            )
        ),
        (
            {f"{SESSION}_old": replace(BY_SESSION, valid=False, needed=("foreign key f of t",))},
            "is needed by foreign key f of t",
        ),
    ],
)
def test_what_must_not_be_touched_is_refused(
    present: dict[str, Index | None], message: str
) -> None:
    catalog = on_a_server(with_indexes(**present))
    with pytest.raises(PlanRefused, match=message):
        plan(catalog, WANTED)
    assert managed(catalog, WANTED) != expected(WANTED)


def test_an_index_beside_the_primary_key_is_nobodys_leftover() -> None:
    catalog = with_indexes(**{f"{KEY}_old": OWN_KEY})
    assert verbs(catalog) == []
    assert managed(catalog, WANTED) == expected(WANTED)


def test_nothing_is_touched_while_another_session_builds_an_index_of_the_table() -> None:
    """A REINDEX CONCURRENTLY builds under a name of its own, and takes the old index away."""
    catalog = with_indexes(**{ANN: BROKEN, f"{ANN}_ccnew": replace(BROKEN, builder=4711)})
    busy = replace(catalog.tables[NAME], builder=4711)
    with pytest.raises(PlanRefused, match=r"process 4711 builds an index.*pg_cancel_backend\(4711"):
        plan(replace(catalog, tables={NAME: busy}), WANTED)
    agreed = with_(builder=4711)
    assert verbs(agreed) == []
    assert managed(agreed, WANTED) == expected(WANTED)


@pytest.mark.parametrize(
    ("present", "steps"),
    [
        ({KEY: None, "own_key": AGREED.indexes[KEY]}, ["ALTER INDEX own_key RENAME TO pkey"]),
        (
            {KEY: None},
            [
                f"CREATE UNIQUE INDEX CONCURRENTLY pkey ON {NAME}",
                f"ALTER TABLE {NAME} ADD CONSTRAINT pkey PRIMARY KEY USING INDEX pkey",
            ],
        ),
        (
            {KEY: replace(AGREED.indexes[KEY], primary=False)},
            [f"ALTER TABLE {NAME} ADD CONSTRAINT pkey PRIMARY KEY USING INDEX pkey"],
        ),
        (
            {KEY: replace(AGREED.indexes[KEY], primary=False, valid=False)},
            [
                "DROP INDEX CONCURRENTLY IF EXISTS pkey",
                f"CREATE UNIQUE INDEX CONCURRENTLY pkey ON {NAME}",
                f"ALTER TABLE {NAME} ADD CONSTRAINT pkey PRIMARY KEY USING INDEX pkey",
            ],
        ),
        ({KEY: replace(AGREED.indexes[KEY], options={"fillfactor": "50"})}, []),
        ({KEY: replace(AGREED.indexes[KEY], oddities=("include",))}, []),
    ],
)
def test_the_primary_key_is_made_and_named_and_otherwise_left_alone(
    present: dict[str, Index | None], steps: list[str]
) -> None:
    catalog = with_indexes(**present)
    assert verbs(catalog) == steps
    assert (managed(catalog, WANTED) == expected(WANTED)) == (steps == [])


def test_whatever_could_answer_the_probe_is_out_of_its_way() -> None:
    elsewhere = replace(GRAPH, columns=("other",))
    present = {
        ANN: OTHER,
        f"{ANN}_new": GRAPH,
        f"{ANN}_old": OTHER,
        "by_hand": GRAPH,
        "broken": BROKEN,
        "elsewhere": elsewhere,
    }
    probes = [step.probe for step in plan(with_indexes(**present), WANTED).steps if step.probe]
    assert [(probe.index, probe.hidden) for probe in probes] == [
        (f"{ANN}_new", f"memory.by_hand, memory.{ANN}")
    ]
