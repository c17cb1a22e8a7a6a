"""Every relation of the two databases, in bytes.

``zep_memory_vectors`` is ``memory.schema.model.memory_schema``'s; the rest is Zep 1.0.2's own.
"""

import math
from collections.abc import Iterator
from typing import Literal

from sizing import btree, footprint, records
from sizing.footprint import Footprint
from sizing.pages import PAGE, PAGE_HEADER, maps
from sizing.prediction import Kind, ObjectSize
from sizing.records import vector_bytes
from sizing.toast import CHUNK
from sizing.vector_index import hnsw_pages, hnsw_pages_a_row, ivfflat_pages
from sizing.workload import Hnsw, Ivfflat, Workload

Database = Literal["memory", "zep"]
MEMORIES = "zep_memory_vectors"
ZEP_TABLES = ("messages", "sessions", "users")
LAYOUT = "https://www.postgresql.org/docs/18/storage-page-layout.html"
TOAST = "https://www.postgresql.org/docs/18/storage-toast.html"
BTREE = "https://www.postgresql.org/docs/18/btree.html#BTREE-IMPLEMENTATION"
GIN = "https://www.postgresql.org/docs/18/gin.html#GIN-FAST-UPDATE"
GIN_FIRST_PAGES, GIN_MAP_PAGES = 2, 3
"""Without a row; and of the free space map, which the first vacuum makes."""
GIN_WAITING, GIN_MERGED = 28, 1.2
"""Bytes of a row without a document: on the list of what is new, and in the tree."""
GIN_WAITING_MOST = 4 * 2**20
"""``gin_pending_list_limit`` as it is by default."""
GIN_PAGE = PAGE - PAGE_HEADER - 8
"""What a page of the list holds; ``GinListPageSize``."""
PGVECTOR = "https://github.com/pgvector/pgvector/tree/v0.8.1/src"
CHUNK_KEY = TIME_KEY = NUMBER_KEY = btree.entry(8)
UUID_KEY = btree.entry(16)
SESSION_KEY = USER_KEY = btree.entry(1 + records.SESSION_ID)
SESSION_AND_PROJECT_KEY = btree.entry(8 + 1 + records.SESSION_ID + 16)
"""With the bitmap that says that ``deleted_at`` is NULL."""
EMAIL_KEY = btree.entry(1 + records.EMAIL)
RANDOM = "in random order: leaves split in half"
IN_ORDER = "in order: leaves stay 90 % full"


def memory_relations(
    workload: Workload, row: Footprint, session_id: int = records.SESSION_ID
) -> Iterator[ObjectSize]:
    """The memory table and all that hangs on it; ``row`` is one of its rows on average."""
    rows, session_key = workload.rows, btree.entry(1 + session_id)
    yield from _table("memory", MEMORIES, rows, row)
    for name, size in (
        ("pkey", _scattered(rows, UUID_KEY)),
        ("session_id_idx", _grouped(rows, workload.sessions, session_key)),
        ("created_at_idx", _ascending(rows, TIME_KEY)),
        ("user_id_idx", _grouped(rows, workload.sessions, USER_KEY)),
    ):
        yield _btree("memory", f"{MEMORIES}_{name}", size)
    yield _documents(rows)
    if workload.index:
        yield vector_index(workload, workload.index)


def _documents(rows: int) -> ObjectSize:
    """The index of blind indexes, where no row has one.

    What is new waits on a list until that is full, or until a vacuum; then it is merged into a
    tree, and the list's pages stay, empty, for what is new next.  So many pages wait as if all rows
    came between two vacuums: measured with 100 to 200,000 rows on PostgreSQL 18, within 2 pages or
    2 %.  Where rows come slowly, autovacuum merges sooner, and the index is smaller.
    """
    list_pages = math.ceil(min(rows * GIN_WAITING, GIN_WAITING_MOST) / GIN_PAGE)
    tree_pages = math.ceil(rows * GIN_MERGED / PAGE)
    return ObjectSize(
        database="memory",
        name=f"{MEMORIES}_blind_index_idx",
        kind="gin",
        bytes=(GIN_FIRST_PAGES + list_pages + tree_pages + GIN_MAP_PAGES) * PAGE,
        terms=f"{rows:,} rows x {GIN_WAITING} B, at most {GIN_WAITING_MOST // 2**20} MiB, that"
        f" wait, and x {GIN_MERGED} B in the tree",
        source=GIN,
    )


def vector_index(workload: Workload, index: Hnsw | Ivfflat) -> ObjectSize:
    """The index for nearest neighbours."""
    rows, width = workload.rows, vector_bytes(workload.dimensions, workload.element_type)
    kind: Kind
    if isinstance(index, Hnsw):
        kind, pages = "hnsw", hnsw_pages(rows, width, index.m)
        each = hnsw_pages_a_row(width, index.m) * PAGE
        terms = f"{rows:,} rows x {each:,.0f} B: {width:,} B vector, {2 * index.m} links or more"
    else:
        kind, pages = "ivfflat", ivfflat_pages(rows, width, index.lists)
        terms = f"{rows:,} vectors of {width:,} B in {index.lists:,} lists, on pages of their own"
    return ObjectSize(
        database="memory",
        name=f"{MEMORIES}_embedding_idx",
        kind=kind,
        bytes=pages * PAGE,
        terms=terms,
        source=PGVECTOR,
    )


def zep_relations(
    *, messages: int, sessions: int, users: int, message: Footprint
) -> Iterator[ObjectSize]:
    """Zep's own tables; ``message`` is one of its messages on average."""
    alone = users >= sessions
    of_their_users = (
        _scattered(sessions, USER_KEY) if alone else _grouped(sessions, users, USER_KEY)
    )
    yield from _table("zep", "messages", messages, message)
    yield from _table("zep", "sessions", sessions, footprint.of_sessions())
    yield from _table("zep", "users", users, footprint.of_users())
    for name, size in (
        ("messages_pkey", _scattered(messages, UUID_KEY)),
        ("memstore_id_idx", _ascending(messages, NUMBER_KEY)),
        ("memstore_session_id_idx", _grouped(messages, sessions, SESSION_KEY)),
        (
            "memstore_session_id_project_uuid_deleted_at_idx",
            _grouped(messages, sessions, SESSION_AND_PROJECT_KEY),
        ),
        ("sessions_pkey", _scattered(sessions, UUID_KEY)),
        ("sessions_session_id_key", _scattered(sessions, SESSION_KEY)),
        ("session_user_id_idx", of_their_users),
        ("session_id_project_uuid_deleted_at_idx", _scattered(sessions, SESSION_AND_PROJECT_KEY)),
        ("users_pkey", _scattered(users, UUID_KEY)),
        ("users_user_id_key", _scattered(users, USER_KEY)),
        ("user_user_id_idx", _scattered(users, USER_KEY)),
        ("user_email_idx", _scattered(users, EMAIL_KEY)),
    ):
        yield _btree("zep", name, size)


def _table(database: Database, name: str, rows: int, row: Footprint) -> Iterator[ObjectSize]:
    """A table, its TOAST table and the index of that; tables have maps beside them."""
    chunks = math.ceil(rows * row.chunks)
    heap, toast = math.ceil(rows * row.pages), math.ceil(rows * row.toast_pages)
    parts: tuple[tuple[Kind, int, str, str], ...] = (
        ("heap", heap + maps(heap), f"{rows:,} rows x {row.pages * PAGE:,.0f} B", LAYOUT),
        (
            "toast",
            toast + maps(toast),
            f"{rows:,} rows x {row.toast_pages * PAGE:,.0f} B in {row.chunks:.2f} chunks"
            f" of at most {CHUNK:,} B",
            TOAST,
        ),
        ("toast index", *_ascending(chunks, CHUNK_KEY), BTREE),
    )
    for kind, pages, terms, source in parts:
        yield ObjectSize(
            database=database,
            name=name,
            kind=kind,
            bytes=pages * PAGE,
            terms=terms,
            source=source,
        )


def _btree(database: Database, name: str, size: tuple[int, str]) -> ObjectSize:
    pages, terms = size
    return ObjectSize(
        database=database, name=name, kind="btree", bytes=pages * PAGE, terms=terms, source=BTREE
    )


def _scattered(keys: int, size: int) -> tuple[int, str]:
    return btree.scattered(keys, size), f"{keys:,} keys x {size} B {RANDOM}"


def _ascending(keys: int, size: int) -> tuple[int, str]:
    return btree.ascending(keys, size), f"{keys:,} keys x {size} B {IN_ORDER}"


def _grouped(rows: int, keys: int, size: int) -> tuple[int, str]:
    pages = btree.grouped(rows, keys, size)
    return pages, f"{min(rows, keys):,} keys x {size} B once each, {rows:,} rows x 6 B"
