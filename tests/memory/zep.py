"""What Zep 1.0.2 says to its database, in its order: enough of it to fail where Zep fails."""

from contextlib import AbstractContextManager
from typing import Any

import psycopg

from memory.schema.model import DesiredSchema, zep_schema
from memory.schema.passwords import Passwords
from memory.schema.runner import apply
from tests.memory.conftest import Live

PASSWORDS: Passwords = {"owner": "z-secret-1"}

EXTENSION = "CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA PUBLIC"
EXTENSION_UPDATE = "ALTER EXTENSION vector UPDATE"
INIT = (
    'CREATE TABLE IF NOT EXISTS "bun_migrations" ("id" BIGSERIAL PRIMARY KEY, "name" VARCHAR,'
    ' "group_id" BIGINT, "migrated_at" TIMESTAMPTZ NOT NULL DEFAULT current_timestamp)',
    'CREATE TABLE IF NOT EXISTS "bun_migration_locks" ("id" BIGSERIAL PRIMARY KEY,'
    ' "table_name" VARCHAR, UNIQUE ("table_name"))',
)
LOCK = "INSERT INTO bun_migration_locks (table_name) VALUES ('bun_migrations')"
MARKED = "SELECT count(*) FROM bun_migrations WHERE name = '000000000001'"
MARK = "INSERT INTO bun_migrations (name, group_id) VALUES ('000000000001', 1)"
MIGRATE = """
CREATE TABLE IF NOT EXISTS users (uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), id BIGSERIAL,
    user_id varchar NOT NULL UNIQUE, email varchar, metadata jsonb);
CREATE TYPE role_type_enum AS ENUM ('norole', 'system', 'assistant', 'user', 'function', 'tool');
CREATE TABLE IF NOT EXISTS sessions (uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), id BIGSERIAL,
    session_id varchar NOT NULL UNIQUE, user_id varchar REFERENCES users (user_id));
CREATE TABLE IF NOT EXISTS messages (uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), id BIGSERIAL,
    session_id varchar NOT NULL REFERENCES sessions (session_id),
    role_type role_type_enum DEFAULT 'norole', content varchar NOT NULL);
CREATE INDEX IF NOT EXISTS user_email_idx ON users (email);
CREATE INDEX IF NOT EXISTS memstore_session_id_idx ON messages (session_id)
"""
UNLOCK = "DELETE FROM bun_migration_locks WHERE table_name = 'bun_migrations'"
USE = "INSERT INTO users (user_id) VALUES ('u') ON CONFLICT DO NOTHING"


def schema(live: Live, *, gate: bool = True) -> DesiredSchema:
    """Zep's schema, with a login that no other test has."""
    return zep_schema(login=f"{live.endpoint.database}_zep", extension_gate=gate)


def prepared(live: Live, *, gate: bool = True) -> DesiredSchema:
    """The schema, applied."""
    desired = schema(live, gate=gate)
    apply(live.endpoint, desired, passwords=PASSWORDS)
    return desired


def session(live: Live) -> AbstractContextManager[psycopg.Connection[Any]]:
    """A session of Zep's login."""
    return psycopg.connect(
        live.server.dsn(live.endpoint.database),
        user=f"{live.endpoint.database}_zep",
        password=PASSWORDS["owner"],
        autocommit=True,
        prepare_threshold=None,  # behind a pooler none would last, and Zep uses none
    )


def start(db: psycopg.Connection[Any], *, dies_before: str = "") -> None:
    """Start as Zep does, and die before a statement where one is given."""
    db.execute(EXTENSION)
    for statement in INIT:
        db.execute(statement)
    for statement in (LOCK, *_migration(db), UNLOCK):
        if statement == dies_before:
            return
        db.execute(statement)


def _migration(db: psycopg.Connection[Any]) -> tuple[str, ...]:
    row = db.execute(MARKED).fetchone()
    return () if row and row[0] else (MARK, MIGRATE)
