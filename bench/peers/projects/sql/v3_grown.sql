-- One more column; the short change does not wait for its lock for long.
SET LOCAL lock_timeout = '2s';
ALTER TABLE memory.zep_memory_vectors ADD COLUMN source text;
