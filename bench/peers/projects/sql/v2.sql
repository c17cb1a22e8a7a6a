-- The HNSW index; what an interrupted build left goes first, so that the migration can run again.
DROP INDEX CONCURRENTLY IF EXISTS memory.zep_memory_vectors_embedding_idx;
CREATE INDEX CONCURRENTLY zep_memory_vectors_embedding_idx ON memory.zep_memory_vectors
  USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64);
