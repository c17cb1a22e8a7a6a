"""The checks of the database against a real server: what was added by hand is found."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from assurance.compliance import sql
from assurance.compliance.checks import CHECKS
from assurance.compliance.model import Observation, Outcome
from assurance.compliance.truths import Truths
from assurance.errors import AssuranceError
from assurance.policies.model import Resource, Stack
from tests.assurance.compliance.truths import AT, clean
from tests.postgres import ADMIN, PostgresServer

Observe = Callable[[str], Observation]


@pytest.fixture
def schema(postgres_server: PostgresServer, database: str) -> Iterator[str]:
    """A schema with a table, its owner, who may write, and who may read."""
    name = f"{database}_schema"
    with psycopg.connect(postgres_server.dsn(database), autocommit=True) as session:
        run(session, "CREATE EXTENSION IF NOT EXISTS vector")
        for purpose in ("owner", "app", "reader"):
            run(session, f"CREATE ROLE {name}_{purpose} LOGIN")
        run(session, f"GRANT {name}_owner TO {ADMIN} WITH INHERIT FALSE, SET TRUE")
        run(session, f"CREATE SCHEMA {name} AUTHORIZATION {name}_owner")
        run(session, f"SET ROLE {name}_owner")
        run(session, f"CREATE TABLE {name}.memories (embedding vector(3))")
        run(session, f"CREATE INDEX ON {name}.memories USING hnsw (embedding vector_cosine_ops)")
        run(session, f"GRANT SELECT, INSERT ON {name}.memories TO {name}_app")
        run(session, f"GRANT SELECT ON {name}.memories TO {name}_reader")
        yield name
        run(session, f"DROP SCHEMA {name} CASCADE")
        run(session, f"RESET ROLE; DROP ROLE {name}_app, {name}_reader, {name}_owner")


def run(session: "psycopg.Connection[Any]", statement: str) -> None:
    session.execute(statement.encode())


@pytest.fixture
def observe(
    postgres_server: PostgresServer, database: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> Observe:
    """Look at the server again, and tell what one check says of it."""
    for name, value in postgres_server.environment(database).items():
        monkeypatch.setenv(name, value)

    def look(check: str) -> Observation:
        stack = declared(database, schema, postgres_server.server.fqdn)
        truths = replace(
            clean("dev"),
            declared=stack,
            deployed=stack,
            database=sql.read([(database, schema)]),
        )
        return CHECKS[check].observe(truths, AT)

    return look


def declared(database: str, schema: str, host: str) -> Stack:
    roles = [
        {"name": f"{schema}_owner", "purpose": "owner", "privileges": []},
        {"name": f"{schema}_app", "purpose": "app", "privileges": ["SELECT", "INSERT"]},
        {"name": f"{schema}_reader", "purpose": "reader", "privileges": ["SELECT"]},
    ]
    table = {
        "name": "memories",
        "columns": [{"name": "embedding", "type": "vector", "dimensions": 3}],
        "indexes": [{"method": "hnsw", "column": "embedding"}],
    }
    desired = {"schema_name": schema, "roles": roles, "tables": [table]}
    resource = Resource(
        type="pulumi-python:dynamic/memory:VectorSchema",
        name="memory",
        urn="urn:pulumi:dev::engram::pulumi-python:dynamic/memory:VectorSchema::memory",
        raw={"host": host, "database": database, "desired": desired, "admin_login": ADMIN},
    )
    return Stack(resources=(resource,), environment="dev")


@pytest.mark.parametrize(
    ("check", "found"),
    [
        ("sql-tls-required", "a connection without TLS was tried, and refused"),
        ("sql-tls-sessions", "connections at this moment, all TLSv1.3"),
        ("sql-passwords", "password_encryption is scram-sha-256"),
        ("sql-access", "3 pairs of login and table, none may more than was declared"),
        ("sql-storage", "all 1 tables with memories are on the server's own encrypted storage"),
        ("sql-vector-index", "index valid and dimension as declared: memories"),
    ],
)
def test_what_is_as_it_should_be_holds(observe: Observe, check: str, found: str) -> None:
    seen = observe(check)
    assert (seen.outcome, found in seen.found) == (Outcome.HOLDS, True), seen.found


def test_a_server_that_still_speaks_older_tls_is_found(observe: Observe) -> None:
    seen = observe("sql-tls-version")  # this one has Azure's own default
    assert seen.outcome is Outcome.FAILS
    assert seen.found == "ssl_min_protocol_version is TLSv1.2; it should be TLSv1.3"


FALSIFIED: list[tuple[str, str, str]] = [
    (
        "GRANT DELETE ON {schema}.memories TO {schema}_reader",
        "sql-access",
        "{schema}_reader may DELETE on {schema}.memories",
    ),
    (
        "GRANT UPDATE ON {schema}.memories TO PUBLIC",
        "sql-access",
        "{schema}_app may UPDATE on {schema}.memories",
    ),
    (
        "GRANT UPDATE (embedding) ON {schema}.memories TO {schema}_reader",
        "sql-access",
        "{schema}_reader may UPDATE on {schema}.memories",
    ),
    (
        "GRANT TRIGGER ON {schema}.memories TO {schema}_app",
        "sql-access",
        "{schema}_app may TRIGGER on {schema}.memories",
    ),
    (
        "RESET ROLE; GRANT {schema}_owner TO {schema}_reader",
        "sql-memberships",
        "{schema}_reader belongs to {schema}_owner (inherits, sets)",
    ),
    (
        "RESET ROLE; CREATE ROLE {schema}_visitor LOGIN",
        "sql-logins",
        "login {schema}_visitor is nobody's",
    ),
    (
        "RESET ROLE; ALTER ROLE {schema}_app CREATEROLE",
        "sql-logins",
        "login {schema}_app: creates_roles",
    ),
    (
        "DROP INDEX {schema}.memories_embedding_idx",
        "sql-vector-index",
        "memories has no valid hnsw index",
    ),
]


def anonymous(words: str) -> str:
    return re.sub(r"test_\d+_\d+_schema", "{schema}", words)


@pytest.fixture
def by_hand(
    postgres_server: PostgresServer, database: str, schema: str
) -> Iterator[Callable[[str], None]]:
    """Somebody with psql, who owns the schema."""
    with psycopg.connect(postgres_server.dsn(database), autocommit=True) as session:
        run(session, f"SET ROLE {schema}_owner")
        yield lambda statement: run(session, statement.format(schema=schema))
        run(session, f"RESET ROLE; DROP ROLE IF EXISTS {schema}_visitor")


@pytest.mark.parametrize(("statement", "check", "words"), FALSIFIED)
def test_what_was_changed_by_hand_is_found(
    observe: Observe, by_hand: Callable[[str], None], statement: str, check: str, words: str
) -> None:
    assert words not in anonymous(observe(check).found)
    by_hand(statement)
    seen = observe(check)
    assert (seen.outcome, bool(seen.remedy)) == (Outcome.FAILS, True)
    assert words in anonymous(seen.found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGSSLNEGOTIATION", "direct"),
        ("PGCHANNELBINDING", "require"),
        ("PGGSSENCMODE", "prefer"),
    ],
)
def test_the_try_without_tls_is_one_whatever_the_environment_says(
    observe: Observe, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert observe("sql-tls-required").outcome is Outcome.HOLDS


def test_a_server_that_nobody_reaches_refused_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGPORT", "1")
    assert sql.plaintext("memory", "somewhere").startswith("unknown: connection failed")


HBA = 'FATAL: no pg_hba.conf entry for host "10.0.0.4", user "me", database "memory"'


@pytest.mark.parametrize(
    ("said", "became"),
    [
        (f"{HBA}, no encryption", "refused"),
        (f"{HBA}, SSL off", "refused"),
        (f"{HBA}, SSL encryption", f"unknown: {HBA}, SSL encryption"),
        ('FATAL: password authentication failed for user "me"', "asked for a password"),
        ("timeout expired", "unknown: timeout expired"),
        ("FATAL: sorry, too many clients", "unknown: FATAL: sorry, too many clients"),
    ],
)
def test_a_refusal_is_known_by_the_servers_own_words(said: str, became: str) -> None:
    assert sql._became(said) == became


def test_a_server_without_pgaudit_is_not_called_audited(observe: Observe) -> None:
    seen = observe("sql-audit-settings")
    assert seen.outcome is Outcome.UNASSESSED
    assert seen.found == "this server does not offer pgaudit; Azure's do"


@pytest.mark.usefixtures("observe")
def test_looking_changes_nothing(database: str) -> None:
    refused = pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="cannot execute CREATE")
    with sql._session(database) as session, refused:
        session.execute("CREATE TABLE mine ()")


@pytest.mark.usefixtures("observe")
def test_a_server_that_does_not_answer_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    with pytest.raises(AssuranceError, match=r"the database does not answer: .*\nPGHOST, PGUSER"):
        sql.read([])


def test_nobody_who_looked_is_not_assessed() -> None:
    truths: Truths = replace(clean("dev"), database=None, cluster=None)
    for name in ("sql-access", "cluster-network-policies"):
        seen = CHECKS[name].observe(truths, AT)
        assert seen.outcome is Outcome.UNASSESSED
        assert "nobody looked" in seen.found
