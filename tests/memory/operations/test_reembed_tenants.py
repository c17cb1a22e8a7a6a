"""memory/operations/reembed of a table whose rows are told apart by tenant."""

from typing import Any

import psycopg
import pytest

from memory.operations.reembed.errors import GoalRefused
from memory.operations.reembed.operation import open_reembedding
from memory.schema.model import Hnsw
from memory.schema.runner import apply
from tests.memory.conftest import PASSWORDS, Live
from tests.memory.operations.reembedding import OLD, RELATION, SUBJECT, advanced, vector

ROWS = 20
COUNT = f"SELECT count(*), count(embedding_next) FROM {RELATION}"  # noqa: S608 - a constant


def owner(live: Live, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a statement as the tables' owner, who asks for the rows of all tenants."""
    with psycopg.connect(live.server.dsn(live.endpoint.database), autocommit=True) as session:
        session.execute(f"SET ROLE {live.endpoint.database}_migrator; SET engram.tenant = '*'")
        cursor = session.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def walled(live: Live) -> Live:
    """Rows of two tenants in the old model's vectors."""
    index = Hnsw(column="embedding", m=8, ef_construction=32)
    desired = live.schema(dimensions=OLD, index=index, by_tenant=True)
    apply(live.endpoint, desired, passwords=PASSWORDS)
    for tenant in ("acme", "globex"):
        for number in range(ROWS):
            text = f"{tenant} {number}"
            owner(
                live,
                f"INSERT INTO {RELATION} (session_id, content, tenant_id, embedding)"  # noqa: S608 - a constant
                " VALUES ('s', %s, %s, %s::public.vector)",
                text,
                tenant,
                str(vector(text, OLD)),
            )
    return live


def test_rows_of_every_tenant_are_re_embedded(walled: Live) -> None:
    advanced(walled)
    assert owner(walled, COUNT) == [(2 * ROWS, 2 * ROWS)]


def test_a_table_whose_rows_another_policy_hides_is_refused(walled: Live) -> None:
    owner(walled, f"CREATE POLICY narrow ON {RELATION} AS RESTRICTIVE USING (session_id <> 's')")
    with (
        pytest.raises(GoalRefused, match="row-level security is forced on its owner"),
        open_reembedding(walled.endpoint, SUBJECT),
    ):
        raise AssertionError("it was opened")
