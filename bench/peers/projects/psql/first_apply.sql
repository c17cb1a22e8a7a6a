-- What an expert writes for the same end: one transaction, as nothing is there to be in the way of.
BEGIN;
CREATE EXTENSION vector SCHEMA public;
CREATE ROLE :migrator LOGIN PASSWORD :migrator_verifier;
CREATE ROLE :app LOGIN PASSWORD :app_verifier;
CREATE ROLE :reader LOGIN PASSWORD :reader_verifier;
ALTER ROLE :migrator IN DATABASE memory SET search_path = memory, public;
ALTER ROLE :app IN DATABASE memory SET search_path = memory, public;
ALTER ROLE :reader IN DATABASE memory SET search_path = memory, public;
REVOKE CONNECT, TEMPORARY ON DATABASE memory FROM PUBLIC;
GRANT CONNECT ON DATABASE memory TO :migrator, :app, :reader;
GRANT :migrator TO CURRENT_USER WITH SET TRUE, INHERIT FALSE;
CREATE SCHEMA memory AUTHORIZATION :migrator;

SET LOCAL ROLE :migrator;
GRANT USAGE ON SCHEMA memory TO :app, :reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA memory GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :app;
ALTER DEFAULT PRIVILEGES IN SCHEMA memory GRANT SELECT ON TABLES TO :reader;
CREATE TABLE memory.zep_memory_vectors (
  id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
  session_id varchar(255) NOT NULL,
  content text NOT NULL,
  embedding public.vector(256),
  metadata jsonb,
  created_at timestamptz DEFAULT now() NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0.1,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 10
);
CREATE INDEX zep_memory_vectors_embedding_idx ON memory.zep_memory_vectors
  USING hnsw (embedding public.vector_cosine_ops) WITH (m = 16, ef_construction = 64);
CREATE INDEX zep_memory_vectors_session_id_idx ON memory.zep_memory_vectors (session_id);
CREATE INDEX zep_memory_vectors_created_at_idx ON memory.zep_memory_vectors (created_at);
COMMIT;
