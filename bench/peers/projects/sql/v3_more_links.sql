-- Another m: the new index is built beside the old one, and then takes its name.
DROP INDEX CONCURRENTLY IF EXISTS memory.zep_memory_vectors_embedding_idx_m24;
CREATE INDEX CONCURRENTLY zep_memory_vectors_embedding_idx_m24 ON memory.zep_memory_vectors
  USING hnsw (embedding vector_cosine_ops) WITH (m = 24, ef_construction = 64);
DROP INDEX CONCURRENTLY memory.zep_memory_vectors_embedding_idx;
ALTER INDEX memory.zep_memory_vectors_embedding_idx_m24 RENAME TO zep_memory_vectors_embedding_idx;
