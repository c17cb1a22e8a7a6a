-- A file of its own, as a concurrent build runs outside of the transaction before it.
DROP INDEX CONCURRENTLY IF EXISTS memory.zep_memory_vectors_source_idx;
CREATE INDEX CONCURRENTLY zep_memory_vectors_source_idx ON memory.zep_memory_vectors (source);
