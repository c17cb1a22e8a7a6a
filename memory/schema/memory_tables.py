"""The tables of the memory: what is remembered, who did what with it, what was done to all of it.

The first is the mission's, with what tenants, types and encryption need beside it.  To the others
rows are only ever added, and no content is ever in them.
"""

from memory.schema.tables import AnyIndex, Btree, Column, Gin, Hnsw, IvfFlat, Table

NAME = "zep_memory_vectors"
TENANT = Column(
    name="tenant_id",
    type="varchar",
    length=63,
    not_null=True,
    default="'default'::character varying",
)
"""Whose a row is; where tenants are not told apart, all rows are the one's."""

AUDIT = Table(
    name="memory_audit",
    columns=(
        Column(name="id", type="uuid", not_null=True, default="gen_random_uuid()"),
        Column(name="at", type="timestamptz", not_null=True, default="now()"),
        TENANT,
        # Fingerprint of an API key, or the login of an operation.
        Column(name="actor", type="varchar", length=64, not_null=True),
        Column(name="operation", type="varchar", length=32, not_null=True),
        Column(name="session_id", type="varchar", length=255),
        Column(name="ids", type="jsonb", not_null=True, default="'[]'::jsonb"),
        Column(name="rows", type="bigint", not_null=True, default="0"),
        Column(name="request_id", type="varchar", length=64),
    ),
    primary_key=("id",),
    indexes=(Btree(columns=("at",)),),
    append_only=True,
)
"""Every access to memories: who, what, which ids."""

RECORDS = Table(
    name="memory_operations",
    columns=(
        Column(name="position", type="bigint", not_null=True),
        Column(name="at", type="timestamptz", not_null=True, default="now()"),
        Column(name="operation", type="varchar", length=64, not_null=True),
        Column(name="actor", type="varchar", length=128, not_null=True),
        Column(name="detail", type="jsonb", not_null=True),
        Column(name="previous", type="varchar", length=64, not_null=True),
        Column(name="digest", type="varchar", length=64, not_null=True),
    ),
    primary_key=("position",),
    append_only=True,
)
"""Every operation on the whole of it; each row carries the digest of the one before."""


def vectors(
    embedding: Column, index: Hnsw | IvfFlat, *, distributed: bool, by_tenant: bool
) -> Table:
    """What is remembered, with the index by which the nearest is found."""
    columns = (
        Column(name="id", type="uuid", not_null=True, default="gen_random_uuid()"),
        Column(name="session_id", type="varchar", length=255, not_null=True),
        Column(name="content", type="text", not_null=True),
        embedding,
        Column(name="metadata", type="jsonb"),
        Column(name="created_at", type="timestamptz", not_null=True, default="now()"),
        Column(name="user_id", type="varchar", length=255),
        TENANT,
        Column(
            name="memory_type",
            type="varchar",
            length=16,
            not_null=True,
            default="'episodic'::character varying",
        ),
        Column(name="sensitivity", type="jsonb", not_null=True, default="'[]'::jsonb"),
        # The field key by which fields of the row are encrypted.  Without an index: with one, every
        # row that a rotation encrypts anew would enter the graph of its vectors once more.
        Column(name="key_id", type="varchar", length=64),
        Column(name="blind_index", type="jsonb"),
    )
    indexes: tuple[AnyIndex, ...] = (
        index,
        Btree(columns=("session_id",)),
        Btree(columns=("created_at",)),
        Btree(columns=("user_id",)),
        Gin(column="blind_index"),
    )
    # A tenant's few rows are found without the graph, and counted without the others'.
    of_tenant = (Btree(columns=("tenant_id",)),) if by_tenant else ()
    return Table(
        name=NAME,
        columns=columns,
        primary_key=("session_id", "id") if distributed else ("id",),
        distributed_by="session_id" if distributed else None,
        tenant_column="tenant_id" if by_tenant else None,
        indexes=(*indexes, *of_tenant),
    )
