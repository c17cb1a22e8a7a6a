"""Rows for the mission's table: how to make them, and how to see that none is missing."""

TABLE = "memory.zep_memory_vectors"
INDEX = "zep_memory_vectors_embedding_idx"
SUMS = "SELECT count(*), sum(content::int), count(embedding) FROM memory.zep_memory_vectors"


FILLING = """
INSERT INTO memory.zep_memory_vectors (session_id, content, embedding)
SELECT n % 10, n,
       (SELECT array_agg(sin(n * k)) FROM generate_series(1, DIMENSIONS) k)::public.vector
FROM generate_series(1, ROWS) n
"""


def filling(rows: int, dimensions: int) -> str:
    """The statement that fills the table; row ``n`` has the content ``n``."""
    return FILLING.replace("DIMENSIONS", str(dimensions)).replace("ROWS", str(rows))


def sums(rows: int) -> list[tuple[int, int | None, int]]:
    """What ``SUMS`` answers when every row is there, once."""
    return [(rows, rows * (rows + 1) // 2 or None, rows)]
