"""local/cloud/postgres/gate.sql: who may do what with which extension."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from tests.postgres import PostgresServer

pytestmark = pytest.mark.slow
NOT_LISTED = (
    'extension "hstore" is not allow-listed for "azure_pg_admin" users in'
    " Azure Database for PostgreSQL"
)


@pytest.fixture
def admin(postgres_server: PostgresServer, database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_server.dsn(database), autocommit=True) as db:
        yield db


@pytest.fixture
def member_of_nothing(admin: psycopg.Connection, database: str) -> Iterator[psycopg.Connection]:
    """The same session as a role that owns its database's schema and no more."""
    role = f"{database}_plain"
    admin.execute(f"CREATE ROLE {role}")
    admin.execute(f"GRANT {role} TO CURRENT_USER WITH SET TRUE")
    admin.execute(f"GRANT CREATE ON DATABASE {database} TO {role}")
    admin.execute("CREATE EXTENSION vector")
    admin.execute(f"SET ROLE {role}")
    yield admin
    admin.execute("RESET ROLE")
    admin.execute(f"DROP OWNED BY {role}")
    admin.execute(f"DROP ROLE {role}")


def test_administrator_creates_and_drops_what_is_listed(admin: psycopg.Connection) -> None:
    admin.execute("CREATE EXTENSION IF NOT EXISTS vector")
    admin.execute("SELECT '[1,2,3]'::vector <=> '[3,2,1]'")
    admin.execute("ALTER EXTENSION vector UPDATE")
    admin.execute("COMMENT ON EXTENSION vector IS 'similarity'")
    admin.execute("DROP EXTENSION vector")
    admin.execute("CREATE EXTENSION pg_stat_statements")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE EXTENSION hstore",
        'CREATE EXTENSION IF NOT EXISTS "hstore" WITH SCHEMA public',
        "create /* quietly */ extension\n  hstore",
        "ALTER EXTENSION hstore UPDATE",
        "DROP EXTENSION IF EXISTS hstore",
        "DROP EXTENSION IF EXISTS vector, hstore",
        "COMMENT ON EXTENSION hstore IS 'x'",
        "SET azure.extensions = 'hstore'; CREATE EXTENSION hstore",
        "DO $$ BEGIN EXECUTE 'CREATE EXT' || 'ENSION hstore'; END $$",
    ],
)
def test_what_is_not_listed_is_refused(admin: psycopg.Connection, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match=NOT_LISTED):
        admin.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE EXTENSION IF NOT EXISTS vector",
        "ALTER EXTENSION vector UPDATE",
        "DROP EXTENSION IF EXISTS vector",
        "COMMENT ON EXTENSION vector IS 'x'",
    ],
)
def test_only_members_may_even_when_there_is_nothing_to_do(
    member_of_nothing: psycopg.Connection, statement: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match='Only members of "azure_pg_admin"'):
        member_of_nothing.execute(statement)


def test_other_comments_are_free(member_of_nothing: psycopg.Connection) -> None:
    member_of_nothing.execute("CREATE SCHEMA own; CREATE TABLE own.t (a int)")
    member_of_nothing.execute("COMMENT ON TABLE own.t IS 'not an extension'")


def test_extension_stays_in_its_schema(admin: psycopg.Connection) -> None:
    admin.execute("CREATE EXTENSION vector; CREATE SCHEMA elsewhere")
    with pytest.raises(errors.FeatureNotSupported, match="SET SCHEMA clause"):
        admin.execute("ALTER EXTENSION vector SET SCHEMA elsewhere")


@pytest.mark.parametrize("template", ["template0", "template1"])
def test_every_new_database_has_the_gate(
    postgres_server: PostgresServer, admin: psycopg.Connection, database: str, template: str
) -> None:
    admin.execute(f"CREATE DATABASE {database}_new TEMPLATE {template}")
    try:
        with (
            psycopg.connect(postgres_server.dsn(f"{database}_new"), autocommit=True) as db,
            pytest.raises(errors.InsufficientPrivilege, match=NOT_LISTED),
        ):
            db.execute("CREATE EXTENSION hstore")
    finally:
        admin.execute(f"DROP DATABASE {database}_new")


@pytest.fixture
def as_replica(postgres_server: PostgresServer, database: str) -> psycopg.Connection:
    """A session in which ordinary triggers are silent, as a server parameter can make all."""
    with postgres_server.server.superuser() as db:
        db.execute(f"ALTER DATABASE {database} SET session_replication_role = replica")
    return psycopg.connect(postgres_server.dsn(database), autocommit=True)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP EXTENSION IF EXISTS hstore",
        "DO $$ BEGIN EXECUTE 'CREATE EXT' || 'ENSION hstore'; END $$",
    ],
)
def test_the_gate_cannot_be_silenced(as_replica: psycopg.Connection, statement: str) -> None:
    with as_replica as db, pytest.raises(errors.InsufficientPrivilege, match=NOT_LISTED):
        db.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER SYSTEM SET work_mem = '1GB'",
        "DROP EVENT TRIGGER azure_gate_start",
        "SET event_triggers = off",
        "CREATE ROLE another SUPERUSER",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
def test_administrator_is_no_superuser(admin: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.Error, match=r"denied|not allowed|must be owner"):
        admin.execute(statement)
