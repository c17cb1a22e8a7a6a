"""Zep 1.0.2's tables, as far as their size goes: columns in its order, and its indexes.

Zep makes its own; these are for a scratch database.  What no size depends on, such as foreign keys,
is left out.
https://github.com/getzep/zep/blob/main/legacy/src/store/migrations/000000000001_database_setup.up.sql
"""

SCHEMA = "zep"

TABLES = """
CREATE SCHEMA zep;
SET search_path = zep, public;
CREATE TYPE role_type_enum AS ENUM ('norole', 'system', 'assistant', 'user', 'function', 'tool');
CREATE TABLE users (
    uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), id bigserial,
    created_at timestamptz NOT NULL DEFAULT current_timestamp,
    updated_at timestamptz DEFAULT current_timestamp, deleted_at timestamptz,
    user_id varchar NOT NULL UNIQUE, email varchar, first_name varchar, last_name varchar,
    project_uuid uuid NOT NULL, metadata jsonb
);
CREATE TABLE sessions (
    uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), id bigserial,
    session_id varchar NOT NULL UNIQUE, created_at timestamptz NOT NULL DEFAULT current_timestamp,
    updated_at timestamptz NOT NULL DEFAULT current_timestamp, deleted_at timestamptz,
    ended_at timestamptz, metadata jsonb, user_id varchar, project_uuid uuid NOT NULL
);
CREATE TABLE messages (
    uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), id bigserial,
    created_at timestamptz NOT NULL DEFAULT current_timestamp,
    updated_at timestamptz DEFAULT current_timestamp, deleted_at timestamptz,
    session_id varchar NOT NULL, project_uuid uuid NOT NULL, role varchar NOT NULL,
    role_type role_type_enum DEFAULT 'norole', content varchar NOT NULL,
    token_count bigint NOT NULL, metadata jsonb
);
CREATE INDEX user_user_id_idx ON users (user_id);
CREATE INDEX user_email_idx ON users (email);
CREATE INDEX memstore_session_id_idx ON messages (session_id);
CREATE INDEX memstore_id_idx ON messages (id);
CREATE INDEX memstore_session_id_project_uuid_deleted_at_idx
    ON messages (session_id, project_uuid, deleted_at);
CREATE INDEX session_user_id_idx ON sessions (user_id);
CREATE INDEX session_id_project_uuid_deleted_at_idx
    ON sessions (session_id, project_uuid, deleted_at);
"""
