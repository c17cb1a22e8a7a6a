-- Another dimension.
ALTER TABLE memory.zep_memory_vectors ALTER COLUMN embedding TYPE vector(384);
