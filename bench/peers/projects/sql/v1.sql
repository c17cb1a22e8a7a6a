-- The table with its ordinary indexes and storage parameters.
CREATE EXTENSION IF NOT EXISTS vector;
CREATE SCHEMA memory;
CREATE TABLE memory.zep_memory_vectors (
  id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
  session_id varchar(255) NOT NULL,
  content text NOT NULL,
  embedding vector(256),
  metadata jsonb,
  created_at timestamptz DEFAULT now() NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0.1,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 10
);
CREATE INDEX zep_memory_vectors_session_id_idx ON memory.zep_memory_vectors (session_id);
CREATE INDEX zep_memory_vectors_created_at_idx ON memory.zep_memory_vectors (created_at);
