"""Random wanted schemas, and the ways in which people damage a database by hand."""

from typing import Any

from hypothesis import strategies as st

from memory.schema.model import (
    Autovacuum,
    Btree,
    Column,
    DesiredSchema,
    Gin,
    Hnsw,
    IvfFlat,
    Role,
    Table,
)

Wish = dict[str, Any]
"""The varying part of a wanted schema."""

TABLE = "memory.things"
PRIVILEGES = st.lists(
    st.sampled_from(["SELECT", "INSERT", "UPDATE", "DELETE"]), min_size=1, max_size=4, unique=True
).map(tuple)
DISTANCES = st.sampled_from(["cosine", "l2", "ip"])
NAMES = st.sampled_from([None, "things_graph"])
HNSW = st.builds(
    Hnsw,
    name=NAMES,
    column=st.just("embedding"),
    distance=DISTANCES,
    m=st.sampled_from([4, 16]),
    ef_construction=st.sampled_from([32, 64]),
)
IVFFLAT = st.builds(
    IvfFlat,
    name=NAMES,
    column=st.just("embedding"),
    distance=DISTANCES,
    lists=st.sampled_from([1, 10]),
)
BTREES = st.lists(
    st.sampled_from([("note",), ("made_at",), ("note", "made_at")]), max_size=3, unique=True
).map(lambda keys: tuple(Btree(columns=key) for key in keys))
EMBEDDING = st.builds(
    Column,
    name=st.just("embedding"),
    type=st.sampled_from(["vector", "halfvec"]),
    dimensions=st.sampled_from([8, 16]),
)
NOTE = st.builds(
    lambda length, not_null: Column(
        name="note", type="varchar" if length else "text", length=length, not_null=not_null
    ),
    st.sampled_from([None, 20, 40]),
    st.booleans(),
)
MADE_AT = st.builds(
    Column,
    name=st.just("made_at"),
    type=st.just("timestamptz"),
    not_null=st.booleans(),
    default=st.sampled_from([None, "now()"]),
)
TENANT = st.builds(
    lambda length: Column(
        name="tenant",
        type="varchar" if length else "text",
        length=length,
        not_null=True,
        default="'default'::character varying" if length else None,
    ),
    st.sampled_from([None, 20, 40]),
)
DOCUMENT = Column(name="document", type="jsonb", default="'{}'::jsonb")
DOCUMENTS = st.lists(st.just(Gin(column="document")), max_size=1).map(tuple)
SCALE = st.sampled_from([0.01, 0.1, 0.25, 1.0])
AUTOVACUUM = st.builds(Autovacuum, vacuum_scale_factor=SCALE, analyze_scale_factor=SCALE)
WISHES = st.fixed_dictionaries(
    {
        "vector": st.lists(st.one_of(HNSW, IVFFLAT), max_size=1).map(tuple),
        "btrees": BTREES,
        "documents": DOCUMENTS,
        "columns": st.tuples(EMBEDDING, NOTE, MADE_AT, TENANT, st.just(DOCUMENT)),
        "walled": st.booleans(),
        "append_only": st.booleans(),
        "autovacuum": AUTOVACUUM,
        "privileges": st.tuples(PRIVILEGES, PRIVILEGES),
        "grouped": st.sampled_from([None, False, True]),
    }
)


def schema(wish: Wish, prefix: str) -> DesiredSchema:
    """The wanted schema, with role names of this database alone."""
    app, reader = wish["privileges"]
    groups = {None: None, False: (), True: (f"{prefix}_group",)}
    table = Table(
        name="things",
        columns=(
            Column(name="id", type="uuid", not_null=True, default="gen_random_uuid()"),
            *wish["columns"],
        ),
        primary_key=("id",),
        indexes=(*wish["vector"], *wish["btrees"], *wish["documents"]),
        tenant_column="tenant" if wish["walled"] else None,
        append_only=wish["append_only"],
        autovacuum=wish["autovacuum"],
    )
    member_of = groups[wish["grouped"]]
    return DesiredSchema(
        tables=(table,),
        roles=(
            Role(purpose="migrator", name=f"{prefix}_migrator"),
            Role(purpose="app", name=f"{prefix}_app", privileges=app, member_of=member_of),
            Role(purpose="reader", name=f"{prefix}_reader", privileges=reader),
        ),
    )


GRAPH, OTHER, NOTES = "things_embedding_idx", "things_graph", "things_note_idx"
DOCUMENT_INDEX = "things_document_idx"
AGAIN = f"DROP INDEX IF EXISTS memory.{NOTES}; CREATE INDEX {NOTES} ON {TABLE}"
INVALID = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass('memory.{}')"
RENEWED = (
    f"ALTER TABLE {TABLE} DROP IF EXISTS note;"
    f" ALTER TABLE {TABLE} ADD note text GENERATED ALWAYS AS ('n')"
)
FUTURE = "ALTER DEFAULT PRIVILEGES IN SCHEMA memory"
# By whom: the tables' owner, the server's administrator, or Azure itself.
DAMAGES = [
    # indexes: gone, under other names, invalid, of the right name and the wrong kind
    ("owner", f"DROP INDEX IF EXISTS memory.{GRAPH}"),
    ("owner", f"ALTER INDEX IF EXISTS memory.{GRAPH} RENAME TO {GRAPH}_new"),
    ("owner", f"ALTER INDEX IF EXISTS memory.{GRAPH} RENAME TO {GRAPH}_old"),
    ("owner", f"ALTER INDEX IF EXISTS memory.{OTHER} RENAME TO by_hand"),
    ("owner", f"ALTER INDEX IF EXISTS memory.{NOTES} RENAME TO by_hand_too"),
    ("owner", f"CREATE INDEX IF NOT EXISTS {NOTES}_old ON {TABLE} (note)"),
    ("azure", INVALID.format(GRAPH)),
    ("azure", INVALID.format(OTHER)),
    ("azure", f"CREATE INDEX {NOTES}_ccnew ON {TABLE} (note); {INVALID.format(f'{NOTES}_ccnew')}"),
    ("owner", f"{AGAIN} (note DESC NULLS LAST)"),
    ("owner", f"{AGAIN} (note) WHERE note <> ''"),
    ("owner", f"{AGAIN} (lower(note))"),
    ("owner", f"{AGAIN} (note) INCLUDE (id)"),
    ("owner", f'{AGAIN} (note COLLATE "C")'),
    ("owner", f"{AGAIN} (note text_pattern_ops) WITH (fillfactor = 50)"),
    ("owner", f"{AGAIN} USING hash (note)"),
    ("owner", f"ALTER TABLE {TABLE} DROP CONSTRAINT IF EXISTS things_pkey"),
    ("owner", "ALTER INDEX IF EXISTS memory.things_pkey RENAME TO key_by_hand"),
    # the table and its columns
    ("owner", f"DROP TABLE IF EXISTS {TABLE}"),
    ("owner", f"ALTER TABLE {TABLE} SET UNLOGGED"),
    ("owner", f"ALTER TABLE {TABLE} SET (autovacuum_enabled = off)"),
    ("owner", f"ALTER TABLE {TABLE} RESET (autovacuum_vacuum_scale_factor)"),
    ("owner", f"ALTER TABLE {TABLE} SET (autovacuum_analyze_scale_factor = 0.9)"),
    ("owner", f"ALTER TABLE {TABLE} ALTER note DROP NOT NULL"),
    (
        "owner",
        f"ALTER TABLE {TABLE} ALTER note DROP NOT NULL;"
        f" ALTER TABLE {TABLE} ADD CONSTRAINT by_hand NOT NULL note NOT VALID",
    ),
    ("owner", f"ALTER TABLE {TABLE} ALTER made_at DROP DEFAULT"),
    ("owner", f"ALTER TABLE {TABLE} ALTER made_at SET DEFAULT 'epoch'"),
    ("owner", f"ALTER TABLE {TABLE} DROP IF EXISTS note"),
    ("owner", f"{RENEWED} STORED"),
    ("owner", f"{RENEWED} VIRTUAL"),
    ("owner", f"ALTER TABLE {TABLE} ALTER note TYPE varchar(10)"),
    ("owner", "CREATE OR REPLACE VIEW memory.seen AS SELECT note, embedding FROM memory.things"),
    ("owner", "INSERT INTO memory.things (note, made_at, tenant) VALUES ('n', now(), 't')"),
    ("owner", f"DROP INDEX IF EXISTS memory.{DOCUMENT_INDEX}"),
    (
        "owner",
        f"DROP INDEX IF EXISTS memory.{DOCUMENT_INDEX};"
        f" CREATE INDEX {DOCUMENT_INDEX} ON {TABLE} USING gin (document)",
    ),
    ("owner", f"ALTER INDEX IF EXISTS memory.{DOCUMENT_INDEX} RENAME TO documents_by_hand"),
    # whose rows are whose
    ("owner", f"CREATE POLICY hole ON {TABLE} USING (true)"),
    ("owner", f"CREATE POLICY narrow ON {TABLE} AS RESTRICTIVE USING (note <> '')"),
    ("owner", f"DROP POLICY IF EXISTS engram_tenant ON {TABLE}"),
    ("owner", f"CREATE POLICY engram_tenant ON {TABLE} USING (true)"),
    ("owner", f"ALTER POLICY engram_tenant ON {TABLE} TO <app>"),
    ("owner", f"ALTER TABLE {TABLE} NO FORCE ROW LEVEL SECURITY"),
    ("owner", f"ALTER TABLE {TABLE} DISABLE ROW LEVEL SECURITY"),
    ("owner", f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY"),
    # who may do what
    ("owner", f"GRANT ALL ON {TABLE} TO PUBLIC"),
    ("owner", f"REVOKE ALL ON {TABLE} FROM <app>"),
    ("owner", f"GRANT SELECT, TRUNCATE ON {TABLE} TO <app> WITH GRANT OPTION"),
    ("owner", f"GRANT SELECT (id), UPDATE (made_at) ON {TABLE} TO PUBLIC"),
    ("owner", f"GRANT INSERT (id) ON {TABLE} TO <app> WITH GRANT OPTION"),
    ("owner", "REVOKE USAGE ON SCHEMA memory FROM <app>"),
    ("owner", "GRANT ALL ON SCHEMA memory TO PUBLIC"),
    ("owner", f"{FUTURE} GRANT ALL ON TABLES TO PUBLIC"),
    ("owner", f"{FUTURE} GRANT SELECT ON TABLES TO <app> WITH GRANT OPTION"),
    ("owner", f"{FUTURE} REVOKE ALL ON TABLES FROM <app>"),
    ("admin", "GRANT ALL ON DATABASE <db> TO PUBLIC"),
    ("admin", "REVOKE CONNECT ON DATABASE <db> FROM <app>"),
    ("admin", "ALTER ROLE <app> NOLOGIN CREATEDB"),
    ("admin", "ALTER ROLE <app> CONNECTION LIMIT 0 VALID UNTIL '2020-01-01'"),
    ("admin", "ALTER ROLE <app> IN DATABASE <db> RESET search_path"),
    ("admin", "ALTER ROLE <app> IN DATABASE <db> SET statement_timeout = '5s'"),
    ("admin", "GRANT <db>_group TO <app> WITH INHERIT TRUE, SET TRUE"),
    ("admin", "REVOKE <db>_group FROM <app>"),
]
# A damage tolerates that what it wants to damage is already gone, or held by something else.
TOLERATED = """
undefined_table OR undefined_column OR undefined_object OR duplicate_table OR duplicate_column
OR duplicate_object OR dependent_objects_still_exist OR invalid_table_definition
OR feature_not_supported OR generated_always OR object_not_in_prerequisite_state
OR not_null_violation OR insufficient_privilege
"""
# What the refusals ask for, all at once.
WAYS_OUT = [
    "DROP VIEW IF EXISTS memory.seen",
    f"DROP POLICY IF EXISTS narrow ON {TABLE}",
    f"TRUNCATE {TABLE}",
    f"ALTER TABLE {TABLE} DROP IF EXISTS note",
    *(
        f"DROP INDEX IF EXISTS memory.{name}"
        for name in (GRAPH, f"{GRAPH}_new", f"{GRAPH}_old", OTHER, "by_hand", "by_hand_too")
    ),
]
