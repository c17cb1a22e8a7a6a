"""A table of memories whose vectors can be told from their content, and the models for them."""

import hashlib
import json
import random
import re
import urllib.request
from collections.abc import Sequence
from typing import Any

import psycopg

from memory.embeddings.client import Answer
from memory.embeddings.errors import EndpointRefused
from memory.operations.reembed.backfill import Ask, Pace
from memory.operations.reembed.goal import Goal, Subject, new_goal
from memory.operations.reembed.operation import asking, open_reembedding
from memory.operations.reembed.recall import Question
from memory.operations.reembed.status import status
from memory.schema.events import PATIENT
from memory.schema.model import DesiredSchema, Hnsw, Purpose
from memory.schema.runner import apply
from tests.memory.conftest import PASSWORDS, Live

RELATION = "memory.zep_memory_vectors"
OLD, NEW = 8, 12
SUBJECT = Subject()
QUESTION = Question(queries=5, neighbours=5, min_recall=0.9, ef_search=200)


def vector(text: str, dimensions: int) -> list[float]:
    """What a model of that length makes of a text; another length is another model."""
    seed = hashlib.sha256(f"{dimensions}:{text}".encode()).digest()
    numbers = random.Random(seed)  # noqa: S311 - the same for the same text, and no secret
    # Whole numbers are the same in vector, halfvec and text.
    return [float(numbers.randint(-200, 200)) for _ in range(dimensions)]


def old_model(texts: Sequence[str]) -> list[list[float]]:
    return [vector(text, OLD) for text in texts]


def new_model(texts: Sequence[str]) -> list[list[float]]:
    return [vector(text, NEW) for text in texts]


NEW_MODEL = asking(new_model, NEW)


def asking_over_http(url: str) -> Ask:
    """The endpoint by hand: a process that lives for a moment need not import all of openai."""

    def ask(texts: Sequence[str]) -> Answer:
        body = json.dumps({"model": "new", "input": list(texts)}).encode()
        request = urllib.request.Request(f"{url}/embeddings", body)  # noqa: S310 - this test's own
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - this test's own
            data = json.loads(answer.read())
        ordered = sorted(data["data"], key=lambda item: item["index"])
        return Answer(
            vectors=[item["embedding"] for item in ordered], tokens=data["usage"]["total_tokens"]
        )

    return ask


def desired(live: Live, dimensions: int = OLD, column_type: Any = "vector") -> DesiredSchema:
    index = Hnsw(column="embedding", m=8, ef_construction=32)
    return live.schema(dimensions=dimensions, column_type=column_type, index=index)


def prepared(live: Live, rows: int = 100) -> None:
    """A table with rows, in the old model's vectors."""
    apply(live.endpoint, desired(live), passwords=PASSWORDS)
    insert(live, [f"content {number}" for number in range(rows)])


def insert(live: Live, texts: Sequence[str]) -> None:
    """Write as a program that knows the old model."""
    for start in range(0, len(texts), 500):
        part = texts[start : start + 500]
        by_hand(
            live,
            "INSERT INTO {t} (session_id, content, embedding)"
            " SELECT 's', * FROM unnest(%s::text[], %s::public.vector[])",
            list(part),
            [str(vector(text, OLD)) for text in part],
        )


def by_hand(live: Live, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a statement as the owner of the table, which it calls {t}; return its rows."""
    with psycopg.connect(live.server.dsn(live.endpoint.database), autocommit=True) as session:
        session.execute(f"SET ROLE {live.endpoint.database}_migrator")
        cursor = session.execute(statement.replace("{t}", RELATION), parameters or None)
        return cursor.fetchall() if cursor.description else []


def to_new_model(**changed: Any) -> Goal:
    wanted = {
        "to": f"vector({NEW})",
        "source": "model",
        "model": "new",
        "index": {"method": "hnsw", "column": "embedding", "m": 8, "ef_construction": 32},
    }
    return new_goal(**{**wanted, **changed})


def to_halfvec() -> Goal:
    return to_new_model(to=f"halfvec({OLD})", source="cast", model=None)


def advanced(live: Live, goal: Goal | None = None, **options: Any) -> None:
    """Everything that comes before the swap."""
    goal = goal or to_new_model()
    options.setdefault("ask", None if goal.source == "cast" else NEW_MODEL)
    report = options.pop("report", lambda _: None)
    patience = options.pop("patience", PATIENT)
    leave = options.pop("leave_indexes", False)
    with open_reembedding(live.endpoint, SUBJECT, report=report, patience=patience) as work:
        goal = work.goal(goal, leave_indexes=leave)
        work.advance(goal, extent=work.extent(), **{"question": QUESTION, **options})


def swapped(live: Live, **options: Any) -> None:
    options.setdefault("ask", NEW_MODEL)
    patience = options.pop("patience", PATIENT)
    with open_reembedding(live.endpoint, SUBJECT, patience=patience) as work:
        work.swap(**options)


def wrong_rows(live: Live, column: str, dimensions: int) -> list[tuple[str, str | None]]:
    """Rows whose vector is not that of their content."""
    rows = by_hand(live, f"SELECT content, {column}::text FROM {RELATION}")  # noqa: S608 - a name
    return [
        (content, found) for content, found in rows if numbers(found) != vector(content, dimensions)
    ]


def numbers(text: str | None) -> list[float] | None:
    return None if text is None else [float(number) for number in re.findall(r"-?[\d.]+", text)]


CATALOG = """
SELECT json_build_object(
  'columns', (SELECT json_agg(json_build_array(attname, format_type(atttypid, atttypmod),
                attnotnull, attstorage, attacl) ORDER BY attname)
              FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
  'indexes', (SELECT json_agg(json_build_array(pg_get_indexdef(indexrelid), indisvalid)
                ORDER BY pg_get_indexdef(indexrelid)) FROM pg_index WHERE indrelid = c.oid),
  'triggers', (SELECT json_agg(pg_get_triggerdef(oid) ORDER BY tgname) FROM pg_trigger
               WHERE tgrelid = c.oid),
  'functions', (SELECT json_agg(proname ORDER BY proname) FROM pg_proc
                WHERE pronamespace = c.relnamespace),
  'grants', c.relacl, 'options', c.reloptions, 'relations', (
    SELECT json_agg(relname ORDER BY relname) FROM pg_class
    WHERE relnamespace = c.relnamespace AND relname NOT LIKE 'operations%'))::text
FROM pg_class c WHERE c.oid = 'memory.zep_memory_vectors'::regclass
"""


def catalog(live: Live) -> str:
    """Everything about the table and its schema that somebody could have left behind."""
    return str(live.owner(CATALOG)[0][0])


SMALL = Pace(batch_rows=10)


def login(live: Live, role: Purpose, *, autocommit: bool = True) -> psycopg.Connection[Any]:
    """A session of a program."""
    dsn = psycopg.conninfo.make_conninfo(
        live.server.dsn(live.endpoint.database),
        user=f"{live.endpoint.database}_{role}",
        password=PASSWORDS[role],
    )
    return psycopg.connect(dsn, autocommit=autocommit)


def phase(live: Live) -> str:
    return status(live.endpoint, SUBJECT).phase


def aborted(live: Live) -> str:
    with open_reembedding(live.endpoint, SUBJECT) as work:
        return work.abort()


def contracted(live: Live) -> None:
    with open_reembedding(live.endpoint, SUBJECT) as work:
        work.contract()


def stopping_after(batches: int) -> Ask:
    """A model that refuses its service after so many batches, beside the first question."""
    asked: list[object] = []

    def ask(texts: Sequence[str]) -> Answer:
        asked.append(texts)
        if len(asked) > batches + 1:
            raise EndpointRefused("no more")
        return Answer(vectors=new_model(texts), tokens=10)

    return ask
