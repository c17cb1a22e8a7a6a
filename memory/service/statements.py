"""The SQL of one table of memories, and of the audit beside it.

Each statement that reads or changes memories writes its audit record itself: there is no moment
at which one is there without the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from memory.service.database import Statement

Values = Mapping[str, object]
Alternatives = Sequence[Sequence[Mapping[str, str]]]
"""Of each, one must be in the blind index."""
COLUMNS = (
    "id", "session_id", "user_id", "content", "embedding", "metadata", "memory_type",
    "sensitivity", "tenant_id", "key_id", "blind_index",
)  # fmt: skip
SHOWN = "id, session_id, user_id, content, metadata, memory_type, sensitivity, created_at, key_id"
CONDITIONS = {
    "session_id": "session_id = %(session_id)s",
    "user_id": "user_id = %(user_id)s",
    "memory_type": "memory_type = %(memory_type)s",
    "metadata": "metadata @> %(metadata)s",
    "created_after": "created_at >= %(created_after)s",
    "created_before": "created_at < %(created_before)s",
}
RECORD = """
INSERT INTO {audit} (tenant_id, actor, operation, session_id, ids, rows, request_id)
SELECT %(tenant)s, %(actor)s, %(operation)s,
       CASE WHEN min(session_id) = max(session_id) THEN min(session_id) END,
       coalesce(jsonb_agg(id), '[]'::jsonb), count(*), %(request_id)s
FROM found
"""
GET = f"""
WITH found AS (SELECT {SHOWN} FROM {{table}} WHERE id = ANY(%(ids)s)), recorded AS ({RECORD})
SELECT * FROM found
"""  # noqa: S608 - made of constants, as below
# What has no distance, or none that is a number, is near nothing.
SEARCH = f"""
WITH nearest AS MATERIALIZED (
    SELECT {SHOWN}, embedding OPERATOR(public.<=>) %(embedding)s AS distance
    FROM {{table}} {{where}}
    ORDER BY embedding OPERATOR(public.<=>) %(embedding)s LIMIT %(k)s
), found AS MATERIALIZED (
    SELECT * FROM nearest WHERE distance < 'Infinity'
), recorded AS ({RECORD})
SELECT * FROM found ORDER BY distance
"""  # noqa: S608
ADD = f"""
WITH found AS (
    INSERT INTO {{table}} ({", ".join(COLUMNS)}) VALUES {{rows}}
    ON CONFLICT DO NOTHING RETURNING id, session_id
), recorded AS ({RECORD})
SELECT id FROM found
"""  # noqa: S608
DELETE = f"""
WITH found AS (
    DELETE FROM {{table}} WHERE id = ANY({{which}}) RETURNING id, session_id
), recorded AS ({RECORD})
SELECT count(*) AS deleted FROM found
"""  # noqa: S608
ONE, MANY = "%(ids)s", "ARRAY(SELECT id FROM {table} {where} LIMIT %(limit)s)"
JSON = frozenset({"metadata", "sensitivity", "blind_index"})


@dataclass(frozen=True, kw_only=True)
class Statements:
    """Of one table; ``schema`` and ``table`` are plain lower-case identifiers."""

    schema: str
    table: str

    def get(self, ids: Sequence[object], audit: Values) -> Statement:
        """These memories, as far as they are there."""
        return Statement(text=self._placed(GET), values={"ids": list(ids), **audit})

    def search(
        self, embedding: object, k: int, among: Values, blind: Alternatives, audit: Values
    ) -> Statement:
        """The nearest among those that fit."""
        where, values = conditions(among, blind)
        text = self._placed(SEARCH, where=where)
        return Statement(text=text, values={"embedding": embedding, "k": k, **values, **audit})

    def add(self, rows: Sequence[Mapping[str, Any]], audit: Values) -> Statement:
        """Remember what is not there yet; its ids come back."""
        values = {
            f"{column}{number}": _wrapped(column, row[column])
            for number, row in enumerate(rows)
            for column in COLUMNS
        }
        text = ", ".join(
            f"({', '.join(f'%({column}{number})s' for column in COLUMNS)})"
            for number in range(len(rows))
        )
        return Statement(text=self._placed(ADD, rows=text), values={**values, **audit})

    def delete(self, ids: Sequence[object], audit: Values) -> Statement:
        """Forget these."""
        values = {"ids": list(ids), **audit}
        return Statement(text=self._placed(DELETE, which=ONE), values=values)

    def delete_some(self, among: Values, limit: int, audit: Values) -> Statement:
        """Forget so many of those that fit."""
        where, values = conditions(among)
        text = self._placed(DELETE.replace("{which}", MANY), where=where)
        return Statement(text=text, values={"limit": limit, **values, **audit})

    def _placed(self, template: str, **parts: str) -> str:
        """Fill in names and parts; none of them comes from a request."""
        return _placed(self.schema, self.table, template, tuple(parts.items()))


@lru_cache(maxsize=1024)
def _placed(schema: str, table: str, template: str, parts: tuple[tuple[str, str], ...]) -> str:
    text = template
    for name, part in parts:
        text = text.replace(f"{{{name}}}", part)
    text = text.replace("{table}", sql.Identifier(schema, table).as_string())
    return text.replace("{audit}", sql.Identifier(schema, "memory_audit").as_string())


def settings(values: Mapping[str, str]) -> Statement:
    """SET LOCAL of each."""
    names = ", ".join(f"set_config('{name}', %({number})s, true)"
                      for number, name in enumerate(values))  # fmt: skip
    numbered = {str(number): value for number, value in enumerate(values.values())}
    return Statement(text=f"SELECT {names}", values=numbered)


def conditions(among: Values, blind: Alternatives = ()) -> tuple[str, dict[str, object]]:
    """WHERE and its values, of what is given."""
    given = {name: value for name, value in among.items() if value is not None}
    texts = [CONDITIONS[name] for name in given]
    values = {name: _wrapped(name, value) for name, value in given.items()}
    for number, alternatives in enumerate(blind):
        names = [f"blind{number}_{other}" for other in range(len(alternatives))]
        texts.append("(" + " OR ".join(f"blind_index @> %({name})s" for name in names) + ")")
        values |= {n: Jsonb(dict(v)) for n, v in zip(names, alternatives, strict=True)}
    return f"WHERE {' AND '.join(texts)}" if texts else "", values


def _wrapped(column: str, value: object) -> object:
    return Jsonb(value) if column in JSON and value is not None else value
